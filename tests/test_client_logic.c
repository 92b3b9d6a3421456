/* test_client_logic.c - the client's logic against scripted nodes and a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../client/client_logic.h"
#include "../client/cursor.h"

#define A "10.0.0.1:7401"
#define B "10.0.0.2:7401"
#define C "10.0.0.3:7401"
#define NOW 1790000000000ull /* the cluster's time at the start of each test */

#define SENT_MAX 4096

struct sent {
    char address[PROTOCOL_ADDRESS_MAX];
    uint64_t handle;
    uint64_t at_ms;
    unsigned timeout_ms;
    uint32_t flags;
    uint32_t n;         /* operations; 0 = a search message */
    uint8_t *bytes;
    size_t len;
    struct operation op; /* the first one */
    bool ended;
};

struct outcome_of {
    int calls; /* how often its callback ran */
    int error;
    int state;
    uint64_t index;
    uint64_t at_ms;
    char body[64];
    size_t body_len;
    char text[600];
    struct world *world;
    bool resubmit;
};

struct world {
    struct client_logic logic;
    struct call_budget budget;
    uint64_t now_ms;
    struct sent sent[SENT_MAX];
    unsigned n_sent;
    unsigned refuse_sends; /* so many next sends find no memory */
    uint32_t chance;
};

static bool world_send(void *arg, unsigned slot, const char *address, const uint8_t *message,
                       size_t len, uint64_t handle, unsigned timeout_ms)
{
    struct world *w = arg;
    struct request request;

    if (w->refuse_sends > 0) {
        w->refuse_sends--;
        return false;
    }
    assert_true(w->n_sent < SENT_MAX);
    assert_true(slot < CLIENT_ENDPOINTS_MAX);
    assert_true(timeout_ms > 0);
    struct sent *s = &w->sent[w->n_sent++];
    memset(s, 0, sizeof *s);
    strcpy(s->address, address);
    s->handle = handle;
    s->at_ms = w->now_ms;
    s->timeout_ms = timeout_ms;
    s->bytes = malloc(len);
    s->len = len;
    memcpy(s->bytes, message, len);
    assert_int_equal(request_decode(s->bytes, len, &request), ORDERSCHED_OK);
    assert_true(request.cluster.len == 4 && memcmp(request.cluster.data, "test", 4) == 0);
    s->flags = request.flags;
    s->n = request.n_operations;
    const uint8_t *at = request.operations.data;
    size_t left = request.operations.len;
    for (uint32_t i = 0; i < s->n; i++) {
        struct operation op;
        assert_int_equal(operation_decode(at, left, &op), ORDERSCHED_OK);
        at += op.bytes.len;
        left -= op.bytes.len;
        if (i == 0) {
            s->op = op;
        }
    }
    assert_int_equal(left, 0);
    return true;
}

static void world_random(void *arg, void *out, size_t len)
{
    struct world *w = arg;
    uint8_t *at = out;

    for (size_t i = 0; i < len; i++) {
        w->chance = w->chance * 1664525u + 1013904223u;
        at[i] = (uint8_t)(w->chance >> 24);
    }
}

static struct world *world_new(const struct client_logic_config *over, const char *first, ...)
{
    struct world *w = calloc(1, sizeof *w);
    struct client_logic_config config = {0};
    struct client_io io = {.arg = w, .send = world_send, .random = world_random};
    va_list ap;

    if (over != NULL) {
        config = *over;
    }
    strcpy(config.cluster, "test");
    w->now_ms = 1000;
    w->chance = 1;
    w->budget.calls_max = 65536;
    w->budget.bytes_max = 64u << 20;
    assert_true(client_logic_init(&w->logic, &config, &io));
    va_start(ap, first);
    for (const char *address = first; address != NULL; address = va_arg(ap, const char *)) {
        assert_int_equal(client_logic_add_endpoint(&w->logic, address), ORDERSCHED_OK);
    }
    va_end(ap);
    return w;
}

static void world_free(struct world *w)
{
    client_logic_close(&w->logic);
    assert_int_equal(atomic_load(&w->budget.calls), 0);
    assert_int_equal(atomic_load(&w->budget.bytes), 0);
    for (unsigned i = 0; i < w->n_sent; i++) {
        free(w->sent[i].bytes);
    }
    free(w);
}

static void tick(struct world *w)
{
    client_logic_tick(&w->logic, w->now_ms);
}

/* Let time pass, with every tick that the logic asks for. */
static void pass(struct world *w, uint64_t ms)
{
    uint64_t end = w->now_ms + ms;

    for (;;) {
        uint64_t wake = client_logic_next_wake_ms(&w->logic, w->now_ms);
        if (wake > end) {
            break;
        }
        assert_true(wake >= w->now_ms || wake < w->now_ms);
        w->now_ms = wake > w->now_ms ? wake : w->now_ms;
        tick(w);
        assert_true(client_logic_next_wake_ms(&w->logic, w->now_ms) > w->now_ms);
    }
    w->now_ms = end;
    tick(w);
}

static struct sent *last(struct world *w)
{
    assert_true(w->n_sent > 0);
    return &w->sent[w->n_sent - 1];
}

static unsigned open_messages(const struct world *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->n_sent; i++) {
        n += !w->sent[i].ended;
    }
    return n;
}

/* ------------------------------------------------------------------- answers */

struct said {
    int error;
    uint64_t node;
    uint64_t leader;
    const char *address;
    uint64_t term;
    uint64_t now_ms; /* 0: NOW and what has passed */
    const char *text;
};

static const struct said from_leader_a = {.node = 1, .leader = 1, .address = A, .term = 5};

static void deliver(struct world *w, struct sent *s, const struct said *said,
                    const struct result *results, uint32_t n)
{
    struct buffer body = {0};
    struct buffer b = {0};

    for (uint32_t i = 0; i < n; i++) {
        result_encode(&body, &results[i]);
    }
    struct answer answer = {
        .error = said->error,
        .node_id = said->node,
        .leader_id = said->leader,
        .leader_address = {(const uint8_t *)said->address,
                           said->address != NULL ? strlen(said->address) : 0},
        .term = said->term,
        .now_ms = said->now_ms != 0 ? said->now_ms : NOW + w->now_ms,
        .n_results = n,
        .results = {body.data, body.len},
        .text = {(const uint8_t *)said->text, said->text != NULL ? strlen(said->text) : 0},
    };
    answer_encode(&b, &answer);
    s->ended = true;
    client_logic_on_answer(&w->logic, s->handle, b.data, b.len, w->now_ms);
    tick(w);
    buffer_free(&b);
    buffer_free(&body);
}

/* Every operation of the message gets this result. */
static void answer_all(struct world *w, struct sent *s, const struct said *said,
                       const struct result *result)
{
    struct result *results = calloc(s->n + 1, sizeof *results);

    for (uint32_t i = 0; i < s->n; i++) {
        results[i] = result != NULL ? *result : (struct result){0};
    }
    deliver(w, s, said, results, said->error == ORDERSCHED_OK ? s->n : 0);
    free(results);
}

static void answer_error(struct world *w, struct sent *s, int error)
{
    struct result result = {.error = error};

    answer_all(w, s, &from_leader_a, &result);
}

