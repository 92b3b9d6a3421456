/* test_scheduler_clients.c - what clients are told, and what is said in the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../../client/wire/cursor.h"
#include "../../support/scheduler/scheduler_stage.h"

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
    struct stage_message *m = stage_message_new(ops, 6, PROTOCOL_LOCAL);
    scheduler_submit(t.s, &m->in);
    (void)stage_run(&t);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    assert_int_equal(m->results[0].error, ORDERSCHED_NOT_FOUND);
    for (unsigned i = 1; i < 6; i++) {
        assert_int_equal(m->results[i].error, ORDERSCHED_OK);
    }
    stage_message_free(m);
    m = stage_send(&t, op_get("a"));
    assert_int_equal(m->answer.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(m->answer.leader_id, 0);
    stage_message_free(m);
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
    assert_int_equal(read_route_rows(&t, rows, 4), 0); /* not leading */
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

static void status_tells_of_routes_whose_orders_nobody_takes(void **state)
{
    struct stage t;
    struct route_row rows[4];

    (void)state;
    stage_open(&t);
    stage_lead(&t, 3);
    struct operation put = op_route(&t, "r");
    put.settings.window = 7;
    assert_int_equal(stage_ask(&t, put), ORDERSCHED_OK);
    struct operation pause = put;
    pause.code = OPERATION_ROUTE_PAUSE;
    pause.request_id = stage_request_id(&t);
    pause.paused = true;
    assert_int_equal(stage_ask(&t, pause), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "a", 1000)), ORDERSCHED_OK);
    assert_int_equal(read_route_rows(&t, rows, 4), 1);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_int_equal(read_route_rows(&t, rows, 4), 2);
    assert_string_equal(rows[1].route, "r");
    assert_int_equal(rows[1].ready, 1);
    assert_int_equal(rows[1].inflight, 0);
    assert_int_equal(rows[1].window, 7);
    assert_int_equal(rows[1].parts[LATENESS_TOTAL][0], 0);
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
        {.code = OPERATION_PAY, .request_id = stage_request_id(&t), .id = stage_text("a")},
        op_schedule(&t, "c", 1000),
        op_get("a"),
    };
    struct stage_message *m = stage_message_new(ops, 5, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    static const int errors[] = {ORDERSCHED_NO_SPACE, ORDERSCHED_OK, ORDERSCHED_OK,
                                 ORDERSCHED_NO_SPACE, ORDERSCHED_OK};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(m->results[i].error, errors[i]);
    }
    assert_int_equal(m->results[4].state, ORDERSCHED_PAID);
    stage_message_free(m);
    stage_close(&t);
}

