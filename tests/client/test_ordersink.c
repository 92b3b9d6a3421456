/* test_ordersink.c - what the reference receiver answers to whom, and what it journals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/cluster/sinkbed.h"

static void a_signed_delivery_has_its_effect_once(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    assert_answered(sinkbed_tell(&s, "osd_a", "order-1"), 200, EXPIRED);
    sinkbed_assert_journal(&s, "osd_a", 1, 1, 0); /* on disk before the answer */
    assert_answered(sinkbed_tell(&s, "osd_a", "order-1"), 200, EXPIRED);
    sinkbed_assert_journal(&s, "osd_a", 2, 1, 0);
    assert_answered(sinkbed_tell(&s, "osd_b", "order-1"), 200, EXPIRED);
    sinkbed_assert_journal(&s, NULL, 3, 2, 0);
    struct sinkbed_seen seen = sinkbed_journal(&s, "osd_a");
    assert_string_equal(json_string_value(json_object_get(seen.last, "order_id")), "order-1");
    assert_string_equal(json_string_value(json_object_get(seen.last, "fence")), "1.1");
    assert_string_equal(json_string_value(json_object_get(seen.last, "answer")), "expired");
    assert_int_equal(json_integer_value(json_object_get(seen.last, "deadline_ms")), DEADLINE_MS);
    assert_int_equal(json_integer_value(json_object_get(seen.last, "attempt")), 1);
    json_decref(seen.last);
    sinkbed_close(&s);
}

static void what_is_not_genuine_is_refused_and_has_no_effect(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    assert_answered(POST(&s, .fence = "1.1", .signature = ""), 401, "not signed");
    assert_answered(POST(&s, .fence = "1.1", .signature = "v1,AAAA"), 401, "wrong signature");
    assert_answered(POST(&s, .fence = "1.1", .secret = SECRET_2), 401, "wrong signature");
    assert_answered(POST(&s, .fence = "1.1", .age_s = 310), 401, "too old");
    assert_answered(POST(&s, .fence = "1.1", .age_s = -310), 401, "too new");
    assert_answered(POST(&s, .fence = "1.1", .webhook_id = "\xff\xfe", .signature = "v1,AAAA"), 401,
                    "wrong signature");
    assert_answered(POST(&s, .fence = "1.1", .age_s = 290), 200, EXPIRED);
    sinkbed_assert_journal(&s, NULL, 1, 1, 6);
    sinkbed_close(&s);
}

static void the_tolerance_can_be_chosen(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--tolerance", "1h", NULL});
    assert_answered(POST(&s, .fence = "1.1", .age_s = 3500), 200, EXPIRED);
    assert_answered(POST(&s, .fence = "1.1", .age_s = 3700), 401, "too old");
    sinkbed_close(&s);
}