static void answer_ok(struct world *w, struct sent *s)
{
    struct result result = {.state = ORDERSCHED_PAID, .deadline_ms = NOW + 5, .index = 77};

    answer_all(w, s, &from_leader_a, &result);
}

static void drop(struct world *w, struct sent *s, bool unknown)
{
    s->ended = true;
    client_logic_on_send_failed(&w->logic, s->handle, unknown, w->now_ms);
    tick(w);
}

/* ------------------------------------------------------------------- calls */

static int submit(struct world *w, struct outcome_of *o, enum operation_code code,
                  const uint8_t *request_id, const char *target, unsigned timeout_ms);

static void ended(void *arg, const struct ordersched_answer *answer)
{
    struct outcome_of *o = arg;

    o->calls++;
    o->error = answer->error;
    o->state = answer->state;
    o->index = answer->index;
    o->at_ms = o->world->now_ms;
    o->body_len = answer->body_len;
    assert_true(answer->body_len <= sizeof o->body);
    if (answer->body_len > 0) {
        memcpy(o->body, answer->body, answer->body_len);
    }
    assert_true((answer->error == ORDERSCHED_OK) == (answer->text == NULL));
    strcpy(o->text, answer->text != NULL ? answer->text : "");
    if (o->resubmit) {
        o->resubmit = false;
        assert_int_equal(submit(o->world, o, OPERATION_PAY, NULL, NULL, 1000), ORDERSCHED_OK);
    }
}

static int submit(struct world *w, struct outcome_of *o, enum operation_code code,
                  const uint8_t *request_id, const char *target, unsigned timeout_ms)
{
    static const uint8_t zero[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = {.code = code, .id = {(const uint8_t *)"order", 5}, .node_id = 9,
                           .address = {(const uint8_t *)A, sizeof A - 1}};
    struct buffer b = {0};
    struct call *call;

    if (operation_is_logged(code)) {
        op.request_id = request_id != NULL ? request_id : zero;
    }
    operation_encode(&b, &op);
    o->world = w;
    int error = call_new(&w->budget, b.data, b.len, code == OPERATION_MEMBER_ADD, target, ended, o,
                         &call);
    buffer_free(&b);
    if (error == ORDERSCHED_OK) {
        error = client_logic_submit(&w->logic, call, w->now_ms + timeout_ms);
        if (error != ORDERSCHED_OK) {
            call_free(call);
        }
    }
    return error;
}

static void pay(struct world *w, struct outcome_of *o)
{
    assert_int_equal(submit(w, o, OPERATION_PAY, NULL, NULL, 10000), ORDERSCHED_OK);
}

/* A world whose client has found the leader A. */
static struct world *world_with_leader(const struct client_logic_config *over)
{
    struct world *w = world_new(over, A, B, C, NULL);
    struct outcome_of o = {0};

    assert_int_equal(submit(w, &o, OPERATION_GET, NULL, NULL, 1000), ORDERSCHED_OK);
    tick(w);
    answer_all(w, last(w), &from_leader_a, NULL);
    answer_ok(w, last(w));
    assert_int_equal(o.calls, 1);
    assert_int_equal(open_messages(w), 0);
    return w;
}

/* ------------------------------------------------------------------- finding the leader */

static void a_call_waits_until_the_leader_is_found_and_is_sent_to_it(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct outcome_of o = {0};

    tick(w);
    assert_int_equal(w->n_sent, 0);
    pay(w, &o);
    tick(w);
    assert_int_equal(w->n_sent, 1);
    assert_int_equal(last(w)->n, 0);
    assert_string_equal(last(w)->address, A);
    struct said follower = {.node = 1, .leader = 3, .address = C, .term = 5};
    answer_all(w, last(w), &follower, NULL);
    assert_int_equal(w->n_sent, 2);
    assert_string_equal(last(w)->address, C);
    assert_int_equal(last(w)->n, 1);
    assert_int_equal(last(w)->op.code, OPERATION_PAY);
    assert_int_equal(last(w)->flags, 0);
    answer_ok(w, last(w));
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_OK);
    assert_int_equal(o.state, ORDERSCHED_PAID);
    assert_int_equal(o.index, 77);
    assert_int_equal(client_logic_next_wake_ms(&w->logic, w->now_ms), UINT64_MAX);
    world_free(w);
}

static void the_request_id_carries_the_clusters_time_and_ten_random_bytes(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o[2] = {0};

    w->now_ms += 12345;
    pay(w, &o[0]);
    tick(w);
    assert_int_equal(request_id_time_ms(last(w)->op.request_id), NOW + w->now_ms);
    uint8_t first[16];
    memcpy(first, last(w)->op.request_id, 16);
    pay(w, &o[1]);
    tick(w);
    assert_memory_not_equal(first + 6, last(w)->op.request_id + 6, 10);
    world_free(w);
}

static void a_given_request_id_is_kept(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};
    uint8_t id[16] = "0123456789abcde";

    assert_int_equal(submit(w, &o, OPERATION_PAY, id, NULL, 1000), ORDERSCHED_OK);
    tick(w);
    assert_memory_equal(last(w)->op.request_id, id, 16);
    world_free(w);
}

static void a_node_that_cannot_be_reached_is_passed_over_at_once(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct outcome_of o = {0};

    pay(w, &o);
    tick(w);
    drop(w, last(w), false);
    assert_int_equal(w->n_sent, 2);
    assert_string_equal(last(w)->address, B);
    assert_int_equal(last(w)->at_ms, w->sent[0].at_ms);
    world_free(w);
}

static void a_silent_node_is_overtaken_by_the_next(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct outcome_of o = {0};

    pay(w, &o);
    tick(w);
    pass(w, 99);
    assert_int_equal(w->n_sent, 1);
    pass(w, 1);
    assert_int_equal(w->n_sent, 2);
    assert_string_equal(last(w)->address, B);
    struct said leader = {.node = 2, .leader = 2, .address = B, .term = 5};
    answer_all(w, last(w), &leader, NULL);
    assert_int_equal(last(w)->n, 1);
    assert_string_equal(last(w)->address, B);
    /* The late answer of A changes nothing. */
    struct said late = {.node = 1, .leader = 3, .address = C, .term = 4};
    answer_all(w, &w->sent[0], &late, NULL);
    struct outcome_of next = {0};
    pay(w, &next);
    tick(w);
    assert_string_equal(last(w)->address, B);
    world_free(w);
}

static void an_answer_of_an_older_term_is_not_believed(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};

    pay(w, &o);
    tick(w);
    struct said deposed = {.error = ORDERSCHED_NOT_LEADER, .node = 1, .leader = 3, .address = C,
                           .term = 4};
    answer_all(w, last(w), &deposed, NULL);
    assert_int_equal(last(w)->n, 0); /* a search, not the call to C */
    world_free(w);
}

