/* test_callback_batch.c - what a batch says, and what an answer means for each of its orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../../node/callback/http.h"
#include "../../../node/dispatch/delivery_key.h"
#include "../../support/random.h"

#define T0 1800000000000ull /* 2027-01-15T08:00:00Z */
#define MOST 1000

struct pack {
    struct delivery *d;
    unsigned n;
};

static void key_of(unsigned i, char *out)
{
    snprintf(out, 37, "osd_%032x", i + 1);
}

static struct pack pack_make(unsigned n)
{
    struct pack p = {calloc(n, sizeof *p.d), n};

    assert_non_null(p.d);
    for (unsigned i = 0; i < n; i++) {
        struct delivery *d = &p.d[i];
        key_of(i, d->key);
        d->fence_epoch = 3;
        d->fence_index = 100 + i;
        d->deadline_ms = T0 + i;
        d->attempt = 1;
        d->id_len = (size_t)snprintf((char *)d->id, sizeof d->id, "order-%u", i);
        d->payload = (uint8_t *)(i % 2 == 0 ? "{\"price\": 10.10}" : "text");
        d->payload_len = strlen((char *)d->payload);
        d->outcome = OUTCOME_LATER;
        d->delay_ms = 99;
        d->overloaded = true;
        strcpy(d->reason, "old");
        d->batch_next = i + 1 < n ? &p.d[i + 1] : NULL;
    }
    return p;
}

static void pack_free(struct pack *p)
{
    free(p->d);
}

static unsigned judge(struct pack *p, long status, const char *body, const char *retry_after)
{
    return callback_judge_batch(p->d, &(struct callback_answer){status, body, strlen(body), true,
                                                                false, retry_after, T0 / 1000});
}

static void assert_failed(const struct delivery *d, const char *words)
{
    if (d->outcome != OUTCOME_FAILED || strstr(d->reason, words) == NULL) {
        fail_msg("outcome %d, reason \"%s\", without \"%s\"", d->outcome, d->reason, words);
    }
}

static void a_batch_names_each_order_with_its_own_key_and_fence(void **state)
{
    struct pack p = pack_make(2);
    char *body = callback_batch_body(p.d, T0);

    (void)state;
    assert_string_equal(
        body,
        "{\"type\":\"order.expired.batch\",\"timestamp\":\"2027-01-15T08:00:00.000Z\",\"data\":["
        "{\"idempotency_key\":\"osd_00000000000000000000000000000001\",\"fence\":\"3.100\","
        "\"order_id\":\"order-0\",\"deadline\":\"2027-01-15T08:00:00.000Z\",\"attempt\":1,"
        "\"payload\":{\"price\": 10.10}},"
        "{\"idempotency_key\":\"osd_00000000000000000000000000000002\",\"fence\":\"3.101\","
        "\"order_id\":\"order-1\",\"deadline\":\"2027-01-15T08:00:00.001Z\",\"attempt\":1,"
        "\"payload\":\"text\"}]}");
    free(body);
    pack_free(&p);
}

static void a_nul_in_one_payload_takes_no_other_order_of_the_batch_down(void **state)
{
    struct pack p = pack_make(21);

    (void)state;
    p.d[7].payload = (uint8_t *)"{\"sku\":7\0}";
    p.d[7].payload_len = 10;
    char *body = callback_batch_body(p.d, T0);
    json_t *parsed = json_loads(body, JSON_ALLOW_NUL, NULL);
    const json_t *data = json_object_get(parsed, "data");
    assert_int_equal(json_array_size(data), 21);
    const json_t *payload = json_object_get(json_array_get(data, 7), "payload");
    assert_int_equal(json_string_length(payload), 10);
    assert_memory_equal(json_string_value(payload), p.d[7].payload, 10);
    json_decref(parsed);
    free(body);
    pack_free(&p);
}

static void a_batch_of_one_is_still_an_array(void **state)
{
    struct pack p = pack_make(1);
    char *body = callback_batch_body(p.d, T0);

    (void)state;
    assert_non_null(strstr(body, "\"data\":[{\"idempotency_key\":"));
    assert_string_equal(body + strlen(body) - 3, "}]}");
    free(body);
    pack_free(&p);
}

static void its_id_depends_on_the_keys_and_their_order(void **state)
{
    struct pack p = pack_make(3);
    char id[37], again[37], other[37];

    (void)state;
    delivery_batch_key(p.d, id);
    delivery_batch_key(p.d, again);
    assert_string_equal(id, again);
    assert_memory_equal(id, "osd_", 4);
    assert_int_equal(strspn(id + 4, "0123456789abcdef"), 32);
    p.d[0].batch_next = &p.d[2]; /* 0 2 1 */
    p.d[2].batch_next = &p.d[1];
    p.d[1].batch_next = NULL;
    delivery_batch_key(p.d, other);
    assert_string_not_equal(id, other);
    p.d[2].batch_next = NULL; /* 0 2 */
    delivery_batch_key(p.d, again);
    assert_string_not_equal(other, again);
    pack_free(&p);
}

