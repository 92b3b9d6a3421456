/* /v1/routes: settings from JSON to the map of the protocol, and what is shown of routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/front/resource_bed.h"

#define SECRET "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz" /* 24 bytes */

static void ask(const char *method, const char *target, const char *body)
{
    again();
    front_desk_request(&desk, method, target, body);
}

static void done_with(int error)
{
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = error});
}

/* The settings that a change names, over those of a route that has others. */
static struct route_settings changed(struct slice changes)
{
    static char text[] = "url";
    struct route_settings s = {.kind = ROUTE_HTTP,
                               .window = 7,
                               .rate_per_s = 9,
                               .burst = 3,
                               .batch = 5,
                               .url = {(uint8_t *)text, 3},
                               .n_secrets = 1,
                               .n_headers = 1};
    struct problem problem = {{0}, NULL};
    size_t used;

    int rv = route_settings_change(changes.data, changes.len, &s, &used, &problem);
    if (rv != ORDERSCHED_OK) {
        fail_msg("%.*s %s", (int)problem.key.len, (const char *)problem.key.data, problem.why);
    }
    return s;
}

static void a_put_of_a_known_route_leaves_only_what_cannot_be_read(void **state)
{
    (void)state;
    ask("PUT", "/v1/routes/shop", "{\"url\":\"https://shop.example/x\",\"timeout\":\"2s\"}");
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_ROUTE_SET);
    slice_is(op.id, "shop");
    struct route_settings s = changed(op.changes);
    slice_is(s.url, "https://shop.example/x");
    assert_int_equal(s.timeout_ms, 2000);
    assert_int_equal(s.window, 64); /* the defaults... */
    assert_int_equal(s.rate_per_s, 0);
    assert_int_equal(s.batch, 1);
    assert_int_equal(s.n_headers, 0);
    assert_int_equal(s.n_secrets, 1); /* ...but for its secrets */
    done_with(ORDERSCHED_OK);
    assert_int_equal(desk.status, 200);
    assert_string_equal(text(), "{\"name\":\"shop\"}");
}

static void a_put_of_a_new_route_makes_a_secret_and_shows_it_once(void **state)
{
    (void)state;
    ask("PUT", "/v1/routes/shop", "{\"url\":\"https://shop.example/x\"}");
    done_with(ORDERSCHED_NOT_FOUND);
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_ROUTE_PUT);
    assert_int_equal(op.settings.n_secrets, 1);
    assert_true(route_secret_is_good(op.settings.secrets[0]));
    char secret[64];
    snprintf(secret, sizeof secret, "%.*s", (int)op.settings.secrets[0].len,
             (const char *)op.settings.secrets[0].data);
    done_with(ORDERSCHED_OK);
    assert_int_equal(desk.status, 201);
    assert_string_equal(front_desk_header(&desk, "Location"), "/v1/routes/shop");
    assert_string_equal(json_string_value(json_array_get(json_object_get(desk.json, "secrets"), 0)),
                        secret);
}

static void a_secret_that_is_given_is_not_shown(void **state)
{
    (void)state;
    ask("PUT", "/v1/routes/shop",
        "{\"url\":\"https://shop.example/x\",\"secrets\":[\"" SECRET "\"]}");
    assert_int_equal(changed(front_desk_asked(&desk, 0).changes).n_secrets, 1);
    done_with(ORDERSCHED_NOT_FOUND);
    slice_is(front_desk_asked(&desk, 0).settings.secrets[0], SECRET);
    done_with(ORDERSCHED_OK);
    assert_int_equal(desk.status, 201);
    assert_string_equal(text(), "{\"name\":\"shop\"}");
}

