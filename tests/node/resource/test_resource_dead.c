/* /v1/dead: dead letters listed, redriven and dropped over HTTP, one by one and by a filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/front/resource_bed.h"

static struct buffer page;

static int close_both(void **state)
{
    buffer_free(&page);
    page = (struct buffer){0};
    return close_desk(state);
}

/* [cursor, [[id, deadline_ms, route, attempts, died_ms, reason], ...]]: n letters, every second of which has the
 * reason "503", the others "timeout". */
static struct ordersched_answer letters(const char *cursor, unsigned first, unsigned n)
{
    char id[32];

    buffer_reset(&page);
    write_array(&page, 2);
    write_bin(&page, cursor, strlen(cursor));
    write_array(&page, n);
    for (unsigned i = first; i < first + n; i++) {
        write_array(&page, 6);
        snprintf(id, sizeof id, "o-%u", i);
        write_bin(&page, id, strlen(id));
        write_uint(&page, 1000);
        write_str(&page, "shop", 4);
        write_uint(&page, 16);
        write_uint(&page, 2000);
        write_str(&page, i % 2 == 0 ? "503" : "timeout", i % 2 == 0 ? 3 : 7);
    }
    return (struct ordersched_answer){.body = page.data, .body_len = page.len};
}

static void ask(const char *method, const char *target, const char *body)
{
    again();
    front_desk_request(&desk, method, target, body);
}

/* All that was asked ends like this. */
static void acted(int error)
{
    struct ordersched_answer answers[PROTOCOL_OPERATIONS_MAX];

    for (unsigned i = 0; i < desk.n_asked; i++) {
        answers[i] = (struct ordersched_answer){.error = error,
                                                .state = error == 0 ? ORDERSCHED_CLOSING
                                                                    : ORDERSCHED_PAID};
    }
    front_desk_answer(&desk, answers, desk.n_asked);
}

static long long number(const char *name)
{
    return json_integer_value(json_object_get(desk.json, name));
}

static void dead_letters_are_listed(void **state)
{
    (void)state;
    ask("GET", "/v1/dead?route=shop&limit=7&cursor=__79", NULL);
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_DEAD_LIST);
    slice_is(op.route, "shop");
    assert_int_equal(op.limit, 7);
    slice_is(op.cursor, "\xff\xfe\xfd");
    front_desk_answer_one(&desk, letters("next", 0, 1));
    assert_string_equal(text(),
                        "{\"orders\":[{\"id\":\"o-0\",\"state\":\"DEAD\",\"deadline\":\"1970-01-"
                        "01T00:00:01.000Z\",\"deadline_ms\":1000,\"route\":\"shop\","
                        "\"attempts\":16,\"died\":\"1970-01-01T00:00:02.000Z\",\"died_ms\":"
                        "2000,\"reason\":\"503\"}],\"cursor\":\"bmV4dA\"}");
    ask("GET", "/v1/dead?state=dead", NULL);
    refused(400, "UNKNOWN_PARAMETER", "");
}

static void one_is_redriven_or_dropped(void **state)
{
    (void)state;
    ask("POST", "/v1/orders/o-1/redrive", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_DEAD_REDRIVE);
    acted(ORDERSCHED_OK);
    assert_int_equal(desk.status, 200);
    ask("POST", "/v1/orders/o-1/drop", "{}");
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_DEAD_DROP);
    acted(ORDERSCHED_NOT_DEAD);
    refused(409, "NOT_DEAD", "\"state\":\"PAID\"");
}

static void those_that_are_named_are_acted_on_together(void **state)
{
    struct ordersched_answer answers[3] = {
        {.state = ORDERSCHED_CLOSING},
        {.error = ORDERSCHED_NOT_FOUND},
        {.error = ORDERSCHED_NOT_DEAD, .state = ORDERSCHED_PAID},
    };

    (void)state;
    ask("POST", "/v1/dead/redrive", "{\"ids\":[\"a\",\"b\",\"c\"]}");
    assert_int_equal(desk.n_asked, 3);
    slice_is(front_desk_asked(&desk, 2).id, "c");
    front_desk_answer(&desk, answers, 3);
    assert_int_equal(desk.status, 200);
    assert_int_equal(number("matched"), 3);
    assert_int_equal(number("done"), 1);
    assert_int_equal(json_array_size(json_object_get(desk.json, "failed")), 2);
    assert_non_null(strstr(text(), "{\"id\":\"b\",\"status\":404,\"problem\":{"));
}

