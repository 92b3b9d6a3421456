/* tls_internal.h - the relay's inside: tls_relay.c (the two threads), tls_line.c (one connection),
 * tls_door.c (who may shake hands, and for how long). All on the relay's thread but where it says otherwise. */
#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <stdatomic.h>

#include "../loop/silence.h"
#include "../loop/wakeup.h"
#include "tls_relay.h"
#include "tls_session.h"

#define TLS_CHUNK (64u * 1024) /* read at once, from either side */
/* Ciphertext that nobody asked for, such as answers to key updates, and that is not taken: more of it
 * stops the reading. */
#define TLS_UNASKED_MAX (256u * 1024)
#define TLS_TICK_MS 250u
#define TLS_LINGER_MS 300u /* for what lines have to write when their relay ends */
#define TLS_JOBS_MAX 1024u /* accepted and not looked at yet; further ones are closed */
#define TLS_TELLS_MAX 64u  /* sentences on their way to the owner; further ones are left out */

struct tls_relay;

/* From the relay to its owner: what comes of a handshake, or a sentence to be logged. */
struct tls_note {
    struct tls_note *next;
    bool accepted; /* else of `dial`, or a sentence alone */
    struct tls_dial *dial;
    const char *level;
    struct tls_arrival arrival;
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

enum tls_state {
    LINE_DIALING,
    LINE_SHAKING,
    LINE_THROUGH,
    LINE_ENDING, /* what is still to be written, and no more */
};

/* One connection. */
struct tls_line {
    struct tls_relay *relay;
    struct tls_line *next, **at; /* of all; `at` points here */
    struct tls_line *ready_next; /* of those with a step to make */
    bool ready;
    enum tls_state state;
    bool closing;
    unsigned handles; /* not closed yet */
    uv_tcp_t tcp;
    uv_pipe_t near; /* the other end is the owner's */
    bool near_open;
    bool hears_peer, hears_owner; /* is read from, once it is through */
    uv_connect_t connecting;
    struct tls_session session;
    struct tls_dial *dial; /* until it is told of */
    struct sockaddr_storage peer;
    int status;        /* why it could not be reached, a UV_ error */
    uint64_t begun_ms; /* of the relay's loop */
    uint64_t ending_ms;
    uint64_t age_max_ms; /* 0: it may stay */
    uint64_t generation; /* of the files, by which it was judged */
    unsigned writes;     /* under way, to either side */
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
    atomic_uint n_lines, n_shaking;
    atomic_bool look;
    /* owner */
    struct wakeup told;
    uv_thread_t thread;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
    /* relay */
    uv_loop_t loop;
    struct wakeup asked;
    uv_idle_t stepping; /* runs while a line is ready */
    uv_timer_t tick;
    uint64_t looked_ms;
    uint64_t n_begun; /* lines, ever */
    struct tls_line *lines;
    struct tls_line *ready, **ready_end;
    uint8_t chunk[TLS_CHUNK]; /* what was just read, of whichever line */
    uint8_t plain[TLS_CHUNK + 1024];
    bool ending, ended;
    uint64_t ending_ms;
};

/* tls_line.c */
void tls_line_accept(struct tls_relay *r, int fd);
void tls_line_dial(struct tls_relay *r, struct tls_dial *dial);
/* The next step of a handshake, for which bytes are there. */
void tls_line_step(struct tls_line *line);
/* Over, at once. Who waits for it is told `why`; so is the log, NULL: it need not be. */
void tls_line_close(struct tls_line *line, const char *why);

/* tls_door.c */
void tls_door_make_room(struct tls_relay *r, const struct tls_line *newcomer);
void tls_door_age(struct tls_line *line); /* it is through: how old may it become? */
void tls_door_tick(struct tls_relay *r);  /* whose time is over */

/* tls_relay.c */
void tls_relay_line_gone(struct tls_relay *r); /* one of its lines is freed */
void tls_relay_ready(struct tls_line *line);   /* a step is to be made */
void tls_relay_unready(struct tls_line *line); /* not any more */
/* To the owner: what came of the line's handshake. */
void tls_relay_arrived(struct tls_line *line, int fd, const char *why);
void tls_relay_tell(struct tls_relay *r, const char *level, const struct sockaddr_storage *from,
                    const char *sentence);

#endif