static void every_setting_has_its_name_in_json(void **state)
{
    (void)state;
    ask("PATCH", "/v1/routes/shop",
        "{\"headers\":[[\"X-Shop\",\"eu\"],[\"X-B\",\"2\"]],\"connect_timeout_ms\":500,"
        "\"window\":2,\"rate_per_s\":10,\"burst\":4,\"batch\":3,\"linger\":\"1.5s\","
        "\"retries\":[\"1s\",\"1m\"],\"attempts\":9,\"http2\":false,\"ca_pem\":\"\","
        "\"client_cert_pem\":\"\",\"client_key_pem\":\"\",\"signing_keys\":[],\"secrets\":["
        "\"" SECRET "\"]}");
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_ROUTE_SET);
    struct route_settings s = changed(op.changes);
    assert_int_equal(s.n_headers, 2);
    slice_is(s.headers[0].name, "X-Shop");
    slice_is(s.headers[1].value, "2");
    assert_int_equal(s.connect_timeout_ms, 500);
    assert_int_equal(s.window, 2);
    assert_int_equal(s.rate_per_s, 10);
    assert_int_equal(s.burst, 4);
    assert_int_equal(s.batch, 3);
    assert_int_equal(s.linger_ms, 1500);
    assert_int_equal(s.n_retries, 2);
    assert_int_equal(s.retries_ms[1], 60000);
    assert_int_equal(s.attempts, 9);
    assert_true(s.http1_only);
    slice_is(s.url, "url"); /* what is not named stays */
    ask("PUT", "/v1/routes/run", "{\"kind\":\"exec\",\"command\":[\"/bin/x\",\"-v\"]}");
    done_with(ORDERSCHED_NOT_FOUND);
    op = front_desk_asked(&desk, 0);
    assert_int_equal(op.settings.kind, ROUTE_EXEC);
    assert_int_equal(op.settings.n_command, 2);
    assert_int_equal(op.settings.n_secrets, 0);
    ask("PUT", "/v1/routes/work", "{\"kind\":\"worker\"}");
    done_with(ORDERSCHED_NOT_FOUND);
    assert_int_equal(front_desk_asked(&desk, 0).settings.kind, ROUTE_WORKER);
}

static void bad_settings_are_named(void **state)
{
    static const struct {
        const char *body;
        const char *name;
        const char *words;
    } bad[] = {
        {"{}", "INVALID", "is missing"},
        {"{\"url\":7}", "INVALID", "\"pointer\":\"/url\""},
        {"{\"url\":\"ftp://x\"}", "INVALID", "\"pointer\":\"/url\""},
        {"{\"url\":\"http://x:0\"}", "INVALID", "\"pointer\":\"/url\""},
        {"{\"url\":\"http://x\",\"windows\":1}", "UNKNOWN_PARAMETER", "\"pointer\":\"/windows\""},
        {"{\"url\":\"http://x\",\"window\":0}", "INVALID", "\"pointer\":\"/window\""},
        {"{\"url\":\"http://x\",\"window\":true}", "INVALID", "\"pointer\":\"/window\""},
        {"{\"url\":\"http://x\",\"window\":1.5}", "INVALID", "\"pointer\":\"/window\""},
        {"{\"url\":\"http://x\",\"window\":-1}", "INVALID", "\"pointer\":\"/window\""},
        {"{\"url\":\"http://x\",\"window\":null}", "INVALID", "\"pointer\":\"/window\""},
        {"{\"url\":\"http://x\",\"window\":{}}", "INVALID", "\"pointer\":\"/window\""},
        {"{\"url\":\"http://x\",\"http2\":1}", "INVALID", "\"pointer\":\"/http2\""},
        {"{\"url\":\"http://x\",\"timeout\":\"1ms\"}", "INVALID", "\"pointer\":\"/timeout\""},
        {"{\"url\":\"http://x\",\"timeout_ms\":1}", "INVALID", "\"pointer\":\"/timeout_ms\""},
        {"{\"url\":\"http://x\",\"timeout\":\"1s\",\"timeout_ms\":1000}", "INVALID", "as well"},
        {"{\"url\":\"http://x\",\"timeout\":1000}", "INVALID", "must be a duration"},
        {"{\"url\":\"http://x\",\"retries\":[1]}", "INVALID", "\"pointer\":\"/retries\""},
        {"{\"url\":\"http://x\",\"secrets\":[\"x\"]}", "INVALID", "\"pointer\":\"/secrets\""},
        {"{\"url\":\"http://x\",\"secrets\":\"" SECRET "\"}", "INVALID",
         "\"pointer\":\"/secrets\""},
        {"{\"url\":\"http://x\",\"headers\":{\"a\":\"b\"}}", "INVALID", "\"pointer\":\"/headers\""},
        {"{\"url\":\"http://x\",\"headers\":[[\"a\"]]}", "INVALID", "\"pointer\":\"/headers\""},
        {"{\"url\":\"http://x\",\"headers\":[[\"expect\",\"1\"]]}", "INVALID", "/headers"},
        {"{\"url\":\"http://x\",\"headers\":[[[[[\"a\"]]]]]}", "INVALID", "/headers"},
        {"{\"url\":\"http://x\",\"client_cert_pem\":\"x\"}", "INVALID", "must come with"},
        {"{\"kind\":\"worker\",\"url\":\"http://x\"}", "INVALID", "\"pointer\":\"/url\""},
        {"{\"kind\":\"mail\"}", "INVALID", "\"pointer\":\"/kind\""},
        {"{\"kind\":\"exec\"}", "INVALID", "is missing"},
        {"{\"kind\":\"exec\",\"command\":[\"x\"]}", "INVALID", "\"pointer\":\"/command\""},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask("PUT", "/v1/routes/shop", bad[i].body);
        refused(422, bad[i].name, bad[i].words);
        assert_int_equal(desk.rounds, 0);
    }
    ask("PUT", "/v1/routes/no%20spaces", "{\"kind\":\"worker\"}");
    refused(422, "INVALID", "name in the path");
    ask("PUT", "/v1/routes/shop", "[]");
    refused(422, "INVALID", "JSON object");
}