static void a_filter_goes_through_the_pages(void **state)
{
    (void)state;
    ask("POST", "/v1/dead/drop", "{\"route\":\"shop\",\"reason_contains\":\"50\",\"limit\":1000}");
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_DEAD_LIST);
    slice_is(front_desk_asked(&desk, 0).route, "shop");
    front_desk_answer_one(&desk, letters("p1", 0, 10));
    assert_int_equal(desk.n_asked, 5);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_DEAD_DROP);
    slice_is(front_desk_asked(&desk, 4).id, "o-8");
    acted(ORDERSCHED_OK);
    slice_is(front_desk_asked(&desk, 0).cursor, "p1");
    front_desk_answer_one(&desk, letters("p2", 11, 1)); /* none is meant */
    slice_is(front_desk_asked(&desk, 0).cursor, "p2");
    front_desk_answer_one(&desk, letters("", 20, 2));
    assert_int_equal(desk.n_asked, 1);
    acted(ORDERSCHED_NOT_DEAD); /* somebody else was faster: that is no failure */
    assert_string_equal(text(), "{\"matched\":6,\"done\":5,\"failed\":[],\"cursor\":null}");
}

static void a_limit_in_a_page_stops_there_and_says_where_to_go_on(void **state)
{
    (void)state;
    ask("POST", "/v1/dead/redrive", "{\"limit\":3,\"cursor\":\"__79\"}");
    front_desk_answer_one(&desk, letters("p1", 0, 10));
    assert_int_equal(desk.n_asked, 3);
    acted(ORDERSCHED_OK);
    assert_string_equal(text(), "{\"matched\":3,\"done\":3,\"failed\":[],\"cursor\":\"__79\"}");
}

static void a_dry_run_only_counts(void **state)
{
    (void)state;
    ask("POST", "/v1/dead/drop", "{\"limit\":100,\"dry_run\":true}");
    front_desk_answer_one(&desk, letters("p1", 0, 10));
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_DEAD_LIST);
    front_desk_answer_one(&desk, letters("", 10, 10));
    assert_string_equal(text(), "{\"matched\":20,\"done\":0,\"failed\":[],\"cursor\":null}");
}

/* A page has 256: what is cut off of one would be counted again with it. */
static void a_dry_run_counts_a_page_to_its_end(void **state)
{
    (void)state;
    ask("POST", "/v1/dead/drop", "{\"limit\":3,\"dry_run\":true}");
    front_desk_answer_one(&desk, letters("p1", 0, 10));
    assert_string_equal(text(), "{\"matched\":10,\"done\":0,\"failed\":[],\"cursor\":\"cDE\"}");
}

static void what_was_done_is_told_though_the_next_page_cannot_be_read(void **state)
{
    const struct ordersched_answer lost[] = {{.error = ORDERSCHED_UNREACHABLE},
                                             {.error = ORDERSCHED_TIMEOUT},
                                             letters("p1", 0, 10)}; /* the same place again */

    (void)state;
    for (unsigned i = 0; i < sizeof lost / sizeof *lost; i++) {
        ask("POST", "/v1/dead/drop", "{\"limit\":100}");
        front_desk_answer_one(&desk, letters("p1", 0, 10));
        acted(ORDERSCHED_OK);
        front_desk_answer_one(&desk, lost[i]);
        assert_string_equal(text(),
                            "{\"matched\":10,\"done\":10,\"failed\":[],\"cursor\":\"cDE\"}");
    }
}

