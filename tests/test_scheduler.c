/* One node's life over a consensus group that the test plays: office, interrupted and lost, what
 * clients are told, the drain and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../client/work.h"
#include "../client/cursor.h"
#include "../node/scheduler_internal.h"
#include "../raft/recent.h"
#include "../raft/snapshot.h"
#include "support/idle_receiver.h"

#define START_MS 1764000000000ull
#define ENTRIES_MAX 256

/* --- the replica, played by the test: these stand in for raft/replica.c --- */

struct replica {
    struct replica_callbacks callbacks;
    bool leads;
    bool transferring; /* proposals are refused */
    uint64_t leader;
    uint64_t applied;
    uint64_t transferred; /* to whom */
    struct {
        uint8_t *data;
        size_t len;
        bool applied;
        replica_propose_cb cb;
        void *arg;
    } proposed[ENTRIES_MAX];
    unsigned n_proposed; /* not yet ended */
    unsigned n_ever;
    replica_change_cb change_cb;
    void *change_arg;
    void (*close_cb)(void *arg);
    void *close_arg;
};

struct replica *replica_new(const struct replica_config *config, struct raft_io *io,
                            const struct replica_callbacks *callbacks, char *errbuf,
                            size_t errbuf_len)
{
    struct replica *r = calloc(1, sizeof *r);

    (void)config;
    (void)io;
    (void)errbuf;
    (void)errbuf_len;
    r->callbacks = *callbacks;
    return r;
}

int replica_bootstrap(struct replica *r, const struct replica_member *members, unsigned n,
                      char *errbuf, size_t errbuf_len)
{
    (void)r;
    (void)members;
    (void)n;
    (void)errbuf;
    (void)errbuf_len;
    return 0;
}

int replica_start(struct replica *r, char *errbuf, size_t errbuf_len)
{
    (void)r;
    (void)errbuf;
    (void)errbuf_len;
    return 0;
}

static void fake_end(struct replica *r, enum replica_status status)
{
    replica_propose_cb cb = r->proposed[0].cb;
    void *arg = r->proposed[0].arg;

    free(r->proposed[0].data);
    r->n_proposed--;
    memmove(&r->proposed[0], &r->proposed[1], r->n_proposed * sizeof r->proposed[0]);
    cb(arg, status);
}

static void fake_apply(struct replica *r)
{
    r->proposed[0].applied = true;
    r->callbacks.apply(r->callbacks.arg, ++r->applied, r->proposed[0].data, r->proposed[0].len);
}

/* The oldest proposal is committed. */
static void fake_commit(struct replica *r)
{
    assert_true(r->n_proposed > 0);
    fake_apply(r);
    fake_end(r, REPLICA_COMMITTED);
}

static void fake_lose_all(struct replica *r)
{
    while (r->n_proposed > 0) {
        fake_end(r, REPLICA_LOST);
    }
}

void replica_close(struct replica *r, void (*cb)(void *arg), void *arg)
{
    fake_lose_all(r);
    r->close_cb = cb;
    r->close_arg = arg;
}

void replica_free(struct replica *r)
{
    free(r);
}

int replica_propose(struct replica *r, uint8_t *data, size_t len, replica_propose_cb cb, void *arg)
{
    if (!r->leads || r->transferring) {
        return -1;
    }
    assert_true(r->n_proposed < ENTRIES_MAX);
    r->proposed[r->n_proposed].data = data;
    r->proposed[r->n_proposed].len = len;
    r->proposed[r->n_proposed].applied = false;
    r->proposed[r->n_proposed].cb = cb;
    r->proposed[r->n_proposed++].arg = arg;
    r->n_ever++;
    return 0;
}

uint64_t replica_log_bytes(const struct replica *r)
{
    (void)r;
    return 0;
}

void replica_log_is_quiet(struct replica *r)
{
    (void)r;
}

uint8_t *replica_alloc(size_t len)
{
    return malloc(len);
}

void replica_dealloc(uint8_t *data)
{
    free(data);
}

uint64_t replica_commit_index(const struct replica *r)
{
    return r->applied;
}

uint64_t replica_last_index(const struct replica *r)
{
    return r->applied + r->n_proposed;
}

uint64_t replica_leader(const struct replica *r, const char **address)
{
    *address = r->leader != 0 ? "10.0.0.2:7400" : NULL;
    return r->leader;
}

unsigned replica_members(const struct replica *r, struct replica_member *out, unsigned max)
{
    (void)r;
    (void)out;
    (void)max;
    return 0;
}

const char *replica_member_address(const struct replica *r, uint64_t id)
{
    (void)r;
    return id <= 3 ? "10.0.0.2:7400" : NULL;
}

static void fake_change(struct replica *r, replica_change_cb cb, void *arg)
{
    assert_null(r->change_cb);
    r->change_cb = cb;
    r->change_arg = arg;
}

bool replica_may_add(struct replica *r, uint64_t id, const char *address, replica_change_cb cb,
                     void *arg)
{
    (void)r;
    (void)id;
    (void)address;
    (void)cb;
    (void)arg;
    return true;
}

void replica_add(struct replica *r, uint64_t id, const char *address, replica_change_cb cb,
                 void *arg)
{
    (void)id;
    (void)address;
    fake_change(r, cb, arg);
}

void replica_remove(struct replica *r, uint64_t id, replica_change_cb cb, void *arg)
{
    (void)id;
    fake_change(r, cb, arg);
}

void replica_transfer(struct replica *r, uint64_t id, replica_change_cb cb, void *arg)
{
    r->transferred = id;
    r->transferring = true;
    fake_change(r, cb, arg);
}

uint64_t replica_choose(const struct replica *r, bool (*fits)(void *arg, uint64_t id), void *arg)
{
    (void)r;
    return fits(arg, 2) ? 2 : fits(arg, 3) ? 3 : 0;
}

static void fake_change_ends(struct replica *r, int error)
{
    replica_change_cb cb = r->change_cb;

    r->change_cb = NULL;
    r->transferring = false;
    cb(r->change_arg, error, NULL);
}

/* --- the stage --- */

struct stage {
    struct scheduler *s;
    struct replica *r;
    struct environment environment;
    struct idle_receiver receiver;
    uint64_t us; /* since START */
    uint64_t wall_ahead_us;
    unsigned n_requests;
    bool drained, closed;
};

static uint64_t stage_wall_us(void *impl)
{
    struct stage *t = impl;

    return START_MS * 1000 + t->us + t->wall_ahead_us;
}

static uint64_t stage_monotonic_us(void *impl)
{
    return ((struct stage *)impl)->us;
}

static uint64_t stage_random(void *impl)
{
    (void)impl;
    return 7;
}

static void stage_secret(void *impl, uint8_t *out, size_t len)
{
    (void)impl;
    memset(out, 9, len);
}

static void stage_fatal(void *arg, const char *sentence)
{
    (void)arg;
    fail_msg("fatal: %s", sentence);
}

static uint64_t stage_run(struct stage *t)
{
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t sleep_us = scheduler_run(t->s);
        if (sleep_us > 0) {
            return sleep_us;
        }
    }
    fail_msg("the scheduler never sleeps");
    return 0;
}

static void stage_changed(struct stage *t, enum replica_role role, uint64_t term)
{
    t->r->leads = role == REPLICA_LEADER;
    t->r->leader = t->r->leads ? 1 : 0;
    t->r->callbacks.changed(t->s, role, term);
}

/* Commit until nothing is left to commit. */
static void stage_settle(struct stage *t)
{
    (void)stage_run(t);
    while (t->r->n_proposed > 0) {
        fake_commit(t->r);
        (void)stage_run(t);
    }
}

static void stage_lead(struct stage *t, uint64_t term)
{
    stage_changed(t, REPLICA_LEADER, term);
    stage_settle(t);
    assert_true(scheduler_in_office(t->s));
}

static void stage_pass(struct stage *t, uint64_t ms)
{
    t->us += ms * 1000;
}

static void stage_open(struct stage *t)
{
    struct scheduler_config config = {
        .replica = {.id = 1, .address = "10.0.0.1:7400"},
        .cluster = "c",
        .retention_ms = 3600000,
        .max_orders = 2000,
        .max_bytes = 1u << 30,
        .max_deliveries = 100,
        .max_queued = 100,
        .max_queued_bytes = 64u << 20,
        .max_polls = 100,
        .fatal = stage_fatal,
    };
    char err[128];

    memset(t, 0, sizeof *t);
    idle_receiver_init(&t->receiver);
    t->environment =
        (struct environment){t, stage_wall_us, stage_monotonic_us, stage_random, stage_secret};
    t->s = scheduler_new(&config, NULL, &t->environment, &t->receiver.receiver, err, sizeof err);
    assert_non_null(t->s);
    t->r = t->s->replica;
    assert_int_equal(scheduler_start(t->s, err, sizeof err), 0);
}

