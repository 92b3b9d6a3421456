/* receiver.h - where the callbacks of a measurement go: an ordersink of its own, as a
 * child process with its journal in a directory of its own; or nobody.
 *
 * A child dies with orderbench, whichever way that ends. */
#ifndef ORDERBENCH_RECEIVER_H
#define ORDERBENCH_RECEIVER_H

#include <stddef.h>
#include <sys/types.h>

#include "../../wire/protocol.h"

enum receiver_kind {
    RECEIVER_SINK,   /* ordersink */
    RECEIVER_CLOSED, /* nobody listens: connections are refused */
    RECEIVER_SILENT, /* somebody listens, and never answers */
};

struct bench_receiver {
    enum receiver_kind kind;
    pid_t pid; /* of the sink; 0: none */
    int fd;    /* keeps the port of the others; -1: none */
    char url[128];
    char secret[64];
    char dir[128];
    char journal[160];
};

/* Start one that the nodes reach at `host`, an address of this machine. 0, or -1 with a sentence
 * in errbuf. Stop in both cases. */
int bench_receiver_start(struct bench_receiver *r, enum receiver_kind kind, const char *host,
                         char *errbuf, size_t errbuf_len);
/* Point a route to it: URL and secret, which stay the receiver's. */
void bench_receiver_address(const struct bench_receiver *r, struct route_settings *settings);
/* End it; its journal is complete from then on. */
void bench_receiver_stop(struct bench_receiver *r);
/* Remove its journal. After stop. */
void bench_receiver_remove(struct bench_receiver *r);

#endif
