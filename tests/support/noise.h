/* noise.h - random operations on few orders, so that requests, states and races collide. */
#ifndef NOISE_H
#define NOISE_H

#include "../../raft/core/machine.h"

#define NOISE_IDS 48
#define NOISE_ROUTES 4
#define NOISE_PAST 512 /* operations kept, to be sent again */
#define NOISE_VALID 64 /* an operation given out stays as it is while so many more are made */

struct noise_past {
    struct operation op;
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE];
};

struct noise {
    uint64_t random;
    bool is_calm;    /* set it: no odd request times, no short retention; nothing gets stale */
    bool has_keyed;  /* set it: some request ids are keyed, and their copies of other times */
    bool has_traced; /* set it: some schedules have a traceparent; static memory */
    uint64_t serial; /* of the last request id: it is in the id's random part */
    uint64_t n_past;
    struct noise_past past[NOISE_PAST];
    char ids[NOISE_IDS][8];
    char routes[NOISE_ROUTES][8];
};

/* The seed: SEED of the environment, else `fallback`. Printed, so that a failure can be had
 * again. */
uint64_t noise_seed(uint64_t fallback);
void noise_init(struct noise *n, uint64_t seed);
uint64_t noise_random(struct noise *n);
uint64_t noise_below(struct noise *n, uint64_t limit); /* 0 .. limit - 1 */
struct slice noise_id(struct noise *n, unsigned i);
struct slice noise_route(struct noise *n, unsigned i);
/* The serial of a request id made here; 0 for none. */
uint64_t noise_serial(const uint8_t *request_id);

/* A random operation for the state of `m`. It stays valid until NOISE_VALID more were
 * made. */
const struct operation *noise_operation(struct noise *n, const struct machine *m);
/* The time of the next entry: mostly a little later, at times much later, or earlier. */
uint64_t noise_time(struct noise *n, uint64_t now_ms);

#endif