static void stage_closed(void *arg)
{
    ((struct stage *)arg)->closed = true;
}

static void stage_drained(void *arg)
{
    ((struct stage *)arg)->drained = true;
}

static void stage_close(struct stage *t)
{
    if (t->r->close_cb == NULL) {
        scheduler_close(t->s, stage_closed, t);
    }
    t->r->close_cb(t->r->close_arg);
    assert_true(t->closed);
    while (t->receiver.n_held > 0) {
        idle_receiver_end(&t->receiver, 0, OUTCOME_FAILED, 0);
    }
    machine_check(&t->s->machine);
    scheduler_free(t->s);
}

/* --- clients --- */

struct message {
    struct inbound in;
    struct buffer bytes;
    struct buffer received; /* the answer, as it came */
    unsigned replies;
    size_t answer_len;
    struct answer answer;
    struct result results[1024];
    char first_body[128]; /* of the first result, as text */
};

static void message_reply(struct inbound *in, const uint8_t *data, size_t len)
{
    struct message *m = in->owner;
    size_t used, at = 0;

    m->replies++;
    m->answer_len = len;
    buffer_append(&m->received, data, len);
    assert_int_equal(answer_decode(m->received.data, len, &m->answer), ORDERSCHED_OK);
    for (uint32_t i = 0; i < m->answer.n_results; i++) {
        assert_int_equal(result_decode(m->answer.results.data + at, m->answer.results.len - at,
                                       &m->results[i], &used),
                         ORDERSCHED_OK);
        at += used;
    }
    if (m->answer.n_results > 0) {
        const struct slice *body = &m->results[0].body;
        snprintf(m->first_body, sizeof m->first_body, "%.*s", (int)body->len,
                 (const char *)body->data);
    }
    inbound_release(in);
}

static struct message *message_new(const struct operation *ops, unsigned n, uint32_t flags)
{
    struct message *m = calloc(1, sizeof *m);
    char why[128];

    request_encode_head(&m->bytes, "c", flags, n);
    for (unsigned i = 0; i < n; i++) {
        operation_encode(&m->bytes, &ops[i]);
    }
    m->in.message = m->bytes.data;
    m->in.message_len = m->bytes.len;
    m->in.owner = m;
    m->in.reply = message_reply;
    assert_int_equal(inbound_check(&m->in, "c", why, sizeof why), ORDERSCHED_OK);
    return m;
}

static void message_free(struct message *m)
{
    assert_int_equal(m->replies, 1);
    buffer_free(&m->bytes);
    buffer_free(&m->received);
    free(m);
}

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* A fresh request id; it stays valid for long enough. */
static const uint8_t *request_id(struct stage *t)
{
    static uint8_t ids[2048][ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t *id = ids[t->n_requests % 2048];
    uint8_t random[10] = {(uint8_t)t->n_requests, (uint8_t)(t->n_requests >> 8)};

    t->n_requests++;
    request_id_make(id, START_MS + t->us / 1000, random);
    return id;
}

static struct operation op_schedule(struct stage *t, const char *id, uint64_t delay_ms)
{
    return (struct operation){.code = OPERATION_SCHEDULE,
                              .request_id = request_id(t),
                              .id = text(id),
                              .relative = true,
                              .time_ms = delay_ms,
                              .route = text("r")};
}

static struct operation op_route(struct stage *t, const char *name)
{
    return (struct operation){.code = OPERATION_ROUTE_PUT,
                              .request_id = request_id(t),
                              .id = text(name),
                              .settings = {.url = text("http://example.com/"),
                                           .timeout_ms = 5000,
                                           .window = 50}};
}

static struct operation op_get(const char *id)
{
    return (struct operation){.code = OPERATION_GET, .id = text(id)};
}

static struct message *stage_send(struct stage *t, struct operation op)
{
    struct message *m = message_new(&op, 1, 0);

    scheduler_submit(t->s, &m->in);
    return m;
}

/* Send, commit everything, and return the one result's error. */
static int stage_ask(struct stage *t, struct operation op)
{
    struct message *m = stage_send(t, op);

    stage_settle(t);
    assert_int_equal(m->replies, 1);
    int error = m->answer.error != ORDERSCHED_OK ? m->answer.error : m->results[0].error;
    message_free(m);
    return error;
}

static int state_of(struct stage *t, const char *id)
{
    struct order *o = machine_find(&t->s->machine, text(id));

    return o == NULL ? ORDERSCHED_STATE_NONE : order_state(o, t->s->machine.now_ms);
}

/* In office with a route and one order, in 1 s. */
static void stage_with_order(struct stage *t)
{
    stage_open(t);
    stage_lead(t, 3);
    assert_int_equal(stage_ask(t, op_route(t, "r")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(t, op_schedule(t, "a", 1000)), ORDERSCHED_OK);
}

/* ... and its first delivery under way. */
static void stage_with_delivery(struct stage *t)
{
    stage_with_order(t);
    stage_pass(t, 1000);
    stage_settle(t);
    assert_int_equal(t->receiver.n_held, 1);
}

/* --- the office --- */

static void nothing_is_fired_before_the_own_epoch_entry_is_applied(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    stage_pass(&t, 5000);
    stage_changed(&t, REPLICA_LEADER, 5);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1);
    assert_false(scheduler_in_office(t.s));
    assert_int_equal(t.receiver.n_started, 0);
    fake_commit(t.r);
    (void)stage_run(&t);
    assert_true(scheduler_in_office(t.s));
    assert_int_equal(t.s->machine.epoch, 5);
    assert_int_equal(t.receiver.n_started, 1);
    stage_close(&t);
}

static void it_sleeps_until_the_deadline_and_not_past_it(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    stage_pass(&t, 400);
    assert_int_equal(stage_run(&t), 600000);
    assert_int_equal(t.r->n_proposed, 0);
    t.us += 599000;
    assert_int_equal(stage_run(&t), 1000);
    assert_int_equal(t.r->n_proposed, 0);
    t.us += 1000;
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1); /* an entry for its time */
    assert_int_equal(t.receiver.n_started, 0);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1); /* and one is enough */
    fake_commit(t.r);
    (void)stage_run(&t);
    assert_int_equal(t.receiver.n_started, 1);
    stage_close(&t);
}

static void a_hello_that_asks_for_it_is_told_the_clusters_identity(void **state)
{
    struct stage t;
    struct message *early = message_new(NULL, 0, PROTOCOL_IDENTIFY);

    (void)state;
    stage_open(&t);
    scheduler_submit(t.s, &early->in);
    (void)stage_run(&t);
    assert_true(early->answer.identified);
    assert_int_equal(early->answer.identity.len, 0); /* nobody was ever in office */
    stage_lead(&t, 1);
    struct message *m = message_new(NULL, 0, PROTOCOL_IDENTIFY);
    struct message *plain = message_new(NULL, 0, 0);
    scheduler_submit(t.s, &m->in);
    scheduler_submit(t.s, &plain->in);
    (void)stage_run(&t);
    assert_int_equal(m->answer.identity.len, PROTOCOL_IDENTITY_SIZE);
    assert_memory_equal(m->answer.identity.data, scheduler_machine(t.s)->identity,
                        PROTOCOL_IDENTITY_SIZE);
    assert_false(plain->answer.identified);
    message_free(early);
    message_free(m);
    message_free(plain);
    stage_close(&t);
}

/* What the scheduler says of an image of a cluster of this identity, before it is stored. */
static const char *judge_image(struct scheduler *s, const uint8_t identity[PROTOCOL_IDENTITY_SIZE])
{
    struct machine m;
    uint8_t *data;
    size_t len, done = 0;
    const char *reason = NULL;

    machine_init(&m);
    memcpy(m.identity, identity, sizeof m.identity);
    assert_int_equal(snapshot_encode(&m, malloc, &data, &len), 0);
    machine_close(&m);
    while (done < len) {
        assert_null(reason);
        reason = scheduler_told_check_image(s, data, len, 7, &done);
    }
    free(data);
    return reason;
}

static void an_image_of_another_cluster_is_not_to_be_stored(void **state)
{
    static const uint8_t none[PROTOCOL_IDENTITY_SIZE];
    uint8_t another[PROTOCOL_IDENTITY_SIZE];
    struct stage t;

    (void)state;
    memset(another, 0xc7, sizeof another);
    stage_open(&t);
    assert_null(judge_image(t.s, another)); /* it knows of none yet */
    stage_lead(&t, 1);
    assert_null(judge_image(t.s, scheduler_machine(t.s)->identity));
    assert_null(judge_image(t.s, none)); /* of before there were identities */
    const char *reason = judge_image(t.s, another);
    assert_non_null(reason);
    assert_non_null(strstr(reason, "another cluster"));
    stage_close(&t);
}

