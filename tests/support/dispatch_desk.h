/* dispatch_desk.h - a dispatcher over a real machine and batcher whose entries the test applies by
 * hand, and a receiver that keeps every delivery. Include <cmocka.h> first. */
#ifndef DISPATCH_DESK_H
#define DISPATCH_DESK_H

#include "../../node/dispatch/dispatch.h"
#include "foreign/idle_receiver.h"

#define DESK_START_MS 1764000000000ull

struct desk {
    struct machine machine;
    struct batcher batcher;
    struct dispatch dispatch;
    struct idle_receiver receiver;
    struct environment environment;
    uint64_t now_ms;
    uint64_t term;
    uint64_t random;
    uint64_t n_requests;
    unsigned n_woken;
    uint8_t *proposed; /* at most one entry at a time */
    size_t proposed_len;
    void *entry;
};

void desk_open(struct desk *t, unsigned max);
void desk_close(struct desk *t);

/* Apply one operation as an entry of its own. */
void desk_apply(struct desk *t, struct operation op, int expected);
/* A route with these settings; a URL and retries where they name none. */
void desk_put(struct desk *t, const char *name, struct route_settings settings);
void desk_pause(struct desk *t, const char *name, bool paused);
void desk_route(struct desk *t, const char *name, const char *url, uint32_t window);
void desk_order(struct desk *t, const char *route, const char *id, uint64_t delay_ms);
/* n orders "ROUTE-I", due in a millisecond. */
void desk_orders(struct desk *t, const char *route, unsigned n);
void desk_epoch(struct desk *t);
void desk_lose_leadership(struct desk *t);
/* Let time pass, by an entry that changes nothing. */
void desk_pass(struct desk *t, uint64_t ms);
/* Commit and apply the outcomes that are queued. */
void desk_commit(struct desk *t);
/* Run the dispatcher until it has nothing to start. */
void desk_run(struct desk *t);

struct slice desk_text(const char *s);
int desk_state_of(const struct desk *t, const char *id);
/* The only operation that is queued for the log. */
struct operation desk_queued(const struct desk *t);
/* What the receiver holds of a route. */
unsigned desk_count(const struct desk *t, const char *route);
/* When the dispatcher wants to be called again, in ms from now; UINT64_MAX: it does not. */
uint64_t desk_wake_in_ms(const struct desk *t);
/* Whatever the receiver holds ends like this. */
void desk_end_all(struct desk *t, enum outcome outcome);

#endif
