/* tls_sides.h - two relays on one loop, of node 1 and of node 2, which accept and dial. Include <cmocka.h>
 * first. */
#ifndef TLS_SIDES_H
#define TLS_SIDES_H

#include <unistd.h>
#include <uv.h>

#include "../../../raft/loop/listening.h"
#include "../../../raft/tls/tls_pair.h"
#include "../certificates.h"
#include "../tls_stranger.h"

#define SIDES_SHAKING_MAX 8

/* One of two: node 1 and node 2. */
struct tls_side {
    struct tls_sides *scene;
    struct tls_files *files;
    struct tls_relay *relay;
    struct listening listening;
    unsigned port;
    char cert[64], key[64];
    struct wire *wire; /* to be it, if not NULL, or else: */
    int fd;            /* the last stream that was accepted */
    struct certificate_name peer;
    unsigned n_accepted, n_refused;
    char why[TLS_SENTENCE_MAX];  /* of the last that was refused */
    char told[TLS_SENTENCE_MAX]; /* what was last to be logged */
    char level[8];
};

struct tls_sides {
    char dir[32], ca_path[64], cert[64], key[64];
    struct certificates_ca *ca, *other;
    uv_loop_t loop;
    uv_timer_t timer;
    unsigned turns; /* of the timer */
    struct tls_side side[2];
    /* of a dial */
    bool done;
    struct wire *wire; /* to be it, if not NULL; else `fd` is */
    int fd, status;
    struct certificate_name peer;
    char why[TLS_SENTENCE_MAX];
    bool closed;
};

/* One turn of the loop; sides->turns counts the timer's. */
void tls_sides_turn_cb(uv_timer_t *timer);
#define TLS_SIDES_TURN_MS 20
#define TLS_SIDES_TURNS_MAX 400

/* Until it is so; fails after a while. */
#define UNTIL(s, condition)                                                                   \
    do {                                                                                      \
        (s)->turns = 0;                                                                       \
        uv_timer_start(&(s)->timer, tls_sides_turn_cb, TLS_SIDES_TURN_MS, TLS_SIDES_TURN_MS); \
        while (!(condition)) {                                                                \
            uv_run(&(s)->loop, UV_RUN_ONCE);                                                  \
            if ((s)->turns > TLS_SIDES_TURNS_MAX) {                                           \
                fail_msg("in vain: %s (refused: \"%s\", told: \"%s\")", #condition,           \
                         (s)->side[1].why, (s)->side[1].told);                                \
            }                                                                                 \
        }                                                                                     \
        uv_timer_stop(&(s)->timer);                                                           \
    } while (0)

/* Setups: node 2 accepts nodes; clients; nodes, whose connections live for 700 ms. */
int tls_sides_begin_nodes(void **state);
int tls_sides_begin_clients(void **state);
int tls_sides_begin_aging(void **state);
int tls_sides_end(void **state);
/* Node 1 dials; what comes of it is in `done` and what follows it. */
struct tls_dial *tls_sides_dial(struct tls_sides *s, unsigned port, uint64_t expected);
/* Node 1 dials node 2, and both have a stream, or their wire. */
void tls_sides_meet(struct tls_sides *s);
/* For the end: a test has closed node 1's relay itself. */
void tls_sides_renew(struct tls_sides *s);

#endif