static void an_idle_leader_writes_nothing(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    assert_int_equal(stage_ask(&t, (struct operation){.code = OPERATION_PAY,
                                                      .request_id = request_id(&t),
                                                      .id = text("a")}),
                     ORDERSCHED_OK);
    unsigned before = t.r->n_ever;
    for (unsigned i = 0; i < 100; i++) {
        stage_pass(&t, 1000);
        assert_int_equal(stage_run(&t), 1000000);
    }
    assert_int_equal(t.r->n_ever, before);
    stage_close(&t);
}

static void an_orphans_outcome_is_dropped_and_the_order_delivered_again(void **state)
{
    struct stage t;
    char key[37];

    (void)state;
    stage_with_delivery(&t);
    struct delivery *first = t.receiver.held[0];
    memcpy(key, first->key, sizeof key);
    uint64_t epoch = first->fence_epoch;
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    assert_true(first->orphan);
    machine_check(&t.s->machine);
    stage_lead(&t, 5);
    assert_int_equal(t.receiver.n_held, 2);
    struct delivery *second = t.receiver.held[1];
    assert_string_equal(second->key, key);
    assert_int_equal(second->attempt, 1);
    assert_true(second->fence_epoch > epoch);
    unsigned before = t.r->n_ever;
    idle_receiver_end(&t.receiver, 0, OUTCOME_PAID, 0); /* the orphan */
    stage_settle(&t);
    assert_int_equal(t.r->n_ever, before);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_CLOSING);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_EXPIRED);
    stage_close(&t);
}

static void an_orphan_may_outlive_its_order(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    stage_lead(&t, 5);
    idle_receiver_end(&t.receiver, 1, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    stage_pass(&t, 2 * 3600000);
    assert_int_equal(stage_ask(&t, op_route(&t, "s")), ORDERSCHED_OK); /* purges */
    assert_int_equal(t.s->machine.store.n, 0);
    assert_int_equal(stage_ask(&t, (struct operation){.code = OPERATION_ROUTE_DELETE,
                                                      .request_id = request_id(&t),
                                                      .id = text("r")}),
                     ORDERSCHED_OK);
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    stage_settle(&t);
    stage_close(&t);
}

/* A transfer makes proposals be refused; when it fails, the same node leads on in the same term,
 * and what it proposed before is still to be applied. */
static void an_office_is_resumed_behind_what_it_proposed_before(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    uint64_t fence = t.receiver.held[0]->fence_index;
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1); /* the outcome is in the log, not committed */
    t.r->transferring = true;
    struct message *refused = stage_send(&t, op_get("a"));
    (void)stage_run(&t);
    assert_int_equal(refused->answer.error, ORDERSCHED_NOT_LEADER);
    message_free(refused);
    t.r->transferring = false;
    stage_pass(&t, 60);
    (void)stage_run(&t);
    assert_false(scheduler_in_office(t.s));
    assert_int_equal(t.receiver.n_started, 1);
    fake_commit(t.r);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_EXPIRED);
    stage_settle(&t);
    assert_true(scheduler_in_office(t.s));
    assert_int_equal(t.receiver.n_started, 1); /* not once more */
    assert_true(t.s->machine.applied > fence);
    stage_close(&t);
}

static void deliveries_under_way_at_a_failed_transfer_repeat_with_a_higher_fence(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    t.r->transferring = true;
    struct message *refused = stage_send(&t, op_get("a"));
    for (unsigned i = 0; i < 20; i++) { /* it tries, and is refused, every 50 ms */
        assert_in_range(stage_run(&t), 1, 50000);
        stage_pass(&t, 25);
    }
    message_free(refused);
    assert_int_equal(t.receiver.n_started, 1);
    t.r->transferring = false;
    stage_pass(&t, 60);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_started, 2);
    assert_string_equal(t.receiver.held[0]->key, t.receiver.held[1]->key);
    assert_int_equal(t.receiver.held[0]->fence_epoch, t.receiver.held[1]->fence_epoch);
    assert_true(t.receiver.held[0]->fence_index < t.receiver.held[1]->fence_index);
    idle_receiver_end(&t.receiver, 0, OUTCOME_PAID, 0);
    stage_settle(&t);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_CLOSING);
    idle_receiver_end(&t.receiver, 0, OUTCOME_LATER, 5000);
    stage_settle(&t);
    stage_pass(&t, 5000);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_started, 3);
    assert_int_equal(t.receiver.held[0]->attempt, 2);
    stage_close(&t);
}

static void an_outcome_whose_entry_is_lost_is_asked_for_again(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    fake_lose_all(t.r);
    stage_lead(&t, 6);
    assert_int_equal(t.receiver.n_started, 2);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_EXPIRED);
    stage_close(&t);
}

/* The next leader commits what the last one proposed: here the entry is applied although its
 * proposer was told that it is lost. */
static void an_entry_that_survives_its_leader_is_applied_once(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    struct message *m = stage_send(&t, (struct operation){.code = OPERATION_PAY,
                                                          .request_id = request_id(&t),
                                                          .id = text("a")});
    (void)stage_run(&t);
    uint8_t *copy = malloc(t.r->proposed[0].len);
    size_t len = t.r->proposed[0].len;
    memcpy(copy, t.r->proposed[0].data, len);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    fake_lose_all(t.r);
    assert_int_equal(m->answer.error, ORDERSCHED_UNKNOWN_OUTCOME);
    message_free(m);
    t.r->callbacks.apply(t.s, ++t.r->applied, copy, len);
    free(copy);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_PAID);
    stage_lead(&t, 5);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_PAID);
    stage_close(&t);
}

static void time_goes_on_though_the_last_leaders_clock_was_ahead(void **state)
{
    struct stage t;
    uint8_t bytes[ENTRY_HEADER_SIZE];
    struct entry ahead = {.now_ms = START_MS + 3600000, .epoch = 3, .sequence = 1};

    (void)state;
    stage_with_order(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    stage_changed(&t, REPLICA_LEADER, 5);
    (void)stage_run(&t);
    /* In the log before our epoch entry, applied after the office was taken. */
    entry_encode(&ahead, bytes);
    t.r->callbacks.apply(t.s, ++t.r->applied, bytes, sizeof bytes);
    stage_settle(&t);
    assert_int_equal(t.s->machine.now_ms, START_MS + 3600000);
    uint64_t now_ms = t.s->machine.now_ms;
    stage_pass(&t, 2000);
    assert_int_equal(stage_ask(&t, op_get("a")), ORDERSCHED_OK);
    assert_in_range(t.s->machine.now_ms - now_ms, 1700, 2000);
    stage_close(&t);
}

static void a_snapshot_may_replace_the_state_while_orphans_run(void **state)
{
    struct stage t, other;
    uint8_t *image;
    size_t len;

    (void)state;
    stage_with_delivery(&t);
    stage_with_order(&other);
    other.s->machine.applied = 1000; /* it is far ahead */
    assert_int_equal(snapshot_encode(&other.s->machine, malloc, &image, &len), 0);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    assert_int_equal(t.r->callbacks.restore(t.s, image, len), 0);
    t.r->applied = 1000;
    free(image);
    (void)stage_run(&t);
    stage_lead(&t, 7);
    assert_int_equal(t.receiver.n_held, 2);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_CLOSING);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_EXPIRED);
    stage_close(&other);
    stage_close(&t);
}

/* --- what clients are told --- */

static void a_node_that_knows_nothing_answers_local_reads(void **state)
{
    struct stage t;
    struct operation ops[] = {op_get("a"),
                              {.code = OPERATION_STATUS},
                              {.code = OPERATION_LIST},
                              {.code = OPERATION_ROUTE_LIST},
                              {.code = OPERATION_DIGEST},
                              {.code = OPERATION_MEMBER_LIST}};

    (void)state;
    stage_open(&t);
    struct message *m = message_new(ops, 6, PROTOCOL_LOCAL);
    scheduler_submit(t.s, &m->in);
    (void)stage_run(&t);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    assert_int_equal(m->results[0].error, ORDERSCHED_NOT_FOUND);
    for (unsigned i = 1; i < 6; i++) {
        assert_int_equal(m->results[i].error, ORDERSCHED_OK);
    }
    message_free(m);
    m = stage_send(&t, op_get("a"));
    assert_int_equal(m->answer.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(m->answer.leader_id, 0);
    message_free(m);
    stage_close(&t);
}

/* One row of STATUS's "routes": its numbers, and [count, p50, p90, p99, p99.9, max] of each part. */
struct route_row {
    char route[ORDERSCHED_ROUTE_NAME_MAX + 1];
    uint64_t inflight, ready, window, silent_ms;
    uint64_t parts[LATENESS_PARTS][6];
};

static unsigned read_route_rows(struct stage *t, struct route_row *rows, unsigned max)
{
    struct cursor c;

    uint32_t n = 0;
    buffer_reset(&t->s->body);
    for (uint32_t slot = 0; slot < t->s->machine.n_routes;) {
        slot = scheduler_write_routes(t->s, slot, 2, &t->s->body, &n);
    }
    cursor_init(&c, t->s->body.data, t->s->body.len);
    assert_true(n <= max);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(cursor_array(&c), 6);
        struct slice name = cursor_bytes(&c);
        memcpy(rows[i].route, name.data, name.len);
        rows[i].route[name.len] = '\0';
        rows[i].inflight = cursor_uint(&c);
        rows[i].ready = cursor_uint(&c);
        rows[i].window = cursor_uint(&c);
        rows[i].silent_ms = cursor_uint(&c);
        assert_int_equal(cursor_array(&c), LATENESS_PARTS);
        for (unsigned k = 0; k < LATENESS_PARTS; k++) {
            assert_int_equal(cursor_array(&c), 6);
            for (unsigned j = 0; j < 6; j++) {
                rows[i].parts[k][j] = cursor_uint(&c);
            }
        }
    }
    assert_true(cursor_ok(&c));
    return n;
}

