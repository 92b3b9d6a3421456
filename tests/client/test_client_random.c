/* test_client_random.c - the client's logic against a random cluster: three nodes that elect,
 * crash, refuse, forget to answer and answer late, over a network that loses and delays.
 *
 * What must hold for every call: it ends once, and not after its deadline; OK means that its
 * request was carried out, and no request is carried out twice; a definite error means that no
 * copy of it ever is, however long one thinks it over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../client/lib/client_logic.h"
#include "../support/random.h"

#define NODES 3
#define CALLS_MAX 4000
#define FLIGHTS_MAX 2048
#define START_MS 1790000000000ull
#define CLIENT_AHEAD_MS 5000 /* the client's monotonic clock is another one */

/* What the cluster knows of a request. */
enum fate {
    FRESH,  /* never seen */
    IN_LOG, /* proposed by a leader that lost its leadership: decided later, either way */
    DONE,
    REFUSED, /* decided: NOT_FOUND */
    STALE,   /* refused for ever; it may have been done and forgotten */
};

struct subject {
    int number;
    bool mutating;
    uint64_t deadline_ms;
    int ended;
    int error;
};

/* A request id in the cluster's memory. */
struct seen {
    uint8_t id[16];
    int call;
    enum fate fate;
    int effects;
};

/* A message under way, or its answer. */
struct flight {
    bool used;
    bool answering;
    bool silent; /* its sender was told that it is lost; it may still arrive */
    uint64_t at_ms;
    uint64_t handle;
    uint64_t give_up_ms; /* when the sender is told */
    unsigned node;
    uint8_t *bytes;
    size_t len;
};

struct cluster {
    struct random random;
    struct client_logic logic;
    struct call_budget budget;
    uint64_t now_ms;
    bool calm; /* the end: nothing fails any more, nothing new starts */

    int leader; /* -1: none */
    uint64_t term;
    bool up[NODES];
    int believed[NODES]; /* whom each node takes for the leader */

    struct subject subjects[CALLS_MAX];
    int n_subjects;
    struct seen seen[4 * CALLS_MAX];
    int n_seen;
    struct flight flights[FLIGHTS_MAX];
    unsigned n_messages;
};

static const char *const addresses[NODES] = {"a:1", "b:1", "c:1"};

static bool random_bool(struct cluster *c, unsigned percent)
{
    return random_below(&c->random, 100) < percent;
}

static bool trouble(struct cluster *c, unsigned percent)
{
    return !c->calm && random_bool(c, percent);
}

static uint64_t client_now(const struct cluster *c)
{
    return c->now_ms - START_MS + CLIENT_AHEAD_MS;
}

static void random_bytes(void *arg, void *out, size_t len)
{
    struct cluster *c = arg;

    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = (uint8_t)random_next(&c->random);
    }
}

static bool cluster_send(void *arg, unsigned slot, const char *address, const uint8_t *message,
                         size_t len, uint64_t handle, unsigned timeout_ms)
{
    struct cluster *c = arg;
    unsigned node = 0;

    (void)slot;
    if (trouble(c, 1)) {
        return false;
    }
    while (strcmp(addresses[node], address) != 0) {
        node++;
        assert_true(node < NODES);
    }
    for (unsigned i = 0; i < FLIGHTS_MAX; i++) {
        struct flight *f = &c->flights[i];
        if (!f->used) {
            *f = (struct flight){.used = true,
                                 .handle = handle,
                                 .node = node,
                                 .len = len,
                                 .at_ms = c->now_ms + random_below(&c->random, 10),
                                 .give_up_ms = c->now_ms + timeout_ms};
            if (trouble(c, 5)) { /* crawls: may well arrive after it was given up */
                f->at_ms += random_below(&c->random, 6000);
            }
            f->bytes = malloc(len);
            memcpy(f->bytes, message, len);
            c->n_messages++;
            return true;
        }
    }
    fail_msg("too many messages in flight");
    return false;
}

