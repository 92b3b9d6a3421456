/* test_webhook.c - signatures of webhooks, against the published example and against forgeries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/callback/webhook.h"

/* The example that the specification and its reference libraries are tested with. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIMESTAMP 1614265330u
#define TIMESTAMP_TEXT "1614265330"
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define OTHER_SECRET "whsec_b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldA=="
#define TOLERANCE_S 300

static const char *const the_secret[] = {SECRET};
static const struct webhook_trust the_secret_alone = {the_secret, 1, NULL, 0};

static enum webhook_verdict verify(const char *signature, const char *timestamp, const char *body,
                                   uint64_t now_s)
{
    struct webhook w = {ID, timestamp, signature, body, strlen(body)};

    return webhook_verify(&w, &the_secret_alone, now_s, TOLERANCE_S);
}

static void the_published_example_is_signed_as_published(void **state)
{
    char out[WEBHOOK_SIGNATURE_SIZE];

    (void)state;
    assert_true(webhook_sign(SECRET, ID, TIMESTAMP, BODY, strlen(BODY), out));
    assert_string_equal(out, SIGNATURE);
}

static void the_published_example_is_genuine(void **state)
{
    (void)state;
    assert_int_equal(verify(SIGNATURE, TIMESTAMP_TEXT, BODY, TIMESTAMP), WEBHOOK_GENUINE);
}

static void one_fitting_signature_among_others_is_enough(void **state)
{
    (void)state;
    assert_int_equal(verify("v1,AAAA v1a,xyz " SIGNATURE " v1,", TIMESTAMP_TEXT, BODY, TIMESTAMP),
                     WEBHOOK_GENUINE);
    assert_int_equal(verify("  " SIGNATURE, TIMESTAMP_TEXT, BODY, TIMESTAMP), WEBHOOK_GENUINE);
}

static void any_of_the_receivers_secrets_may_fit(void **state)
{
    const char *const both[] = {OTHER_SECRET, SECRET};
    struct webhook w = {ID, TIMESTAMP_TEXT, SIGNATURE, BODY, strlen(BODY)};

    (void)state;
    for (size_t n = 0; n <= 2; n++) {
        struct webhook_trust trust = {both, n, NULL, 0};
        assert_int_equal(webhook_verify(&w, &trust, TIMESTAMP, TOLERANCE_S),
                         n == 2 ? WEBHOOK_GENUINE : WEBHOOK_WRONG_SIGNATURE);
    }
}

static void each_changed_character_of_a_signature_is_noticed(void **state)
{
    char signature[sizeof SIGNATURE];

    (void)state;
    for (size_t i = 3; i + 2 < sizeof SIGNATURE - 1; i++) {
        strcpy(signature, SIGNATURE);
        signature[i] = signature[i] == 'A' ? 'B' : 'A';
        assert_int_equal(verify(signature, TIMESTAMP_TEXT, BODY, TIMESTAMP),
                         WEBHOOK_WRONG_SIGNATURE);
    }
    strcpy(signature, SIGNATURE);
    signature[sizeof SIGNATURE - 2] = '\0'; /* a mere prefix */
    assert_int_equal(verify(signature, TIMESTAMP_TEXT, BODY, TIMESTAMP), WEBHOOK_WRONG_SIGNATURE);
}

static void a_changed_body_id_or_timestamp_is_noticed(void **state)
{
    struct webhook w = {"msg_q5jXN8AQM9LWM0D4loKWxJek", TIMESTAMP_TEXT, SIGNATURE, BODY,
                        strlen(BODY)};

    (void)state;
    assert_int_equal(webhook_verify(&w, &the_secret_alone, TIMESTAMP, TOLERANCE_S),
                     WEBHOOK_WRONG_SIGNATURE);
    assert_int_equal(verify(SIGNATURE, "1614265331", BODY, TIMESTAMP), WEBHOOK_WRONG_SIGNATURE);
    assert_int_equal(verify(SIGNATURE, "01614265330", BODY, TIMESTAMP), WEBHOOK_WRONG_SIGNATURE);
    assert_int_equal(verify(SIGNATURE, TIMESTAMP_TEXT, "{\"test\": 2432232315}", TIMESTAMP),
                     WEBHOOK_WRONG_SIGNATURE);
    assert_int_equal(verify(SIGNATURE, TIMESTAMP_TEXT, "", TIMESTAMP), WEBHOOK_WRONG_SIGNATURE);
}

static void the_timestamp_may_differ_by_the_tolerance_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(verify(SIGNATURE, TIMESTAMP_TEXT, BODY, TIMESTAMP + TOLERANCE_S),
                     WEBHOOK_GENUINE);
    assert_int_equal(verify(SIGNATURE, TIMESTAMP_TEXT, BODY, TIMESTAMP + TOLERANCE_S + 1),
                     WEBHOOK_TOO_OLD);
    assert_int_equal(verify(SIGNATURE, TIMESTAMP_TEXT, BODY, TIMESTAMP - TOLERANCE_S),
                     WEBHOOK_GENUINE);
    assert_int_equal(verify(SIGNATURE, TIMESTAMP_TEXT, BODY, TIMESTAMP - TOLERANCE_S - 1),
                     WEBHOOK_TOO_NEW);
}