static void status_tells_how_late_the_routes_are(void **state)
{
    struct stage t;
    struct route_row rows[4];

    (void)state;
    stage_open(&t);
    assert_int_equal(read_route_rows(&t, rows, 4), 0); /* not in office */
    stage_close(&t);
    stage_with_delivery(&t);
    assert_int_equal(stage_ask(&t, op_route(&t, "idle")), ORDERSCHED_OK);
    assert_int_equal(read_route_rows(&t, rows, 4), 1);
    assert_string_equal(rows[0].route, "");
    assert_int_equal(rows[0].inflight, 1);
    assert_int_equal(rows[0].parts[LATENESS_TOTAL][0], 0);
    t.us += 250000;
    t.receiver.held[0]->overloaded = true;
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 30000);
    stage_settle(&t);
    assert_int_equal(read_route_rows(&t, rows, 4), 2); /* the idle one has nothing to tell */
    assert_string_equal(rows[1].route, "r");
    assert_int_equal(rows[1].window, 25); /* halved */
    assert_in_range(rows[1].silent_ms, 29000, 30000);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(rows[i].inflight, 0);
        assert_int_equal(rows[i].parts[LATENESS_TOTAL][0], 1);
        assert_in_range(rows[i].parts[LATENESS_CALLBACK][5], 250000, 260000);
        uint64_t sum = 0;
        for (unsigned k = 0; k < LATENESS_TOTAL; k++) {
            sum += rows[i].parts[k][5];
        }
        assert_int_equal(rows[i].parts[LATENESS_TOTAL][5], sum);
    }
    stage_close(&t);
}

/* The node asks to be run again for a rate's next token, with nothing else to wake it. */
static void a_rate_wakes_the_scheduler(void **state)
{
    struct stage t;

    (void)state;
    stage_open(&t);
    stage_lead(&t, 3);
    struct operation put = op_route(&t, "r");
    put.settings.rate_per_s = 10;
    put.settings.burst = 1;
    assert_int_equal(stage_ask(&t, put), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "a", 1000)), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_OK);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_started, 1);
    uint64_t sleep_us = scheduler_run(t.s);
    assert_in_range(sleep_us, 1, 100000);
    t.us += sleep_us;
    (void)stage_run(&t);
    assert_int_equal(t.receiver.n_started, 2);
    stage_close(&t);
}

static void refused_items_leave_the_others_of_their_message_alone(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    scheduler_set_disk(t.s, SCHEDULER_DISK_LOW);
    struct operation ops[] = {
        op_schedule(&t, "b", 1000),
        op_get("a"),
        {.code = OPERATION_PAY, .request_id = request_id(&t), .id = text("a")},
        op_schedule(&t, "c", 1000),
        op_get("a"),
    };
    struct message *m = message_new(ops, 5, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    static const int errors[] = {ORDERSCHED_NO_SPACE, ORDERSCHED_OK, ORDERSCHED_OK,
                                 ORDERSCHED_NO_SPACE, ORDERSCHED_OK};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(m->results[i].error, errors[i]);
    }
    assert_int_equal(m->results[4].state, ORDERSCHED_PAID);
    message_free(m);
    stage_close(&t);
}

static void a_refused_route_is_told_which_setting_is_wrong(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    struct operation put = op_route(&t, "r");
    put.settings.window = 65537;
    struct message *m = message_new(&put, 1, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    assert_int_equal(m->answer.n_results, 1);
    assert_int_equal(m->results[0].error, ORDERSCHED_INVALID);
    assert_non_null(strstr(m->first_body, "window must be a number from 1 to 65536"));
    message_free(m);
    stage_close(&t);
}

static void a_route_is_put_only_with_what_makes_sense(void **state)
{
    static const struct {
        const char *url, *ca_pem, *why;
        enum route_kind kind;
    } bad[] = {
        {"http://h:99999/", NULL, "url has a port", ROUTE_HTTP},
        {"http:///x", NULL, "url names no host", ROUTE_HTTP},
        {"http://h/", NULL, "url is for routes of kind http", ROUTE_WORKER},
        {"http://h/", "no certificate", "ca_pem has no whole PEM certificate", ROUTE_HTTP},
    };
    struct stage t;

    (void)state;
    stage_with_order(&t);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct operation put = op_route(&t, "r");
        put.settings.kind = bad[i].kind;
        put.settings.url = text(bad[i].url);
        if (bad[i].ca_pem != NULL) {
            put.settings.ca_pem = text(bad[i].ca_pem);
        }
        struct message *m = stage_send(&t, put);
        stage_settle(&t);
        assert_int_equal(m->results[0].error, ORDERSCHED_INVALID);
        if (strstr(m->first_body, bad[i].why) == NULL) {
            fail_msg("%s: %s", bad[i].url, m->first_body);
        }
        message_free(m);
    }
    stage_close(&t);
}

/* How often the text is in the file. */
static unsigned count_in(int fd, const char *wanted)
{
    static char content[65536];
    unsigned n = 0;

    ssize_t len = pread(fd, content, sizeof content - 1, 0);
    assert_true(len >= 0);
    content[len] = '\0';
    for (const char *at = content; (at = strstr(at, wanted)) != NULL; at++) {
        n++;
    }
    return n;
}

static void an_order_that_dies_is_raised_in_the_log_once(void **state)
{
    struct stage t;
    FILE *file = tmpfile();
    struct log log = {.level = LOG_INFO, .format = LOG_LOGFMT, .node_id = 1, .fd = fileno(file)};

    (void)state;
    stage_with_order(&t);
    t.s->config.log = &log;
    struct operation put = op_route(&t, "r");
    put.settings.attempts = 2;
    put.settings.n_retries = 1;
    put.settings.retries_ms[0] = 1000;
    assert_int_equal(stage_ask(&t, put), ORDERSCHED_OK);
    for (unsigned attempt = 1; attempt <= 2; attempt++) {
        assert_int_equal(count_in(log.fd, "order is DEAD"), 0);
        stage_pass(&t, 1500);
        stage_settle(&t);
        assert_int_equal(t.receiver.n_held, 1);
        snprintf(t.receiver.held[0]->reason, sizeof t.receiver.held[0]->reason, "answer %u",
                 attempt);
        idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
        stage_settle(&t);
    }
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_DEAD);
    assert_int_equal(count_in(log.fd, "order is DEAD"), 1);
    assert_int_equal(count_in(log.fd, "reason=\"answer 2\""), 1);
    t.s->config.log = NULL;
    stage_close(&t);
    fclose(file);
}

static void a_message_of_refused_items_only_is_answered_without_the_log(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    scheduler_set_disk(t.s, SCHEDULER_DISK_FULL);
    unsigned before = t.r->n_ever;
    struct message *m = stage_send(&t, op_schedule(&t, "b", 1000));
    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    assert_int_equal(m->results[0].error, ORDERSCHED_NO_SPACE);
    message_free(m);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_ever, before);
    scheduler_set_disk(t.s, SCHEDULER_DISK_OK);
    t.s->config.max_orders = 1;
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_get("a")), ORDERSCHED_OK);
    stage_close(&t);
}

static enum scheduler_disk disks[4]; /* of the other members */

static enum scheduler_disk told_disk(void *arg, uint64_t id)
{
    (void)arg;
    return disks[id];
}