static void an_empty_2xx_expires_all(void **state)
{
    (void)state;
    for (long status = 200; status <= 207; status += 7) {
        struct pack p = pack_make(5);
        assert_int_equal(judge(&p, status, "", NULL), 0);
        for (unsigned i = 0; i < p.n; i++) {
            assert_int_equal(p.d[i].outcome, OUTCOME_EXPIRED);
            assert_string_equal(p.d[i].reason, "");
            assert_false(p.d[i].overloaded);
        }
        pack_free(&p);
    }
}

static void each_order_has_its_own_outcome_in_any_order(void **state)
{
    struct pack p = pack_make(4);

    (void)state;
    assert_int_equal(
        judge(
            &p, 207,
            "{\"results\":["
            "{\"idempotency_key\":\"osd_00000000000000000000000000000004\",\"outcome\":\"failed\","
            "\"reason\":\"no\\nstock\"},"
            "{\"idempotency_key\":\"osd_00000000000000000000000000000002\",\"outcome\":\"paid\"},"
            "{\"idempotency_key\":\"osd_00000000000000000000000000000001\",\"outcome\":\"expired\","
            "\"note\":1},"
            "{\"outcome\":\"later\",\"delay_ms\":1500,"
            "\"idempotency_key\":\"osd_00000000000000000000000000000003\"}],\"more\":true}",
            NULL),
        0);
    assert_int_equal(p.d[0].outcome, OUTCOME_EXPIRED);
    assert_int_equal(p.d[1].outcome, OUTCOME_PAID);
    assert_int_equal(p.d[2].outcome, OUTCOME_LATER);
    assert_int_equal(p.d[2].delay_ms, 1500);
    assert_failed(&p.d[3], "no?stock");
    assert_int_equal(p.d[3].delay_ms, 0);
    assert_false(p.d[3].overloaded);
    pack_free(&p);
}

static void a_batch_answered_half_is_settled_half(void **state)
{
    struct pack p = pack_make(6);

    (void)state;
    /* 1: expired. 2: not named. 3: named twice, with two outcomes. 4: named three times. 5: an
     * outcome that there is not. 6: not a text. And two that nobody asked about. */
    assert_int_equal(
        judge(
            &p, 200,
            "{\"results\":["
            "{\"idempotency_key\":\"osd_00000000000000000000000000000001\",\"outcome\":\"expired\"}"
            ","
            "{\"idempotency_key\":\"osd_00000000000000000000000000000003\",\"outcome\":\"expired\"}"
            ","
            "{\"idempotency_key\":\"osd_00000000000000000000000000000003\",\"outcome\":\"paid\"},"
            "{\"idempotency_key\":\"osd_00000000000000000000000000000004\",\"outcome\":\"paid\"},"
            "{\"idempotency_key\":\"osd_00000000000000000000000000000004\",\"outcome\":\"paid\"},"
            "{\"idempotency_key\":\"osd_00000000000000000000000000000004\",\"outcome\":\"paid\"},"
            "{\"idempotency_key\":\"osd_00000000000000000000000000000005\",\"outcome\":\"maybe\"},"
            "{\"idempotency_key\":\"osd_00000000000000000000000000000006\",\"outcome\":7},"
            "{\"idempotency_key\":\"osd_ffffffffffffffffffffffffffffffff\",\"outcome\":\"paid\"},"
            "17]}",
            NULL),
        2);
    assert_int_equal(p.d[0].outcome, OUTCOME_EXPIRED);
    assert_failed(&p.d[1], "does not name this order");
    assert_failed(&p.d[2], "twice");
    assert_failed(&p.d[3], "twice");
    assert_failed(&p.d[4], "not expired, paid or later");
    assert_failed(&p.d[5], "with an outcome");
    for (unsigned i = 1; i < 6; i++) {
        assert_false(p.d[i].overloaded);
        assert_int_equal(p.d[i].delay_ms, 0);
    }
    pack_free(&p);
}

