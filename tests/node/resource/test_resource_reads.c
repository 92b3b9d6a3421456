/* Orders that are read over HTTP: one, its history, the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/front/resource_bed.h"

static const uint8_t details[] = {0x97, 0xa4, 's', 'h', 'o', 'p', 2,   0, 0xc4, 8, '{',
                                  '"',  'n',  '"', ':', '1', '.', '}', 3, 7,    0};

static void get_shows_the_order(void **state)
{
    struct ordersched_answer answer = answer_of(ORDERSCHED_OK, ORDERSCHED_PENDING, 0);
    char etag[64];

    (void)state;
    front_desk_request(&desk, "GET", "/v1/orders/o-1", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_GET);
    assert_false(desk.of_node);
    answer.body = details;
    answer.body_len = sizeof details;
    front_desk_answer_one(&desk, answer);
    assert_int_equal(desk.status, 200);
    assert_non_null(strstr(text(),
                           "\"route\":\"shop\",\"version\":3,\"attempts\":2,\"next_attempt\":"
                           "null,\"next_attempt_ms\":null,\"payload_text\":\"{\\\"n\\\":1.}\""
                           ",\"payload_bytes\":8,\"schedule_index\":7,\"decided\":null"));
    snprintf(etag, sizeof etag, "%s", front_desk_header(&desk, "ETag"));
    assert_memory_equal(etag, "\"3-", 3);
    again(); /* paid meanwhile: the same version, another ETag */
    front_desk_request(&desk, "GET", "/v1/orders/o-1?local=false", NULL);
    answer.state = ORDERSCHED_PAID;
    answer.index = 12;
    front_desk_answer_one(&desk, answer);
    assert_string_not_equal(front_desk_header(&desk, "ETag"), etag);
}

static void get_local_asks_this_node(void **state)
{
    (void)state;
    front_desk_request(&desk, "GET", "/v1/orders/o-1?local=true", NULL);
    assert_true(desk.of_node);
    assert_int_equal(desk.node, 0);
    again();
    front_desk_request(&desk, "GET", "/v1/orders/o-1?local=yes", NULL);
    refused(400, "INVALID", "\"parameter\":\"local\"");
    again();
    front_desk_request(&desk, "GET", "/v1/orders/o-1?locale=true", NULL);
    refused(400, "UNKNOWN_PARAMETER", "");
    again();
    front_desk_request(&desk, "GET", "/v1/orders/o-1?local=true&local=true", NULL);
    refused(400, "UNKNOWN_PARAMETER", "");
}

static void an_answer_that_cannot_be_read_is_told(void **state)
{
    struct ordersched_answer answer = answer_of(ORDERSCHED_OK, ORDERSCHED_PENDING, 0);

    (void)state;
    answer.body = details;
    for (size_t len = 0; len < sizeof details; len++) {
        again();
        front_desk_request(&desk, "GET", "/v1/orders/o-1", NULL);
        answer.body_len = len;
        front_desk_answer_one(&desk, answer);
        refused(500, "MALFORMED_ANSWER", "newer version");
    }
}

static void history_tells_what_happened(void **state)
{
    struct history_event events[] = {
        {.kind = HISTORY_SCHEDULED, .time_ms = 1000, .index = 3, .value = NOON_MS},
        {.kind = HISTORY_GAP, .value = 4},
        {.kind = HISTORY_ATTEMPT,
         .time_ms = 2000,
         .index = 9,
         .node = 2,
         .attempt = 1,
         .outcome = OUTCOME_FAILED,
         .reason = {(const uint8_t *)"503", 3}},
        {.kind = HISTORY_DECIDED, .time_ms = 3000, .index = 10, .outcome = ORDERSCHED_CANCELLED},
    };
    struct ordersched_answer answer = answer_of(ORDERSCHED_OK, ORDERSCHED_CANCELLED, 10);
    struct buffer b = {0};

    (void)state;
    write_array(&b, 2);
    write_str(&b, "503", 3);
    write_array(&b, 4);
    for (int i = 0; i < 4; i++) {
        history_event_encode(&b, &events[i]);
    }
    front_desk_request(&desk, "GET", "/v1/orders/o-1/history", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_HISTORY);
    answer.body = b.data;
    answer.body_len = b.len;
    front_desk_answer_one(&desk, answer);
    assert_int_equal(desk.status, 200);
    assert_non_null(strstr(text(), "\"reason\":\"503\",\"events\":[{\"kind\":\"scheduled\""));
    assert_non_null(strstr(text(), "{\"kind\":\"gap\",\"events_not_kept\":4}"));
    assert_non_null(
        strstr(text(), "\"attempt\":1,\"node\":2,\"outcome\":\"failed\",\"dead\":true"));
    assert_non_null(strstr(text(), "\"index\":10,\"state\":\"CANCELLED\"}"));
    buffer_free(&b);
}