static void a_route_of_another_kind_stays(void **state)
{
    (void)state;
    ask("PUT", "/v1/routes/shop", "{\"kind\":\"worker\"}");
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = ORDERSCHED_INVALID});
    refused(422, "INVALID", "of another kind");
    ask("PATCH", "/v1/routes/shop", "{\"window\":1}");
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = ORDERSCHED_INVALID,
                                                            .text = "url must be something"});
    refused(422, "INVALID", "url must be something");
    ask("PATCH", "/v1/routes/shop", "{\"window\":1}");
    done_with(ORDERSCHED_NOT_FOUND);
    refused(404, "NOT_FOUND", "");
}

static void routes_are_paused_resumed_retried_deleted(void **state)
{
    (void)state;
    ask("POST", "/v1/routes/shop/pause", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_ROUTE_PAUSE);
    assert_true(front_desk_asked(&desk, 0).paused);
    done_with(ORDERSCHED_OK);
    assert_string_equal(text(), "{\"name\":\"shop\",\"paused\":true}");
    ask("POST", "/v1/routes/shop/resume", "{}");
    assert_false(front_desk_asked(&desk, 0).paused);
    done_with(ORDERSCHED_OK);
    assert_string_equal(text(), "{\"name\":\"shop\",\"paused\":false}");
    ask("POST", "/v1/routes/shop/retry", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_ROUTE_RETRY);
    done_with(ORDERSCHED_OK);
    assert_int_equal(desk.status, 200);
    ask("DELETE", "/v1/routes/shop", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_ROUTE_DELETE);
    done_with(ORDERSCHED_OK);
    assert_int_equal(desk.status, 204);
    assert_null(desk.json);
    ask("DELETE", "/v1/routes/shop", NULL);
    done_with(ORDERSCHED_ROUTE_IN_USE);
    refused(409, "ROUTE_IN_USE", "");
    ask("POST", "/v1/routes/shop/pause", "{\"paused\":false}");
    refused(422, "UNKNOWN_PARAMETER", "/paused");
}

static void a_rotation_makes_a_secret_or_takes_one(void **state)
{
    (void)state;
    ask("POST", "/v1/routes/shop/rotate", NULL);
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_ROUTE_ROTATE);
    assert_int_equal(op.keep, 1);
    assert_true(route_secret_is_good(op.secret));
    done_with(ORDERSCHED_OK);
    assert_int_equal(json_array_size(json_object_get(desk.json, "secrets")), 1);
    ask("POST", "/v1/routes/shop/rotate", "{\"secret\":\"" SECRET "\",\"keep\":0}");
    op = front_desk_asked(&desk, 0);
    slice_is(op.secret, SECRET);
    assert_int_equal(op.keep, 0);
    done_with(ORDERSCHED_OK);
    assert_string_equal(text(), "{\"name\":\"shop\"}");
    ask("POST", "/v1/routes/shop/rotate", "{\"keep\":4}");
    refused(422, "INVALID", "/keep");
    ask("POST", "/v1/routes/shop/rotate", "{\"secret\":\"x\"}");
    refused(422, "INVALID", "/secret");
    ask("POST", "/v1/routes/shop/rotate", "{\"signing_key\":\"" SECRET "\"}");
    refused(422, "INVALID", "/signing_key");
    ask("POST", "/v1/routes/shop/rotate", "{\"secret\":\"x\",\"signing_key\":\"x\"}");
    refused(422, "INVALID", "as well");
}