static void flight_end(struct flight *f)
{
    free(f->bytes);
    f->used = false;
}

/* ------------------------------------------------------------------- the nodes */

static struct seen *cluster_find(struct cluster *c, const struct operation *op)
{
    for (int i = 0; i < c->n_seen; i++) {
        if (memcmp(c->seen[i].id, op->request_id, 16) == 0) {
            return &c->seen[i];
        }
    }
    struct seen *s = &c->seen[c->n_seen++];
    assert_true(c->n_seen <= 4 * CALLS_MAX);
    memset(s, 0, sizeof *s);
    memcpy(s->id, op->request_id, 16);
    memcpy(&s->call, op->id.data, sizeof s->call);
    return s;
}

static void seen_decide(struct cluster *c, struct seen *s)
{
    s->fate = random_bool(c, 80) ? DONE : REFUSED;
    s->effects += s->fate == DONE;
}

/* Carry out one operation in the leader: its error. */
static int cluster_apply(struct cluster *c, const struct operation *op)
{
    static const int before_log[] = {ORDERSCHED_BUSY,          ORDERSCHED_NOT_LEADER,
                                     ORDERSCHED_SHUTTING_DOWN, ORDERSCHED_FULL,
                                     ORDERSCHED_NO_SPACE,      ORDERSCHED_EARLY_REQUEST};

    if (trouble(c, 4)) {
        return before_log[random_below(&c->random, 6)];
    }
    if (op->request_id == NULL) {
        return trouble(c, 2) ? ORDERSCHED_UNKNOWN_OUTCOME : ORDERSCHED_OK;
    }
    struct seen *s = cluster_find(c, op);
    if (s->fate != IN_LOG && trouble(c, 3)) {
        s->fate = STALE;
    } else if ((s->fate == FRESH || s->fate == IN_LOG) && trouble(c, 3)) {
        s->fate = IN_LOG;
        return ORDERSCHED_UNKNOWN_OUTCOME;
    } else if (s->fate == FRESH || s->fate == IN_LOG) {
        seen_decide(c, s);
    }
    return s->fate == DONE      ? ORDERSCHED_OK
           : s->fate == REFUSED ? ORDERSCHED_NOT_FOUND
                                : ORDERSCHED_STALE_REQUEST;
}

static uint32_t cluster_results(struct cluster *c, const struct request *request,
                                struct buffer *results)
{
    const uint8_t *at = request->operations.data;
    size_t left = request->operations.len;

    for (uint32_t i = 0; i < request->n_operations; i++) {
        struct operation op;
        assert_int_equal(operation_decode(at, left, &op), ORDERSCHED_OK);
        at += op.bytes.len;
        left -= op.bytes.len;
        struct result result = {.error = cluster_apply(c, &op)};
        result_encode(results, &result);
    }
    return request->n_operations;
}

/* The message has arrived: turn it into its answer on the way back. */
static void node_receive(struct cluster *c, struct flight *f)
{
    struct buffer results = {0};
    struct buffer out = {0};
    struct request request;
    int leader = c->believed[f->node];
    struct answer answer = {.node_id = f->node + 1, .term = c->term, .now_ms = c->now_ms};

    assert_int_equal(request_decode(f->bytes, f->len, &request), ORDERSCHED_OK);
    if (leader >= 0) {
        answer.leader_id = (uint64_t)leader + 1;
        answer.leader_address = (struct slice){(const uint8_t *)addresses[leader], 3};
    }
    if (request.n_operations > 0 && c->leader != (int)f->node) {
        answer.error = ORDERSCHED_NOT_LEADER;
    } else if (request.n_operations > 0 && trouble(c, 3)) {
        answer.error = random_bool(c, 50) ? ORDERSCHED_BUSY : ORDERSCHED_SHUTTING_DOWN;
    } else if (request.n_operations > 0) {
        answer.n_results = cluster_results(c, &request, &results);
        answer.results = (struct slice){results.data, results.len};
    }
    answer_encode(&out, &answer);
    free(f->bytes);
    f->bytes = out.data;
    f->len = out.len;
    f->answering = true;
    f->at_ms = c->now_ms + random_below(&c->random, 10);
    if (trouble(c, 3)) {
        f->at_ms += 100000; /* lost, or so late that nobody waits */
    } else if (trouble(c, 2) && f->len > 2) {
        f->len -= 1 + random_below(&c->random, f->len - 1); /* damaged */
    }
    buffer_free(&results);
}

