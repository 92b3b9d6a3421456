/* test_route_settings.c - the settings of a route: there and back, defaults, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/wire/protocol.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
/* RFC 8032, 7.1, tests 1 and 2. */
#define KEY                                             \
    "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DX" \
    "WpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg=="
#define OTHER_KEY                                       \
    "whsk_TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs9" \
    "QBfD6EOJWpK3CqdNG368nJgszy7ElozAzVXxKvRmDA=="
#define PUBLIC_KEY "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void assert_slice(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}

static int decode(const struct buffer *b, struct route_settings *out, struct problem *problem)
{
    size_t used = 0;

    assert_false(b->failed);
    int rv = route_settings_decode(b->data, b->len, out, &used, problem);
    assert_true(rv != ORDERSCHED_OK || used == b->len);
    return rv;
}

static struct route_settings full(void)
{
    struct route_settings s = {
        .kind = ROUTE_EXEC,
        .url = text("https://shop.example/hook"),
        .n_secrets = 2,
        .secrets = {text(SECRET), text(SECRET)},
        .n_headers = 2,
        .headers = {{text("Authorization"), text("Bearer x y")}, {text("x-shop"), text("7")}},
        .connect_timeout_ms = 100,
        .timeout_ms = 3600000,
        .window = 65536,
        .rate_per_s = 1000000,
        .burst = 3,
        .batch = 1000,
        .linger_ms = 60000,
        .n_retries = 2,
        .retries_ms = {0, UINT32_MAX},
        .attempts = 1000,
        .ca_pem = text("-----BEGIN CERTIFICATE-----\n"),
        .http1_only = true,
        .n_command = 3,
        .command = {text("/bin/echo"), text(""), text("a b")},
        .client_cert_pem = text("-----BEGIN CERTIFICATE-----\nown"),
        .client_key_pem = text("-----BEGIN PRIVATE KEY-----\nhush"),
        .n_signing_keys = 2,
        .signing_keys = {text(KEY), text(OTHER_KEY)},
        .traceparent = true,
    };

    return s;
}

static void settings_come_back_as_they_were(void **state)
{
    struct buffer b = {0};
    struct buffer again = {0};
    struct route_settings s = full();
    struct route_settings out;
    struct problem problem;

    (void)state;
    route_settings_encode(&b, &s);
    assert_int_equal(decode(&b, &out, &problem), ORDERSCHED_OK);
    assert_int_equal(out.kind, ROUTE_EXEC);
    assert_slice(out.url, "https://shop.example/hook");
    assert_slice(out.secrets[1], SECRET);
    assert_slice(out.headers[0].name, "Authorization");
    assert_slice(out.headers[0].value, "Bearer x y");
    assert_int_equal(out.connect_timeout_ms, 100);
    assert_int_equal(out.timeout_ms, 3600000);
    assert_int_equal(out.window, 65536);
    assert_int_equal(out.rate_per_s, 1000000);
    assert_int_equal(out.burst, 3);
    assert_int_equal(out.batch, 1000);
    assert_int_equal(out.linger_ms, 60000);
    assert_int_equal(out.retries_ms[1], UINT32_MAX);
    assert_int_equal(out.attempts, 1000);
    assert_slice(out.ca_pem, "-----BEGIN CERTIFICATE-----\n");
    assert_true(out.http1_only);
    assert_int_equal(out.n_command, 3);
    assert_slice(out.command[1], "");
    assert_slice(out.command[2], "a b");
    assert_slice(out.client_cert_pem, "-----BEGIN CERTIFICATE-----\nown");
    assert_slice(out.client_key_pem, "-----BEGIN PRIVATE KEY-----\nhush");
    assert_int_equal(out.n_signing_keys, 2);
    assert_slice(out.signing_keys[0], KEY);
    assert_slice(out.signing_keys[1], OTHER_KEY);
    assert_true(out.traceparent);
    route_settings_encode(&again, &out);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.data, b.data, b.len);
    buffer_free(&b);
    buffer_free(&again);
}

static void what_is_missing_has_its_default(void **state)
{
    struct buffer b = {0};
    struct route_settings s = {.url = text("http://h/")};
    struct route_settings out;
    struct problem problem;

    (void)state;
    route_settings_encode(&b, &s);
    assert_int_equal(decode(&b, &out, &problem), ORDERSCHED_OK);
    assert_int_equal(out.kind, ROUTE_HTTP);
    assert_int_equal(out.n_secrets, 0);
    assert_int_equal(out.connect_timeout_ms, 3000);
    assert_int_equal(out.timeout_ms, 10000);
    assert_int_equal(out.window, 64);
    assert_int_equal(out.rate_per_s, 0);
    assert_int_equal(out.burst, 1);
    assert_int_equal(out.batch, 1);
    assert_int_equal(out.linger_ms, 0);
    assert_int_equal(out.n_retries, 15);
    assert_int_equal(route_settings_attempts(&out), 16);
    assert_false(out.http1_only);
    assert_false(out.traceparent);
    /* Older nodes know no such key. */
    assert_null(memmem(b.data, b.len, "traceparent", strlen("traceparent")));
    s.rate_per_s = 50;
    buffer_reset(&b);
    route_settings_encode(&b, &s);
    assert_int_equal(decode(&b, &out, &problem), ORDERSCHED_OK);
    assert_int_equal(out.burst, 50);
    buffer_free(&b);
}

