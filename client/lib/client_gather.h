/* client_gather.h - the pieces in which nng hands a message to its TLS, put together: what is one message
 * is one record, and goes out at once.
 *
 * nng gives the length, the header and the body one by one, and TLS would seal each as a record of its
 * own: three packets of which the first two tell the reader nothing. SP says how much belongs together: a
 * greeting of 8 bytes, then messages, each behind its length in 8 bytes (docs/protocol.md, section 1). A
 * stream that does not begin with SP's greeting is not held back.
 *
 * A message longer than a record holds is several, each full but the last. */
#ifndef CLIENT_GATHER_H
#define CLIENT_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With what TLS adds it fits into nng's buffer of 16 KiB, so that it is one write to the socket. */
#define CLIENT_GATHER_MAX (16 * 1024 - 64)

struct client_gather { /* zero it to start */
    bool greeted;      /* SP's greeting has passed */
    bool open;         /* it is not SP: nothing is held back */
    uint8_t head[8];   /* the greeting, or a length */
    unsigned head_len;
    uint64_t left; /* bytes of the message behind its length that have not come */
    size_t len;    /* of bytes */
    uint8_t bytes[CLIENT_GATHER_MAX];
};

/* Take bytes, as many as belong into one record: how many. *full: what is in `bytes` is a record now, and
 * is to be sealed and forgotten before more is taken. */
size_t client_gather_take(struct client_gather *g, const uint8_t *data, size_t len, bool *full);
void client_gather_forget(struct client_gather *g);

#endif
