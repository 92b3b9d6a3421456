/* test_siphash.c - the hash of the tables is SipHash-1-3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "../../client/wire/siphash.h"
#include "../support/random.h"

/* As OpenSSL has it, at any length and alignment. */
static uint64_t openssl_siphash(EVP_MAC *mac, const uint8_t *key, const uint8_t *data, size_t len)
{
    unsigned size = 8, c_rounds = 1, d_rounds = 3;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_SIZE, &size),
                           OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c_rounds),
                           OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d_rounds),
                           OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    uint8_t out[8];
    size_t out_len;
    uint64_t value = 0;

    assert_non_null(ctx);
    assert_int_equal(EVP_MAC_init(ctx, key, 16, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, data, len), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &out_len, sizeof out), 1);
    EVP_MAC_CTX_free(ctx);
    assert_int_equal(out_len, sizeof out);
    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)out[i] << (8 * i);
    }
    return value;
}

static void it_agrees_with_another_at_every_length(void **state)
{
    struct random r = random_start();
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    uint8_t data[160];
    uint8_t key[16];

    (void)state;
    assert_non_null(mac);
    for (unsigned len = 0; len < 150; len++) {
        for (unsigned i = 0; i < sizeof data; i++) {
            data[i] = (uint8_t)random_next(&r);
        }
        memcpy(key, data + 140, sizeof key);
        assert_true(siphash(siphash_key_of(key), data + len % 8, len) ==
                    openssl_siphash(mac, key, data + len % 8, len));
    }
    EVP_MAC_free(mac);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_another_at_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