static void what_is_not_known_is_not_tried_on_others(void **state)
{
    (void)state;
    ask("POST", "/v1/dead/drop", "{\"limit\":100}");
    front_desk_answer_one(&desk, letters("p1", 0, 1));
    acted(ORDERSCHED_TIMEOUT);
    assert_true(desk.answered);
    assert_int_equal(number("done"), 0);
    assert_non_null(strstr(text(), "\"class\":\"unknown\""));
    ask("POST", "/v1/dead/drop", "{\"limit\":100}");
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = ORDERSCHED_UNREACHABLE});
    refused(503, "NO_LEADER", "");
}

/* A node that gives the same cursor again, or pages without end. */
static void pages_without_end_come_to_an_end(void **state)
{
    char cursor[16];

    (void)state;
    ask("POST", "/v1/dead/drop", "{\"limit\":100}");
    front_desk_answer_one(&desk, letters("p1", 0, 0));
    front_desk_answer_one(&desk, letters("p1", 0, 0));
    refused(500, "MALFORMED_ANSWER", "");
    ask("POST", "/v1/dead/drop", "{\"limit\":100}");
    for (unsigned i = 0; i < 64; i++) {
        assert_false(desk.answered);
        snprintf(cursor, sizeof cursor, "p%u", i);
        front_desk_answer_one(&desk, letters(cursor, 0, 0));
    }
    assert_string_equal(text(), "{\"matched\":0,\"done\":0,\"failed\":[],\"cursor\":\"cDYz\"}");
}

static void bad_requests_act_on_nothing(void **state)
{
    static const struct {
        const char *body;
        const char *name;
        const char *words;
    } bad[] = {
        {"{}", "INVALID", "\\\"limit\\\" is missing"},
        {"{\"route\":\"shop\"}", "INVALID", "\\\"limit\\\" is missing"},
        {"{\"limit\":0}", "INVALID", "/limit"},
        {"{\"limit\":16385}", "INVALID", "/limit"},
        {"{\"limit\":1,\"routes\":\"shop\"}", "UNKNOWN_PARAMETER", "/routes"},
        {"{\"limit\":1,\"reason_contains\":\"\"}", "INVALID", "/reason_contains"},
        {"{\"limit\":1,\"dry_run\":1}", "INVALID", "/dry_run"},
        {"{\"limit\":1,\"cursor\":\"==\"}", "INVALID", "/cursor"},
        {"{\"ids\":[]}", "INVALID", "/ids"},
        {"{\"ids\":[1]}", "BAD_ID", "/ids"},
        {"{\"ids\":[\"\"]}", "BAD_ID", "element 0"},
        {"{\"ids\":[\"a\"],\"limit\":1}", "UNKNOWN_PARAMETER", "/limit"},
        {"{\"ids\":[\"a\"],\"dry_run\":true}", "UNKNOWN_PARAMETER", "/dry_run"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask("POST", "/v1/dead/drop", bad[i].body);
        refused(422, bad[i].name, bad[i].words);
        assert_int_equal(desk.rounds, 0);
    }
    ask("POST", "/v1/dead/drop", NULL);
    refused(400, "INVALID", "");
}

int main(void)
{
#define DEAD_TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_both)
    const struct CMUnitTest tests[] = {
        DEAD_TEST(dead_letters_are_listed),
        DEAD_TEST(one_is_redriven_or_dropped),
        DEAD_TEST(those_that_are_named_are_acted_on_together),
        DEAD_TEST(a_filter_goes_through_the_pages),
        DEAD_TEST(a_limit_in_a_page_stops_there_and_says_where_to_go_on),
        DEAD_TEST(a_dry_run_only_counts),
        DEAD_TEST(a_dry_run_counts_a_page_to_its_end),
        DEAD_TEST(what_was_done_is_told_though_the_next_page_cannot_be_read),
        DEAD_TEST(what_is_not_known_is_not_tried_on_others),
        DEAD_TEST(pages_without_end_come_to_an_end),
        DEAD_TEST(bad_requests_act_on_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
