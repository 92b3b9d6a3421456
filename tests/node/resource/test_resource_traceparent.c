/* The header traceparent and the member of that name: of which trace a schedule is, as far as it is asked of the cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/wire/traceparent.h"
#include "../../support/front/resource_bed.h"

#define ONE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define OTHER "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
#define SCHEDULE(id, more) \
    "{\"op\":\"schedule\",\"id\":\"" id "\",\"delay\":\"1m\",\"route\":\"r\"" more "}"

/* As the server does it with a head that is sound; NULL: it has none. */
static void ask(bool traces, const char *header, const char *method, const char *target,
                const char *body)
{
    again();
    desk.x.traces = traces;
    desk.x.has_traceparent = traces && header != NULL;
    if (header != NULL) {
        assert_true(traceparent_parse((struct slice){(const uint8_t *)header, strlen(header)},
                                      desk.x.traceparent));
    }
    front_desk_request(&desk, method, target, body);
}

static void put(bool traces, const char *header)
{
    ask(traces, header, "PUT", "/v1/orders/o-1", "{\"delay\":\"1m\",\"route\":\"r\"}");
}

static void batch(bool traces, const char *header, const char *body)
{
    ask(traces, header, "POST", "/v1/batch", body);
}

/* The i-th operation that is asked has this one; NULL: none. */
static void asks(unsigned i, const char *want)
{
    struct operation op = front_desk_asked(&desk, i);
    char text[TRACEPARENT_TEXT_SIZE];

    assert_int_equal(op.traceparent.len, want != NULL ? PROTOCOL_TRACEPARENT_SIZE : 0);
    if (want != NULL) {
        traceparent_format(op.traceparent.data, text);
        assert_string_equal(text, want);
    }
}

static void a_puts_header_is_asked_where_it_is_carried(void **state)
{
    (void)state;
    put(true, ONE);
    asks(0, ONE);
    put(true, NULL);
    asks(0, NULL);
    put(false, ONE); /* not all nodes may know it */
    asks(0, NULL);
}

static void a_put_is_the_same_request_whatever_its_trace_is(void **state)
{
    uint8_t first[ORDERSCHED_REQUEST_ID_SIZE];

    (void)state;
    put(true, ONE);
    memcpy(first, front_desk_asked(&desk, 0).request_id, sizeof first);
    put(true, OTHER);
    assert_memory_equal(front_desk_asked(&desk, 0).request_id, first, sizeof first);
    put(false, NULL);
    assert_memory_equal(front_desk_asked(&desk, 0).request_id, first, sizeof first);
    batch(true, NULL, "{\"operations\":[" SCHEDULE("o-1", ",\"traceparent\":\"" OTHER "\"") "]}");
    assert_memory_equal(front_desk_asked(&desk, 0).request_id, first, sizeof first);
}

static void in_a_batch_each_has_its_own_or_the_requests(void **state)
{
    static const char body[] = "{\"operations\":[" //
        SCHEDULE("a", "") ","                      //
        SCHEDULE("b", ",\"traceparent\":\"" OTHER
                      "\"") ","                              //
                            "{\"op\":\"pay\",\"id\":\"c\"}," //
                            "{\"op\":\"extend\",\"id\":\"d\",\"delay\":\"1m\"}]}";

    (void)state;
    batch(true, ONE, body);
    asks(0, ONE);
    asks(1, OTHER);
    asks(2, NULL);
    asks(3, NULL);
    batch(true, NULL, body);
    asks(0, NULL);
    asks(1, OTHER);
    batch(false, ONE, body);
    asks(0, NULL);
    asks(1, NULL);
}