/* A file of SECRET_2 and this end of its line; its path. */
static void write_secret(const struct sinkbed *s, const char *end, char *path, size_t size)
{
    snprintf(path, size, "%s/secrets", s->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s%s", SECRET_2, end);
    fclose(f);
}

static void any_of_its_secrets_is_accepted(void **state)
{
    struct sinkbed s;
    char path[300];

    (void)state;
    sinkbed_init(&s);
    write_secret(&s, "\n\n", path, sizeof path);
    sinkbed_run(&s, (const char *[]){"--secret-file", path, NULL});
    assert_answered(POST(&s, .fence = "1.1", .secret = SECRET_2), 200, EXPIRED);
    assert_answered(POST(&s, .fence = "1.1"), 200, EXPIRED);
    sinkbed_close(&s);
}

static void a_secret_need_not_stand_in_the_command_line(void **state)
{
    struct sinkbed s;
    char value[300] = "@";

    (void)state;
    sinkbed_init(&s);
    write_secret(&s, "\n", value + 1, sizeof value - 1);
    sinkbed_run(&s, (const char *[]){"--secret", value, NULL});
    assert_answered(POST(&s, .fence = "1.1", .secret = SECRET_2), 200, EXPIRED);
    sinkbed_close(&s);
}

static void a_lower_fence_of_an_order_is_refused(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    assert_answered(POST(&s, .webhook_id = "a", .fence = "3.100"), 200, EXPIRED);
    assert_answered(POST(&s, .webhook_id = "a", .fence = "3.100"), 200, EXPIRED);
    assert_answered(POST(&s, .webhook_id = "a", .fence = "3.99"), 409, "3.100");
    sinkbed_assert_last_line(&s, "kind", "refused");
    sinkbed_assert_last_line(&s, "fence", "3.99");
    assert_answered(POST(&s, .webhook_id = "b", .fence = "2.500"), 409, "3.100");
    assert_answered(POST(&s, .webhook_id = "b", .fence = "4.1"), 200, EXPIRED);
    assert_answered(POST(&s, .webhook_id = "a", .fence = "3.101"), 409, "4.1");
    assert_answered(POST(&s, .webhook_id = "c", .order_id = "order-2", .fence = "1.1"), 200,
                    EXPIRED);
    sinkbed_assert_journal(&s, NULL, 4, 3, 3);
    sinkbed_close(&s);
}

static void requests_that_make_no_sense_are_refused(void **state)
{
    struct sinkbed s;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{\"type\":\"order.paid\"}",
        "{\"type\":\"order.expired\"}",
        "{\"type\":\"order.expired\",\"data\":{\"order_id\":7}}",
        ("{\"type\":\"order.expired\",\"data\":{\"order_id\":\"\",\"attempt\":1,"
         "\"deadline\":\"" DEADLINE "\"}}"),
        ("{\"type\":\"order.expired\",\"data\":{\"order_id\":\"a\",\"attempt\":0,"
         "\"deadline\":\"" DEADLINE "\"}}"),
        ("{\"type\":\"order.expired\",\"data\":{\"order_id\":\"a\",\"attempt\":1.5,"
         "\"deadline\":\"" DEADLINE "\"}}"),
        ("{\"type\":\"order.expired\",\"data\":{\"order_id\":\"a\",\"attempt\":1,"
         "\"deadline\":\"tomorrow\"}}")};
    static const char *const fences[] = {NULL,    "1",    "1.",  ".1",
                                         "1.1.1", "-1.1", "a.b", "99999999999999999999.1"};

    (void)state;
    sinkbed_open(&s, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_answered(POST(&s, .fence = "1.1", .body = bad[i]), 400, "error");
    }
    for (size_t i = 0; i < sizeof fences / sizeof fences[0]; i++) {
        assert_answered(POST(&s, .fence = fences[i]), 400, "fence");
    }
    sinkbed_assert_journal(&s, NULL, 0, 0, 18);
    sinkbed_close(&s);
}

static void a_body_above_64_kib_is_refused(void **state)
{
    struct sinkbed s;
    char *body = malloc(300000);

    (void)state;
    sinkbed_open(&s, NULL);
    memset(body, ' ', 300000);
    body[65537] = '\0';
    assert_answered(POST(&s, .fence = "1.1", .body = body), 413, "too large");
    assert_answered(POST(&s, .fence = "1.1", .body = body, .chunked = true), 413, "too large");
    body[65536] = '\0';
    assert_answered(POST(&s, .fence = "1.1", .body = body), 400, "not JSON");
    assert_answered(POST(&s, .fence = "1.1"), 200, EXPIRED);
    free(body);
    sinkbed_close(&s);
}

static void ids_that_are_no_plain_text_keep_apart(void **state)
{
    struct sinkbed s;
    static const char base64[] =
        "{\"type\":\"order.expired\",\"data\":{\"order_id_base64\":\"/v0=\",\"attempt\":1,"
        "\"deadline\":\"" DEADLINE "\",\"payload\":\"\\u0000\"}}";

    (void)state;
    sinkbed_open(&s, NULL);
    assert_answered(POST(&s, .webhook_id = "a", .fence = "9.1", .body = base64), 200, EXPIRED);
    sinkbed_assert_last_line(&s, "order_id_base64", "/v0=");
    assert_answered(sinkbed_tell(&s, "b", "/v0="), 200, EXPIRED); /* fence 1.1, yet another order */
    assert_answered(POST(&s, .webhook_id = "c", .order_id = "x\\u0000y", .fence = "9.1"), 200,
                    EXPIRED);
    assert_answered(sinkbed_tell(&s, "d", "x\\u0000z"), 200, EXPIRED);
    assert_answered(sinkbed_tell(&s, "d", "x\\u0000y"), 409, "9.1");
    assert_answered(sinkbed_tell(&s, "e", "gr\xc3\xbc\xc3\x9f\\n\\\""), 200, EXPIRED);
    sinkbed_end(&s);
    sinkbed_run(&s, NULL); /* and the journal can be read again */
    assert_answered(sinkbed_tell(&s, "d", "x\\u0000y"), 409, "9.1");
    assert_answered(sinkbed_tell(&s, "d", "x\\u0000z"), 200, EXPIRED);
    sinkbed_assert_journal(&s, "d", 2, 1, 2);
    sinkbed_close(&s);
}

static void chosen_orders_are_answered_paid_or_later(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--paid", "p1,p2", "--paid", "p3", "--later", "l1:1500ms",
                                      "--later", "a:b:2s", NULL});
    assert_answered(sinkbed_tell(&s, "1", "p1"), 200, PAID);
    assert_answered(sinkbed_tell(&s, "1", "p1"), 200, PAID);
    sinkbed_assert_journal(&s, "1", 2, 0, 0);
    assert_answered(sinkbed_tell(&s, "2", "p2"), 200, PAID);
    assert_answered(sinkbed_tell(&s, "3", "p3"), 200, PAID);
    assert_answered(sinkbed_tell(&s, "4", "p4"), 200, EXPIRED);
    assert_answered(sinkbed_tell(&s, "5", "l1"), 200, "{\"outcome\":\"later\",\"delay_ms\":1500}");
    sinkbed_assert_journal(&s, "5", 1, 0, 0);
    assert_answered(sinkbed_tell(&s, "5", "l1"), 200, EXPIRED);
    sinkbed_assert_journal(&s, "5", 2, 1, 0);
    assert_answered(sinkbed_tell(&s, "6", "l1"), 200,
                    "\"delay_ms\":1500"); /* once per webhook-id */
    assert_answered(sinkbed_tell(&s, "7", "a:b"), 200, "\"delay_ms\":2000");
    sinkbed_close(&s);
}

