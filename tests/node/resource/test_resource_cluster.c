/* Members, status, principals, authorisation and the audit trail over HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/wire/audit.h"
#include "../../../client/wire/token.h"
#include "../../support/front/resource_bed.h"

static struct buffer b;

static int close_both(void **state)
{
    buffer_free(&b);
    b = (struct buffer){0};
    return close_desk(state);
}

static void ask(const char *method, const char *target, const char *body)
{
    again();
    front_desk_request(&desk, method, target, body);
}

static struct ordersched_answer body_of(const struct buffer *body)
{
    return (struct ordersched_answer){.body = body->data, .body_len = body->len};
}

static void done_with(int error)
{
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = error});
}

static void text_key(const char *key, const char *value)
{
    write_str(&b, key, strlen(key));
    write_str(&b, value, strlen(value));
}

static void number_key(const char *key, int64_t value)
{
    write_str(&b, key, strlen(key));
    write_int(&b, value);
}

/* --- members --- */

static void write_members(void)
{
    static const char *const kinds[] = {"voter", "standby"};

    buffer_reset(&b);
    write_array(&b, 2);
    for (unsigned i = 0; i < 2; i++) {
        write_array(&b, 5);
        write_uint(&b, i + 1);
        write_str(&b, "127.0.0.1:7401", 14);
        write_str(&b, kinds[i], strlen(kinds[i]));
        write_uint(&b, i == 0);
        write_uint(&b, 42 * i);
    }
}

static void members_are_listed_added_and_removed(void **state)
{
    (void)state;
    ask("GET", "/v1/members", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_MEMBER_LIST);
    write_members();
    front_desk_answer_one(&desk, body_of(&b));
    assert_string_equal(text(),
                        "{\"members\":[{\"id\":1,\"address\":\"127.0.0.1:7401\",\"member\":"
                        "\"voter\",\"leads\":true,\"match\":0},{\"id\":2,\"address\":"
                        "\"127.0.0.1:7401\",\"member\":\"standby\",\"leads\":false,\"match\":"
                        "42}]}");
    ask("POST", "/v1/members", "{\"id\":4,\"address\":\"[::1]:7441\"}");
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_MEMBER_ADD);
    assert_int_equal(front_desk_asked(&desk, 0).node_id, 4);
    slice_is(front_desk_asked(&desk, 0).address, "[::1]:7441");
    done_with(ORDERSCHED_OK);
    assert_int_equal(desk.status, 201);
    assert_string_equal(text(), "{\"id\":4,\"address\":\"[::1]:7441\"}");
    ask("DELETE", "/v1/members/4", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_MEMBER_REMOVE);
    done_with(ORDERSCHED_OK);
    assert_int_equal(desk.status, 204);
    ask("POST", "/v1/transfer", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_TRANSFER);
    assert_int_equal(front_desk_asked(&desk, 0).node_id, 0);
    ask("POST", "/v1/transfer", "{\"to\":3}");
    assert_int_equal(front_desk_asked(&desk, 0).node_id, 3);
    done_with(ORDERSCHED_MEMBER_CHANGE);
    refused(409, "MEMBER_CHANGE", "");
}

static void bad_members_are_refused(void **state)
{
    static const char *const bad[] = {
        "{\"id\":4}",
        "{\"address\":\"a:1\"}",
        "{\"id\":0,\"address\":\"a:1\"}",
        "{\"id\":\"4\",\"address\":\"a:1\"}",
        "{\"id\":4,\"address\":\"a\"}",
        "{\"id\":4,\"address\":\"a:0\"}",
        "{\"id\":4,\"address\":\"a:70000\"}",
        "{\"id\":4,\"address\":\"a:1\",\"role\":1}",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask("POST", "/v1/members", bad[i]);
        assert_int_equal(desk.status, 422);
    }
    ask("DELETE", "/v1/members/x", NULL);
    refused(422, "INVALID", "number");
    ask("DELETE", "/v1/members/0", NULL);
    refused(422, "INVALID", "number");
    ask("DELETE", "/v1/members/18446744073709551617", NULL);
    refused(422, "INVALID", "number");
    ask("POST", "/v1/transfer", "{\"to\":0}");
    refused(422, "INVALID", "/to");
}

/* --- status --- */