static void a_leader_short_of_room_hands_over_to_who_has_more_and_not_again_at_once(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    t.s->config.disk_of = told_disk;
    disks[2] = disks[3] = SCHEDULER_DISK_LOW;
    scheduler_set_disk(t.s, SCHEDULER_DISK_LOW);
    (void)stage_run(&t);
    assert_null(t.r->change_cb); /* all have as little */
    scheduler_set_disk(t.s, SCHEDULER_DISK_FULL);
    (void)stage_run(&t);
    assert_non_null(t.r->change_cb); /* there a payment is taken */
    assert_int_equal(t.r->transferred, 2);
    fake_change_ends(t.r, ORDERSCHED_MEMBER_CHANGE);
    disks[3] = SCHEDULER_DISK_OK;
    stage_settle(&t);
    assert_null(t.r->change_cb);
    stage_pass(&t, 6000);
    stage_settle(&t);
    assert_non_null(t.r->change_cb);
    assert_int_equal(t.r->transferred, 3); /* who has room goes before who has more */
    fake_change_ends(t.r, ORDERSCHED_OK);
    stage_changed(&t, REPLICA_FOLLOWER, 2);
    stage_pass(&t, 6000);
    (void)stage_run(&t);
    assert_null(t.r->change_cb);
    stage_lead(&t, 3); /* nobody else could */
    assert_non_null(t.r->change_cb);
    fake_change_ends(t.r, ORDERSCHED_OK);
    scheduler_set_disk(t.s, SCHEDULER_DISK_OK);
    disks[2] = disks[3] = SCHEDULER_DISK_OK;
    stage_pass(&t, 6000);
    stage_settle(&t);
    assert_null(t.r->change_cb);
    stage_close(&t);
}

static void the_leadership_goes_to_nobody_who_would_hand_it_back(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    t.s->config.disk_of = told_disk;
    disks[2] = SCHEDULER_DISK_LOW;
    assert_int_equal(stage_ask(&t, (struct operation){.code = OPERATION_TRANSFER, .node_id = 2}),
                     ORDERSCHED_MEMBER_CHANGE);
    assert_null(t.r->change_cb);
    struct operation any = {.code = OPERATION_TRANSFER};
    struct message *m = stage_send(&t, any);
    stage_settle(&t);
    assert_non_null(t.r->change_cb);
    assert_int_equal(t.r->transferred, 3);
    fake_change_ends(t.r, ORDERSCHED_OK);
    message_free(m);
    disks[2] = SCHEDULER_DISK_OK;
    stage_close(&t);
}

static int stage_ask_from(struct stage *t, struct inbound_source *source, struct operation op)
{
    struct message *m = message_new(&op, 1, 0);

    m->in.source = source;
    scheduler_submit(t->s, &m->in);
    stage_settle(t);
    int error = m->results[0].error;
    message_free(m);
    return error;
}

static struct operation op_pay(struct stage *t, const char *id)
{
    return (struct operation){
        .code = OPERATION_PAY, .request_id = request_id(t), .id = text(id)};
}

static void a_flood_of_refusals_leaves_room_for_those_of_others(void **state)
{
    struct inbound_source greedy = {.address = 5}, modest = {.address = 6};
    struct stage t;
    unsigned n = 0;

    (void)state;
    stage_with_order(&t);
    recent_set_limit(t.s->machine.recent, 160);
    refusals_init(&t.s->refusals, 160);
    while (n < 160 && stage_ask_from(&t, &greedy, op_pay(&t, "x")) == ORDERSCHED_NOT_FOUND) {
        n++;
    }
    assert_in_range(n, 75, 85); /* half of it */
    assert_int_equal(stage_ask_from(&t, &greedy, op_schedule(&t, "a", 9)), ORDERSCHED_BUSY);
    assert_int_equal(stage_ask_from(&t, &greedy, op_schedule(&t, "b", 900000)), ORDERSCHED_OK);
    assert_int_equal(stage_ask_from(&t, &greedy, op_pay(&t, "b")), ORDERSCHED_OK);
    assert_int_equal(stage_ask_from(&t, &modest, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    assert_int_equal(stage_ask_from(&t, &modest, op_schedule(&t, "a", 9)), ORDERSCHED_EXISTS);
    stage_pass(&t, PROTOCOL_REQUEST_LIFETIME_MS);
    stage_settle(&t);
    assert_int_equal(stage_ask_from(&t, &greedy, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    stage_close(&t);
}

static struct operation op_delete_route(struct stage *t, const char *name)
{
    return (struct operation){
        .code = OPERATION_ROUTE_DELETE, .request_id = request_id(t), .id = text(name)};
}

static struct operation op_pause_route(struct stage *t, const char *name, bool paused)
{
    return (struct operation){.code = OPERATION_ROUTE_PAUSE,
                              .request_id = request_id(t),
                              .id = text(name),
                              .paused = paused};
}

static void a_flood_of_route_operations_leaves_room_for_others(void **state)
{
    struct inbound_source greedy = {.address = 5}, modest = {.address = 6};
    struct stage t;
    unsigned n = 0;

    (void)state;
    stage_with_order(&t);
    recent_set_limit(t.s->machine.recent, 160);
    refusals_init(&t.s->refusals, 160);
    refusals_init(&t.s->changes, 160);
    while (n < 160 && stage_ask_from(&t, &greedy, op_delete_route(&t, "no")) ==
                          ORDERSCHED_NOT_FOUND) {
        n++;
    }
    assert_in_range(n, 75, 85); /* half of it */
    assert_int_equal(stage_ask_from(&t, &greedy, op_pay(&t, "x")), ORDERSCHED_BUSY);
    assert_int_equal(stage_ask_from(&t, &greedy, op_pause_route(&t, "r", false)), ORDERSCHED_BUSY);
    /* An operator at the same address is not held up... */
    assert_int_equal(stage_ask_from(&t, &greedy, op_pause_route(&t, "r", true)), ORDERSCHED_OK);
    assert_int_equal(stage_ask_from(&t, &modest, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    /* ...but for so many changes that there is no room for others. */
    for (n = 0; n < 160 && stage_ask_from(&t, &greedy, op_pause_route(&t, "r", n % 2 != 0)) ==
                               ORDERSCHED_OK;) {
        n++;
    }
    assert_in_range(n, 9, 12); /* a share */
    assert_int_equal(stage_ask_from(&t, &greedy, op_schedule(&t, "b", 900000)), ORDERSCHED_OK);
    assert_int_equal(stage_ask_from(&t, &modest, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    assert_int_equal(stage_ask_from(&t, &modest, op_route(&t, "new")), ORDERSCHED_OK);
    stage_close(&t);
}

static void a_flood_on_one_decided_order_is_one_of_refusals(void **state)
{
    struct inbound_source greedy = {.address = 5}, modest = {.address = 6};
    struct stage t;
    unsigned n = 0;

    (void)state;
    stage_with_order(&t);
    recent_set_limit(t.s->machine.recent, 160);
    refusals_init(&t.s->refusals, 160);
    assert_int_equal(stage_ask_from(&t, &greedy, op_pay(&t, "a")), ORDERSCHED_OK);
    while (n < 300 && stage_ask_from(&t, &greedy, op_pay(&t, "a")) == ORDERSCHED_OK) {
        n++;
    }
    assert_in_range(n, 80, 180); /* half of it, and what goes with the order */
    assert_int_equal(stage_ask_from(&t, &modest, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    stage_close(&t);
}

static struct operation op_on(struct stage *t, enum operation_code code, const char *id)
{
    return (struct operation){.code = code,
                              .request_id = request_id(t),
                              .id = text(id),
                              .relative = code == OPERATION_EXTEND,
                              .time_ms = code == OPERATION_EXTEND ? 2000 : 0};
}

static void what_adds_to_known_orders_ends_a_while_after_the_memory_is_full(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    t.s->config.max_bytes = t.s->machine.memory;
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_EXTEND, "a")), ORDERSCHED_OK);
    t.s->config.max_bytes = t.s->machine.memory * 8 / 9 - 1;
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_EXTEND, "a")), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_PAY, "nobody")), ORDERSCHED_NOT_FOUND);
    struct operation pay = op_on(&t, OPERATION_PAY, "a");
    assert_int_equal(stage_ask(&t, pay), ORDERSCHED_OK); /* in time: always taken */
    t.s->config.max_bytes = t.s->machine.memory * 8 / 9 - 1;
    assert_int_equal(stage_ask(&t, pay), ORDERSCHED_OK); /* a copy */
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_PAY, "a")), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_CANCEL, "a")), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_get("a")), ORDERSCHED_OK);
    stage_close(&t);
}

static void memory_that_is_held_in_vain_counts(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    t.s->config.max_bytes = 1u << 30;
    t.s->machine.slab.n_blocks += 1u << 16; /* of 32 KiB */
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_FULL);
    t.s->machine.slab.n_blocks -= 1u << 16;
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_OK);
    stage_close(&t);
}