static void a_redirect_is_followed_at_once_with_the_same_request_id(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};
    uint8_t id[16];

    pay(w, &o);
    tick(w);
    memcpy(id, last(w)->op.request_id, 16);
    struct said moved = {.error = ORDERSCHED_NOT_LEADER, .node = 1, .leader = 9,
                         .address = "10.0.0.9:7401", .term = 6};
    answer_all(w, last(w), &moved, NULL);
    assert_string_equal(last(w)->address, "10.0.0.9:7401");
    assert_memory_equal(last(w)->op.request_id, id, 16);
    assert_int_equal(o.calls, 0);
    answer_ok(w, last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void nodes_that_point_at_each_other_are_not_hammered(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};
    unsigned before = w->n_sent;
    struct said at_a = {.error = ORDERSCHED_NOT_LEADER, .node = 1, .leader = 2, .address = B,
                        .term = 6};
    struct said at_b = {.error = ORDERSCHED_NOT_LEADER, .node = 2, .leader = 1, .address = A,
                        .term = 6};
    struct said at_c = {.error = ORDERSCHED_NOT_LEADER, .node = 3, .leader = 1, .address = A,
                        .term = 6};

    pay(w, &o);
    tick(w);
    while (o.calls == 0) {
        for (unsigned i = 0; i < w->n_sent; i++) {
            if (!w->sent[i].ended) {
                char which = w->sent[i].address[7];
                answer_all(w, &w->sent[i], which == '1' ? &at_a : which == '2' ? &at_b : &at_c,
                           NULL);
            }
        }
        pass(w, 10);
    }
    assert_int_equal(o.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(ordersched_error_class(o.error), ORDERSCHED_DEFINITE);
    assert_true(w->n_sent - before < 100);
    world_free(w);
}

static void a_cluster_without_a_leader_is_asked_again_with_growing_pauses(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct outcome_of o = {0};
    struct said nobody = {.node = 1, .term = 5};

    pay(w, &o);
    tick(w);
    while (o.calls == 0) {
        for (unsigned i = 0; i < w->n_sent; i++) {
            if (!w->sent[i].ended) {
                answer_all(w, &w->sent[i], &nobody, NULL);
            }
        }
        pass(w, 5);
    }
    assert_int_equal(o.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(o.at_ms, 11000);
    assert_true(w->n_sent >= 30 && w->n_sent < 120);
    world_free(w);
}

static void nodes_that_cannot_be_reached_end_the_call_as_unreachable(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct outcome_of o = {0};

    pay(w, &o);
    tick(w);
    while (o.calls == 0) {
        for (unsigned i = 0; i < w->n_sent; i++) {
            if (!w->sent[i].ended) {
                drop(w, &w->sent[i], false);
            }
        }
        pass(w, 5);
    }
    assert_int_equal(o.error, ORDERSCHED_UNREACHABLE);
    assert_int_equal(o.at_ms, 11000);
    assert_true(w->n_sent >= 30 && w->n_sent < 120);
    world_free(w);
}

static void a_node_of_another_cluster_is_passed_over(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, NULL);
    struct outcome_of o = {0};
    struct said stranger = {.error = ORDERSCHED_WRONG_CLUSTER, .node = 1, .leader = 1,
                            .address = A, .term = 99};
    struct said leader = {.node = 1, .leader = 1, .address = B, .term = 2};

    pay(w, &o);
    tick(w);
    answer_all(w, last(w), &stranger, NULL);
    assert_string_equal(last(w)->address, B);
    answer_all(w, last(w), &leader, NULL);
    assert_string_equal(last(w)->address, B);
    assert_int_equal(last(w)->n, 1);
    answer_ok(w, last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void calls_end_at_once_when_every_node_is_of_another_cluster(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, NULL);
    struct outcome_of o = {.resubmit = true};
    struct said stranger = {.error = ORDERSCHED_WRONG_CLUSTER, .node = 1};

    pay(w, &o);
    tick(w);
    answer_all(w, last(w), &stranger, NULL);
    assert_int_equal(o.calls, 0);
    answer_all(w, last(w), &stranger, NULL);
    assert_int_equal(o.calls, 1); /* and the next call waits for the next round */
    assert_int_equal(o.error, ORDERSCHED_WRONG_CLUSTER);
    assert_int_equal(o.at_ms, 1000);
    world_free(w);
}

static void a_leader_that_went_silent_is_left_with_all_its_messages(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o[3] = {0};
    uint8_t id[16];

    for (int i = 0; i < 3; i++) {
        pay(w, &o[i]);
        tick(w);
        w->now_ms += 100;
    }
    struct sent *first = &w->sent[w->n_sent - 3];
    memcpy(id, w->sent[w->n_sent - 1].op.request_id, 16);
    assert_int_equal(first->timeout_ms, 2000);
    w->now_ms = first->at_ms + 2000;
    drop(w, first, true);
    assert_int_equal(last(w)->n, 0);
    assert_string_equal(last(w)->address, B); /* not A again, first */
    struct said follower = {.node = 2, .leader = 3, .address = C, .term = 6};
    answer_all(w, last(w), &follower, NULL);
    /* The two other messages' time is not up, but their calls are on their way already. */
    assert_string_equal(last(w)->address, C);
    assert_int_equal(last(w)->n, 3);
    answer_ok(w, last(w));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].error, ORDERSCHED_OK);
    }
    /* What the old leader says now comes too late for anything. */
    answer_ok(w, first + 1);
    drop(w, first + 2, true);
    assert_int_equal(o[1].calls, 1);
    assert_int_equal(o[2].calls, 1);
    world_free(w);
}