static void a_refused_route_is_told_which_setting_is_wrong(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    struct operation put = op_route(&t, "r");
    put.settings.window = 65537;
    struct stage_message *m = stage_message_new(&put, 1, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    assert_int_equal(m->answer.n_results, 1);
    assert_int_equal(m->results[0].error, ORDERSCHED_INVALID);
    assert_non_null(strstr(m->first_body, "window must be a number from 1 to 65536"));
    stage_message_free(m);
    stage_close(&t);
}

/* The answer to this; its first body is in `body`. */
static int trust(struct stage *t, uint64_t id, char body[128])
{
    struct operation op = {.code = OPERATION_CLOCK_TRUST, .node_id = id};

    op.request_id = stage_request_id(t);
    struct stage_message *m = stage_send(t, op);
    stage_settle(t);
    int error = m->results[0].error;
    snprintf(body, 128, "%s", m->first_body);
    stage_message_free(m);
    return error;
}

static void only_a_voters_clock_can_be_trusted(void **state)
{
    static const struct replica_member members[] = {{.id = 1, .voter = true, .self = true},
                                                    {.id = 2, .voter = true},
                                                    {.id = 3}};
    char body[128];
    struct stage t;

    (void)state;
    stage_with_order(&t);
    memcpy(t.r->members, members, sizeof members);
    t.r->n_members = 3;
    assert_int_equal(trust(&t, 77, body), ORDERSCHED_INVALID);
    assert_non_null(strstr(body, "node 77 is not a voter; the voters are 1, 2"));
    assert_int_equal(trust(&t, 3, body), ORDERSCHED_INVALID);
    assert_int_equal(trust(&t, 2, body), ORDERSCHED_OK);
    assert_int_equal(scheduler_clock_trusted(t.s), 2);
    assert_int_equal(trust(&t, 0, body), ORDERSCHED_OK);
    assert_int_equal(scheduler_clock_trusted(t.s), 0);
    stage_close(&t);
}

static void a_route_is_put_only_with_what_makes_sense(void **state)
{
    static const struct {
        const char *url, *ca_pem, *why;
        enum route_kind kind;
    } bad[] = {
        {"http://h:99999/", NULL, "url must have a port", ROUTE_HTTP},
        {"http:///x", NULL, "url must name a host", ROUTE_HTTP},
        {"http://h/", NULL, "url is for routes of kind http", ROUTE_WORKER},
        {"http://h/", "no certificate", "ca_pem must be whole PEM certificates", ROUTE_HTTP},
    };
    struct stage t;

    (void)state;
    stage_with_order(&t);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct operation put = op_route(&t, "r");
        put.settings.kind = bad[i].kind;
        put.settings.url = stage_text(bad[i].url);
        if (bad[i].ca_pem != NULL) {
            put.settings.ca_pem = stage_text(bad[i].ca_pem);
        }
        struct stage_message *m = stage_send(&t, put);
        stage_settle(&t);
        assert_int_equal(m->results[0].error, ORDERSCHED_INVALID);
        if (strstr(m->first_body, bad[i].why) == NULL) {
            fail_msg("%s: %s", bad[i].url, m->first_body);
        }
        stage_message_free(m);
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
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_DEAD);
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
    struct stage_message *m = stage_send(&t, op_schedule(&t, "b", 1000));
    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    assert_int_equal(m->results[0].error, ORDERSCHED_NO_SPACE);
    stage_message_free(m);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_ever, before);
    scheduler_set_disk(t.s, SCHEDULER_DISK_OK);
    t.s->config.max_orders = 1;
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_get("a")), ORDERSCHED_OK);
    stage_close(&t);
}

static void a_route_of_programs_is_refused_where_they_are_not_allowed(void **state)
{
    struct stage t;
    struct operation put = {.code = OPERATION_ROUTE_PUT,
                            .id = stage_text("programs"),
                            .settings = {.kind = ROUTE_EXEC,
                                         .n_command = 1,
                                         .command = {stage_text("/bin/true")}}};

    (void)state;
    stage_open(&t);
    stage_lead(&t, 3);
    put.request_id = stage_request_id(&t);
    assert_int_equal(stage_ask(&t, put), ORDERSCHED_EXEC_NOT_ALLOWED);
    assert_null(machine_find_route(&t.s->machine, stage_text("programs")));
    t.s->config.allow_exec = true;
    assert_int_equal(stage_ask(&t, put), ORDERSCHED_OK);
    assert_non_null(machine_find_route(&t.s->machine, stage_text("programs")));
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_knows_nothing_answers_local_reads),
        cmocka_unit_test(status_tells_how_late_the_routes_are),
        cmocka_unit_test(status_tells_of_routes_whose_orders_nobody_takes),
        cmocka_unit_test(a_rate_wakes_the_scheduler),
        cmocka_unit_test(refused_items_leave_the_others_of_their_message_alone),
        cmocka_unit_test(a_message_of_refused_items_only_is_answered_without_the_log),
        cmocka_unit_test(a_refused_route_is_told_which_setting_is_wrong),
        cmocka_unit_test(only_a_voters_clock_can_be_trusted),
        cmocka_unit_test(a_route_is_put_only_with_what_makes_sense),
        cmocka_unit_test(an_order_that_dies_is_raised_in_the_log_once),
        cmocka_unit_test(a_route_of_programs_is_refused_where_they_are_not_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