static void a_full_queue_is_busy_and_empties_again(void **state)
{
    struct stage t;
    struct message *m[101];

    (void)state;
    stage_with_order(&t);
    for (unsigned i = 0; i < 101; i++) {
        m[i] = stage_send(&t, op_get("a"));
    }
    assert_int_equal(m[100]->answer.error, ORDERSCHED_BUSY);
    stage_settle(&t);
    for (unsigned i = 0; i < 101; i++) {
        assert_int_equal(m[i]->answer.error, i < 100 ? ORDERSCHED_OK : ORDERSCHED_BUSY);
        message_free(m[i]);
    }
    stage_close(&t);
}

static void an_answer_never_exceeds_its_limit(void **state)
{
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX];
    static struct operation ops[1024];
    struct stage t;
    unsigned done = 0;

    (void)state;
    stage_with_order(&t);
    struct operation big = op_schedule(&t, "big", 1000000);
    big.payload = (struct slice){payload, sizeof payload};
    assert_int_equal(stage_ask(&t, big), ORDERSCHED_OK);
    for (unsigned i = 0; i < 1024; i++) {
        ops[i] = op_get("big");
    }
    struct message *m = message_new(ops, 1024, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    assert_int_equal(m->answer.n_results, 1024);
    assert_true(m->answer_len <= PROTOCOL_ANSWER_MAX);
    for (unsigned i = 0; i < 1024; i++) {
        done += m->results[i].error == ORDERSCHED_OK;
        assert_int_equal(m->results[i].error, i < done ? ORDERSCHED_OK : ORDERSCHED_BUSY);
    }
    assert_in_range(done, 500, 1000);
    message_free(m);
    stage_close(&t);
}

/* Five hundred large orders come to half the limit; the routes' list, the largest answer there
 * is, does not fit behind them. */
static void the_largest_list_at_the_end_of_a_message_keeps_the_limit(void **state)
{
    static uint8_t url[PROTOCOL_URL_MAX];
    static char names[1024][ORDERSCHED_ROUTE_NAME_MAX + 1];
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX];
    static struct operation ops[512];
    struct stage t;

    (void)state;
    stage_with_order(&t);
    struct operation big = op_schedule(&t, "big", 1000000);
    big.payload = (struct slice){payload, sizeof payload};
    assert_int_equal(stage_ask(&t, big), ORDERSCHED_OK);
    memset(url, 'u', sizeof url);
    memcpy(url, "http://h/", 9);
    for (unsigned i = 0; i < 1023; i++) {
        snprintf(names[i], sizeof names[i], "%064u", i);
        struct operation put = op_route(&t, names[i]);
        put.settings.url = (struct slice){url, PROTOCOL_URL_MAX - 1};
        assert_int_equal(stage_ask(&t, put), ORDERSCHED_OK);
    }
    for (unsigned i = 0; i < 500; i++) {
        ops[i] = op_get("big");
    }
    ops[500] = (struct operation){.code = OPERATION_ROUTE_LIST};
    struct message *m = message_new(ops, 501, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    assert_int_equal(m->answer.n_results, 501);
    assert_true(m->answer_len <= PROTOCOL_ANSWER_MAX);
    assert_int_equal(m->results[499].error, ORDERSCHED_OK);
    assert_int_equal(m->results[500].error, ORDERSCHED_BUSY);
    message_free(m);
    m = stage_send(&t, ops[500]); /* alone it fits */
    stage_settle(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_OK);
    message_free(m);
    stage_close(&t);
}

/* --- reads in slices --- */

/* 1,000 orders, so that a list that matches none of them has to look at all. */
static void stage_with_many_orders(struct stage *t)
{
    stage_with_order(t);
    for (unsigned i = 0; i < 10; i++) {
        struct operation ops[100];
        char ids[100][16];
        for (unsigned k = 0; k < 100; k++) {
            snprintf(ids[k], sizeof ids[k], "many%u", 100 * i + k);
            ops[k] = op_schedule(t, ids[k], 60000);
        }
        struct message *m = message_new(ops, 100, 0);
        scheduler_submit(t->s, &m->in);
        stage_settle(t);
        assert_int_equal(m->results[99].error, ORDERSCHED_OK);
        message_free(m);
    }
}

/* Nobody is DEAD. */
static struct message *heavy_message(unsigned n)
{
    struct operation ops[200];

    for (unsigned i = 0; i < n; i++) {
        ops[i] = (struct operation){.code = OPERATION_DEAD_LIST};
    }
    return message_new(ops, n, PROTOCOL_LOCAL);
}

static void reads_that_take_long_go_on_over_many_turns(void **state)
{
    struct stage t;
    unsigned turns = 0;

    (void)state;
    stage_with_many_orders(&t);
    struct message *m = heavy_message(100); /* 100 times 1,001 looks of 250 ns */
    scheduler_submit(t.s, &m->in);
    for (; m->replies == 0; turns++) {
        uint64_t sleep_us = scheduler_run(t.s);
        assert_true(sleep_us == 0 || m->replies == 1); /* to be called again at once */
    }
    assert_true(turns >= 100 * 1001 * 250 / READER_TURN_NS / 2);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(m->results[i].error, ORDERSCHED_OK);
    }
    message_free(m);
    stage_close(&t);
}

static void a_small_read_does_not_wait_for_what_others_read(void **state)
{
    struct stage t;
    struct inbound_source sources[51] = {0};
    struct message *heavy[50];
    struct operation get = op_get("a");

    (void)state;
    stage_with_many_orders(&t);
    for (unsigned i = 0; i < 50; i++) { /* five for each of ten clients */
        heavy[i] = heavy_message(100);
        heavy[i]->in.source = &sources[i % 10];
        scheduler_submit(t.s, &heavy[i]->in);
    }
    struct message *small = message_new(&get, 1, PROTOCOL_LOCAL);
    small->in.source = &sources[50];
    scheduler_submit(t.s, &small->in);
    for (unsigned i = 0; i < 4; i++) { /* eleven shares of a quarter of a turn */
        (void)scheduler_run(t.s);
    }
    assert_int_equal(small->replies, 1);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(heavy[i]->replies, 0);
    }
    (void)stage_run(&t);
    for (unsigned i = 0; i < 50; i++) {
        message_free(heavy[i]);
    }
    message_free(small);
    stage_close(&t);
}

static void writes_go_on_while_others_read(void **state)
{
    struct stage t;

    (void)state;
    stage_with_many_orders(&t);
    struct message *heavy = heavy_message(200);
    scheduler_submit(t.s, &heavy->in);
    struct message *pay = stage_send(&t, (struct operation){.code = OPERATION_PAY,
                                                           .request_id = request_id(&t),
                                                           .id = text("many7")});
    (void)scheduler_run(t.s);
    fake_commit(t.r);
    assert_int_equal(pay->replies, 1);
    assert_int_equal(pay->results[0].error, ORDERSCHED_OK);
    assert_int_equal(heavy->replies, 0);
    (void)stage_run(&t);
    message_free(heavy);
    message_free(pay);
    stage_close(&t);
}

static void one_digest_is_made_for_all_that_ask_before_it_is_begun(void **state)
{
    struct stage t;
    struct operation digest = {.code = OPERATION_DIGEST};
    struct message *m[100];

    (void)state;
    stage_with_many_orders(&t);
    uint64_t made = t.s->digests_made;
    for (unsigned i = 0; i < 50; i++) {
        m[i] = message_new(&digest, 1, PROTOCOL_LOCAL);
        scheduler_submit(t.s, &m[i]->in);
    }
    (void)scheduler_run(t.s); /* begins */
    assert_int_equal(m[0]->replies, 0);
    for (unsigned i = 50; i < 100; i++) {
        m[i] = message_new(&digest, 1, PROTOCOL_LOCAL);
        scheduler_submit(t.s, &m[i]->in);
    }
    struct operation op = op_schedule(&t, "late", 60000);
    assert_int_equal(stage_ask(&t, op), ORDERSCHED_OK);
    (void)stage_run(&t);
    assert_int_equal(t.s->digests_made, made + 2);
    for (unsigned i = 0; i < 100; i++) {
        struct cursor c;
        assert_int_equal(m[i]->results[0].error, ORDERSCHED_OK);
        cursor_init(&c, m[i]->results[0].body.data, m[i]->results[0].body.len);
        assert_int_equal(cursor_array(&c), 2);
        uint64_t applied = cursor_uint(&c);
        uint64_t value = cursor_uint(&c);
        assert_true(applied < t.s->machine.applied || value == machine_digest(&t.s->machine));
        message_free(m[i]);
    }
    stage_close(&t);
}