static void write_status(uint64_t id)
{
    buffer_reset(&b);
    write_map(&b, 7);
    number_key("id", (int64_t)id);
    text_key("authorisation", "off");
    number_key("clock_ahead_ms", -1234567);
    number_key("time_known", 1);
    write_str(&b, "clients", 7);
    write_map(&b, 1);
    number_key("connections", 3);
    write_str(&b, "clocks", 6);
    write_array(&b, 1);
    write_array(&b, 4);
    write_uint(&b, 2);
    write_int(&b, -5);
    write_int(&b, 0);
    write_uint(&b, 150);
    write_str(&b, "routes", 6);
    write_array(&b, 1);
    write_array(&b, 6);
    write_str(&b, "", 0);
    for (int i = 0; i < 4; i++) {
        write_uint(&b, 1);
    }
    write_array(&b, 5);
    for (int i = 0; i < 5; i++) {
        write_array(&b, 6);
        for (int k = 0; k < 6; k++) {
            write_uint(&b, 70000);
        }
    }
}

static void a_status_is_of_the_node_that_is_asked(void **state)
{
    (void)state;
    ask("GET", "/v1/status?node=3", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_STATUS);
    assert_true(desk.of_node);
    assert_int_equal(desk.node, 3);
    done_with(ORDERSCHED_UNREACHABLE);
    refused(503, "NODE_UNREACHABLE", "");
    ask("GET", "/v1/status", NULL);
    assert_true(desk.of_node);
    assert_int_equal(desk.node, 0);
    write_status(1);
    front_desk_answer_one(&desk, body_of(&b));
    begins("{\"id\":1,\"authorisation\":\"off\",\"clock_ahead_ms\":-1234567,"
           "\"time_known\":true,\"clients\":{\"connections\":3},\"clocks\":[{\"id\":2,"
           "\"offset_ms\":-5,\"ahead_ms\":0,\"error_us\":150}],\"routes\":[{\"route\":"
           "\"\",\"deliveries\":1,\"ready\":1,\"window\":1,\"silent_ms\":1,"
           "\"lateness\":{\"timer\":{\"count\":70000,\"p50_us\":70000,");
    ask("GET", "/v1/status?node=0", NULL);
    refused(400, "INVALID", "\"parameter\":\"node\"");
    for (size_t len = 0; len < b.len; len++) {
        ask("GET", "/v1/status", NULL);
        front_desk_answer_one(&desk, (struct ordersched_answer){.body = b.data, .body_len = len});
        refused(500, "MALFORMED_ANSWER", "");
    }
}

static void the_cluster_has_a_row_for_each_member(void **state)
{
    struct ordersched_answer answers[2];

    (void)state;
    ask("GET", "/v1/cluster", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_MEMBER_LIST);
    assert_true(desk.of_node);
    write_members();
    front_desk_answer_one(&desk, body_of(&b));
    assert_int_equal(desk.n_asked, 2);
    write_status(2);
    answers[0] = (struct ordersched_answer){.error = ORDERSCHED_UNREACHABLE};
    answers[1] = body_of(&b);
    front_desk_answer(&desk, answers, 2);
    assert_int_equal(desk.status, 200);
    assert_non_null(strstr(text(), "\"match\":0,\"up\":false,\"status\":null}"));
    assert_non_null(strstr(text(), "\"match\":42,\"up\":true,\"status\":{\"id\":2,"));
}

/* --- principals --- */

#define GRANTS                                                                                \
    "\"grants\":[{\"role\":\"producer\",\"routes\":\"shop-*\",\"prefix\":\"eu/\"},{\"role\":" \
    "\"observer\"}]"

static void a_token_is_made_and_shown_once(void **state)
{
    uint8_t hash[TOKEN_HASH_SIZE];

    (void)state;
    ask("POST", "/v1/tokens", "{\"name\":\"shop\"," GRANTS ",\"expires\":\"90d\"}");
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_TOKEN_CREATE);
    slice_is(op.id, "shop");
    assert_int_equal(op.time_ms, 90ull * 24 * 3600 * 1000);
    assert_int_equal(op.n_tokens, 2);
    memcpy(hash, op.secret.data, sizeof hash);
    done_with(ORDERSCHED_OK);
    assert_int_equal(desk.status, 201);
    assert_string_equal(front_desk_header(&desk, "Location"), "/v1/principals/shop");
    const char *token = json_string_value(json_object_get(desk.json, "token"));
    uint8_t want[TOKEN_HASH_SIZE];
    token_hash((struct slice){(const uint8_t *)token, strlen(token)}, want);
    assert_memory_equal(hash, want, sizeof hash);
    ask("POST", "/v1/principals/shop/token", "{\"expires\":\"never\",\"overlap\":\"1h\"}");
    op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_TOKEN_ROTATE);
    assert_int_equal(op.time_ms, 0);
    assert_int_equal(op.delay_ms, 3600000);
    done_with(ORDERSCHED_OK);
    begins("{\"name\":\"shop\",\"token\":\"osdt_");
    ask("POST", "/v1/principals/shop/token", "{\"expires_ms\":1000}");
    assert_int_equal(front_desk_asked(&desk, 0).delay_ms, 86400000);
    front_desk_answer_one(&desk, (struct ordersched_answer){.body = (const uint8_t *)"\xc3",
                                                            .body_len = 1});
    refused(409, "SHOWN_ONCE", "token");
}