/* One key with a number, beside a URL. */
static int decode_number(const char *key, uint64_t value, struct problem *problem)
{
    struct buffer b = {0};
    struct route_settings out;

    write_map(&b, 2);
    write_str(&b, "url", 3);
    write_str(&b, "http://h/", 9);
    write_str(&b, key, strlen(key));
    write_uint(&b, value);
    int rv = decode(&b, &out, problem);
    if (rv != ORDERSCHED_OK) { /* the key is inside the bytes */
        assert_slice(problem->key, key);
        problem->key.len = 0;
    }
    buffer_free(&b);
    return rv;
}

static void each_number_is_refused_just_outside_its_range(void **state)
{
    static const struct {
        const char *key;
        uint64_t min, max;
    } ranges[] = {
        {"connect_timeout_ms", 100, 60000},
        {"timeout_ms", 100, 3600000},
        {"window", 1, 65536},
        {"rate_per_s", 0, 1000000},
        {"burst", 1, 1000000},
        {"batch", 1, 1000},
        {"linger_ms", 0, 60000},
        {"attempts", 0, 1000},
    };
    struct problem problem;

    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        assert_int_equal(decode_number(ranges[i].key, ranges[i].min, &problem), ORDERSCHED_OK);
        assert_int_equal(decode_number(ranges[i].key, ranges[i].max, &problem), ORDERSCHED_OK);
        assert_int_equal(decode_number(ranges[i].key, ranges[i].max + 1, &problem),
                         ORDERSCHED_INVALID);
        assert_int_equal(decode_number(ranges[i].key, UINT64_MAX, &problem), ORDERSCHED_INVALID);
        assert_non_null(strstr(problem.why, "must be a number"));
        if (ranges[i].min > 0) {
            assert_int_equal(decode_number(ranges[i].key, ranges[i].min - 1, &problem),
                             ORDERSCHED_INVALID);
        }
    }
}

static void an_unknown_or_repeated_key_is_named(void **state)
{
    struct buffer b = {0};
    struct route_settings out;
    struct problem problem;

    (void)state;
    assert_int_equal(decode_number("windows", 1, &problem), ORDERSCHED_INVALID);
    assert_string_equal(problem.why, "is not a setting of a route");
    write_map(&b, 2);
    for (int i = 0; i < 2; i++) {
        write_str(&b, "url", 3);
        write_str(&b, "http://h/", 9);
    }
    assert_int_equal(decode(&b, &out, &problem), ORDERSCHED_INVALID);
    assert_slice(problem.key, "url");
    assert_string_equal(problem.why, "is given twice");
    buffer_free(&b);
}

static void refuse(struct route_settings s, const char *key)
{
    struct buffer b = {0};
    struct route_settings out;
    struct problem problem = {0};

    route_settings_encode(&b, &s);
    assert_int_equal(decode(&b, &out, &problem), ORDERSCHED_INVALID);
    assert_slice(problem.key, key);
    buffer_free(&b);
}

static void each_text_is_checked(void **state)
{
    static char large[PROTOCOL_CA_MAX + 2];
    struct route_settings s;

    (void)state;
    memset(large, 'x', sizeof large - 1);
    refuse((struct route_settings){0}, "url");
    refuse((struct route_settings){.url = text("ftp://h/")}, "url");
    refuse((struct route_settings){.url = text("http://h/ ")}, "url");
    refuse((struct route_settings){.kind = ROUTE_EXEC}, "command");
    s = full();
    s.command[0] = text("bin/echo");
    refuse(s, "command");
    s = full();
    s.command[2] = (struct slice){(const uint8_t *)large, PROTOCOL_COMMAND_BYTES_MAX};
    refuse(s, "command");
    s = full();
    s.secrets[1] = text("secret");
    refuse(s, "secrets");
    s = full();
    s.ca_pem = (struct slice){(const uint8_t *)large, PROTOCOL_CA_MAX + 1};
    refuse(s, "ca_pem");
    s = full();
    s.headers[1].name = text("x shop");
    refuse(s, "headers");
    s = full();
    s.headers[1].value = text("a\r\nEvil: 1");
    refuse(s, "headers");
}

static void headers_that_callbacks_set_themselves_are_refused(void **state)
{
    static const char *const names[] = {
        "Webhook-Id",     "webhook-x", "IDEMPOTENCY-KEY",   "orderschedd-fence", "Content-Type",
        "content-length", "host",      "Transfer-Encoding", "connection",        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(route_header_name_is_good(text(names[i])));
    }
    assert_true(route_header_name_is_good(text("hostess")));
    assert_true(route_header_name_is_good(text("X-Api-Key")));
    assert_false(route_header_value_is_good(text(" x")));
    assert_false(route_header_value_is_good(text("x ")));
    assert_true(route_header_value_is_good(text("Bearer a\tb")));
}

