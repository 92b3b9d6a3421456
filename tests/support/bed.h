/* bed.h - a state machine on a test bed: operations with fresh request ids, and entries of the
 * log made of them. */
#ifndef BED_H
#define BED_H

#include "../../raft/core/machine.h"

#define BED_T0 1800000000000ull /* where the tests' time begins */
#define BED_ROUTE "shop"        /* put by bed_open; retries after 1 s and 2 s, then DEAD */
#define BED_REQUESTS 8192       /* request ids that stay valid */

struct bed {
    struct machine m;
    uint64_t index;
    uint64_t epoch; /* the proposer's term */
    uint64_t serial;
    uint32_t n;
    bool keyed;        /* a request id of the operations gathered is */
    bool before_keyed; /* set it: entries are as they were when no request id was keyed */
    struct buffer operations;
    struct buffer entry; /* the last one applied */
    struct machine_results results;
    uint8_t requests[BED_REQUESTS][ORDERSCHED_REQUEST_ID_SIZE];
};

/* A machine at BED_T0 with epoch 1 and BED_ROUTE. */
struct bed *bed_open(void);
struct bed *bed_open_old(void); /* its cluster has neither identity nor secret: the old rules */
void bed_close(struct bed *b);  /* checks the machine once more */

struct slice bed_text(const char *text);
/* A request id never given before, of that time. Valid until BED_REQUESTS more are made. */
const uint8_t *bed_request(struct bed *b, uint64_t time_ms);

/* Operations with a fresh request id of now. */
struct operation bed_schedule(struct bed *b, const char *id, uint64_t deadline_ms);
struct operation bed_pay(struct bed *b, const char *id);
struct operation bed_cancel(struct bed *b, const char *id);
struct operation bed_extend(struct bed *b, const char *id, uint64_t deadline_ms);
struct operation bed_route_put(struct bed *b, const char *name);
struct operation bed_route_delete(struct bed *b, const char *name);
struct operation bed_clock_trust(struct bed *b, uint64_t node_id);
struct operation bed_epoch(uint64_t seed, uint64_t retention_ms);
/* With an identity and a secret of such bytes; endless retention. */
struct operation bed_epoch_with(uint8_t identity, uint8_t secret);
/* Of the present epoch. */
struct operation bed_outcome(struct bed *b, const char *id, uint32_t version, uint32_t attempt,
                             enum outcome outcome, uint64_t delay_ms);

/* Gather operations, and apply them as one entry at now_ms. The results stay valid until the
 * next entry. */
void bed_add(struct bed *b, const struct operation *op);
const struct result *bed_commit(struct bed *b, uint64_t now_ms);
/* An entry of one operation. */
struct result bed_apply(struct bed *b, uint64_t now_ms, struct operation op);
/* The same operation again, in an entry of its own: it must get the first answer. */
void bed_apply_copy(struct bed *b, uint64_t now_ms, struct operation op, struct result first);
/* An entry of none: time passes. */
void bed_pass(struct bed *b, uint64_t now_ms);

/* GET by machine_read(), and its result without the body. */
struct result bed_get(struct bed *b, const char *id);
struct order *bed_order(struct bed *b, const char *id); /* or NULL */
/* Let everything due become ready, and take the first ready order of a route. */
struct order *bed_take(struct bed *b, uint16_t route);

#endif
