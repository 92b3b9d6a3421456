/* What a node shows of itself over HTTP: metrics, that it lives, that it is ready. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../../client/base/clocks.h"
#include "../../../node/metrics/metrics_view.h"
#include "../../support/front/front_desk.h"

/* A node without its loop. */
struct shown {
    struct metrics_exchange exchange;
    struct metrics_view view;
    uint64_t beat_ns;
    struct front_desk desk;
};

static uint64_t shown_beat_ns(const void *arg)
{
    return *(const uint64_t *)arg;
}

static void shown_open(struct shown *s)
{
    assert_int_equal(metrics_exchange_init(&s->exchange), 0);
    s->beat_ns = clocks_running_ns();
    s->view = (struct metrics_view){.exchange = &s->exchange,
                                    .beat_ns = shown_beat_ns,
                                    .beat_arg = &s->beat_ns};
    struct metrics_sample *sample = metrics_exchange_begin(&s->exchange);
    sample->taken_ns = s->beat_ns;
    sample->leader = 2;
    sample->time_known = true;
    metrics_exchange_publish(&s->exchange);
}

static void shown_close(struct shown *s)
{
    metrics_view_close(&s->view);
    metrics_exchange_close(&s->exchange);
}

/* The response; front_desk_close() ends it. */
static const char *ask(struct shown *s, const char *target)
{
    front_desk_open(&s->desk);
    s->desk.metrics = &s->view;
    front_desk_request(&s->desk, "GET", target, NULL);
    assert_int_equal(s->desk.n_asked, 0);
    return (const char *)s->desk.text.data;
}

static void metrics_are_text(void **state)
{
    struct shown s;

    (void)state;
    shown_open(&s);
    const char *text = ask(&s, "/metrics");
    assert_int_equal(s.desk.status, 200);
    assert_string_equal(front_desk_header(&s.desk, "Content-Type"),
                        "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(text, "\norderschedd_raft_has_leader 1\n"));
    front_desk_close(&s.desk);
    (void)ask(&s, "/metrics?route=shop");
    assert_int_equal(s.desk.status, 400);
    front_desk_close(&s.desk);
    shown_close(&s);
}

static void a_loop_that_turns_is_ok(void **state)
{
    struct shown s;

    (void)state;
    shown_open(&s);
    assert_string_equal(ask(&s, "/livez"), "ok\n");
    assert_int_equal(s.desk.status, 200);
    front_desk_close(&s.desk);
    s.beat_ns = 1;
    assert_non_null(strstr(ask(&s, "/livez"), "the raft loop has not turned for "));
    assert_int_equal(s.desk.status, 503);
    front_desk_close(&s.desk);
    shown_close(&s);
}

static void each_check_is_told(void **state)
{
    struct shown s;

    (void)state;
    shown_open(&s);
    (void)ask(&s, "/readyz");
    assert_int_equal(s.desk.status, 200);
    assert_true(json_is_true(json_object_get(s.desk.json, "ready")));
    json_t *checks = json_object_get(s.desk.json, "checks");
    assert_int_equal(json_object_size(checks), HEALTH_CHECKS);
    front_desk_close(&s.desk);
    struct metrics_sample *sample = metrics_exchange_begin(&s.exchange);
    sample->taken_ns = s.beat_ns;
    sample->time_known = true;
    metrics_exchange_publish(&s.exchange);
    (void)ask(&s, "/readyz");
    assert_int_equal(s.desk.status, 503);
    assert_true(json_is_false(json_object_get(s.desk.json, "ready")));
    json_t *leader = json_object_get(json_object_get(s.desk.json, "checks"), "leader");
    assert_true(json_is_false(json_object_get(leader, "ok")));
    assert_string_equal(json_string_value(json_object_get(leader, "reason")), "no leader is known");
    front_desk_close(&s.desk);
    shown_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_text),
        cmocka_unit_test(a_loop_that_turns_is_ok),
        cmocka_unit_test(each_check_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
