/* load.h - a stream of orders against a cluster, remembered as the client saw it, and judged
 * afterwards: nothing acknowledged lost, every ending unique and the one that was promised,
 * nothing early, one effect each. */
#ifndef LOAD_H
#define LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "cluster.h"
#include "../random.h"

struct load_call {
    bool sent, done;
    int error;
    int state;
    uint64_t deadline_ms;
};

struct load_order {
    uint64_t pay_at_ms; /* monotonic; 0 = never paid */
    struct load_call schedule;
    struct load_call pay;
    int final_error, final_state;
};

struct load_report {
    unsigned orders, scheduled, paid, expired, too_late, unknown, refused;
    unsigned deliveries, effects;
    unsigned violations; /* each was printed */
    uint64_t lateness_max_ms;
};

struct load {
    const struct cluster *cluster;
    ordersched_client *client;
    const char *route;
    uint64_t seed;
    unsigned rate; /* orders a second */
    unsigned n_max;
    unsigned delay_min_ms, delay_max_ms;
    unsigned early_ms; /* how early by this host's clock is no violation: 0 but in clock tests */
    atomic_bool stop;
    volatile unsigned n; /* orders made so far */
    struct load_order *orders;
    pthread_t thread;
};

/* Start: makes orders until load_finish or n_max. Delays are uniform in the given range; 60 % of
 * the orders are paid at a random time between 0 and 110 % of their delay. */
void load_start(struct load *l, const struct cluster *c, const char *route, uint64_t seed,
                unsigned rate, unsigned n_max, unsigned delay_min_ms, unsigned delay_max_ms);
/* Stop making orders, wait for every answer and every ending (bounded), read every order. */
void load_finish(struct load *l, unsigned timeout_ms);
/* Compare what was acknowledged, the final states and the receiver's journal. */
struct load_report load_judge(struct load *l, const struct sink *s);
void load_free(struct load *l);

#endif