static void secrets_are_base64_of_24_to_64_bytes(void **state)
{
    (void)state;
    assert_true(route_secret_is_good(text(SECRET)));
    assert_true(route_secret_is_good(text("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")));
    assert_false(route_secret_is_good(text("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")));
    assert_false(route_secret_is_good(text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS")));
    assert_false(route_secret_is_good(text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa w")));
    assert_false(route_secret_is_good(text("whsec_MfKQ9r8GKYqr=wjUPD8ILPZIo2LaLaSw")));
    assert_false(route_secret_is_good(text("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")));
}

static void a_client_certificate_and_its_key_come_together(void **state)
{
    static const char *const names[] = {"client_cert_pem", "client_key_pem"};
    static const struct {
        unsigned from, n; /* of the names */
        bool cert, key;   /* are they given a text? */
        int error;
    } cases[] = {
        {0, 1, true, true, ORDERSCHED_INVALID},  {1, 1, true, true, ORDERSCHED_INVALID},
        {0, 2, true, false, ORDERSCHED_INVALID}, {0, 2, false, true, ORDERSCHED_INVALID},
        {0, 2, true, true, ORDERSCHED_OK},       {0, 2, false, false, ORDERSCHED_OK},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_settings s = full();
        struct route_settings changes = full();
        struct buffer b = {0};
        struct problem problem;
        size_t used;
        changes.client_cert_pem.len *= cases[i].cert;
        changes.client_key_pem.len *= cases[i].key;
        route_settings_encode_some(&b, &changes, names + cases[i].from, cases[i].n);
        assert_int_equal(route_settings_change(b.data, b.len, &s, &used, &problem), cases[i].error);
        if (cases[i].error == ORDERSCHED_OK) {
            assert_int_equal(s.client_cert_pem.len > 0, cases[i].cert);
            assert_int_equal(s.client_key_pem.len > 0, cases[i].key);
        } else {
            assert_memory_equal(problem.key.data, "client_", 7);
        }
        buffer_free(&b);
    }
}

static void what_is_shown_holds_no_secret(void **state)
{
    struct buffer b = {0};
    struct route_settings s = full();

    (void)state;
    route_settings_encode_public(&b, &s);
    assert_null(memmem(b.data, b.len, "whsec", 5));
    assert_null(memmem(b.data, b.len, "whsk", 4));
    assert_null(memmem(b.data, b.len, "hush", 4));
    assert_null(memmem(b.data, b.len, "nWGxne", 6));
    assert_non_null(memmem(b.data, b.len, PUBLIC_KEY, strlen(PUBLIC_KEY)));
    assert_null(memmem(b.data, b.len, "Bearer", 6));
    assert_null(memmem(b.data, b.len, "a b", 3));
    assert_null(memmem(b.data, b.len, "BEGIN", 5));
    assert_non_null(memmem(b.data, b.len, "Authorization", 13));
    assert_non_null(memmem(b.data, b.len, "/bin/echo", 9));
    buffer_free(&b);
}

static void mutated_settings_never_crash_and_what_passes_is_stable(void **state)
{
    struct buffer b = {0};
    struct buffer again = {0};
    struct route_settings s = full();
    struct route_settings out;
    struct problem problem = {0};
    uint64_t rng = 7;
    unsigned passed = 0;
    unsigned refused = 0;
    size_t used;

    (void)state;
    route_settings_encode(&b, &s);
    for (int i = 0; i < 200000; i++) {
        rng = rng * 6364136223846793005ull + 1442695040888963407ull;
        size_t at = (rng >> 33) % b.len;
        uint8_t old = b.data[at];
        b.data[at] ^= (uint8_t)(1 + (rng >> 17) % 255);
        if (route_settings_decode(b.data, b.len, &out, &used, &problem) == ORDERSCHED_OK) {
            struct route_settings second;
            buffer_reset(&again);
            route_settings_encode(&again, &out);
            assert_int_equal(decode(&again, &second, &problem), ORDERSCHED_OK);
            passed++;
        } else {
            assert_non_null(problem.why);
            refused++;
        }
        b.data[at] = old;
    }
    assert_true(passed > 1000 && refused > 1000);
    buffer_free(&b);
    buffer_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_come_back_as_they_were),
        cmocka_unit_test(what_is_missing_has_its_default),
        cmocka_unit_test(each_number_is_refused_just_outside_its_range),
        cmocka_unit_test(an_unknown_or_repeated_key_is_named),
        cmocka_unit_test(each_text_is_checked),
        cmocka_unit_test(headers_that_callbacks_set_themselves_are_refused),
        cmocka_unit_test(secrets_are_base64_of_24_to_64_bytes),
        cmocka_unit_test(a_client_certificate_and_its_key_come_together),
        cmocka_unit_test(what_is_shown_holds_no_secret),
        cmocka_unit_test(mutated_settings_never_crash_and_what_passes_is_stable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
