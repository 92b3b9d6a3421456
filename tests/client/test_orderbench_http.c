/* test_orderbench_http.c - what orderbench http reads and writes: answers in pieces of any size, answers
 * that are none, and the requests that schedule its orders.
 *
 * These parts belong to the program orderbench and are in no archive, hence the .c files here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../client/bench/http/http_answer.c"
#include "../../client/bench/http/http_orders.c"
#include "../../client/bench/measure/ids.c"

/* In pieces of so many bytes, each as long as it goes on. */
static struct http_answer *taken(const char *text, size_t piece)
{
    static struct http_answer a;
    size_t len = strlen(text);

    http_answer_reset(&a);
    for (size_t at = 0; at < len && !a.broken && !a.complete; at += piece) {
        http_answer_take(&a, text + at, len - at < piece ? len - at : piece);
    }
    return &a;
}

/* ---- answers ---- */

static void an_answer_is_read_in_pieces_of_any_size(void **state)
{
    static const char text[] = "HTTP/1.1 201 Created\r\nDate: today\r\ncontent-length:  12\r\n"
                               "Orderschedd-Node: 1\r\n\r\n{\"id\":\"a b\"}";

    (void)state;
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        struct http_answer *a = taken(text, piece);
        assert_true(a->complete && !a->broken && !a->closes);
        assert_int_equal(a->status, 201);
        assert_string_equal(a->body, "{\"id\":\"a b\"}");
    }
}

static void it_is_not_complete_before_its_last_byte(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab";
    struct http_answer *a = taken(text, 7);

    (void)state;
    assert_false(a->complete || a->broken);
    http_answer_take(a, "c", 1);
    assert_true(a->complete);
}

static void one_without_a_body_ends_with_its_head(void **state)
{
    (void)state;
    assert_true(taken("HTTP/1.1 204 No Content\r\n\r\n", 5)->complete);
    assert_true(taken("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", 500)->complete);
    assert_true(taken("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 500)->complete);
}

static void a_connection_that_is_to_be_closed_is_told(void **state)
{
    struct http_answer *a =
        taken("HTTP/1.1 431 Too large\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", 3);

    (void)state;
    assert_true(a->complete && a->closes);
    assert_int_equal(a->status, 431);
}

static void what_is_no_answer_is_broken(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!taken(texts[i], 1)->broken || !taken(texts[i], 1000)->broken) {
            fail_msg("this was taken for an answer: %s", texts[i]);
        }
    }
}

static void a_head_without_end_and_bytes_behind_the_body_are_broken(void **state)
{
    static char text[3 * HTTP_ANSWER_HEAD_MAX];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
    assert_true(taken(text, 1)->broken);
    assert_true(taken(text, sizeof text)->broken);
    assert_true(taken("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", 1000)->broken);
}

static void the_results_of_a_batch_are_counted(void **state)
{
    static const char body[] =
        "{\"results\":[{\"status\":201,\"order\":{\"id\":\"a\",\"state\":\"PENDING\"}},"
        "{{\"status\":200,\"order\":{}},{\"status\":404,\"problem\":{\"type\":\"{\\\"status\\\":"
        "201\"}},"
        "{\"status\":201}]}";
    char text[512];

    (void)state;
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", sizeof body - 1,
             body);
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        struct http_answer *a = taken(text, piece);
        assert_true(a->complete);
        assert_int_equal(a->sound, 3);
    }
}

/* ---- requests ---- */

static const struct http_orders orders = {.route = "r", .run = 7, .first = 100, .n = 5};

/* The body of a request, as JSON; its head must say how long it is. */
static json_t *body_of(const struct buffer *b, const char *first_line)
{
    static char text[4096];
    unsigned long length = 0;

    assert_true(b->len < sizeof text);
    memcpy(text, b->data, b->len);
    text[b->len] = 0;
    assert_memory_equal(text, first_line, strlen(first_line));
    const char *body = strstr(text, "\r\n\r\n");
    const char *line = strstr(text, "\r\nContent-Length: ");
    assert_non_null(body);
    assert_non_null(line);
    assert_int_equal(sscanf(line, "\r\nContent-Length: %lu", &length), 1);
    assert_int_equal(length, strlen(body + 4));
    json_t *value = json_loads(body + 4, 0, NULL);
    assert_non_null(value);
    return value;
}

static void expect_order(const json_t *value, uint64_t number)
{
    json_t *payload = json_object_get(value, "payload");

    assert_string_equal(json_string_value(json_object_get(value, "route")), "r");
    assert_int_equal(json_integer_value(json_object_get(value, "delay_ms")),
                     bench_delay_ms(number));
    assert_int_equal(json_integer_value(json_object_get(payload, "count")), 2);
    assert_int_equal(strlen(bench_payload), BENCH_PAYLOAD_SIZE);
}

static void an_order_is_a_put(void **state)
{
    struct buffer b = {0};

    (void)state;
    assert_int_equal(http_orders_requests(&orders), 5);
    assert_int_equal(http_orders_request(&orders, 3, &b), 1);
    json_t *body = body_of(
        &b, "PUT /v1/orders/00000007-00000000000000000000103 HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    expect_order(body, 103);
    json_decref(body);
    buffer_free(&b);
}

static void the_last_batch_has_what_is_left(void **state)
{
    struct http_orders o = orders;
    struct buffer b = {0};

    (void)state;
    o.batch = 2;
    assert_int_equal(http_orders_requests(&o), 3);
    assert_int_equal(http_orders_request(&o, 1, &b), 2);
    buffer_reset(&b);
    assert_int_equal(http_orders_request(&o, 2, &b), 1);
    json_t *body = body_of(&b, "POST /v1/batch HTTP/1.1\r\n");
    json_t *operations = json_object_get(body, "operations");
    assert_int_equal(json_array_size(operations), 1);
    json_t *operation = json_array_get(operations, 0);
    assert_string_equal(json_string_value(json_object_get(operation, "op")), "schedule");
    assert_string_equal(json_string_value(json_object_get(operation, "id")),
                        "00000007-00000000000000000000104");
    expect_order(operation, 104);
    json_decref(body);
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_in_pieces_of_any_size),
        cmocka_unit_test(it_is_not_complete_before_its_last_byte),
        cmocka_unit_test(one_without_a_body_ends_with_its_head),
        cmocka_unit_test(a_connection_that_is_to_be_closed_is_told),
        cmocka_unit_test(what_is_no_answer_is_broken),
        cmocka_unit_test(a_head_without_end_and_bytes_behind_the_body_are_broken),
        cmocka_unit_test(the_results_of_a_batch_are_counted),
        cmocka_unit_test(an_order_is_a_put),
        cmocka_unit_test(the_last_batch_has_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