static void a_malformed_member_is_that_operations_error(void **state)
{
    static const char *const bad[] = {"\"\"",
                                      "\"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01\"",
                                      "\"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"",
                                      "\"00-00000000000000000000000000000000-b7ad6b7169203331-01\"",
                                      "\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331\"",
                                      "7",
                                      "null"};

    (void)state;
    for (unsigned i = 0; i < 2 * (sizeof bad / sizeof *bad); i++) {
        char body[512];
        bool traces = i % 2 == 0; /* whether it is carried or not */

        snprintf(body, sizeof body,
                 "{\"operations\":[{\"op\":\"schedule\",\"id\":\"a\",\"delay\":\"1m\","
                 "\"route\":\"r\",\"traceparent\":%s},%s]}",
                 bad[i / 2], SCHEDULE("b", ""));
        batch(traces, ONE, body);
        assert_int_equal(desk.n_asked, 1);
        asks(0, traces ? ONE : NULL);
        front_desk_answer_one(&desk, answer_of(ORDERSCHED_OK, ORDERSCHED_PENDING, 0));
        assert_non_null(strstr(text(), "\"pointer\":\"/operations/0/traceparent\""));
        assert_non_null(strstr(text(), "\"error\":\"INVALID\""));
        assert_non_null(strstr(text(), "\"status\":201"));
    }
    batch(true, NULL,
          "{\"operations\":[{\"op\":\"pay\",\"id\":\"a\",\"traceparent\":\"" ONE "\"}]}");
    assert_non_null(strstr(text(), "\"error\":\"UNKNOWN_PARAMETER\""));
}

/* The body of a PUT has no such member: the header is there for it. */
static void a_puts_body_has_none(void **state)
{
    (void)state;
    ask(true, NULL, "PUT", "/v1/orders/o-1",
        "{\"delay\":\"1m\",\"route\":\"r\",\"traceparent\":\"" ONE "\"}");
    refused(422, "UNKNOWN_PARAMETER", "/traceparent");
}

static void get_shows_it(void **state)
{
    static const uint8_t with[] = {0x98, 0xa1, 'r',  0,    0,    0xc4, 1,    '7',  1,    7,
                                   0,    0xc4, 25,   0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43,
                                   0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c, 0xb7,
                                   0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31, 1};
    static const uint8_t without[] = {0x97, 0xa1, 'r', 0, 0, 0xc4, 1, '7', 1, 7, 0};
    struct ordersched_answer answer = answer_of(ORDERSCHED_OK, ORDERSCHED_PENDING, 0);

    (void)state;
    ask(false, NULL, "GET", "/v1/orders/o-1", NULL);
    answer.body = with;
    answer.body_len = sizeof with;
    front_desk_answer_one(&desk, answer);
    assert_int_equal(desk.status, 200);
    assert_non_null(strstr(text(), "\"traceparent\":\"" ONE "\""));
    ask(false, NULL, "GET", "/v1/orders/o-1", NULL);
    answer.body = without;
    answer.body_len = sizeof without;
    front_desk_answer_one(&desk, answer);
    assert_int_equal(desk.status, 200);
    assert_null(strstr(text(), "traceparent"));
}

static void a_route_is_told_of_it_only_where_it_is_named(void **state)
{
    (void)state;
    ask(true, NULL, "PUT", "/v1/routes/r", "{\"url\":\"http://h/\"}");
    struct slice changes = front_desk_asked(&desk, 0).changes;
    assert_null(memmem(changes.data, changes.len, "traceparent", 11));
    ask(false, NULL, "PUT", "/v1/routes/r", "{\"url\":\"http://h/\",\"traceparent\":false}");
    changes = front_desk_asked(&desk, 0).changes;
    assert_non_null(memmem(changes.data, changes.len, "traceparent", 11));
    ask(false, NULL, "PATCH", "/v1/routes/r", "{\"traceparent\":true}");
    changes = front_desk_asked(&desk, 0).changes;
    assert_non_null(memmem(changes.data, changes.len, "traceparent\x01", 12));
    ask(false, NULL, "PATCH", "/v1/routes/r", "{\"traceparent\":1}");
    refused(422, "INVALID", "/traceparent");
    ask(false, NULL, "PUT", "/v1/routes/r", "{\"kind\":\"worker\",\"traceparent\":true}");
    refused(422, "INVALID", "/traceparent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESOURCE_TEST(a_puts_header_is_asked_where_it_is_carried),
        RESOURCE_TEST(a_put_is_the_same_request_whatever_its_trace_is),
        RESOURCE_TEST(in_a_batch_each_has_its_own_or_the_requests),
        RESOURCE_TEST(a_malformed_member_is_that_operations_error),
        RESOURCE_TEST(a_puts_body_has_none),
        RESOURCE_TEST(get_shows_it),
        RESOURCE_TEST(a_route_is_told_of_it_only_where_it_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