static void a_list_of_routes_that_change_meanwhile_is_of_one_moment(void **state)
{
    struct stage t;
    struct operation ops[100];
    char names[100][16];

    (void)state;
    stage_with_order(&t);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "route%02u", i);
        ops[i] = op_route(&t, names[i]);
    }
    struct message *m = message_new(ops, 100, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    message_free(m);
    t.s->reader.turn_ns = 20000; /* some eight routes a turn */
    reader_turn(&t.s->reader);
    m = message_new(&(struct operation){.code = OPERATION_ROUTE_LIST}, 1, PROTOCOL_LOCAL);
    scheduler_submit(t.s, &m->in);
    (void)scheduler_run(t.s);
    assert_int_equal(m->replies, 0);
    struct message *deletion = stage_send(&t, (struct operation){.code = OPERATION_ROUTE_DELETE,
                                                                .request_id = request_id(&t),
                                                                .id = text(names[0])});
    (void)scheduler_run(t.s);
    assert_int_equal(m->replies, 0);
    fake_commit(t.r);
    assert_int_equal(deletion->results[0].error, ORDERSCHED_OK);
    message_free(deletion);
    (void)stage_run(&t);
    struct cursor c;
    cursor_init(&c, m->results[0].body.data, m->results[0].body.len);
    assert_int_equal(cursor_array(&c), 100); /* "r" and the 99 */
    for (unsigned i = 0; i < 100; i++) {
        (void)cursor_skip(&c);
    }
    assert_true(cursor_ok(&c) && c.at == c.end);
    message_free(m);
    stage_close(&t);
}

static void nothing_is_read_for_who_does_not_take_answers_nor_for_who_is_gone(void **state)
{
    struct stage t;
    struct inbound_source deaf = {0};
    atomic_bool gone = true;

    (void)state;
    stage_with_many_orders(&t);
    atomic_store(&deaf.unread, READER_UNREAD_MAX);
    struct message *m = heavy_message(1);
    m->in.source = &deaf;
    scheduler_submit(t.s, &m->in);
    assert_int_equal(stage_run(&t), 5000); /* looks again then */
    assert_int_equal(m->replies, 0);
    atomic_store(&deaf.unread, 0);
    (void)stage_run(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_OK);
    message_free(m);
    m = heavy_message(200);
    m->in.gone = &gone;
    scheduler_submit(t.s, &m->in);
    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_BUSY);
    message_free(m);
    stage_close(&t);
}

static void reads_under_way_are_answered_at_the_end(void **state)
{
    struct stage t;
    struct operation mixed[3];

    (void)state;
    stage_with_many_orders(&t);
    struct message *heavy = heavy_message(200);
    mixed[0] = op_schedule(&t, "last", 60000);
    mixed[1] = (struct operation){.code = OPERATION_DIGEST};
    mixed[2] = (struct operation){.code = OPERATION_DEAD_LIST};
    struct message *m = message_new(mixed, 3, 0);
    scheduler_submit(t.s, &heavy->in);
    scheduler_submit(t.s, &m->in);
    (void)scheduler_run(t.s);
    fake_commit(t.r);
    scheduler_close(t.s, stage_closed, &t);
    assert_int_equal(heavy->replies, 1);
    assert_int_equal(heavy->results[199].error, ORDERSCHED_BUSY);
    assert_int_equal(m->results[0].error, ORDERSCHED_OK); /* it was logged */
    assert_int_equal(m->results[1].error, ORDERSCHED_BUSY);
    message_free(heavy);
    message_free(m);
    stage_close(&t);
}

/* --- the end --- */

static void draining_waits_for_deliveries_then_hands_over(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 500)), ORDERSCHED_OK);
    scheduler_drain(t.s, 3000, stage_drained, &t);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_null(t.r->change_cb);
    assert_int_equal(t.receiver.n_started, 1); /* "b" is due, but left to the next leader */
    struct message *late = stage_send(&t, op_get("a"));
    assert_int_equal(late->answer.error, ORDERSCHED_SHUTTING_DOWN);
    message_free(late);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_EXPIRED);
    assert_non_null(t.r->change_cb);
    assert_false(t.drained);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    fake_change_ends(t.r, ORDERSCHED_OK);
    assert_true(t.drained);
    stage_close(&t);
}

static void draining_ends_in_time_though_nothing_else_does(void **state)
{
    struct stage t;
    uint64_t start_us;

    (void)state;
    stage_with_delivery(&t);
    start_us = t.us;
    scheduler_drain(t.s, 3000, stage_drained, &t);
    while (!t.drained) {
        t.us += stage_run(&t);
        assert_true(t.us - start_us < 10000000);
    }
    fake_change_ends(t.r, ORDERSCHED_UNKNOWN_OUTCOME); /* as the closing replica does */
    stage_close(&t);
}

/* --- workers --- */

/* In office, with an order "a" of a worker route, due in 1 s. */
static void stage_with_worker_route(struct stage *t)
{
    struct operation put = {.code = OPERATION_ROUTE_PUT,
                            .id = text("r"),
                            .settings = {.kind = ROUTE_WORKER, .timeout_ms = 5000}};

    stage_open(t);
    stage_lead(t, 3);
    put.request_id = request_id(t);
    assert_int_equal(stage_ask(t, put), ORDERSCHED_OK);
    assert_int_equal(stage_ask(t, op_schedule(t, "a", 1000)), ORDERSCHED_OK);
}

static struct operation op_reserve(unsigned wait_ms)
{
    return (struct operation){.code = OPERATION_RESERVE, .route = text("r"), .limit = 10,
                              .time_ms = wait_ms, .worker = text("w")};
}

/* The number of orders in the answer, and the token of the first. */
static uint32_t reserved(const struct message *m, uint8_t token[ORDERSCHED_TOKEN_SIZE])
{
    struct cursor c;
    struct work_job job;
    uint32_t lease_ms, n;

    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    cursor_init(&c, m->results[0].body.data, m->results[0].body.len);
    assert_true(work_read_jobs_head(&c, &lease_ms, &n));
    if (n > 0) {
        assert_int_equal(lease_ms, 5000);
        assert_true(work_read_job(&c, &job));
        memcpy(token, job.token.data, ORDERSCHED_TOKEN_SIZE);
    }
    return n;
}

static struct message *send_settle(struct stage *t, const uint8_t *token)
{
    struct buffer list = {0};
    struct work_report report = {.token = {token, ORDERSCHED_TOKEN_SIZE},
                                 .outcome = OUTCOME_EXPIRED};

    work_write_report(&list, &report);
    struct message *m = stage_send(t, (struct operation){.code = OPERATION_SETTLE, .n_tokens = 1,
                                                         .tokens = {list.data, list.len}});
    buffer_free(&list);
    return m;
}

static int settle_error(const struct message *m)
{
    struct cursor c;
    struct work_result result = {0};

    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    cursor_init(&c, m->results[0].body.data, m->results[0].body.len);
    assert_int_equal(cursor_array(&c), 1);
    assert_true(work_read_result(&c, &result));
    return result.error;
}

static void a_worker_is_told_when_its_order_is_due_and_when_its_report_is_applied(void **state)
{
    struct stage t;
    uint8_t token[ORDERSCHED_TOKEN_SIZE];

    (void)state;
    stage_with_worker_route(&t);
    struct message *poll = stage_send(&t, op_reserve(60000));
    stage_settle(&t);
    assert_int_equal(poll->replies, 0);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_int_equal(reserved(poll, token), 1);
    assert_int_equal(t.receiver.n_started, 0); /* not the receiver of the other kinds */
    struct message *report = send_settle(&t, token);
    (void)stage_run(&t);
    assert_int_equal(report->replies, 0); /* proposed, not committed */
    stage_settle(&t);
    assert_int_equal(settle_error(report), ORDERSCHED_OK);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_EXPIRED);
    message_free(poll);
    message_free(report);
    stage_close(&t);
}

static void orders_without_a_worker_wait_and_the_scheduler_sleeps(void **state)
{
    struct stage t;

    (void)state;
    stage_with_worker_route(&t);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_true(stage_run(&t) >= 100000);
    assert_int_equal(t.s->dispatch.inflight.used, 0);
    struct message *poll = stage_send(&t, op_reserve(0));
    stage_settle(&t);
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    assert_int_equal(reserved(poll, token), 1);
    message_free(poll);
    /* It wakes for the end of the lease. */
    while (t.us < 7000000) {
        uint64_t sleep_us = stage_run(&t);
        t.us += sleep_us;
        stage_settle(&t);
    }
    assert_int_equal(machine_find(&t.s->machine, text("a"))->extra->failures, 1);
    stage_close(&t);
}