static void a_slow_leader_that_still_leads_is_used_again(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};

    pay(w, &o);
    tick(w);
    pass(w, 2000);
    drop(w, last(w), true);
    struct said follower = {.node = 2, .leader = 1, .address = A, .term = 5};
    answer_all(w, last(w), &follower, NULL);
    assert_string_equal(last(w)->address, A);
    assert_int_equal(last(w)->n, 1);
    answer_ok(w, last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void a_leader_is_reached_under_the_address_it_answered_from(void **state)
{
    (void)state;
    /* Behind a translated network the advertised address may not be ours to reach. */
    struct world *w = world_new(NULL, "public:1", "public:2", NULL);
    struct outcome_of o = {0};
    struct said one = {.node = 1, .term = 5};
    struct said two = {.node = 2, .leader = 1, .address = "private:1", .term = 6};

    pay(w, &o);
    tick(w);
    answer_all(w, last(w), &one, NULL);
    answer_all(w, last(w), &two, NULL);
    assert_string_equal(last(w)->address, "public:1");
    drop(w, last(w), false);
    answer_all(w, last(w), &two, NULL);
    assert_string_equal(last(w)->address, "private:1");
    world_free(w);
}

/* ------------------------------------------------------------------- definite or unknown */

/* What happens to one attempt. */
enum step {
    END,
    NOT_SENT,   /* never left the host */
    LOST,       /* sent, no answer */
    GARBAGE,    /* an answer that is none */
    WHOLE,      /* the whole message refused with `error` */
    RESULT,     /* a result with `error` */
};

struct attempt_step {
    enum step step;
    int error;
};

struct row {
    const char *name;
    enum operation_code code;
    bool own_id;
    struct attempt_step steps[5];
    int error; /* what the call ends with; after the steps nothing more is answered */
    bool early; /* before its deadline */
};

#define PAY OPERATION_PAY
static const struct row table[] = {
    {"ok", PAY, true, {{RESULT, 0}}, 0, true},
    {"decided", PAY, true, {{RESULT, ORDERSCHED_TOO_LATE}}, ORDERSCHED_TOO_LATE, true},
    {"not sent", PAY, true, {{NOT_SENT, 0}}, ORDERSCHED_UNREACHABLE, false},
    {"not sent twice", PAY, true, {{NOT_SENT, 0}, {NOT_SENT, 0}}, ORDERSCHED_UNREACHABLE, false},
    {"lost", PAY, true, {{LOST, 0}}, ORDERSCHED_TIMEOUT, false},
    {"lost, then not sent", PAY, true, {{LOST, 0}, {NOT_SENT, 0}}, ORDERSCHED_TIMEOUT, false},
    {"lost, then decided", PAY, true, {{LOST, 0}, {RESULT, 0}}, 0, true},
    {"lost, then decided otherwise", PAY, true, {{LOST, 0}, {RESULT, ORDERSCHED_NOT_FOUND}},
     ORDERSCHED_NOT_FOUND, true},
    {"lost, then busy", PAY, true, {{LOST, 0}, {WHOLE, ORDERSCHED_BUSY}}, ORDERSCHED_TIMEOUT,
     false},
    {"busy", PAY, true, {{WHOLE, ORDERSCHED_BUSY}}, ORDERSCHED_BUSY, false},
    {"busy alone", PAY, true, {{RESULT, ORDERSCHED_BUSY}}, ORDERSCHED_BUSY, false},
    {"busy, then ok", PAY, true, {{WHOLE, ORDERSCHED_BUSY}, {RESULT, 0}}, 0, true},
    {"busy, then lost", PAY, true, {{RESULT, ORDERSCHED_BUSY}, {LOST, 0}}, ORDERSCHED_TIMEOUT,
     false},
    {"not leader", PAY, true, {{WHOLE, ORDERSCHED_NOT_LEADER}}, ORDERSCHED_NOT_LEADER, false},
    {"shutting down", PAY, true, {{WHOLE, ORDERSCHED_SHUTTING_DOWN}, {RESULT, 0}}, 0, true},
    {"full", PAY, true, {{RESULT, ORDERSCHED_FULL}}, ORDERSCHED_FULL, true},
    {"no space", PAY, true, {{WHOLE, ORDERSCHED_NO_SPACE}}, ORDERSCHED_NO_SPACE, true},
    {"lost, then full", PAY, true, {{LOST, 0}, {RESULT, ORDERSCHED_FULL}}, ORDERSCHED_TIMEOUT,
     false},
    {"lost, then full, then ok", PAY, true,
     {{LOST, 0}, {RESULT, ORDERSCHED_FULL}, {RESULT, 0}}, 0, true},
    {"unknown outcome", PAY, true, {{WHOLE, ORDERSCHED_UNKNOWN_OUTCOME}}, ORDERSCHED_TIMEOUT,
     false},
    {"unknown result", PAY, true, {{RESULT, ORDERSCHED_UNKNOWN_OUTCOME}, {RESULT, 0}}, 0, true},
    {"unknown, then not leader", PAY, true,
     {{RESULT, ORDERSCHED_UNKNOWN_OUTCOME}, {WHOLE, ORDERSCHED_NOT_LEADER}}, ORDERSCHED_TIMEOUT,
     false},
    {"a number never heard of", PAY, true, {{RESULT, 200}}, ORDERSCHED_TIMEOUT, false},
    {"a refusal never heard of", PAY, true, {{RESULT, 60}}, 60, true},
    {"garbage", PAY, true, {{GARBAGE, 0}}, ORDERSCHED_TIMEOUT, false},
    {"garbage, then ok", PAY, true, {{GARBAGE, 0}, {RESULT, 0}}, 0, true},
    {"invalid", PAY, true, {{WHOLE, ORDERSCHED_INVALID}}, ORDERSCHED_INVALID, true},
    {"bad id", PAY, true, {{RESULT, ORDERSCHED_BAD_ID}}, ORDERSCHED_BAD_ID, true},
    {"lost, then invalid", PAY, true, {{LOST, 0}, {WHOLE, ORDERSCHED_INVALID}},
     ORDERSCHED_UNKNOWN_OUTCOME, true},
    {"a decision on a whole message is none", PAY, true, {{WHOLE, ORDERSCHED_EXISTS}},
     ORDERSCHED_TIMEOUT, false},
    {"stale, own id", PAY, true, {{RESULT, ORDERSCHED_STALE_REQUEST}, {RESULT, 0}}, 0, true},
    {"stale for ever, own id", PAY, true, {{RESULT, ORDERSCHED_STALE_REQUEST}},
     ORDERSCHED_TIMEOUT, false}, /* the last attempt is in flight when the time is up */
    {"stale, given id", PAY, false, {{RESULT, ORDERSCHED_STALE_REQUEST}},
     ORDERSCHED_STALE_REQUEST, true},
    {"lost, then stale", PAY, true, {{LOST, 0}, {RESULT, ORDERSCHED_STALE_REQUEST}},
     ORDERSCHED_UNKNOWN_OUTCOME, true},
    {"lost, then stale, given id", PAY, false, {{LOST, 0}, {RESULT, ORDERSCHED_STALE_REQUEST}},
     ORDERSCHED_UNKNOWN_OUTCOME, true},
    {"early", PAY, true, {{RESULT, ORDERSCHED_EARLY_REQUEST}, {RESULT, 0}}, 0, true},
    {"a read that is lost", OPERATION_GET, true, {{LOST, 0}}, ORDERSCHED_UNREACHABLE, false},
    {"a read that is lost, then ok", OPERATION_GET, true, {{LOST, 0}, {RESULT, 0}}, 0, true},
    {"a read, unknown", OPERATION_GET, true, {{WHOLE, ORDERSCHED_UNKNOWN_OUTCOME}, {RESULT, 0}},
     0, true},
    {"a member change that is lost is not repeated", OPERATION_MEMBER_ADD, true, {{LOST, 0}},
     ORDERSCHED_UNKNOWN_OUTCOME, true},
    {"a member change not sent is repeated", OPERATION_MEMBER_ADD, true,
     {{NOT_SENT, 0}, {RESULT, 0}}, 0, true},
    {"a member change refused", OPERATION_MEMBER_ADD, true, {{RESULT, ORDERSCHED_MEMBER_CHANGE}},
     ORDERSCHED_MEMBER_CHANGE, true},
};

static void step_attempt(struct world *w, struct sent *s, const struct attempt_step *step)
{
    struct said whole = from_leader_a;

    switch (step->step) {
        case NOT_SENT: drop(w, s, false); break;
        case LOST: drop(w, s, true); break;
        case RESULT: answer_error(w, s, step->error); break;
        case GARBAGE:
            s->ended = true;
            client_logic_on_answer(&w->logic, s->handle, (const uint8_t *)"\x93\x01", 2,
                                   w->now_ms);
            tick(w);
            break;
        case WHOLE:
            whole.error = step->error;
            answer_all(w, s, &whole, NULL);
            break;
        case END: break;
    }
}

static struct sent *open_message(struct world *w, bool probe)
{
    for (unsigned i = 0; i < w->n_sent; i++) {
        if (!w->sent[i].ended && (w->sent[i].n == 0) == probe) {
            return &w->sent[i];
        }
    }
    return NULL;
}

/* Play the row. Once its steps are over, the whole cluster falls silent: searches go unanswered
 * and further attempts of the call, if there is a leader to try, are in flight at the end only
 * when the last step left the leader in place. */
static void play(const struct row *row)
{
    struct world *w = world_with_leader(NULL);
    uint8_t given[16] = "0123456789abcde";
    struct outcome_of o = {0};
    const struct attempt_step *step = row->steps;
    uint64_t start = w->now_ms;
    bool same_id = true;
    uint8_t id[16] = {0};
    bool have_id = false;

    assert_int_equal(submit(w, &o, row->code, row->own_id ? NULL : given, NULL, 10000),
                     ORDERSCHED_OK);
    tick(w);
    while (o.calls == 0 && w->now_ms < start + 20000) {
        struct sent *s;
        while ((s = open_message(w, true)) != NULL && step->step != END) {
            answer_all(w, s, &from_leader_a, NULL);
        }
        s = open_message(w, false);
        if (s != NULL && step->step != END) {
            if (s->op.request_id != NULL) {
                same_id = same_id && (!have_id || memcmp(id, s->op.request_id, 16) == 0);
                memcpy(id, s->op.request_id, 16);
                have_id = true;
            }
            step_attempt(w, s, step);
            step++;
        } else if (s != NULL && row->code == PAY && row->steps[0].error == ORDERSCHED_BUSY &&
                   row->steps[1].step == END) {
            step_attempt(w, s, &row->steps[0]); /* busy for ever */
        } else if (s != NULL && row->error == ORDERSCHED_UNREACHABLE) {
            drop(w, s, row->code == OPERATION_GET);
        }
        if (o.calls == 0) {
            pass(w, 10);
        }
    }
    if (o.calls != 1 || o.error != row->error ||
        (row->early ? w->now_ms >= start + 10000 : o.at_ms != start + 10000)) {
        fail_msg("%s: ended %d times with %s, expected %s, after %d ms", row->name, o.calls,
                 ordersched_error_name(o.error), ordersched_error_name(row->error),
                 (int)(o.at_ms - start));
    }
    bool renewed = row->own_id && (row->steps[0].error == ORDERSCHED_STALE_REQUEST ||
                                   row->steps[0].error == ORDERSCHED_EARLY_REQUEST);
    assert_true(same_id || renewed);
    world_free(w);
}

static void the_outcome_of_every_sequence_of_attempts_is_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        play(&table[i]);
    }
}