/* It may be in place: whoever asked needs it. */
static void a_rotation_whose_outcome_is_unknown_shows_its_secret(void **state)
{
    (void)state;
    ask("POST", "/v1/routes/shop/rotate", NULL);
    done_with(ORDERSCHED_TIMEOUT);
    refused(504, "TIMEOUT", "\"class\":\"unknown\"");
    assert_non_null(strstr(text(), "\"secret\":\"whsec_"));
    ask("POST", "/v1/routes/shop/rotate", NULL);
    done_with(ORDERSCHED_NOT_FOUND);
    refused(404, "NOT_FOUND", "definite");
    assert_null(strstr(text(), "whsec_"));
}

/* What was made this time is not what the first one made. */
static void a_repeated_rotation_does_not_show_another_secret(void **state)
{
    struct ordersched_answer answer = {.body = (const uint8_t *)"\xc3", .body_len = 1};

    (void)state;
    ask("POST", "/v1/routes/shop/rotate", NULL);
    front_desk_answer_one(&desk, answer);
    refused(409, "SHOWN_ONCE", "secret");
    assert_null(strstr(text(), "whsec_"));
    ask("POST", "/v1/routes/shop/rotate", "{\"secret\":\"" SECRET "\"}");
    front_desk_answer_one(&desk, answer);
    assert_int_equal(desk.status, 200);
}

/* [[name, {settings}, secrets, paused, orders, revision], ...] */
static void list_of(struct buffer *b)
{
    static const char url[] = "https://shop.example/***";
    struct route_settings s = {.kind = ROUTE_HTTP,
                               .url = {(const uint8_t *)url, sizeof url - 1},
                               .window = 64,
                               .n_retries = 2,
                               .retries_ms = {1000, 5000}};

    write_array(b, 1);
    write_array(b, 6);
    write_str(b, "shop", 4);
    route_settings_encode_public(b, &s);
    write_uint(b, 2);
    write_uint(b, 1);
    write_uint(b, 77);
    write_uint(b, 5);
}

static void routes_are_shown_without_their_secrets(void **state)
{
    struct buffer b = {0};

    (void)state;
    list_of(&b);
    struct ordersched_answer answer = {.body = b.data, .body_len = b.len};
    ask("GET", "/v1/routes", NULL);
    assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_ROUTE_LIST);
    front_desk_answer_one(&desk, answer);
    assert_string_equal(text(),
                        "{\"routes\":[{\"name\":\"shop\",\"paused\":true,\"kind\":\"http\",\"url\":"
                        "\"https://shop.example/***\",\"window\":64,\"retries_ms\":[1000,5000],"
                        "\"http2\":true,\"secrets\":2,\"orders\":77,\"revision\":5}]}");
    ask("GET", "/v1/routes/shop", NULL);
    front_desk_answer_one(&desk, answer);
    begins("{\"name\":\"shop\",");
    ask("GET", "/v1/routes/sho", NULL);
    front_desk_answer_one(&desk, answer);
    refused(404, "NOT_FOUND", "");
    for (size_t len = 0; len < b.len; len++) {
        ask("GET", "/v1/routes", NULL);
        answer.body_len = len;
        front_desk_answer_one(&desk, answer);
        refused(500, "MALFORMED_ANSWER", "");
    }
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESOURCE_TEST(a_put_of_a_known_route_leaves_only_what_cannot_be_read),
        RESOURCE_TEST(a_put_of_a_new_route_makes_a_secret_and_shows_it_once),
        RESOURCE_TEST(a_secret_that_is_given_is_not_shown),
        RESOURCE_TEST(every_setting_has_its_name_in_json),
        RESOURCE_TEST(bad_settings_are_named),
        RESOURCE_TEST(a_route_of_another_kind_stays),
        RESOURCE_TEST(routes_are_paused_resumed_retried_deleted),
        RESOURCE_TEST(a_rotation_makes_a_secret_or_takes_one),
        RESOURCE_TEST(a_rotation_whose_outcome_is_unknown_shows_its_secret),
        RESOURCE_TEST(a_repeated_rotation_does_not_show_another_secret),
        RESOURCE_TEST(routes_are_shown_without_their_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
