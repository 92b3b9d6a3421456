/* connection.h - one client's connection: what it holds, its pauses, and its end.
 *
 * Its memory stays until its handle is closed and none of its slots is under way. All on the api
 * thread, or after it. */
#ifndef API_CONNECTION_H
#define API_CONNECTION_H

#include "internal.h"

enum phase { PHASE_GREETING, PHASE_LENGTH, PHASE_BODY }; /* messages.c has the diagram */

/* A message begins, but is not read. */
enum pause {
    PAUSE_NONE,
    PAUSE_SLOT,  /* until it is its turn: in api.paused_first */
    PAUSE_SHARE, /* until it has less in hand, its read may begin, or answers were taken */
};

struct api_connection {
    struct api *api;
    struct api_connection *next, *prev;
    struct wire wire; /* plain TCP, the owner's Unix socket, or of the relay */
    struct sockaddr_storage from;
    char certificate[CERTIFICATE_CLIENT_MAX + 1]; /* the client's name, verified; "": it has none */
    struct wire_write greeting;
    enum phase phase;
    bool local;    /* the owner's, over the Unix socket */
    bool inside;   /* this process's own */
    bool node;     /* another node's: it asks on behalf of others, and nothing for itself */
    bool nameless; /* in TLS, without a certificate: each message needs a token */
    uint8_t
        head[1 + API_LENGTH_SIZE]; /* of the greeting or, locally with a byte in front, a length */
    size_t have;                   /* of head, or of the body */
    uint8_t *body;
    size_t body_len;           /* announced */
    size_t body_cap;           /* grows as bytes arrive: an announcement alone costs nothing */
    unsigned n_slots;          /* messages not answered yet, answers being written included */
    uint64_t bytes;            /* of these messages */
    unsigned n_writing;        /* answers being written */
    uint64_t waiting_since_ms; /* for the rest of a greeting or message; 0 = for nothing */
    uint64_t writing_since_ms; /* since when no answer was taken; 0 = none is being written */
    enum pause pause;
    struct api_connection *paused_next;
    struct api_slot *parked; /* a read of it that waits for its share (api_reads.h) */
    bool turn;     /* it waited longest, and may begin a message before the others that wait */
    uint8_t *rest; /* paused: what was read behind that point */
    size_t rest_len;
    struct api_seat seat;
    struct api_unfinished_of unfinished; /* body_cap of it */
    bool closing, closed;
    char from_text[INBOUND_FROM_MAX]; /* its address without the port, or "local" */
    struct inbound_source source;     /* by which the raft loop shares its time */
    atomic_bool gone; /* closing, for the raft loop: a long poll is not given orders any more */
};

/* A few lines a second that a client was refused something, and why. */
void api_connection_log(struct api_connection *c, const char *error, const char *reason);
size_t api_connection_unread(const struct api_connection *c); /* bytes of answers not taken yet */
void api_load_add(atomic_size_t *n, int by);
void api_slot_free(struct api_slot *slot);

void api_connection_begin_pause(struct api_connection *c, enum pause pause);
void api_connection_end_pause(struct api_connection *c); /* if there is one */

/* Its message is no longer coming in: it is complete, or there will be none. */
void api_connection_end_unfinished(struct api_connection *c);
/* Once only; its slots may still be under way. */
void api_connection_close(struct api_connection *c);
void api_connection_release(struct api_connection *c); /* free it, if nothing of it is left */

/* messages.c: read on. 0, or libuv's error. */
int api_connection_read(struct api_connection *c);

#endif