static void a_stale_id_of_our_own_making_is_replaced_by_a_fresh_one(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};
    uint8_t id[16];

    pay(w, &o);
    tick(w);
    memcpy(id, last(w)->op.request_id, 16);
    struct said later = from_leader_a;
    later.now_ms = NOW + 3600000;
    struct result stale = {.error = ORDERSCHED_STALE_REQUEST};
    answer_all(w, last(w), &later, &stale);
    assert_memory_not_equal(last(w)->op.request_id, id, 16);
    assert_int_equal(request_id_time_ms(last(w)->op.request_id), NOW + 3600000);
    answer_ok(w, last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void an_early_id_is_made_anew_from_the_leaders_time(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};

    w->now_ms += 100000; /* our clock ran while the cluster's stood still */
    pay(w, &o);
    tick(w);
    struct said slow = from_leader_a;
    slow.now_ms = NOW + 2000;
    struct result early = {.error = ORDERSCHED_EARLY_REQUEST};
    answer_all(w, last(w), &slow, &early);
    pass(w, 30);
    assert_true(request_id_time_ms(last(w)->op.request_id) <= NOW + 2030);
    answer_ok(w, last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void a_follower_does_not_set_the_time_back(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};
    uint64_t ms;

    pay(w, &o);
    tick(w);
    uint64_t before = NOW + w->now_ms;
    struct said lagging = {.error = ORDERSCHED_NOT_LEADER, .node = 1, .now_ms = NOW - 50000,
                           .term = 5};
    answer_all(w, last(w), &lagging, NULL);
    assert_true(client_logic_time(&w->logic, w->now_ms, &ms));
    assert_int_equal(ms, before);
    world_free(w);
}

static void the_sentence_of_an_error_is_handed_on(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};
    struct buffer body = {0};

    pay(w, &o);
    tick(w);
    write_str(&body, "why it was", 10);
    struct result result = {.error = ORDERSCHED_DECIDED, .state = ORDERSCHED_CANCELLED,
                            .index = 5, .body = {body.data, body.len}};
    answer_all(w, last(w), &from_leader_a, &result);
    buffer_free(&body);
    assert_int_equal(o.error, ORDERSCHED_DECIDED);
    assert_int_equal(o.state, ORDERSCHED_CANCELLED);
    assert_int_equal(o.body_len, 0);
    assert_string_equal(o.text, "why it was");

    pay(w, &o);
    tick(w);
    struct said refused = from_leader_a;
    refused.error = ORDERSCHED_NO_SPACE;
    refused.text = "the disk is full";
    answer_all(w, last(w), &refused, NULL);
    assert_int_equal(o.error, ORDERSCHED_NO_SPACE);
    assert_string_equal(o.text, "the disk is full");
    world_free(w);
}

static void the_body_of_a_read_is_handed_on(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};

    assert_int_equal(submit(w, &o, OPERATION_GET, NULL, NULL, 1000), ORDERSCHED_OK);
    tick(w);
    struct result result = {.body = {(const uint8_t *)"\x92\x01\x02", 3}};
    answer_all(w, last(w), &from_leader_a, &result);
    assert_int_equal(o.body_len, 3);
    assert_memory_equal(o.body, "\x92\x01\x02", 3);
    world_free(w);
}

static void an_answer_with_too_few_results_is_no_answer(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o[2] = {0};
    struct result ok = {.index = 1};

    pay(w, &o[0]);
    pay(w, &o[1]);
    tick(w);
    assert_int_equal(last(w)->n, 2);
    deliver(w, last(w), &from_leader_a, &ok, 1);
    assert_int_equal(o[0].calls + o[1].calls, 0);
    pass(w, 10000);
    assert_int_equal(o[0].error, ORDERSCHED_TIMEOUT);
    assert_int_equal(o[1].error, ORDERSCHED_TIMEOUT);
    world_free(w);
}

static void a_malformed_result_leaves_the_ones_before_it_valid(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o[2] = {0};
    struct buffer body = {0};
    struct buffer b = {0};

    pay(w, &o[0]);
    pay(w, &o[1]);
    tick(w);
    result_encode(&body, &(struct result){.index = 9});
    write_uint(&body, 5); /* a value, but no result */
    struct answer answer = {.node_id = 1, .leader_id = 1, .term = 5, .now_ms = NOW,
                            .n_results = 2, .results = {body.data, body.len}};
    answer_encode(&b, &answer);
    last(w)->ended = true;
    client_logic_on_answer(&w->logic, last(w)->handle, b.data, b.len, w->now_ms);
    assert_int_equal(o[0].calls, 1);
    assert_int_equal(o[0].error, ORDERSCHED_OK);
    assert_int_equal(o[1].calls, 0);
    buffer_free(&b);
    buffer_free(&body);
    world_free(w);
    assert_int_equal(o[1].error, ORDERSCHED_TIMEOUT);
}

