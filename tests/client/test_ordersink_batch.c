/* test_ordersink_batch.c - what the reference receiver does with a batch: each order by itself, and
 * the ways in which it can be told to answer wrongly. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/cluster/sinkbed.h"

/* One order of a batch, as it stands in the body. */
#define ORDER(key, fence, id)                                                     \
    "{\"idempotency_key\":\"" key "\",\"fence\":\"" fence "\",\"order_id\":\"" id \
    "\",\"deadline\":\"" DEADLINE "\",\"attempt\":1,\"payload\":{\"sku\":7}}"
#define BATCH(orders)                                                                            \
    "{\"type\":\"order.expired.batch\",\"timestamp\":\"2027-01-15T08:00:01Z\",\"data\":[" orders \
    "]}"
#define A ORDER("a", "1.1", "order-a")
#define B ORDER("b", "1.1", "order-b")
#define C ORDER("c", "1.1", "order-c")
#define D ORDER("d", "1.1", "order-d")

static struct sinkbed_post tell(const struct sinkbed *s, const char *body)
{
    return POST(s, .webhook_id = "osd_batch", .body = body);
}

/* The outcomes that the answer names for a key, one after the other. */
static void outcomes(const struct sinkbed_post *p, const char *key, char *out, size_t len)
{
    json_t *root = json_loads(p->answer, 0, NULL);
    const json_t *results = json_object_get(root, "results");
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        const char *outcome = json_string_value(json_object_get(result, "outcome"));
        if (strcmp(json_string_value(json_object_get(result, "idempotency_key")), key) == 0) {
            at += (size_t)snprintf(out + at, len - at, "%s%s", at > 0 ? " " : "", outcome);
        }
    }
    json_decref(root);
}

#define assert_outcomes(p, key, words)                                             \
    do {                                                                           \
        char found_[128];                                                          \
        outcomes(&(p), key, found_, sizeof found_);                                \
        if ((p).status != 200 || strcmp(found_, words) != 0) {                     \
            fail_msg("%s: \"%s\" in %ld %s", key, found_, (p).status, (p).answer); \
        }                                                                          \
    } while (0)

/* ---- honest ---- */

static void each_order_of_a_batch_has_its_effect_once_by_its_own_key(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    struct sinkbed_post p = tell(&s, BATCH(A "," B));
    assert_outcomes(p, "a", "expired");
    assert_outcomes(p, "b", "expired");
    sinkbed_assert_journal(&s, "a", 1, 1, 0); /* on disk before the answer */
    sinkbed_assert_last_line(&s, "batch", "osd_batch");
    p = tell(&s, BATCH(B "," C)); /* b again, in another company */
    assert_outcomes(p, "b", "expired");
    assert_outcomes(p, "c", "expired");
    sinkbed_assert_journal(&s, "b", 2, 1, 0);
    assert_answered(sinkbed_tell(&s, "a", "order-a"), 200, EXPIRED); /* and alone */
    sinkbed_assert_journal(&s, NULL, 5, 3, 0);
    process_end(s.pid, SIGKILL);
    sinkbed_run(&s, NULL);
    p = tell(&s, BATCH(A "," B "," C "," D)); /* and after a restart */
    assert_outcomes(p, "d", "expired");
    sinkbed_assert_journal(&s, NULL, 9, 4, 0);
    sinkbed_close(&s);
}

static void a_key_that_stands_twice_in_a_batch_has_one_effect(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    struct sinkbed_post p = tell(&s, BATCH(A "," A));
    assert_outcomes(p, "a", "expired expired");
    sinkbed_assert_journal(&s, NULL, 2, 1, 0);
    sinkbed_close(&s);
}

static void a_lower_fence_fails_its_order_alone(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    assert_answered(POST(&s, .webhook_id = "x", .order_id = "order-a", .fence = "3.7"), 200,
                    EXPIRED);
    struct sinkbed_post p = tell(&s, BATCH(A "," B));
    assert_outcomes(p, "a", "failed");
    assert_outcomes(p, "b", "expired");
    assert_answered(p, 200, "a fence of 3.7 was seen before");
    sinkbed_assert_journal(&s, "a", 0, 0, 1);
    sinkbed_assert_journal(&s, "b", 1, 1, 0);
    sinkbed_close(&s);
}

static void orders_of_a_batch_are_answered_differently(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--paid", "order-b", "--later", "order-c:1500ms", NULL});
    struct sinkbed_post p = tell(&s, BATCH(A "," B "," C));
    assert_outcomes(p, "a", "expired");
    assert_outcomes(p, "b", "paid");
    assert_outcomes(p, "c", "later");
    assert_answered(p, 200, "\"delay_ms\":1500");
    sinkbed_assert_journal(&s, NULL, 3, 1, 0);
    sinkbed_close(&s);
}

