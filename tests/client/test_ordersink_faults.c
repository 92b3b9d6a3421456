/* test_ordersink_faults.c - how the reference receiver misbehaves towards whoever calls it, and
 * that it speaks TLS. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/certificate.h"
#include "../support/cluster/sinkbed.h"

/* A request of which curl's own result matters, and the whole answer's length and headers. */
struct call {
    CURLcode result;
    long status;
    size_t bytes;
    char start[64];
    char retry_after[32];
};

static size_t body_cb(char *data, size_t one, size_t len, void *arg)
{
    struct call *c = arg;

    (void)one;
    for (size_t i = 0; i < len && c->bytes + i < sizeof c->start - 1; i++) {
        c->start[c->bytes + i] = data[i];
    }
    c->bytes += len;
    return len;
}

static size_t header_cb(char *data, size_t one, size_t len, void *arg)
{
    struct call *c = arg;

    (void)one;
    (void)sscanf(data, "retry-after: %30[^\r\n]", c->retry_after);
    return len;
}

static struct call call(const struct sinkbed *s, const char *webhook_id)
{
    struct sinkbed_post p = {.webhook_id = webhook_id, .order_id = "order-1", .fence = "1.1"};
    struct call c = {0};

    sinkbed_post_prepare(&p, s);
    curl_easy_setopt(p.easy, CURLOPT_WRITEFUNCTION, body_cb);
    curl_easy_setopt(p.easy, CURLOPT_WRITEDATA, &c);
    curl_easy_setopt(p.easy, CURLOPT_HEADERFUNCTION, header_cb);
    curl_easy_setopt(p.easy, CURLOPT_HEADERDATA, &c);
    c.result = curl_easy_perform(p.easy);
    curl_easy_getinfo(p.easy, CURLINFO_RESPONSE_CODE, &c.status);
    sinkbed_post_finish(&p, c.result);
    return c;
}

static void it_settles_the_order_and_hangs_up_in_the_midst_of_the_answer(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--close-share", "1", NULL});
    struct call c = call(&s, "a");
    assert_int_equal(c.result, CURLE_PARTIAL_FILE);
    assert_int_equal(c.status, 200);
    assert_int_equal(c.bytes, 11); /* of {"outcome":"expired"} and a newline */
    sinkbed_assert_journal(&s, "a", 1, 1, 0);
    sinkbed_end(&s);
    sinkbed_run(&s, NULL);
    assert_answered(sinkbed_tell(&s, "a", "order-1"), 200, EXPIRED);
    sinkbed_assert_journal(&s, "a", 2, 1, 0);
    sinkbed_close(&s);
}

static void it_settles_the_order_and_answers_garbage(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--garbage-share", "1", NULL});
    struct call c = call(&s, "a");
    assert_int_equal(c.result, CURLE_OK);
    assert_int_equal(c.status, 200);
    assert_null(json_loadb(c.start, c.bytes, JSON_DECODE_ANY, NULL));
    sinkbed_assert_journal(&s, "a", 1, 1, 0);
    sinkbed_close(&s);
}

static void it_settles_the_order_and_answers_ten_megabytes(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--huge-share", "1", NULL});
    struct call c = call(&s, "a");
    assert_int_equal(c.result, CURLE_OK);
    assert_int_equal(c.status, 200);
    assert_int_equal(c.bytes, 10 * 1000 * 1000);
    assert_memory_equal(c.start, "{\"outcome\":\"expired\",\"more\":\"xxx", 32);
    sinkbed_assert_journal(&s, "a", 1, 1, 0);
    sinkbed_close(&s);
}

static void busy_it_does_nothing_and_says_when_to_come_back(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--busy-share", "1", "--busy-status", "429", "--retry-after",
                                      "7", NULL});
    struct call c = call(&s, "a");
    assert_int_equal(c.status, 429);
    assert_string_equal(c.retry_after, "7");
    sinkbed_assert_journal(&s, "a", 1, 0, 0);
    sinkbed_end(&s);
    sinkbed_run(&s, (const char *[]){"--busy-share", "1", NULL});
    c = call(&s, "a");
    assert_int_equal(c.status, 503);
    assert_string_equal(c.retry_after, "");
    sinkbed_assert_last_line(&s, "reason", "told to be busy");
    sinkbed_end(&s);
    sinkbed_run(&s, NULL);
    assert_answered(sinkbed_tell(&s, "a", "order-1"), 200, EXPIRED);
    sinkbed_assert_journal(&s, "a", 3, 1, 0);
    sinkbed_close(&s);
}