static void missing_and_malformed_headers_are_told_apart(void **state)
{
    struct webhook w = {NULL, TIMESTAMP_TEXT, SIGNATURE, BODY, strlen(BODY)};
    static const char *const bad[] = {
        "",     "-1",  "+1614265330",  " 1614265330", "1614265330 ", "1614265330.5",
        "0x10", "1e9", "9999999999999"};

    (void)state;
    assert_int_equal(webhook_verify(&w, &the_secret_alone, TIMESTAMP, TOLERANCE_S),
                     WEBHOOK_NOT_SIGNED);
    assert_int_equal(verify(NULL, TIMESTAMP_TEXT, BODY, TIMESTAMP), WEBHOOK_NOT_SIGNED);
    assert_int_equal(verify("", TIMESTAMP_TEXT, BODY, TIMESTAMP), WEBHOOK_NOT_SIGNED);
    assert_int_equal(verify("v1a,abc v2,x", TIMESTAMP_TEXT, BODY, TIMESTAMP), WEBHOOK_NOT_SIGNED);
    assert_int_equal(verify(SIGNATURE, NULL, BODY, TIMESTAMP), WEBHOOK_BAD_TIMESTAMP);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(verify(SIGNATURE, bad[i], BODY, TIMESTAMP), WEBHOOK_BAD_TIMESTAMP);
    }
}

static void only_whsec_secrets_of_24_to_64_bytes_are_secrets(void **state)
{
    uint8_t bytes[80] = {1, 2, 3}, key[WEBHOOK_KEY_MAX];
    size_t len;
    static const char *const bad[] = {"",
                                      "whsec_",
                                      "whsec",
                                      "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                      "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS=",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
                                      "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2L-_aSw",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La===="};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(webhook_secret_decode(bad[i], key, &len));
    }
    for (size_t n = 0; n < sizeof bytes; n++) {
        char secret[160] = "whsec_";
        char *text = webhook_base64_encode(bytes, n);
        assert_non_null(text);
        strcat(secret, text);
        free(text);
        bool fits = n >= WEBHOOK_KEY_MIN && n <= WEBHOOK_KEY_MAX;
        assert_int_equal(webhook_secret_decode(secret, key, &len), fits);
        if (fits) {
            assert_int_equal(len, n);
            assert_memory_equal(key, bytes, n);
        }
    }
}

static void what_is_no_secret_signs_nothing(void **state)
{
    char out[WEBHOOK_SIGNATURE_SIZE] = "untouched";

    (void)state;
    assert_false(webhook_sign("whsec_x", ID, TIMESTAMP, BODY, strlen(BODY), out));
    assert_string_equal(out, "untouched");
}

/* RFC 4648, section 10. */
static void base64_is_that_of_the_rfc(void **state)
{
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        char *text = webhook_base64_encode(plain[i], strlen(plain[i]));
        assert_string_equal(text, coded[i]);
        free(text);
        size_t len = 99;
        uint8_t *bytes = webhook_base64_decode(coded[i], strlen(coded[i]), &len);
        assert_non_null(bytes);
        assert_int_equal(len, strlen(plain[i]));
        assert_memory_equal(bytes, plain[i], len);
        free(bytes);
    }
}

static void what_is_not_base64_is_refused(void **state)
{
    static const char *const bad[] = {"Z",      "Zg",   "Zg=",     "====", "Z===", "Zg==Zg==",
                                      "Zm9v\n", "Zm 9", "Zm9\x80", "Zm=v", "=m9v"};
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_null(webhook_base64_decode(bad[i], strlen(bad[i]), &len));
    }
    assert_null(webhook_base64_decode("Zm\0v", 4, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_example_is_signed_as_published),
        cmocka_unit_test(the_published_example_is_genuine),
        cmocka_unit_test(one_fitting_signature_among_others_is_enough),
        cmocka_unit_test(any_of_the_receivers_secrets_may_fit),
        cmocka_unit_test(each_changed_character_of_a_signature_is_noticed),
        cmocka_unit_test(a_changed_body_id_or_timestamp_is_noticed),
        cmocka_unit_test(the_timestamp_may_differ_by_the_tolerance_and_no_more),
        cmocka_unit_test(missing_and_malformed_headers_are_told_apart),
        cmocka_unit_test(only_whsec_secrets_of_24_to_64_bytes_are_secrets),
        cmocka_unit_test(what_is_no_secret_signs_nothing),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(what_is_not_base64_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