static void flight_step(struct cluster *c, struct flight *f)
{
    if (!f->silent && c->now_ms >= f->give_up_ms) {
        f->silent = true;
        client_logic_on_send_failed(&c->logic, f->handle, CLIENT_SILENT, client_now(c));
    }
    if (c->now_ms < f->at_ms) {
        return;
    }
    if (f->answering) {
        if (!f->silent || random_bool(c, 50)) { /* also answers that come too late */
            client_logic_on_answer(&c->logic, f->handle, f->bytes, f->len, client_now(c));
        }
        flight_end(f);
    } else if (!c->up[f->node]) {
        enum client_failure failure = random_bool(c, 50)
                                          ? CLIENT_LOST
                                          : CLIENT_UNSENT; /* either way it never arrived */
        if (!f->silent) {
            client_logic_on_send_failed(&c->logic, f->handle, failure, client_now(c));
        }
        flight_end(f);
    } else {
        node_receive(c, f);
    }
}

/* Crashes, restarts, elections, nodes that have not heard of them. */
static void cluster_stir(struct cluster *c)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (c->calm) {
            c->up[i] = true;
        } else if (random_below(&c->random, 2000) == 0) {
            c->up[i] = !c->up[i];
        }
        if (random_bool(c, 1)) {
            c->believed[i] = c->leader;
        }
    }
    bool deposed = !c->calm && random_below(&c->random, 3000) == 0;
    if (c->leader >= 0 && (deposed || !c->up[c->leader])) {
        c->leader = -1;
    }
    if (c->leader < 0 && random_bool(c, 1)) {
        unsigned node = (unsigned)random_below(&c->random, NODES);
        if (c->up[node]) {
            c->leader = (int)node;
            c->believed[node] = c->leader;
            c->term++;
        }
    }
    for (int i = 0; i < c->n_seen; i++) {
        if (c->seen[i].fate == IN_LOG && random_below(&c->random, 500) == 0) {
            if (random_bool(c, 50)) {
                seen_decide(c, &c->seen[i]);
            } else {
                c->seen[i].fate = FRESH; /* overwritten by the new leader's log */
            }
        }
    }
}

/* ------------------------------------------------------------------- the calls */

static void subject_ended(void *arg, const struct ordersched_answer *answer)
{
    struct subject *s = arg;

    s->ended++;
    s->error = answer->error;
}

static void cluster_call(struct cluster *c)
{
    static const uint8_t zero[16];
    struct subject *s = &c->subjects[c->n_subjects];
    struct buffer b = {0};
    struct call *call;

    *s = (struct subject){.number = c->n_subjects++, .mutating = random_bool(c, 80)};
    s->deadline_ms = client_now(c) + 1 + random_below(&c->random, random_bool(c, 20) ? 200 : 8000);
    struct operation op = {.code = s->mutating ? OPERATION_PAY : OPERATION_GET,
                           .request_id = s->mutating ? zero : NULL,
                           .id = {(const uint8_t *)&s->number, sizeof s->number}};
    operation_encode(&b, &op);
    assert_int_equal(call_new(&c->budget, b.data, b.len, false, NULL, subject_ended, s, &call), 0);
    assert_int_equal(client_logic_submit(&c->logic, call, s->deadline_ms), 0);
    buffer_free(&b);
}

