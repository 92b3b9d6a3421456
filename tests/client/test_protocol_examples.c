/* The examples of docs/protocol.md are what the code writes, and it reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/wire/protocol.h"

static const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE] = {0x01, 0x9a, 0xb0, 0x1b, 0x2c, 0x3d,
                                                               1,    2,    3,    4,    5,    6,
                                                               7,    8,    9,    10};

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* The page without white space: an example broken over lines is found too. */
static char *page(void)
{
    FILE *f = fopen("docs/protocol.md", "r");
    char *all = calloc(1, 65536);
    size_t n = 0;
    int c;

    assert_non_null(f); /* tests run from the top of the tree */
    while ((c = fgetc(f)) != EOF && n < 65535) {
        if (!isspace(c)) {
            all[n++] = (char)c;
        }
    }
    fclose(f);
    return all;
}

static void expect_on_page(const struct buffer *b)
{
    char *all = page();
    char *hex = calloc(1, 2 * b->len + 1);

    for (size_t i = 0; i < b->len; i++) {
        sprintf(hex + 2 * i, "%02x", b->data[i]);
    }
    if (strstr(all, hex) == NULL) {
        fail_msg("docs/protocol.md has no example %s", hex);
    }
    free(hex);
    free(all);
}

static void the_hello_is_as_documented(void **state)
{
    struct buffer b = {0};

    (void)state;
    request_encode_head(&b, "orderschedd", 0, 0);
    expect_on_page(&b);
    buffer_free(&b);
}

static void the_schedule_is_as_documented(void **state)
{
    struct buffer b = {0};
    struct operation op = {.code = OPERATION_SCHEDULE,
                           .request_id = request_id,
                           .id = text("order-1"),
                           .relative = true,
                           .time_ms = 1800000,
                           .route = text("shop"),
                           .payload = text("{}")};

    (void)state;
    operation_encode(&b, &op);
    expect_on_page(&b);
    buffer_free(&b);
}

static void the_pay_and_its_answer_are_as_documented(void **state)
{
    struct buffer b = {0}, results = {0};
    struct operation op = {.code = OPERATION_PAY, .request_id = request_id, .id = text("order-1")};
    struct result result = {.state = ORDERSCHED_PAID,
                            .deadline_ms = 1764000000000,
                            .remaining_ms = 1200,
                            .index = 42};

    (void)state;
    request_encode_head(&b, "orderschedd", 0, 1);
    operation_encode(&b, &op);
    expect_on_page(&b);
    buffer_reset(&b);
    result_encode(&results, &result);
    struct answer answer = {.node_id = 2,
                            .leader_id = 2,
                            .leader_address = text("127.0.0.1:7421"),
                            .term = 5,
                            .now_ms = 1763999998800,
                            .applied = 42,
                            .n_results = 1,
                            .results = {results.data, results.len}};
    answer_encode(&b, &answer);
    expect_on_page(&b);
    buffer_free(&b);
    buffer_free(&results);
}

static void every_error_is_documented_with_its_number(void **state)
{
    char *all = page();
    unsigned n = 0;

    (void)state;
    for (int error = 0; error <= ORDERSCHED_UNKNOWN_OUTCOME; error++) {
        char row[64];
        const char *name = ordersched_error_name(error);
        bool known = strstr(name, "UNKNOWN_ERROR") == NULL && isupper((unsigned char)name[0]);
        snprintf(row, sizeof row, "|%d|%s|", error, name);
        if (known && strstr(all, row) == NULL) {
            fail_msg("docs/protocol.md has no row for %d %s", error, name);
        }
        n += known;
    }
    assert_true(n >= 25);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hello_is_as_documented),
        cmocka_unit_test(the_schedule_is_as_documented),
        cmocka_unit_test(the_pay_and_its_answer_are_as_documented),
        cmocka_unit_test(every_error_is_documented_with_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
