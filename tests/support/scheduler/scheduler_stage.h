/* scheduler_stage.h - a scheduler over a replica that the test plays, its clock, a receiver that holds what it
 * gets, and clients. Include <cmocka.h> first. */
#ifndef SCHEDULER_STAGE_H
#define SCHEDULER_STAGE_H

#include "../../../node/scheduler/internal.h"
#include "../foreign/idle_receiver.h"
#include "fake_replica.h"

#define STAGE_START_MS 1764000000000ull

struct stage {
    struct scheduler *s;
    struct replica *r;
    struct environment environment;
    struct idle_receiver receiver;
    uint64_t us; /* since STAGE_START_MS */
    uint64_t wall_ahead_us;
    unsigned n_requests;
    bool drained, closed;
};

struct stage_message {
    struct inbound in;
    struct buffer bytes;
    struct buffer received; /* the answer, as it came */
    unsigned replies;
    size_t answer_len;
    struct answer answer;
    struct result results[1024];
    char first_body[128]; /* of the first result, as text */
};

/* Until it wants to sleep: for so many microseconds. */
uint64_t stage_run(struct stage *t);
/* What libraft says of this node. */
void stage_changed(struct stage *t, enum replica_role role, uint64_t term);
/* Commit until nothing is left to commit. */
void stage_settle(struct stage *t);
/* Leading in this term, and nothing is left to commit. */
void stage_lead(struct stage *t, uint64_t term);
void stage_pass(struct stage *t, uint64_t ms);
void stage_open(struct stage *t);
/* For scheduler_close and scheduler_drain of the test's own. */
void stage_closed(void *arg);
void stage_drained(void *arg);
void stage_close(struct stage *t);
/* A message of these operations. Free it when it was answered. */
struct stage_message *stage_message_new(const struct operation *ops, unsigned n, uint32_t flags);
/* The same, and who has this token asks. */
struct stage_message *stage_message_by(const char *token, const struct operation *ops, unsigned n,
                                       uint32_t flags);
/* It was answered, once. */
void stage_message_free(struct stage_message *m);
struct slice stage_text(const char *s);
/* A fresh request id; it stays valid for long enough. */
const uint8_t *stage_request_id(struct stage *t);
struct operation op_schedule(struct stage *t, const char *id, uint64_t delay_ms);
struct operation op_route(struct stage *t, const char *name);
struct operation op_get(const char *id);
/* Send one operation; free what is returned when it was answered. */
struct stage_message *stage_send(struct stage *t, struct operation op);
/* Send, commit everything, and return the one result's error. */
int stage_ask(struct stage *t, struct operation op);
/* The state of an order, as it is seen. */
int stage_state_of(struct stage *t, const char *id);
/* Leading with a route and one order, in 1 s. */
void stage_with_order(struct stage *t);
/* ... and its first delivery under way. */
void stage_with_delivery(struct stage *t);

#endif