static void shares_of_misbehaviour_leave_the_others_alone(void **state)
{
    struct sinkbed s;
    unsigned partial = 0, ok = 0, busy = 0;

    (void)state;
    sinkbed_open(&s, (const char *[]){"--seed", "7", "--close-share", "0.3", "--busy-share", "0.3",
                                      NULL});
    for (unsigned i = 0; i < 200; i++) {
        char id[32];
        snprintf(id, sizeof id, "osd_%u", i);
        struct call c = call(&s, id);
        partial += c.result == CURLE_PARTIAL_FILE;
        busy += c.result == CURLE_OK && c.status == 503;
        ok += c.result == CURLE_OK && c.status == 200;
    }
    assert_int_equal(partial + busy + ok, 200);
    assert_in_range(busy, 35, 85);    /* 60 on average */
    assert_in_range(partial, 20, 65); /* 42 */
    sinkbed_close(&s);
}

/* ---- TLS ---- */

static CURLcode call_over_tls(const struct sinkbed *s, const char *host, const char *ca,
                              struct sinkbed_post *p)
{
    char url[64];

    snprintf(url, sizeof url, "https://%s:%u/hook", host, s->port);
    sinkbed_post_prepare(p, s);
    curl_easy_setopt(p->easy, CURLOPT_URL, url);
    curl_easy_setopt(p->easy, CURLOPT_CAINFO, ca);
    CURLcode rv = curl_easy_perform(p->easy);
    sinkbed_post_finish(p, rv);
    return rv;
}

static void over_tls_it_shows_the_certificate_it_was_given(void **state)
{
    struct sinkbed s;
    char cert[300], key[300], other[300];
    struct sinkbed_post p = {.webhook_id = "a", .order_id = "order-1", .fence = "1.1"};

    (void)state;
    sinkbed_init(&s);
    snprintf(cert, sizeof cert, "%s/cert.pem", s.dir);
    snprintf(key, sizeof key, "%s/key.pem", s.dir);
    snprintf(other, sizeof other, "%s/other.pem", s.dir);
    certificate_make(cert, key, "IP:127.0.0.1", -60, 3600);
    sinkbed_run(&s, (const char *[]){"--tls-cert", cert, "--tls-key", key, NULL});
    assert_int_equal(call_over_tls(&s, "127.0.0.1", cert, &p), CURLE_OK);
    assert_answered(p, 200, EXPIRED);
    p.answer_len = 0;
    assert_int_not_equal(call_over_tls(&s, "localhost", cert, &p), CURLE_OK); /* another name */
    sinkbed_assert_journal(&s, "a", 1, 1, 0);
    sinkbed_end(&s);
    certificate_make(other, key, "IP:127.0.0.1", -60, 3600); /* now the key is another's */
    sinkbed_assert_does_not_start(&s, (const char *[]){"--tls-cert", cert, "--tls-key", key, NULL},
                                  1, "certificate and key do not match");
    sinkbed_close(&s);
}

static void wrong_flags_of_misbehaviour_are_named(void **state)
{
    struct sinkbed s;
    static const struct {
        const char *flag;
        const char *value;
        const char *words;
    } bad[] = {{"--close-share", "2", "--close-share"},
               {"--garbage-share", "x", "--garbage-share"},
               {"--huge-share", "-1", "--huge-share"},
               {"--busy-share", "1.5", "--busy-share"},
               {"--busy-status", "500", "--busy-status"},
               {"--retry-after", "soon", "--retry-after"},
               {"--half-share", "", "--half-share"},
               {"--lie", "white", "--lie"},
               {"--lie", "missing,", "--lie"},
               {"--lie", "missing,missing,missing,missing", "--lie"},
               {"--lie-share", "y", "--lie-share"},
               {"--tls-cert", "/nonexistent", "--tls-key"},
               {"--tls-key", "/nonexistent", "--tls-cert"}};

    (void)state;
    sinkbed_init(&s);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const extra[] = {bad[i].flag, bad[i].value, NULL};
        sinkbed_assert_does_not_start(&s, extra, 2, bad[i].words);
    }
    sinkbed_assert_does_not_start(&s,
                                  (const char *[]){"--tls-cert", "/nonexistent", "--tls-key",
                                                   "/dev/null", NULL},
                                  1, "/nonexistent: No such file");
    sinkbed_assert_does_not_start(&s,
                                  (const char *[]){"--tls-cert", "/dev/null", "--tls-key",
                                                   "/dev/null", NULL},
                                  1, "/dev/null: is empty");
    sinkbed_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_settles_the_order_and_hangs_up_in_the_midst_of_the_answer),
        cmocka_unit_test(it_settles_the_order_and_answers_garbage),
        cmocka_unit_test(it_settles_the_order_and_answers_ten_megabytes),
        cmocka_unit_test(busy_it_does_nothing_and_says_when_to_come_back),
        cmocka_unit_test(shares_of_misbehaviour_leave_the_others_alone),
        cmocka_unit_test(over_tls_it_shows_the_certificate_it_was_given),
        cmocka_unit_test(wrong_flags_of_misbehaviour_are_named),
    };

    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rv = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return rv;
}