/* --- the list --- */

static void a_list_is_asked_for_with_its_filters(void **state)
{
    static const uint8_t page[] = {0x92, 0xc4, 3,    0xff, 0xfe, 0xfd, 0x92, 0x94, 0xc4, 2,   'o',
                                   '1',  1,    0xcd, 4,    0,    0xa4, 's',  'h',  'o',  'p', 0x94,
                                   0xc4, 1,    0x80, 3,    0xcd, 4,    0,    0xa1, 'r'};
    struct ordersched_answer answer = {.body = page, .body_len = sizeof page};

    (void)state;
    front_desk_request(&desk, "GET", "/v1/orders", NULL);
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_LIST);
    assert_int_equal(op.state, 0);
    assert_int_equal(op.limit, 100);
    assert_int_equal(op.cursor.len, 0);
    front_desk_answer_one(&desk, answer);
    assert_string_equal(
        text(),
        "{\"orders\":[{\"id\":\"o1\",\"state\":\"PENDING\",\"deadline\":\"1970-01-01T00:00:01."
        "024Z\",\"deadline_ms\":1024,\"route\":\"shop\"},{\"id_base64\":\"gA==\",\"id_url\":"
        "\"%80\",\"state\":\"PAID\",\"deadline\":\"1970-01-01T00:00:01.024Z\",\"deadline_ms\":"
        "1024,\"route\":\"r\"}],\"cursor\":\"__79\"}");
    again();
    front_desk_request(&desk, "GET", "/v1/orders?state=closing&route=shop&limit=256&cursor=__79",
                       NULL);
    op = front_desk_asked(&desk, 0);
    assert_int_equal(op.state, ORDERSCHED_CLOSING);
    slice_is(op.route, "shop");
    assert_int_equal(op.limit, 256);
    slice_is(op.cursor, "\xff\xfe\xfd");
    front_desk_answer_one(&desk, (struct ordersched_answer){.body = (const uint8_t *)"\x92\xa0\x90",
                                                            .body_len = 3});
    assert_string_equal(text(), "{\"orders\":[],\"cursor\":null}");
}

static void a_misspelt_filter_lists_nothing(void **state)
{
    static const struct {
        const char *target;
        const char *name;
        const char *words;
    } bad[] = {
        {"/v1/orders?sate=paid", "UNKNOWN_PARAMETER", ""},
        {"/v1/orders?state=payed", "INVALID", "\"parameter\":\"state\""},
        {"/v1/orders?state=", "INVALID", "\"parameter\":\"state\""},
        {"/v1/orders?state", "INVALID", "\"parameter\":\"state\""},
        {"/v1/orders?route=a%20b", "INVALID", "\"parameter\":\"route\""},
        {"/v1/orders?limit=0", "INVALID", "from 1 to 256"},
        {"/v1/orders?limit=257", "INVALID", "from 1 to 256"},
        {"/v1/orders?limit=-1", "INVALID", "from 1 to 256"},
        {"/v1/orders?limit=1%00", "INVALID", "from 1 to 256"},
        {"/v1/orders?limit=99999999999999999999", "INVALID", "from 1 to 256"},
        {"/v1/orders?cursor=!", "INVALID", "\"parameter\":\"cursor\""},
        {"/v1/orders?cursor=AA%3D%3D", "INVALID", "\"parameter\":\"cursor\""},
        {"/v1/orders?state=paid&state=dead", "UNKNOWN_PARAMETER", ""},
        {"/v1/orders?state=%zz", "INVALID", "hexadecimal"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        again();
        front_desk_request(&desk, "GET", bad[i].target, NULL);
        refused(400, bad[i].name, bad[i].words);
        assert_int_equal(desk.rounds, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESOURCE_TEST(get_shows_the_order),
        RESOURCE_TEST(get_local_asks_this_node),
        RESOURCE_TEST(an_answer_that_cannot_be_read_is_told),
        RESOURCE_TEST(history_tells_what_happened),
        RESOURCE_TEST(a_list_is_asked_for_with_its_filters),
        RESOURCE_TEST(a_misspelt_filter_lists_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