static void malformed_batches_are_refused_whole(void **state)
{
    struct sinkbed s;
    static const char *const bad[] = {
        BATCH(""),
        "{\"type\":\"order.expired.batch\",\"data\":{}}",
        BATCH(A ",7"),
        BATCH(A ",{\"order_id\":\"b\"}"),
        BATCH(A "," ORDER("", "1.1", "order-b")),
        BATCH(A "," ORDER("x\\u0000y", "1.1", "order-b")),
        BATCH(A "," ORDER("b", "1", "order-b")),
        BATCH(A "," ORDER("b", "1.1", "")),
    };

    (void)state;
    sinkbed_open(&s, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_answered(tell(&s, bad[i]), 400, i < 2 ? "data must be an array" : "data[1]: no ");
    }
    assert_answered(POST(&s, .body = BATCH(A), .secret = SECRET_2), 401, "wrong signature");
    sinkbed_assert_journal(&s, NULL, 0, 0, 9);
    sinkbed_close(&s);
}

/* More than the 64 KiB that a request about one order may have. */
static void a_batch_of_a_thousand_is_taken_and_no_larger_one(void **state)
{
    struct sinkbed s;
    size_t cap = 1001 * 256 + 256;
    char *body = malloc(cap);

    (void)state;
    sinkbed_open(&s, NULL);
    for (unsigned n = 1000; n <= 1001; n++) {
        size_t len = (size_t)snprintf(body, cap, "{\"type\":\"order.expired.batch\",\"data\":[");
        for (unsigned i = 0; i < n; i++) {
            len += (size_t)snprintf(body + len, cap - len,
                                    "%s{\"idempotency_key\":\"osd_%u\",\"fence\":\"1.1\","
                                    "\"order_id\":\"o%u\",\"attempt\":1,\"deadline\":\"" DEADLINE
                                    "\",\"payload\":\"0123456789012345678901234567890123456789\"}",
                                    i > 0 ? "," : "", i, i);
        }
        snprintf(body + len, cap - len, "]}");
        assert_answered(tell(&s, body), n == 1000 ? 200 : 400, n == 1000 ? "" : "1000");
    }
    sinkbed_assert_journal(&s, NULL, 1000, 1000, 1);
    free(body);
    sinkbed_close(&s);
}

/* ---- half, and lies ---- */

static void half_a_batch_is_left_undone(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--half-share", "1", NULL});
    struct sinkbed_post p = tell(&s, BATCH(A "," B "," C "," D));
    assert_outcomes(p, "a", "expired");
    assert_outcomes(p, "b", "failed");
    assert_outcomes(p, "c", "expired");
    assert_outcomes(p, "d", "failed");
    sinkbed_assert_journal(&s, "b", 1, 0, 0);
    p = tell(&s, BATCH(B "," D)); /* the first of these two is done now */
    assert_outcomes(p, "b", "expired");
    assert_outcomes(p, "d", "failed");
    sinkbed_assert_journal(&s, NULL, 6, 3, 0);
    sinkbed_close(&s);
}

static void lies_are_told_about_every_second_order_and_its_effect_stands(void **state)
{
    struct sinkbed s;
    static const struct {
        const char *lie;
        const char *about_b;
        const char *about_d;
    } lies[] = {{"missing", "", ""},
                {"doubled", "expired paid", "expired paid"},
                {"unknown", "perhaps", "perhaps"},
                {"unknown,missing", "perhaps", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        sinkbed_open(&s, (const char *[]){"--lie", lies[i].lie, NULL});
        struct sinkbed_post p = tell(&s, BATCH(A "," B "," C "," D));
        assert_outcomes(p, "a", "expired");
        assert_outcomes(p, "b", lies[i].about_b);
        assert_outcomes(p, "c", "expired");
        assert_outcomes(p, "d", lies[i].about_d);
        sinkbed_assert_journal(&s, NULL, 4, 4, 0);
        assert_answered(sinkbed_tell(&s, "b", "order-b"), 200, EXPIRED); /* alone: no lie */
        sinkbed_assert_journal(&s, "b", 2, 1, 0);
        sinkbed_close(&s);
    }
}

static void without_its_share_no_lie_is_told(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--lie", "missing", "--lie-share", "0", NULL});
    struct sinkbed_post p = tell(&s, BATCH(A "," B));
    assert_outcomes(p, "b", "expired");
    sinkbed_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_order_of_a_batch_has_its_effect_once_by_its_own_key),
        cmocka_unit_test(a_key_that_stands_twice_in_a_batch_has_one_effect),
        cmocka_unit_test(a_lower_fence_fails_its_order_alone),
        cmocka_unit_test(orders_of_a_batch_are_answered_differently),
        cmocka_unit_test(malformed_batches_are_refused_whole),
        cmocka_unit_test(a_batch_of_a_thousand_is_taken_and_no_larger_one),
        cmocka_unit_test(half_a_batch_is_left_undone),
        cmocka_unit_test(lies_are_told_about_every_second_order_and_its_effect_stands),
        cmocka_unit_test(without_its_share_no_lie_is_told),
    };

    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rv = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return rv;
}
