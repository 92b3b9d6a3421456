/* test_webhook_key.c - asymmetric signatures of webhooks: the keys of RFC 8032, their forms as text, what
 * a receiver with a public key takes for genuine, and what of keys for a route is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/callback/route_keys.h"
#include "../../client/callback/webhook.h"
#include "../../client/callback/webhook_key.h"
#include "../../client/wire/route_secrets.h"

/* RFC 8032, section 7.1, tests 1 and 2: keys and signatures, of an empty message and of 0x72. */
static const struct {
    const char *signing_key;
    const char *public_key;
    const char *message;
    const char *signature;
} published[] = {
    {"whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/"
     "tPJZAc6DuFy89qmIyWvAhpo9wdRGg==",
     "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "",
     "v1a,5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+"
     "bRr0lv18FlbviRlUUFDjnoQCw=="},
    {"whsk_TM0Imyj/"
     "ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs9QBfD6EOJWpK3CqdNG368nJgszy7ElozAzVXxKvRmDA==",
     "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=", "r",
     "v1a,kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA="
     "="},
};
#define SIGNING_KEY published[0].signing_key
#define PUBLIC_KEY published[0].public_key
#define OTHER_PUBLIC_KEY published[1].public_key
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIMESTAMP 1614265330u
#define TIMESTAMP_TEXT "1614265330"
#define BODY "{\"test\": 2432232314}"
#define TOLERANCE_S 300

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* ---- keys ---- */

static void the_keys_of_the_rfc_sign_as_published(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *message = (const uint8_t *)published[i].message;
        char signature[WEBHOOK_KEY_SIGNATURE_SIZE];
        size_t len = strlen(published[i].message);
        assert_true(webhook_key_fits(published[i].signing_key));
        assert_true(webhook_key_sign(published[i].signing_key, message, len, signature));
        assert_string_equal(signature, published[i].signature);
        assert_true(webhook_key_verify(published[i].public_key, signature, strlen(signature),
                                       message, len));
        assert_false(webhook_key_verify(published[1 - i].public_key, signature, strlen(signature),
                                        message, len));
    }
}

static void the_public_key_is_read_off_the_signing_key(void **state)
{
    char key[ROUTE_PUBLIC_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        route_signing_key_public(text(published[i].signing_key), key);
        assert_string_equal(key, published[i].public_key);
        assert_true(route_public_key_is_good(text(key)));
        key[strlen(key) - 2]++; /* bits that no byte has */
        assert_false(route_public_key_is_good(text(key)));
        assert_false(route_public_key_is_good(text(published[i].signing_key)));
    }
}

static void a_key_that_is_made_fits_and_is_another_each_time(void **state)
{
    char keys[20][WEBHOOK_SIGNING_KEY_SIZE];

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        char public_key[ROUTE_PUBLIC_KEY_SIZE];
        char signature[WEBHOOK_KEY_SIGNATURE_SIZE];
        assert_true(webhook_key_make(keys[i]));
        assert_true(route_signing_key_is_good(text(keys[i])));
        assert_true(webhook_key_fits(keys[i]));
        route_signing_key_public(text(keys[i]), public_key);
        assert_true(webhook_key_sign(keys[i], (const uint8_t *)"x", 1, signature));
        assert_true(
            webhook_key_verify(public_key, signature, strlen(signature), (const uint8_t *)"x", 1));
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(keys[k], keys[i]);
        }
    }
}

static void a_signing_key_has_one_form(void **state)
{
    char key[WEBHOOK_SIGNING_KEY_SIZE + 1];

    (void)state;
    for (size_t i = 0; i < strlen(SIGNING_KEY); i++) { /* each character counts */
        strcpy(key, SIGNING_KEY);
        key[i] = '!';
        assert_false(route_signing_key_is_good(text(key)));
        assert_false(webhook_key_fits(key));
        strcpy(key, SIGNING_KEY);
        key[i] = '\0';
        assert_false(route_signing_key_is_good(text(key)));
        assert_false(webhook_key_fits(key));
    }
    snprintf(key, sizeof key, "%s=", SIGNING_KEY);
    assert_false(route_signing_key_is_good(text(key)));
    strcpy(key, SIGNING_KEY);
    key[strlen(key) - 3]++; /* bits that no byte has */
    assert_false(route_signing_key_is_good(text(key)));
    assert_false(route_signing_key_is_good(text(PUBLIC_KEY)));
    assert_false(route_signing_key_is_good(text(SECRET)));
    assert_false(route_secret_is_good(text(SIGNING_KEY)));
}

static void a_public_key_is_32_bytes(void **state)
{
    uint8_t key[WEBHOOK_PUBLIC_BYTES];
    static const char *const bad[] = {"", "whpk_", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                                      "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUR",
                                      "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURoA"};

    (void)state;
    assert_true(webhook_key_public_decode(PUBLIC_KEY, key));
    assert_int_equal(key[0], 0xd7);
    assert_int_equal(key[31], 0x1a);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(webhook_key_public_decode(bad[i], key));
    }
    assert_false(webhook_key_public_decode(SIGNING_KEY, key));
}

/* ---- receivers ---- */

static enum webhook_verdict verify(const char *signature, const char *body, const char *secret,
                                   const char *public_key)
{
    struct webhook w = {ID, TIMESTAMP_TEXT, signature, body, strlen(body)};
    struct webhook_trust trust = {&secret, secret != NULL, &public_key, public_key != NULL};

    return webhook_verify(&w, &trust, TIMESTAMP, TOLERANCE_S);
}