static void failing_does_nothing_and_a_settled_order_does_not_fail(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    assert_answered(sinkbed_tell(&s, "settled", "order-1"), 200, EXPIRED);
    sinkbed_end(&s);
    sinkbed_run(&s, (const char *[]){"--fail", "1", NULL});
    assert_answered(sinkbed_tell(&s, "new", "order-2"), 500, "told to fail");
    assert_answered(sinkbed_tell(&s, "new", "order-2"), 500, "told to fail");
    sinkbed_assert_last_line(&s, "answer", "failed");
    sinkbed_assert_journal(&s, "new", 2, 0, 0);
    assert_answered(sinkbed_tell(&s, "settled", "order-1"), 200, EXPIRED);
    sinkbed_close(&s);
}

static void shares_are_about_as_large_as_they_were_told_to_be(void **state)
{
    struct sinkbed s;
    unsigned failed = 0, paid = 0, later = 0, expired = 0;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--seed", "42", "--fail", "0.2", "--paid-share", "0.1",
                                      "--later-share", "0.3", "--later-delay", "3s", NULL});
    for (unsigned i = 0; i < 300; i++) {
        char id[32];
        snprintf(id, sizeof id, "osd_%u", i);
        struct sinkbed_post p = sinkbed_tell(&s, id, id);
        failed += p.status == 500;
        paid += strstr(p.answer, "paid") != NULL;
        later += strstr(p.answer, "later\",\"delay_ms\":3000") != NULL;
        expired += strstr(p.answer, "expired") != NULL;
    }
    assert_int_equal(failed + paid + later + expired, 300);
    assert_in_range(failed, 35, 90); /* 60 on average */
    assert_in_range(later, 40, 110); /* 72 */
    assert_in_range(paid, 4, 40);    /* 17 */
    assert_in_range(expired, 100, 200);
    sinkbed_close(&s);
}