static void grants_are_set_and_taken_away(void **state)
{
    (void)state;
    ask("PUT", "/v1/principals/shop", "{\"kind\":\"token\"," GRANTS "}");
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_GRANT_PUT);
    assert_int_equal(op.kind, PRINCIPAL_TOKEN);
    struct cursor c;
    struct grant g;
    cursor_init(&c, op.tokens.data, op.tokens.len);
    grant_read(&c, &g);
    assert_int_equal(g.role, ROLE_PRODUCER);
    slice_is(g.routes, "shop-*");
    slice_is(g.prefix, "eu/");
    grant_read(&c, &g);
    slice_is(g.routes, "*");
    slice_is(g.prefix, "");
    done_with(ORDERSCHED_OK);
    assert_string_equal(text(), "{\"name\":\"shop\"}");
    ask("DELETE", "/v1/principals/shop", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_GRANT_REVOKE);
    done_with(ORDERSCHED_OK);
    assert_int_equal(desk.status, 204);
}

static void bad_principals_are_refused(void **state)
{
    static const char *const bad[][2] = {
        {"{}", "\\\"name\\\" is missing"},
        {"{\"name\":\"a b\"," GRANTS ",\"expires\":\"1d\"}", "/name"},
        {"{\"name\":\"a\",\"expires\":\"1d\"}", "\\\"grants\\\" is missing"},
        {"{\"name\":\"a\",\"grants\":[],\"expires\":\"1d\"}", "/grants"},
        {"{\"name\":\"a\",\"grants\":[{}],\"expires\":\"1d\"}", "\"pointer\":\"/grants/0\""},
        {"{\"name\":\"a\",\"grants\":[{\"role\":\"god\"}],\"expires\":\"1d\"}", "/grants/0/role"},
        {"{\"name\":\"a\",\"grants\":[{\"role\":\"admin\",\"routes\":\"*x\"}],\"expires\":\"1d\"}",
         "/grants/0/routes"},
        {"{\"name\":\"a\",\"grants\":[{\"role\":\"worker\",\"prefix\":\"x\"}],\"expires\":\"1d\"}",
         "/grants/0/prefix"},
        {"{\"name\":\"a\",\"grants\":[{\"role\":\"admin\",\"route\":\"x\"}],\"expires\":\"1d\"}",
         "/grants/0/route"},
        {"{\"name\":\"a\"," GRANTS "}", "\\\"expires\\\" is missing"},
        {"{\"name\":\"a\"," GRANTS ",\"expires\":\"0s\"}", "/expires"},
        {"{\"name\":\"a\"," GRANTS ",\"expires\":\"3661d\"}", "/expires"},
        {"{\"name\":\"a\"," GRANTS ",\"expires\":\"ever\"}", "/expires"},
        {"{\"name\":\"a\"," GRANTS ",\"expires\":\"never\",\"expires_ms\":1}", "/expires"},
        {"{\"name\":\"a\"," GRANTS ",\"expires\":90}", "/expires"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask("POST", "/v1/tokens", bad[i][0]);
        assert_int_equal(desk.status, 422);
        if (strstr(text(), bad[i][1]) == NULL) {
            fail_msg("%s: %s", bad[i][0], text());
        }
        assert_int_equal(desk.rounds, 0);
    }
}

static void principals_are_listed_in_pages(void **state)
{
    struct grant g = {ROLE_ADMIN, {(const uint8_t *)"*", 1}, {NULL, 0}};

    (void)state;
    write_array(&b, 2);
    write_str(&b, "shop", 4);
    write_array(&b, 1);
    write_array(&b, 5);
    write_str(&b, "shop", 4);
    write_uint(&b, PRINCIPAL_TOKEN);
    write_uint(&b, 9);
    write_array(&b, 1);
    grant_write(&b, &g);
    write_array(&b, 1);
    write_array(&b, 2);
    write_uint(&b, 1000);
    write_uint(&b, 0);
    ask("GET", "/v1/principals", NULL);
    front_desk_answer_one(&desk, body_of(&b));
    assert_string_equal(
        text(),
        "{\"principals\":[{\"name\":\"shop\",\"kind\":\"token\",\"grants\":[{\"role\":"
        "\"admin\",\"routes\":\"*\",\"prefix\":\"\"}],\"tokens\":[{\"created\":\"1970-01-01T00:"
        "00:01.000Z\",\"created_ms\":1000,\"expires\":null,\"expires_ms\":null}],\"index\":9}"
        "],\"cursor\":\"c2hvcA\"}");
    ask("GET", "/v1/principals?cursor=c2hvcA", NULL);
    slice_is(front_desk_asked(&desk, 0).id, "shop");
    ask("GET", "/v1/principals?cursor=_w", NULL);
    refused(400, "INVALID", "cursor");
}

static void authorisation_is_read_and_switched(void **state)
{
    (void)state;
    ask("GET", "/v1/authorisation", NULL);
    write_status(1);
    front_desk_answer_one(&desk, body_of(&b));
    assert_string_equal(text(), "{\"on\":false}");
    ask("PUT", "/v1/authorisation", "{\"on\":true}");
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_AUTHORIZE);
    assert_true(front_desk_asked(&desk, 0).on);
    done_with(ORDERSCHED_OK);
    assert_string_equal(text(), "{\"on\":true}");
    ask("PUT", "/v1/authorisation", "{\"on\":false}");
    assert_false(front_desk_asked(&desk, 0).on);
    done_with(ORDERSCHED_OK);
    assert_string_equal(text(), "{\"on\":false}");
    ask("PUT", "/v1/authorisation", "{\"on\":1}");
    refused(422, "INVALID", "/on");
    ask("PUT", "/v1/authorisation", "{}");
    refused(422, "INVALID", "missing");
}