static void cluster_step(struct cluster *c)
{
    cluster_stir(c);
    for (unsigned i = 0; i < FLIGHTS_MAX; i++) {
        if (c->flights[i].used) {
            flight_step(c, &c->flights[i]);
        }
    }
    while (!c->calm && c->n_subjects < CALLS_MAX && random_bool(c, 12)) {
        cluster_call(c);
    }
    client_logic_tick(&c->logic, client_now(c));
    assert_true(client_logic_next_wake_ms(&c->logic, client_now(c)) > client_now(c));
    for (int i = 0; i < c->n_subjects; i++) {
        const struct subject *s = &c->subjects[i];
        assert_true(s->ended <= 1);
        assert_true(s->ended == 1 || client_now(c) < s->deadline_ms);
    }
    c->now_ms++;
}

/* How often the call's requests took effect, all ids together. */
static int cluster_effects(const struct cluster *c, int call)
{
    int effects = 0;

    for (int i = 0; i < c->n_seen; i++) {
        if (c->seen[i].call == call) {
            effects += c->seen[i].effects;
        }
    }
    return effects;
}

static void cluster_judge(const struct cluster *c, int counts[3])
{
    for (int i = 0; i < c->n_subjects; i++) {
        const struct subject *s = &c->subjects[i];
        int effects = s->mutating ? cluster_effects(c, i) : 0;
        enum ordersched_class class = ordersched_error_class(s->error);
        counts[class]++;
        bool sound = effects <= 1 && s->ended == 1 &&
                     (class != ORDERSCHED_DONE || effects == 1 || !s->mutating) &&
                     (class != ORDERSCHED_DEFINITE || effects == 0) &&
                     (class != ORDERSCHED_UNKNOWN || s->mutating);
        if (!sound) {
            fail_msg("call %d ended %d times, as %s, with %d effects", i, s->ended,
                     ordersched_error_name(s->error), effects);
        }
    }
}

static void every_call_ends_once_in_time_and_as_what_really_happened(void **state)
{
    (void)state;
    struct cluster *c = calloc(1, sizeof *c);
    struct client_logic_config config = {.cluster = "random"};
    struct client_io io = {.arg = c, .send = cluster_send, .random = random_bytes};
    int counts[3] = {0};

    c->random = random_start();
    c->now_ms = START_MS;
    c->leader = -1;
    c->budget.calls_max = c->budget.bytes_max = SIZE_MAX / 2;
    assert_true(client_logic_init(&c->logic, &config, &io));
    for (unsigned i = 0; i < NODES; i++) {
        c->up[i] = true;
        c->believed[i] = -1;
        if (i < 2) { /* the third is learnt of from the others */
            assert_int_equal(client_logic_add_endpoint(&c->logic, addresses[i]), 0);
        }
    }
    for (int ms = 0; ms < 30000; ms++) {
        cluster_step(c);
    }
    c->calm = true;
    for (int ms = 0; ms < 9000; ms++) {
        cluster_step(c);
    }
    c->now_ms += 1000000; /* whatever crawls arrives now */
    cluster_step(c);
    cluster_judge(c, counts);
    printf("%d calls in %u messages: %d done, %d definite, %d unknown\n", c->n_subjects,
           c->n_messages, counts[ORDERSCHED_DONE], counts[ORDERSCHED_DEFINITE],
           counts[ORDERSCHED_UNKNOWN]);
    assert_true(counts[ORDERSCHED_DONE] > c->n_subjects / 5);
    assert_true(counts[ORDERSCHED_DEFINITE] > 0 && counts[ORDERSCHED_UNKNOWN] > 0);
    client_logic_close(&c->logic);
    assert_int_equal(atomic_load(&c->budget.calls), 0);
    for (unsigned i = 0; i < FLIGHTS_MAX; i++) {
        if (c->flights[i].used) {
            flight_end(&c->flights[i]);
        }
    }
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_ends_once_in_time_and_as_what_really_happened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