static void a_second_or_strange_report_changes_nothing(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};

    pay(w, &o);
    tick(w);
    struct sent *s = last(w);
    answer_ok(w, s);
    answer_ok(w, s);
    drop(w, s, true);
    client_logic_on_send_failed(&w->logic, 999999, true, w->now_ms);
    assert_int_equal(o.calls, 1);
    world_free(w);
}

/* ------------------------------------------------------------------- batching */

static void an_idle_client_sends_at_once_and_a_busy_one_gathers(void **state)
{
    (void)state;
    struct client_logic_config config = {.window = 2};
    struct world *w = world_with_leader(&config);
    struct outcome_of o[12] = {0};
    unsigned before = w->n_sent;

    for (int i = 0; i < 12; i++) {
        pay(w, &o[i]);
        tick(w);
    }
    assert_int_equal(w->n_sent - before, 2); /* one each, then the window is full */
    assert_int_equal(w->sent[before].n, 1);
    assert_int_equal(w->sent[before + 1].n, 1);
    answer_ok(w, &w->sent[before]);
    assert_int_equal(w->n_sent - before, 3);
    assert_int_equal(last(w)->n, 10);
    answer_ok(w, last(w));
    answer_ok(w, &w->sent[before + 1]);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(o[i].calls, 1);
    }
    world_free(w);
}

static void a_message_holds_no_more_operations_than_the_protocol_allows(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of *o = calloc(2500, sizeof *o);
    unsigned before = w->n_sent;

    for (int i = 0; i < 2500; i++) {
        pay(w, &o[i]);
    }
    tick(w);
    assert_int_equal(w->n_sent - before, 3);
    assert_int_equal(w->sent[before].n, PROTOCOL_OPERATIONS_MAX);
    assert_int_equal(w->sent[before + 1].n, PROTOCOL_OPERATIONS_MAX);
    assert_int_equal(w->sent[before + 2].n, 2500 - 2 * PROTOCOL_OPERATIONS_MAX);
    world_free(w);
    free(o);
}

static void a_message_holds_no_more_bytes_than_the_protocol_allows(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX];
    uint8_t zero[16] = {0};
    struct operation op = {.code = OPERATION_SCHEDULE, .request_id = zero,
                           .id = {(const uint8_t *)"x", 1}, .relative = true, .time_ms = 1000,
                           .route = {(const uint8_t *)"r", 1},
                           .payload = {payload, sizeof payload}};
    struct outcome_of o = {.world = w};
    struct buffer b = {0};
    unsigned before = w->n_sent;

    operation_encode(&b, &op);
    for (int i = 0; i < 600; i++) {
        struct call *call;
        assert_int_equal(call_new(&w->budget, b.data, b.len, true, NULL, ended, &o, &call), 0);
        assert_int_equal(client_logic_submit(&w->logic, call, w->now_ms + 1000), 0);
    }
    tick(w);
    assert_true(w->n_sent - before == 3);
    unsigned n = 0;
    for (unsigned i = before; i < w->n_sent; i++) {
        assert_true(w->sent[i].len <= PROTOCOL_MESSAGE_MAX);
        n += w->sent[i].n;
    }
    assert_int_equal(n, 600);
    assert_true(w->sent[before].len + b.len > PROTOCOL_MESSAGE_MAX - 100); /* and well filled */
    buffer_free(&b);
    world_free(w);
    assert_int_equal(o.calls, 600);
}

static void a_member_operation_is_alone_in_its_message(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o[5] = {0};
    unsigned before = w->n_sent;

    pay(w, &o[0]);
    pay(w, &o[1]);
    assert_int_equal(submit(w, &o[2], OPERATION_MEMBER_ADD, NULL, NULL, 1000), 0);
    assert_int_equal(submit(w, &o[3], OPERATION_MEMBER_ADD, NULL, NULL, 1000), 0);
    pay(w, &o[4]);
    tick(w);
    assert_int_equal(w->n_sent - before, 4);
    assert_int_equal(w->sent[before].n, 2);
    assert_int_equal(w->sent[before + 1].op.code, OPERATION_MEMBER_ADD);
    assert_int_equal(w->sent[before + 1].n, 1);
    assert_int_equal(w->sent[before + 2].n, 1);
    assert_int_equal(w->sent[before + 3].op.code, PAY);
    world_free(w);
}

static void repeated_calls_keep_their_order(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o[3] = {0};
    uint8_t ids[3][16] = {"1", "2", "3"};

    for (int i = 0; i < 3; i++) {
        assert_int_equal(submit(w, &o[i], PAY, ids[i], NULL, 5000), 0);
    }
    tick(w);
    struct said moved = {.error = ORDERSCHED_NOT_LEADER, .node = 1, .leader = 2, .address = B,
                         .term = 6};
    answer_all(w, last(w), &moved, NULL);
    assert_int_equal(last(w)->n, 3);
    struct request request;
    assert_int_equal(request_decode(last(w)->bytes, last(w)->len, &request), 0);
    const uint8_t *at = request.operations.data;
    for (int i = 0; i < 3; i++) {
        struct operation op;
        assert_int_equal(operation_decode(at, (size_t)(last(w)->bytes + last(w)->len - at), &op),
                         0);
        assert_memory_equal(op.request_id, ids[i], 16);
        at += op.bytes.len;
    }
    world_free(w);
}

/* ------------------------------------------------------------------- time */

static void a_call_in_flight_at_its_deadline_is_a_timeout(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o[2] = {0};

    assert_int_equal(submit(w, &o[0], PAY, NULL, NULL, 300), 0);
    assert_int_equal(submit(w, &o[1], PAY, NULL, NULL, 900), 0);
    tick(w);
    assert_int_equal(last(w)->timeout_ms, 900);
    pass(w, 299);
    assert_int_equal(o[0].calls, 0);
    pass(w, 1);
    assert_int_equal(o[0].calls, 1);
    assert_int_equal(o[0].error, ORDERSCHED_TIMEOUT);
    assert_int_equal(ordersched_error_class(o[0].error), ORDERSCHED_UNKNOWN);
    assert_int_equal(o[1].calls, 0);
    answer_ok(w, last(w)); /* only the second still waits for its result */
    assert_int_equal(o[0].calls, 1);
    assert_int_equal(o[1].error, ORDERSCHED_OK);
    world_free(w);
}

static void a_call_whose_time_is_up_before_it_starts_is_not_sent(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};
    unsigned before = w->n_sent;

    assert_int_equal(submit(w, &o, PAY, NULL, NULL, 0), 0);
    tick(w);
    assert_int_equal(w->n_sent, before);
    assert_int_equal(o.error, ORDERSCHED_UNREACHABLE);
    world_free(w);
}

