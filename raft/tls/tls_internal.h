/* tls_internal.h - the relay's inside.
 *
 *   relay's thread                                    owner's loop
 *   tls_guest.c  one handshake              ────────► tls_line.c  one connection that stands
 *   tls_door.c   who may shake hands, and how long    tls_stay.c  which of them may stay
 *                                                     wire.c      what its owner has of it
 *                                                     tls_pair.c  an owner who needs a descriptor
 *   tls_relay.c  what crosses between the two, and the life of both */
#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <stdatomic.h>

#include "../loop/silence.h"
#include "../loop/wakeup.h"
#include "tls_relay.h"
#include "tls_session.h"
#include "wire.h"

/* Read at once. Of a line libuv reads on while this much comes, 32 times at most: 2 MiB, some 600 us. */
#define TLS_CHUNK (64u * 1024)
/* Ciphered before the socket is asked whether it takes it. */
#define TLS_AHEAD_MAX (64u * 1024)
/* Ciphered in one go: some 200 us. */
#define TLS_TURN_MAX (512u * 1024)
/* Ciphertext that nobody asked for, such as answers to key updates, and that is not taken: more of it
 * stops the reading. */
#define TLS_UNASKED_MAX (256u * 1024)
/* Deciphered in one go: after more, however small, the others of the loop have their turn. */
#define TLS_RECORDS_MAX 128u
/* Priority of the relay's thread: where the processor is short, strangers who shake hands without end get a
 * quarter of what a loop gets, and who is to come in waits some ms longer. */
#define TLS_NICE 5
#define TLS_TICK_MS 250u
#define TLS_LINGER_MS 300u  /* for what lines have to write when their relay ends */
#define TLS_JOBS_MAX 1024u  /* accepted and not looked at yet; further ones are closed */
#define TLS_TELLS_MAX 64u   /* sentences on their way to the owner; further ones are left out */
#define TLS_KEEPALIVE_S 60u /* of clients */

struct tls_relay;

/* From the relay to its owner: what comes of a handshake, or a sentence to be logged. */
struct tls_note {
    struct tls_note *next;
    bool accepted; /* else of `dial`, or a sentence alone */
    struct tls_dial *dial;
    const char *level; /* of a sentence; else NULL */
    int socket;        /* TCP, through the handshake; -1: none */
    int status;        /* of a failure, a UV_ error or 0 */
    struct tls_session session;
    uint64_t generation; /* of the files, by which it was judged */
    struct sockaddr_storage peer;
    char why[TLS_SENTENCE_MAX];
};

/* From the owner to the relay. */
struct tls_job {
    struct tls_job *next;
    int fd; /* accepted; -1: dial */
    struct tls_dial *dial;
};

/* The owner's, but for what never changes. */
struct tls_dial {
    struct tls_job job;
    struct sockaddr_storage address;
    uint64_t expected;
    bool cancelled;
    void (*done)(void *arg, struct tls_arrival *arrival);
    void *arg;
};

/* Somebody who shakes hands. */
struct tls_guest {
    struct tls_relay *relay;
    struct tls_guest *next, **at; /* of all; `at` points here */
    struct tls_guest *ready_next; /* of those with a step to make */
    bool ready, shaking, through, closing;
    uv_tcp_t tcp;
    uv_connect_t connecting;
    unsigned writes; /* under way */
    struct tls_session session;
    struct tls_dial *dial; /* NULL: it was accepted */
    struct sockaddr_storage peer;
    uint64_t begun_ms; /* of the relay's loop */
    uint64_t generation;
};

/* A connection that stands. */
struct tls_line {
    struct tls_relay *relay;
    struct tls_line *next, **at; /* of all; `at` points here */
    struct tls_line *due_next;   /* of those with something to be done in the next turn */
    bool due;
    bool failed; /* writing did; its owner is still to hear of the end */
    bool ending; /* what is ciphered is to be sent, and no more */
    bool closing;
    bool hears;        /* the socket is read from */
    struct wire *wire; /* its owner's; NULL: nobody's yet, or any more */
    uv_tcp_t tcp;
    unsigned writes; /* under way */
    struct tls_session session;
    struct sockaddr_storage peer;
    uint64_t begun_ms; /* of the owner's loop, as all here */
    uint64_t ending_ms;
    uint64_t age_max_ms; /* 0: it may stay */
    uint64_t generation; /* of the files, by which it was judged */
    struct silence silence;
};