static void a_receiver_with_one_of_the_two_verifies_what_has_both(void **state)
{
    char v1[WEBHOOK_SIGNATURE_SIZE], v1a[WEBHOOK_KEY_SIGNATURE_SIZE];
    char both[sizeof v1 + sizeof v1a];

    (void)state;
    assert_true(webhook_sign(SECRET, ID, TIMESTAMP, BODY, strlen(BODY), v1));
    assert_true(webhook_sign_with_key(SIGNING_KEY, ID, TIMESTAMP, BODY, strlen(BODY), v1a));
    snprintf(both, sizeof both, "%s %s", v1, v1a);
    assert_int_equal(verify(both, BODY, SECRET, NULL), WEBHOOK_GENUINE);
    assert_int_equal(verify(both, BODY, NULL, PUBLIC_KEY), WEBHOOK_GENUINE);
    assert_int_equal(verify(both, BODY, SECRET, PUBLIC_KEY), WEBHOOK_GENUINE);
    assert_int_equal(verify(v1a, BODY, SECRET, PUBLIC_KEY), WEBHOOK_GENUINE);
    assert_int_equal(verify(both, BODY, NULL, OTHER_PUBLIC_KEY), WEBHOOK_WRONG_SIGNATURE);
    assert_int_equal(verify(both, BODY " ", NULL, PUBLIC_KEY), WEBHOOK_WRONG_SIGNATURE);
    /* What it cannot verify is no signature to it. */
    assert_int_equal(verify(v1, BODY, NULL, PUBLIC_KEY), WEBHOOK_NOT_SIGNED);
    assert_int_equal(verify(v1a, BODY, SECRET, NULL), WEBHOOK_NOT_SIGNED);
}

static void each_changed_character_of_a_signature_is_noticed(void **state)
{
    char signature[WEBHOOK_KEY_SIGNATURE_SIZE];

    (void)state;
    for (size_t i = 4; i + 3 < sizeof signature - 1; i++) {
        assert_true(
            webhook_sign_with_key(SIGNING_KEY, ID, TIMESTAMP, BODY, strlen(BODY), signature));
        signature[i] = signature[i] == 'A' ? 'B' : 'A';
        assert_int_equal(verify(signature, BODY, NULL, PUBLIC_KEY), WEBHOOK_WRONG_SIGNATURE);
    }
}

static void the_first_eight_asymmetric_signatures_are_looked_at(void **state)
{
    char one[WEBHOOK_KEY_SIGNATURE_SIZE];
    char many[20 * sizeof one] = "v1,AAAA";

    (void)state;
    assert_true(webhook_sign_with_key(SIGNING_KEY, ID, TIMESTAMP, BODY, strlen(BODY), one));
    for (unsigned before = 0; before <= 9; before++) {
        many[strlen("v1,AAAA")] = '\0';
        for (unsigned i = 0; i < before; i++) {
            strcat(many, " v1a,AAAA");
        }
        strcat(many, " ");
        strcat(many, one);
        assert_int_equal(verify(many, BODY, NULL, PUBLIC_KEY), before < WEBHOOK_KEY_SIGNATURES_MAX
                                                                   ? WEBHOOK_GENUINE
                                                                   : WEBHOOK_WRONG_SIGNATURE);
    }
}

/* ---- keys for a route ---- */

static void halves_of_two_keys_are_refused(void **state)
{
    char mixed[WEBHOOK_SIGNING_KEY_SIZE];
    struct operation op = {.code = OPERATION_ROUTE_PUT};

    (void)state;
    /* The private half of the first, and all of the second's public one but the bits of the middle. */
    strcpy(mixed, published[0].signing_key);
    strcpy(mixed + 5 + 44, published[1].signing_key + 5 + 44);
    assert_true(route_signing_key_is_good(text(mixed)));
    assert_false(webhook_key_fits(mixed));
    op.settings.n_signing_keys = 2;
    op.settings.signing_keys[0] = text(SIGNING_KEY);
    op.settings.signing_keys[1] = text(mixed);
    assert_int_equal(operation_keys_flaw(&op), ROUTE_KEYS_SIGNING);
    op.settings.signing_keys[1] = text(published[1].signing_key);
    assert_int_equal(operation_keys_flaw(&op), ROUTE_KEYS_FIT);

    struct operation rotation = {.code = OPERATION_ROUTE_ROTATE, .secret = text(mixed)};
    assert_int_equal(operation_keys_flaw(&rotation), ROUTE_KEYS_SIGNING);
    rotation.secret = text(SIGNING_KEY);
    assert_int_equal(operation_keys_flaw(&rotation), ROUTE_KEYS_FIT);
    rotation.secret = text(SECRET);
    assert_int_equal(operation_keys_flaw(&rotation), ROUTE_KEYS_FIT);
    struct problem problem = route_keys_problem(ROUTE_KEYS_SIGNING);
    assert_memory_equal(problem.key.data, "signing_keys", problem.key.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_of_the_rfc_sign_as_published),
        cmocka_unit_test(the_public_key_is_read_off_the_signing_key),
        cmocka_unit_test(a_key_that_is_made_fits_and_is_another_each_time),
        cmocka_unit_test(a_signing_key_has_one_form),
        cmocka_unit_test(a_public_key_is_32_bytes),
        cmocka_unit_test(a_receiver_with_one_of_the_two_verifies_what_has_both),
        cmocka_unit_test(each_changed_character_of_a_signature_is_noticed),
        cmocka_unit_test(the_first_eight_asymmetric_signatures_are_looked_at),
        cmocka_unit_test(halves_of_two_keys_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