static void an_answer_without_results_settles_none(void **state)
{
    static const char *const bad[] = {
        "ok",
        "[]",
        "{}",
        "null",
        "{\"outcome\":\"expired\"}",
        "{\"results\":{}}",
        "{\"results\":null}",
        "{\"results\":[]",
        "{\"results\":[],\"results\":[]}",
        "{\"results\":[{\"outcome\":\"paid\",\"outcome\":\"expired\"}]}"};

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pack p = pack_make(3);
        judge(&p, 200, bad[i], NULL);
        for (unsigned k = 0; k < p.n; k++) {
            assert_failed(&p.d[k], "HTTP 200: ");
        }
        pack_free(&p);
    }
    struct pack p = pack_make(2);
    judge(&p, 200, "{\"results\":[]}", NULL);
    assert_failed(&p.d[0], "does not name");
    assert_failed(&p.d[1], "does not name");
    pack_free(&p);
}

static void a_refusal_is_one_of_every_order_with_its_retry_after(void **state)
{
    struct pack p = pack_make(3);

    (void)state;
    judge(&p, 503, "{\"results\":[]}", "30");
    for (unsigned i = 0; i < p.n; i++) {
        assert_failed(&p.d[i], "HTTP 503");
        assert_int_equal(p.d[i].delay_ms, 30000);
        assert_true(p.d[i].overloaded);
    }
    judge(&p, 429, "", NULL);
    assert_true(p.d[2].overloaded);
    assert_int_equal(p.d[2].delay_ms, 0);
    judge(&p, 500, "", "30");
    assert_false(p.d[0].overloaded); /* broken, not overloaded */
    assert_int_equal(p.d[0].delay_ms, 0);
    pack_free(&p);
}

static void a_single_delivery_knows_overload_too(void **state)
{
    struct pack p = pack_make(1);

    (void)state;
    callback_judge(p.d, &(struct callback_answer){429, "", 0, true, false, "1", T0 / 1000});
    assert_true(p.d->overloaded);
    callback_judge(p.d, &(struct callback_answer){404, "", 0, true, false, NULL, T0 / 1000});
    assert_false(p.d->overloaded);
    callback_judge(p.d, &(struct callback_answer){200, "", 0, true, false, NULL, T0 / 1000});
    assert_false(p.d->overloaded);
    pack_free(&p);
}

/* A thousand orders, answered in random order, some not, some twice, with strangers in between:
 * each has exactly the outcome that was said of it once. */
static void a_thousand_random_results_are_each_taken_as_said(void **state)
{
    static const char *const words[] = {"expired", "paid", "failed"};
    static const enum outcome outcomes[] = {OUTCOME_EXPIRED, OUTCOME_PAID, OUTCOME_FAILED};
    struct random rng = random_start();

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct pack p = pack_make(1 + (unsigned)random_below(&rng, MOST));
        unsigned *said = calloc(p.n, sizeof *said), *what = calloc(p.n, sizeof *what);
        unsigned strange = 0;
        char *body;
        size_t len;
        FILE *out = open_memstream(&body, &len);
        fputs("{\"results\":[", out);
        for (unsigned i = 0, n = 2 * p.n; i < n; i++) {
            unsigned id = (unsigned)random_below(&rng, p.n + 3);
            unsigned word = (unsigned)random_below(&rng, 3);
            char key[37];
            key_of(id, key);
            fprintf(out, "%s{\"idempotency_key\":\"%s\",\"outcome\":\"%s\"}", i > 0 ? "," : "", key,
                    words[word]);
            if (id >= p.n) {
                strange++;
            } else {
                said[id]++;
                what[id] = word;
            }
        }
        fputs("]}", out);
        fclose(out);
        assert_int_equal(judge(&p, 200, body, NULL), strange);
        for (unsigned i = 0; i < p.n; i++) {
            enum outcome expected = said[i] == 1 ? outcomes[what[i]] : OUTCOME_FAILED;
            assert_int_equal(p.d[i].outcome, expected);
            if (said[i] != 1) {
                assert_failed(&p.d[i], said[i] == 0 ? "does not name" : "twice");
            }
        }
        free(body);
        free(said);
        free(what);
        pack_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_names_each_order_with_its_own_key_and_fence),
        cmocka_unit_test(a_nul_in_one_payload_takes_no_other_order_of_the_batch_down),
        cmocka_unit_test(a_batch_of_one_is_still_an_array),
        cmocka_unit_test(its_id_depends_on_the_keys_and_their_order),
        cmocka_unit_test(an_empty_2xx_expires_all),
        cmocka_unit_test(each_order_has_its_own_outcome_in_any_order),
        cmocka_unit_test(a_batch_answered_half_is_settled_half),
        cmocka_unit_test(an_answer_without_results_settles_none),
        cmocka_unit_test(a_refusal_is_one_of_every_order_with_its_retry_after),
        cmocka_unit_test(a_single_delivery_knows_overload_too),
        cmocka_unit_test(a_thousand_random_results_are_each_taken_as_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