static void what_workers_wait_for_and_hold_ends_with_the_office(void **state)
{
    struct stage t;
    uint8_t token[ORDERSCHED_TOKEN_SIZE];

    (void)state;
    stage_with_worker_route(&t);
    stage_pass(&t, 1000);
    struct message *poll = stage_send(&t, op_reserve(1000));
    stage_settle(&t);
    assert_int_equal(reserved(poll, token), 1);
    struct message *waits = stage_send(&t, op_reserve(60000));
    struct message *report = send_settle(&t, token);
    (void)stage_run(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    assert_int_equal(waits->answer.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(report->answer.error, ORDERSCHED_UNKNOWN_OUTCOME);
    fake_lose_all(t.r);
    message_free(waits);
    message_free(report);

    /* One that comes before the next office is sure of itself waits too, and is refused with it. */
    stage_changed(&t, REPLICA_LEADER, 5);
    (void)stage_run(&t);
    waits = stage_send(&t, op_reserve(60000));
    stage_changed(&t, REPLICA_FOLLOWER, 6);
    assert_int_equal(waits->answer.error, ORDERSCHED_NOT_LEADER);
    fake_lose_all(t.r);
    stage_lead(&t, 7);
    struct message *late = send_settle(&t, token);
    assert_int_equal(settle_error(late), ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_CLOSING);
    message_free(waits);
    message_free(late);
    message_free(poll);
    stage_close(&t);
}

static void draining_sends_waiting_workers_away_and_takes_the_reports_of_others(void **state)
{
    struct stage t;
    uint8_t token[ORDERSCHED_TOKEN_SIZE];

    (void)state;
    stage_with_worker_route(&t);
    stage_pass(&t, 1000);
    struct message *poll = stage_send(&t, op_reserve(1000));
    stage_settle(&t);
    assert_int_equal(reserved(poll, token), 1);
    struct message *waits = stage_send(&t, op_reserve(60000));
    scheduler_drain(t.s, 3000, stage_drained, &t);
    assert_int_equal(waits->answer.error, ORDERSCHED_SHUTTING_DOWN);
    struct message *new = stage_send(&t, op_reserve(60000));
    assert_int_equal(new->answer.error, ORDERSCHED_SHUTTING_DOWN);
    stage_settle(&t);
    assert_null(t.r->change_cb); /* it waits for the one that holds an order */
    struct message *report = send_settle(&t, token);
    stage_settle(&t);
    assert_int_equal(settle_error(report), ORDERSCHED_OK);
    assert_non_null(t.r->change_cb);
    fake_change_ends(t.r, ORDERSCHED_OK);
    message_free(poll);
    message_free(waits);
    message_free(new);
    message_free(report);
    stage_close(&t);
}

static void workers_of_other_routes_are_told_why_they_get_nothing(void **state)
{
    struct stage t;
    struct operation reserve = op_reserve(60000);

    (void)state;
    stage_with_order(&t);
    struct message *http = stage_send(&t, reserve);
    assert_int_equal(http->results[0].error, ORDERSCHED_INVALID);
    reserve.route = text("none");
    struct message *none = stage_send(&t, reserve);
    assert_int_equal(none->results[0].error, ORDERSCHED_UNKNOWN_ROUTE);
    message_free(http);
    message_free(none);
    stage_close(&t);
}

static void a_route_of_programs_is_refused_where_they_are_not_allowed(void **state)
{
    struct stage t;
    struct operation put = {.code = OPERATION_ROUTE_PUT,
                            .id = text("programs"),
                            .settings = {.kind = ROUTE_EXEC, .n_command = 1,
                                         .command = {text("/bin/true")}}};

    (void)state;
    stage_open(&t);
    stage_lead(&t, 3);
    put.request_id = request_id(&t);
    assert_int_equal(stage_ask(&t, put), ORDERSCHED_EXEC_NOT_ALLOWED);
    assert_null(machine_find_route(&t.s->machine, text("programs")));
    t.s->config.allow_exec = true;
    assert_int_equal(stage_ask(&t, put), ORDERSCHED_OK);
    assert_non_null(machine_find_route(&t.s->machine, text("programs")));
    stage_close(&t);
}

static void closing_answers_every_message(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    struct message *proposed = stage_send(&t, op_schedule(&t, "b", 1000));
    (void)stage_run(&t);
    struct message *read = stage_send(&t, op_get("a"));
    (void)stage_run(&t);
    struct message *queued = stage_send(&t, op_schedule(&t, "c", 1000));
    struct message *change =
        stage_send(&t, (struct operation){.code = OPERATION_MEMBER_REMOVE, .node_id = 2});
    scheduler_close(t.s, stage_closed, &t);
    assert_int_equal(proposed->answer.error, ORDERSCHED_UNKNOWN_OUTCOME);
    assert_int_equal(read->answer.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(queued->answer.error, ORDERSCHED_SHUTTING_DOWN);
    assert_int_equal(change->replies, 0);
    struct message *late = stage_send(&t, op_get("a"));
    assert_int_equal(late->answer.error, ORDERSCHED_SHUTTING_DOWN);
    fake_change_ends(t.r, ORDERSCHED_UNKNOWN_OUTCOME);
    assert_int_equal(change->results[0].error, ORDERSCHED_UNKNOWN_OUTCOME);
    message_free(proposed);
    message_free(read);
    message_free(queued);
    message_free(change);
    message_free(late);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_fired_before_the_own_epoch_entry_is_applied),
        cmocka_unit_test(it_sleeps_until_the_deadline_and_not_past_it),
        cmocka_unit_test(a_hello_that_asks_for_it_is_told_the_clusters_identity),
        cmocka_unit_test(an_image_of_another_cluster_is_not_to_be_stored),
        cmocka_unit_test(an_idle_leader_writes_nothing),
        cmocka_unit_test(an_orphans_outcome_is_dropped_and_the_order_delivered_again),
        cmocka_unit_test(an_orphan_may_outlive_its_order),
        cmocka_unit_test(an_office_is_resumed_behind_what_it_proposed_before),
        cmocka_unit_test(deliveries_under_way_at_a_failed_transfer_repeat_with_a_higher_fence),
        cmocka_unit_test(an_outcome_whose_entry_is_lost_is_asked_for_again),
        cmocka_unit_test(an_entry_that_survives_its_leader_is_applied_once),
        cmocka_unit_test(time_goes_on_though_the_last_leaders_clock_was_ahead),
        cmocka_unit_test(a_snapshot_may_replace_the_state_while_orphans_run),
        cmocka_unit_test(a_node_that_knows_nothing_answers_local_reads),
        cmocka_unit_test(status_tells_how_late_the_routes_are),
        cmocka_unit_test(a_rate_wakes_the_scheduler),
        cmocka_unit_test(refused_items_leave_the_others_of_their_message_alone),
        cmocka_unit_test(a_message_of_refused_items_only_is_answered_without_the_log),
        cmocka_unit_test(a_leader_short_of_room_hands_over_to_who_has_more_and_not_again_at_once),
        cmocka_unit_test(the_leadership_goes_to_nobody_who_would_hand_it_back),
        cmocka_unit_test(what_adds_to_known_orders_ends_a_while_after_the_memory_is_full),
        cmocka_unit_test(memory_that_is_held_in_vain_counts),
        cmocka_unit_test(a_refused_route_is_told_which_setting_is_wrong),
        cmocka_unit_test(a_route_is_put_only_with_what_makes_sense),
        cmocka_unit_test(an_order_that_dies_is_raised_in_the_log_once),
        cmocka_unit_test(a_flood_of_refusals_leaves_room_for_those_of_others),
        cmocka_unit_test(a_flood_of_route_operations_leaves_room_for_others),
        cmocka_unit_test(a_flood_on_one_decided_order_is_one_of_refusals),
        cmocka_unit_test(a_full_queue_is_busy_and_empties_again),
        cmocka_unit_test(an_answer_never_exceeds_its_limit),
        cmocka_unit_test(the_largest_list_at_the_end_of_a_message_keeps_the_limit),
        cmocka_unit_test(reads_that_take_long_go_on_over_many_turns),
        cmocka_unit_test(a_small_read_does_not_wait_for_what_others_read),
        cmocka_unit_test(writes_go_on_while_others_read),
        cmocka_unit_test(one_digest_is_made_for_all_that_ask_before_it_is_begun),
        cmocka_unit_test(a_list_of_routes_that_change_meanwhile_is_of_one_moment),
        cmocka_unit_test(nothing_is_read_for_who_does_not_take_answers_nor_for_who_is_gone),
        cmocka_unit_test(reads_under_way_are_answered_at_the_end),
        cmocka_unit_test(draining_waits_for_deliveries_then_hands_over),
        cmocka_unit_test(draining_ends_in_time_though_nothing_else_does),
        cmocka_unit_test(closing_answers_every_message),
        cmocka_unit_test(a_worker_is_told_when_its_order_is_due_and_when_its_report_is_applied),
        cmocka_unit_test(orders_without_a_worker_wait_and_the_scheduler_sleeps),
        cmocka_unit_test(what_workers_wait_for_and_hold_ends_with_the_office),
        cmocka_unit_test(draining_sends_waiting_workers_away_and_takes_the_reports_of_others),
        cmocka_unit_test(workers_of_other_routes_are_told_why_they_get_nothing),
        cmocka_unit_test(a_route_of_programs_is_refused_where_they_are_not_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