static void the_clusters_time_is_asked_for_without_a_call(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);
    uint64_t ms;

    assert_false(client_logic_time(&w->logic, w->now_ms, &ms));
    client_logic_want_time(&w->logic, w->now_ms + 500);
    tick(w);
    assert_int_equal(last(w)->n, 0);
    struct said lone = {.node = 1, .term = 1}; /* no leader, but it knows the time */
    answer_all(w, last(w), &lone, NULL);
    w->now_ms += 7;
    assert_true(client_logic_time(&w->logic, w->now_ms, &ms));
    assert_int_equal(ms, NOW + w->now_ms);
    assert_int_equal(w->n_sent, 1);
    assert_int_equal(client_logic_next_wake_ms(&w->logic, w->now_ms), UINT64_MAX);
    world_free(w);
}

static void nobody_asks_for_the_time_any_more_once_nobody_wants_it(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);

    client_logic_want_time(&w->logic, w->now_ms + 500);
    tick(w);
    for (int i = 0; i < 200; i++) {
        struct sent *s = open_message(w, true);
        if (s != NULL) {
            drop(w, s, false);
        }
        pass(w, 10);
    }
    unsigned n = w->n_sent;
    assert_true(n > 2);
    pass(w, 60000);
    assert_int_equal(w->n_sent, n);
    world_free(w);
}

/* ------------------------------------------------------------------- one node by name */

static void a_targeted_read_asks_that_node_alone_and_locally(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, NULL);
    struct outcome_of o = {0};

    assert_int_equal(submit(w, &o, OPERATION_STATUS, NULL, "10.0.0.7:7401", 1000), 0);
    tick(w);
    assert_int_equal(w->n_sent, 1);
    assert_string_equal(last(w)->address, "10.0.0.7:7401");
    assert_int_equal(last(w)->flags, PROTOCOL_LOCAL);
    assert_int_equal(last(w)->op.code, OPERATION_STATUS);
    answer_ok(w, last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void a_targeted_node_that_is_down_is_tried_until_the_deadline_and_no_other(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, NULL);
    struct outcome_of o = {0};

    assert_int_equal(submit(w, &o, OPERATION_STATUS, NULL, C, 3000), 0);
    tick(w);
    while (o.calls == 0) {
        struct sent *s = open_message(w, false);
        if (s != NULL) {
            drop(w, s, false);
        }
        pass(w, 5);
    }
    assert_int_equal(o.error, ORDERSCHED_UNREACHABLE);
    assert_true(w->n_sent >= 6 && w->n_sent < 30);
    for (unsigned i = 0; i < w->n_sent; i++) {
        assert_string_equal(w->sent[i].address, C);
    }
    world_free(w);
}

static void a_targeted_node_that_does_not_lead_says_so(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {0};

    assert_int_equal(submit(w, &o, OPERATION_MEMBER_ADD, NULL, B, 3000), 0);
    tick(w);
    assert_string_equal(last(w)->address, B);
    assert_int_equal(last(w)->flags, 0);
    struct said follower = {.error = ORDERSCHED_NOT_LEADER, .node = 2, .leader = 1, .address = A,
                            .term = 5};
    answer_all(w, last(w), &follower, NULL);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_NOT_LEADER);
    world_free(w);
}

static void targets_come_and_go_but_not_while_they_are_in_use(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);
    struct outcome_of o[CLIENT_ENDPOINTS_MAX + 1] = {0};
    char target[32];

    for (int i = 0; i < CLIENT_ENDPOINTS_MAX - 1; i++) {
        sprintf(target, "h%d:1", i);
        assert_int_equal(submit(w, &o[i], OPERATION_STATUS, NULL, target, 1000), 0);
    }
    tick(w);
    assert_int_equal(submit(w, &o[63], OPERATION_STATUS, NULL, "one-more:1", 1000),
                     ORDERSCHED_BUSY);
    struct said busy = {.error = ORDERSCHED_BUSY, .node = 5};
    answer_all(w, &w->sent[0], &busy, NULL); /* in no queue, in no message: still in use */
    assert_int_equal(submit(w, &o[63], OPERATION_STATUS, NULL, "one-more:1", 1000),
                     ORDERSCHED_BUSY);
    answer_ok(w, &w->sent[1]);
    assert_int_equal(submit(w, &o[63], OPERATION_STATUS, NULL, "one-more:1", 1000), 0);
    tick(w);
    assert_string_equal(last(w)->address, "one-more:1");
    pass(w, 1000);
    world_free(w);
    for (int i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        assert_int_equal(o[i].calls, 1);
    }
}

/* ------------------------------------------------------------------- limits and the end */

static void the_budget_of_calls_and_of_bytes_is_kept(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);
    struct outcome_of o[4] = {0};

    w->budget.calls_max = 3;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(submit(w, &o[i], PAY, NULL, NULL, 100), 0);
    }
    assert_int_equal(submit(w, &o[3], PAY, NULL, NULL, 100), ORDERSCHED_BUSY);
    pass(w, 100);
    assert_int_equal(o[0].calls + o[1].calls + o[2].calls, 3);
    w->budget.bytes_max = sizeof(struct call) + 40;
    assert_int_equal(submit(w, &o[3], PAY, NULL, NULL, 100), 0);
    assert_int_equal(submit(w, &o[0], PAY, NULL, NULL, 100), ORDERSCHED_BUSY);
    world_free(w);
    assert_int_equal(o[3].error, ORDERSCHED_CLOSED);
}

