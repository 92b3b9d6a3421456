/* worker_bench.h - the callbacks of workers that pull, with a leader around them that the test plays:
 * a clock, and a log of outcomes that are applied when the test says so. */
#ifndef WORKER_BENCH_H
#define WORKER_BENCH_H

#include "../../../client/wire/work.h"
#include "../../../node/callback/worker.h"

#define WORKER_EPOCH 7
#define WORKER_LEASE_MS 1000
#define WORKER_SLOT 3
#define WORKER_ROUTE "stock"
#define WORKER_POLLS_MAX 4
#define WORKER_LOGGED_MAX 4096

struct worker_bench {
    struct callback_worker worker;
    uint64_t now_us;
    uint64_t random_state;
    uint64_t tickets;
    uint64_t applied;
    bool orphans; /* the leadership is over: outcomes are dropped */
    bool hurries; /* an operation that delivers the order at once follows each outcome */
    struct {
        char id[ORDERSCHED_ID_MAX];
        enum outcome outcome;
        uint64_t delay_ms;
        char reason[160];
    } logged[WORKER_LOGGED_MAX]; /* by ticket - 1 */
    unsigned n_dropped;
};

/* A worker's message, and what came back. */
struct worker_message {
    struct inbound in;
    struct inbound_source *source; /* NULL: not known */
    atomic_bool gone;
    unsigned replies;
    int refused; /* with this error; 0: answered */
    struct buffer body;
};

struct worker_bench *worker_bench_open(void);
void worker_bench_close(struct worker_bench *b);
/* For how many orders workers wait. */
unsigned worker_room(struct worker_bench *b);
/* What the dispatcher does with one ready order. */
void worker_start_with(struct worker_bench *b, const char *id, const void *payload,
                       size_t payload_len);
void worker_start(struct worker_bench *b, const char *id);
/* The outcomes up to this many in all are applied as one entry. */
void worker_apply(struct worker_bench *b, uint64_t until);
/* Time passes. Returns in how many microseconds there is work again. */
uint64_t worker_run(struct worker_bench *b, uint64_t advance_ms);
/* Forget what came back. */
void worker_message_reset(struct worker_message *m);
/* A worker asks for up to `max` orders, and waits for them. */
void worker_reserve(struct worker_bench *b, struct worker_message *m, unsigned max,
                    unsigned wait_ms);
/* ...of the route that had the slot then. */
void worker_reserve_of(struct worker_bench *b, struct worker_message *m, const char *route,
                       unsigned max, unsigned wait_ms);
/* The orders that a RESERVE brought: how many, and the token of one of them. */
uint32_t worker_jobs_of(const struct worker_message *m, unsigned which, uint8_t *token);
/* The one order that a RESERVE brought has this payload. */
void worker_assert_payload(const struct worker_message *m, const void *payload, size_t len);
/* A report on so many orders, in one message. */
void worker_settle_many(struct worker_bench *b, struct worker_message *m,
                        const struct work_report *reports, unsigned n);
/* A report on one order. */
void worker_settle(struct worker_bench *b, struct worker_message *m, const uint8_t *token,
                   enum outcome outcome, uint64_t delay_ms, const char *reason);
/* The answer for one of them. */
struct work_result worker_result_of(const struct worker_message *m, unsigned which);
/* Extend the lease of this token; the error of it. */
int worker_extend(struct worker_bench *b, const uint8_t *token);
/* A worker that holds one order. */
void worker_hold(struct worker_bench *b, const char *id, uint8_t token[ORDERSCHED_TOKEN_SIZE]);

#endif