struct tls_relay {
    struct tls_relay_config config;
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    uv_mutex_t mutex; /* guards the two queues and `over` */
    struct tls_job *jobs, **jobs_end;
    struct tls_note *notes, **notes_end;
    unsigned n_jobs;
    unsigned n_tells; /* of the notes: what is only for the log */
    bool over;
    atomic_uint n_lines, n_guests;
    atomic_bool look;
    /* owner */
    uv_loop_t *home;
    struct wakeup told;
    uv_timer_t stay;    /* looks after the lines */
    uv_idle_t due_idle; /* runs while a line is due */
    struct tls_line *lines;
    struct tls_line *due, **due_end;
    uint64_t n_begun; /* lines, ever */
    uv_thread_t thread;
    bool closing;
    unsigned handles; /* of the owner's loop, not closed yet */
    uint64_t closing_ms;
    void (*closed)(void *arg);
    void *closed_arg;
    uint8_t home_chunk[TLS_CHUNK]; /* what was just read, of whichever line */
    /* relay */
    uv_loop_t loop;
    struct wakeup asked;
    uv_idle_t stepping; /* runs while a guest is ready */
    uv_timer_t tick;
    uint64_t looked_ms;
    struct tls_guest *guests;
    struct tls_guest *ready, **ready_end;
    uint8_t chunk[TLS_CHUNK]; /* what was just read, of whichever guest */
    bool ending;
};

/* tls_guest.c, tls_door.c: on the relay's thread */
void tls_guest_accept(struct tls_relay *r, int fd);
void tls_guest_dial(struct tls_relay *r, struct tls_dial *dial);
/* The next step of a handshake, for which bytes are there. */
void tls_guest_step(struct tls_guest *guest);
/* It comes to nothing: whom it concerns is told why. */
void tls_guest_fail(struct tls_guest *guest, int status, const char *why);
void tls_door_make_room(struct tls_relay *r); /* somebody has come */
void tls_door_tick(struct tls_relay *r);      /* whose time is over */

/* tls_line.c, tls_stay.c: on the owner's loop */
/* A line for somebody who is through; takes the note's socket and session over. NULL: it did not come to
 * that. */
struct tls_line *tls_line_open(struct tls_relay *r, struct tls_note *note);
/* Over, at once. The log is told `why`; NULL: it need not be. */
void tls_line_close(struct tls_line *line, const char *why);
/* Of its wire (wire.c): somebody has taken it; may read or not any more; has left. */
void tls_line_take(struct tls_line *line, struct wire *wire);
void tls_line_flow(struct tls_line *line);
void tls_line_leave(struct tls_line *line);
/* Ciphers and sends: how many bytes, UV_EAGAIN, or UV_EPIPE. */
ssize_t tls_line_put(struct tls_line *line, const uint8_t *data, size_t len);
void tls_stay_begin(struct tls_line *line); /* how old may it become? */
void tls_stay_tick(struct tls_relay *r);    /* who has to go */

/* tls_relay.c */
void tls_relay_ready(struct tls_guest *guest);   /* a step is to be made */
void tls_relay_unready(struct tls_guest *guest); /* not any more */
void tls_relay_line_gone(struct tls_relay *r);   /* one of its lines is freed */
/* To the owner: what came of the handshake. `socket` and the session go along; -1: it failed. */
void tls_relay_arrived(struct tls_guest *guest, int socket, int status, const char *why);
/* To the owner's log, from the relay's thread, or from the owner's loop itself. */
void tls_relay_tell(struct tls_relay *r, const char *level, const struct sockaddr_storage *from,
                    const char *sentence);

#endif