static void what_is_no_operation_of_a_client_is_refused(void **state)
{
    (void)state;
    struct call_budget budget = {.calls_max = 10, .bytes_max = 10000};
    struct operation epoch = {.code = OPERATION_EPOCH, .seed = 1, .retention_ms = 1};
    struct operation get = {.code = OPERATION_GET, .id = {(const uint8_t *)"a", 1}};
    char target[PROTOCOL_ADDRESS_MAX + 10];
    struct buffer b = {0};
    struct call *call;

    operation_encode(&b, &epoch);
    assert_int_equal(call_new(&budget, b.data, b.len, true, NULL, ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    buffer_reset(&b);
    operation_encode(&b, &get);
    assert_int_equal(call_new(&budget, b.data, b.len - 1, false, NULL, ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    write_nil(&b);
    assert_int_equal(call_new(&budget, b.data, b.len, false, NULL, ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    memset(target, 'a', sizeof target);
    target[sizeof target - 1] = '\0';
    assert_int_equal(call_new(&budget, b.data, b.len - 1, false, target, ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    assert_int_equal(call_new(&budget, b.data, 0, false, NULL, ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    buffer_free(&b);
    assert_int_equal(atomic_load(&budget.calls), 0);
}

static void a_lack_of_memory_delays_but_loses_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);
    struct outcome_of o[3] = {0};

    w->refuse_sends = 2;
    for (int i = 0; i < 3; i++) {
        pay(w, &o[i]);
    }
    tick(w);
    assert_int_equal(w->n_sent, 0);
    pass(w, 200);
    assert_int_equal(w->n_sent, 1);
    w->refuse_sends = 2;
    answer_all(w, last(w), &from_leader_a, NULL);
    assert_int_equal(w->n_sent, 1);
    pass(w, 200);
    assert_int_equal(last(w)->n, 3);
    answer_ok(w, last(w));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o[i].error, ORDERSCHED_OK);
    }
    world_free(w);
}

static void closing_ends_every_call_as_what_is_known_of_it(void **state)
{
    (void)state;
    struct client_logic_config config = {.window = 1};
    struct world *w = world_with_leader(&config);
    struct outcome_of sent = {0};
    struct outcome_of waiting = {0};
    struct outcome_of tried = {0};
    struct outcome_of read = {0};
    struct outcome_of busy = {0};

    pay(w, &busy);
    tick(w);
    answer_error(w, last(w), ORDERSCHED_BUSY); /* definite, and waits for its next attempt */
    pay(w, &tried);
    tick(w);
    answer_error(w, last(w), ORDERSCHED_UNKNOWN_OUTCOME);
    struct said leader = {.node = 2, .leader = 2, .address = B, .term = 6};
    answer_all(w, open_message(w, true), &leader, NULL);
    assert_int_equal(submit(w, &read, OPERATION_GET, NULL, C, 1000), 0);
    pay(w, &waiting);
    tick(w);
    (void)sent;
    world_free(w);
    assert_int_equal(tried.error, ORDERSCHED_TIMEOUT);
    assert_int_equal(busy.error, ORDERSCHED_CLOSED);
    assert_int_equal(waiting.error, ORDERSCHED_CLOSED);
    assert_int_equal(read.error, ORDERSCHED_CLOSED);
    assert_int_equal(tried.calls + busy.calls + waiting.calls + read.calls, 4);
}

static void a_callback_may_submit_the_next_call(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct outcome_of o = {.resubmit = true};

    pay(w, &o);
    tick(w);
    answer_ok(w, last(w));
    assert_int_equal(o.calls, 1);
    answer_ok(w, last(w));
    assert_int_equal(o.calls, 2);
    world_free(w);
}

static void every_error_has_a_name_a_sentence_and_a_class(void **state)
{
    (void)state;
    for (int e = 0; e <= ORDERSCHED_ARGUMENT; e++) {
        bool known = strcmp(ordersched_error_name(e), "UNKNOWN_ERROR") != 0;
        bool expected = e <= 10 || (e >= 32 && e <= 45) || e == 64 || e == 65 ||
                        (e >= 96 && e <= 99);
        assert_int_equal(known, expected);
        assert_non_null(ordersched_error_text(e));
    }
    assert_int_equal(ordersched_error_class(0), ORDERSCHED_DONE);
    assert_int_equal(ordersched_error_class(ORDERSCHED_TOO_LATE), ORDERSCHED_DEFINITE);
    assert_int_equal(ordersched_error_class(ORDERSCHED_MEMBER_CHANGE), ORDERSCHED_DEFINITE);
    assert_int_equal(ordersched_error_class(ORDERSCHED_UNKNOWN_OUTCOME), ORDERSCHED_UNKNOWN);
    assert_int_equal(ordersched_error_class(ORDERSCHED_TIMEOUT), ORDERSCHED_UNKNOWN);
    assert_int_equal(ordersched_error_class(ORDERSCHED_UNREACHABLE), ORDERSCHED_DEFINITE);
    assert_int_equal(ordersched_error_class(-1), ORDERSCHED_UNKNOWN);
    assert_int_equal(ordersched_error_class(12345), ORDERSCHED_UNKNOWN);
    assert_string_equal(ordersched_error_name(ORDERSCHED_TOO_LATE), "TOO_LATE");
    assert_string_equal(ordersched_state_name(ORDERSCHED_DEAD), "DEAD");
    assert_string_equal(ordersched_state_name(77), "UNKNOWN_STATE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_waits_until_the_leader_is_found_and_is_sent_to_it),
        cmocka_unit_test(the_request_id_carries_the_clusters_time_and_ten_random_bytes),
        cmocka_unit_test(a_given_request_id_is_kept),
        cmocka_unit_test(a_node_that_cannot_be_reached_is_passed_over_at_once),
        cmocka_unit_test(a_silent_node_is_overtaken_by_the_next),
        cmocka_unit_test(an_answer_of_an_older_term_is_not_believed),
        cmocka_unit_test(a_redirect_is_followed_at_once_with_the_same_request_id),
        cmocka_unit_test(nodes_that_point_at_each_other_are_not_hammered),
        cmocka_unit_test(a_cluster_without_a_leader_is_asked_again_with_growing_pauses),
        cmocka_unit_test(nodes_that_cannot_be_reached_end_the_call_as_unreachable),
        cmocka_unit_test(a_node_of_another_cluster_is_passed_over),
        cmocka_unit_test(calls_end_at_once_when_every_node_is_of_another_cluster),
        cmocka_unit_test(a_leader_that_went_silent_is_left_with_all_its_messages),
        cmocka_unit_test(a_slow_leader_that_still_leads_is_used_again),
        cmocka_unit_test(a_leader_is_reached_under_the_address_it_answered_from),
        cmocka_unit_test(the_outcome_of_every_sequence_of_attempts_is_as_the_table_says),
        cmocka_unit_test(a_stale_id_of_our_own_making_is_replaced_by_a_fresh_one),
        cmocka_unit_test(an_early_id_is_made_anew_from_the_leaders_time),
        cmocka_unit_test(a_follower_does_not_set_the_time_back),
        cmocka_unit_test(the_sentence_of_an_error_is_handed_on),
        cmocka_unit_test(the_body_of_a_read_is_handed_on),
        cmocka_unit_test(an_answer_with_too_few_results_is_no_answer),
        cmocka_unit_test(a_malformed_result_leaves_the_ones_before_it_valid),
        cmocka_unit_test(a_second_or_strange_report_changes_nothing),
        cmocka_unit_test(an_idle_client_sends_at_once_and_a_busy_one_gathers),
        cmocka_unit_test(a_message_holds_no_more_operations_than_the_protocol_allows),
        cmocka_unit_test(a_message_holds_no_more_bytes_than_the_protocol_allows),
        cmocka_unit_test(a_member_operation_is_alone_in_its_message),
        cmocka_unit_test(repeated_calls_keep_their_order),
        cmocka_unit_test(a_call_in_flight_at_its_deadline_is_a_timeout),
        cmocka_unit_test(a_call_whose_time_is_up_before_it_starts_is_not_sent),
        cmocka_unit_test(the_clusters_time_is_asked_for_without_a_call),
        cmocka_unit_test(nobody_asks_for_the_time_any_more_once_nobody_wants_it),
        cmocka_unit_test(a_targeted_read_asks_that_node_alone_and_locally),
        cmocka_unit_test(a_targeted_node_that_is_down_is_tried_until_the_deadline_and_no_other),
        cmocka_unit_test(a_targeted_node_that_does_not_lead_says_so),
        cmocka_unit_test(targets_come_and_go_but_not_while_they_are_in_use),
        cmocka_unit_test(the_budget_of_calls_and_of_bytes_is_kept),
        cmocka_unit_test(what_is_no_operation_of_a_client_is_refused),
        cmocka_unit_test(a_lack_of_memory_delays_but_loses_nothing),
        cmocka_unit_test(closing_ends_every_call_as_what_is_known_of_it),
        cmocka_unit_test(a_callback_may_submit_the_next_call),
        cmocka_unit_test(every_error_has_a_name_a_sentence_and_a_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