static void a_slow_answer_comes_after_the_effect_is_on_disk(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--slow", "300ms", NULL});
    uint64_t before = monotonic_ms();
    assert_answered(sinkbed_tell(&s, "a", "order-1"), 200, EXPIRED);
    assert_in_range(monotonic_ms() - before, 300, 5000);
    struct sinkbed_post p = POST(&s, .webhook_id = "b", .fence = "1.1", .timeout_ms = 100);
    assert_int_equal(p.status, 0);
    sinkbed_wait_for_delivery(&s, "b");
    sinkbed_assert_journal(&s, "b", 1, 1, 0);
    sinkbed_close(&s);
}

static void a_hanging_answer_leaves_a_settled_order_behind(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--hang-share", "1", NULL});
    struct sinkbed_post p = POST(&s, .webhook_id = "a", .fence = "1.1", .timeout_ms = 200);
    assert_int_equal(p.status, 0);
    sinkbed_wait_for_delivery(&s, "a");
    sinkbed_assert_journal(&s, "a", 1, 1, 0);
    uint64_t before = monotonic_ms();
    sinkbed_end(&s); /* with the connection still hanging */
    assert_in_range(monotonic_ms() - before, 0, 5000);
    sinkbed_run(&s, NULL);
    assert_answered(sinkbed_tell(&s, "a", "order-1"), 200, EXPIRED);
    sinkbed_assert_journal(&s, "a", 2, 1, 0);
    sinkbed_close(&s);
}

static void the_journal_tells_repeats_hangs_and_the_time_of_the_cluster(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--hang-share", "1", NULL});
    (void)POST(&s, .webhook_id = "a", .fence = "1.1", .timeout_ms = 200);
    sinkbed_wait_for_delivery(&s, "a");
    struct sinkbed_seen seen = sinkbed_journal(&s, "a");
    assert_true(json_is_true(json_object_get(seen.last, "hung")));
    assert_null(json_object_get(seen.last, "repeat"));
    assert_int_equal(json_integer_value(json_object_get(seen.last, "cluster_ms")), 1800000001000);
    json_decref(seen.last);
    sinkbed_end(&s);
    sinkbed_run(&s, NULL);
    assert_answered(sinkbed_tell(&s, "a", "order-1"), 200, EXPIRED);
    seen = sinkbed_journal(&s, "a");
    assert_true(json_is_true(json_object_get(seen.last, "repeat")));
    assert_null(json_object_get(seen.last, "hung"));
    json_decref(seen.last);
    sinkbed_close(&s);
}

static void only_post_is_allowed(void **state)
{
    struct sinkbed s;
    char url[64];
    long status = 0;

    (void)state;
    sinkbed_open(&s, NULL);
    snprintf(url, sizeof url, "http://%s/", s.listen);
    CURL *e = curl_easy_init();
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    assert_int_equal(curl_easy_perform(e), CURLE_OK);
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(e);
    assert_int_equal(status, 405);
    sinkbed_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_delivery_has_its_effect_once),
        cmocka_unit_test(what_is_not_genuine_is_refused_and_has_no_effect),
        cmocka_unit_test(the_tolerance_can_be_chosen),
        cmocka_unit_test(any_of_its_secrets_is_accepted),
        cmocka_unit_test(a_secret_need_not_stand_in_the_command_line),
        cmocka_unit_test(a_lower_fence_of_an_order_is_refused),
        cmocka_unit_test(requests_that_make_no_sense_are_refused),
        cmocka_unit_test(a_body_above_64_kib_is_refused),
        cmocka_unit_test(ids_that_are_no_plain_text_keep_apart),
        cmocka_unit_test(chosen_orders_are_answered_paid_or_later),
        cmocka_unit_test(failing_does_nothing_and_a_settled_order_does_not_fail),
        cmocka_unit_test(shares_are_about_as_large_as_they_were_told_to_be),
        cmocka_unit_test(a_slow_answer_comes_after_the_effect_is_on_disk),
        cmocka_unit_test(a_hanging_answer_leaves_a_settled_order_behind),
        cmocka_unit_test(the_journal_tells_repeats_hangs_and_the_time_of_the_cluster),
        cmocka_unit_test(only_post_is_allowed),
    };

    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rv = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return rv;
}
