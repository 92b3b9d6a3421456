/* work.h - what workers and the leader say to each other: the parts of RESERVE, LEASE and SETTLE,
 * and the bodies of their answers (docs/protocol.md, "Workers").
 *
 * A leaf beside protocol.h: used by the client library and by the node. */
#ifndef WORK_H
#define WORK_H

#include "cursor.h"
#include "protocol.h"

/* What a worker says of one order. Slices point into the message. */
struct work_report {
    struct slice token; /* ORDERSCHED_TOKEN_SIZE bytes */
    enum outcome outcome;
    uint64_t delay_ms;
    struct slice reason;
};

/* One order in the body of a RESERVE's answer. */
struct work_job {
    struct slice token;
    struct slice key;   /* the idempotency key, the same at each attempt */
    struct slice fence; /* "EPOCH.INDEX" */
    struct slice id;
    uint64_t deadline_ms;
    uint32_t attempt;
    struct slice payload;
};

/* What became of one report, in the body of a SETTLE's answer. */
struct work_result {
    int error;
    int state;
    uint64_t index;
};

/* The elements behind the code (and, of a RESERVE, behind the route). For operation.c. */
int work_decode_reserve(struct cursor *c, struct operation *op);
int work_decode_lease(struct cursor *c, struct operation *op);
int work_decode_settle(struct cursor *c, struct operation *op);
void work_encode(struct buffer *b, const struct operation *op);

/* Read the next of op->n_tokens elements; a cursor over op->tokens. The decoder has checked them. */
struct slice work_read_token(struct cursor *c);
void work_read_report(struct cursor *c, struct work_report *report);
/* Write them, for op->tokens. */
void work_write_report(struct buffer *b, const struct work_report *report);

/* [lease_ms, [job, ...]]: the head, then the n jobs. */
void work_write_jobs_head(struct buffer *b, uint32_t lease_ms, uint32_t n);
void work_write_job(struct buffer *b, const struct work_job *job);
/* False: malformed. */
bool work_read_jobs_head(struct cursor *c, uint32_t *lease_ms, uint32_t *n);
bool work_read_job(struct cursor *c, struct work_job *job);

/* [[error, state, index], ...], after write_array(n). */
void work_write_result(struct buffer *b, const struct work_result *result);
bool work_read_result(struct cursor *c, struct work_result *result);

#endif