/* --- the audit trail --- */

static void the_audit_trail_is_filtered_and_goes_on(void **state)
{
    struct audit_row row = {.number = 7,
                            .time_ms = 1000,
                            .index = 5,
                            .code = OPERATION_ROUTE_PUT,
                            .error = ORDERSCHED_DENIED,
                            .kind = CALLER_TOKEN,
                            .name = {(const uint8_t *)"ops", 3},
                            .about = {(const uint8_t *)"shop", 4},
                            .count = 2,
                            .first_ms = 1000};

    (void)state;
    ask("GET", "/v1/audit?since=1970-01-01T00:00:01Z&who=ops&what=route%20put&limit=9&cursor=6",
        NULL);
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_AUDIT_LIST);
    assert_int_equal(op.time_ms, 1000);
    slice_is(op.id, "ops");
    slice_is(op.route, "route put");
    assert_int_equal(op.limit, 9);
    assert_int_equal(op.since_ms, 6);
    write_array(&b, 3);
    write_uint(&b, 7);
    write_uint(&b, 1);
    write_array(&b, 1);
    audit_row_write(&b, &row);
    front_desk_answer_one(&desk, body_of(&b));
    assert_non_null(strstr(text(), "\"who\":\"ops\",\"kind\":\"token\",\"from\":\"\",\"operation\":"
                                   "\"route put\",\"about\":\"shop\",\"detail\":\"\",\"result\":"
                                   "\"DENIED\",\"count\":2,"));
    assert_non_null(strstr(text(), "],\"cursor\":7,\"more\":true}"));
    for (size_t len = 0; len < b.len; len++) {
        ask("GET", "/v1/audit", NULL);
        front_desk_answer_one(&desk, (struct ordersched_answer){.body = b.data, .body_len = len});
        refused(500, "MALFORMED_ANSWER", "");
    }
    ask("GET", "/v1/audit?since=yesterday", NULL);
    refused(400, "INVALID", "since");
}

int main(void)
{
#define CLUSTER_TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_both)
    const struct CMUnitTest tests[] = {
        CLUSTER_TEST(members_are_listed_added_and_removed),
        CLUSTER_TEST(bad_members_are_refused),
        CLUSTER_TEST(a_status_is_of_the_node_that_is_asked),
        CLUSTER_TEST(the_cluster_has_a_row_for_each_member),
        CLUSTER_TEST(a_token_is_made_and_shown_once),
        CLUSTER_TEST(grants_are_set_and_taken_away),
        CLUSTER_TEST(bad_principals_are_refused),
        CLUSTER_TEST(principals_are_listed_in_pages),
        CLUSTER_TEST(authorisation_is_read_and_switched),
        CLUSTER_TEST(the_audit_trail_is_filtered_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
