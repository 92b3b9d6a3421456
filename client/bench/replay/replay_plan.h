/* replay_plan.h - what is asked of a replay, and which calls follow from it. */
#ifndef ORDERBENCH_REPLAY_PLAN_H
#define ORDERBENCH_REPLAY_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "orders.h"

struct replay_config {
    const char *endpoints;
    const char *cluster;
    const char *route;
    const char *journal; /* or NULL */
    uint64_t window_ms;  /* in real time */
    double speed;
    double rate;         /* orders scheduled a second */
    unsigned timeout_ms; /* of each call */
    uint64_t settle_ms;  /* how long after the last deadline an order may stay undecided */
    bool quiet;          /* no progress lines */
};

/* How the schedule of a replay follows from its configuration, in ms of the replay. */
uint64_t replay_delay_ms(const struct replay_config *config);
/* Is the order paid within the window, in real time? */
bool replay_expects_paid(const struct replay_config *config, const struct bench_order *order);
/* Is its pay sent at all? Not when it comes later than twice the window. */
bool replay_sends_pay(const struct replay_config *config, const struct bench_order *order);

#endif
