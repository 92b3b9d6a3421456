/* test_delivery_key.c - idempotency keys: what they are made of, and that they stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <xxhash.h>

#include "../../node/dispatch/delivery_key.h"
#include "../support/bed.h"

#define T BED_T0

static struct slice bytes_of(const uint8_t *bytes, size_t len)
{
    return (struct slice){bytes, len};
}

static void hmac(struct slice key, struct slice message, uint8_t out[32])
{
    unsigned len = 0;

    assert_non_null(
        HMAC(EVP_sha256(), key.data, (int)key.len, message.data, message.len, out, &len));
    assert_int_equal(len, 32);
}

static void assert_key(const char *key, const uint8_t *bytes)
{
    char text[ORDERSCHED_KEY_SIZE] = "osd_";

    for (unsigned i = 0; i < 16; i++) {
        snprintf(text + 4 + 2 * i, 3, "%02x", bytes[i]);
    }
    assert_string_equal(key, text);
}

/* The order's key, of the machine as it is. */
static void key_of(struct bed *b, const char *cluster, const char *id, char *out)
{
    struct delivery_keys keys;

    delivery_keys_init(&keys, cluster, &b->m);
    delivery_key(&keys, bed_order(b, id), out);
    delivery_keys_clear(&keys);
}

static struct bed *bed_with_secret(void)
{
    struct bed *b = bed_open_old();

    b->epoch++;
    bed_apply(b, T, bed_epoch_with(1, 2));
    return b;
}

static void a_key_is_a_mac_of_cluster_order_and_version(void **state)
{
    struct bed *b = bed_with_secret();
    uint8_t message[] = {1, 2, 'c', 'd', 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a'};
    uint8_t key[32];
    uint8_t mac[32];
    char text[ORDERSCHED_KEY_SIZE];

    (void)state;
    bed_apply(b, T, bed_schedule(b, "a", T + 1000));
    message[4] = (uint8_t)b->index;
    hmac(bytes_of(b->m.secret, sizeof b->m.secret), bed_text("callbacks"), key);
    hmac(bytes_of(key, sizeof key), bytes_of(message, sizeof message), mac);
    key_of(b, "cd", "a", text);
    assert_key(text, mac);
    bed_apply(b, T, bed_extend(b, "a", T + 2000));
    message[12] = 2;
    hmac(bytes_of(key, sizeof key), bytes_of(message, sizeof message), mac);
    key_of(b, "cd", "a", text);
    assert_key(text, mac);
    bed_close(b);
}

/* A name that ends where the numbers begin is no way to another order's message. */
static void keys_of_other_clusters_orders_and_secrets_differ(void **state)
{
    char keys[5][ORDERSCHED_KEY_SIZE];
    struct bed *b = bed_with_secret();

    (void)state;
    bed_apply(b, T, bed_schedule(b, "a", T + 1000));
    bed_apply(b, T, bed_schedule(b, "ab", T + 1000));
    key_of(b, "c", "a", keys[0]);
    key_of(b, "cd", "a", keys[1]);
    key_of(b, "c", "ab", keys[2]);
    memset(b->m.secret, 3, sizeof b->m.secret);
    key_of(b, "c", "a", keys[3]);
    b->m.secret[31] = 4;
    key_of(b, "c", "a", keys[4]);
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned j = i + 1; j < 5; j++) {
            assert_string_not_equal(keys[i], keys[j]);
        }
    }
    bed_close(b);
}

static void an_order_from_before_the_secret_keeps_its_key(void **state)
{
    struct bed *b = bed_open_old();
    uint8_t message[] = {'c', 'd', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a'};
    char before[ORDERSCHED_KEY_SIZE], after[ORDERSCHED_KEY_SIZE], want[ORDERSCHED_KEY_SIZE];

    (void)state;
    bed_apply(b, T, bed_schedule(b, "a", T + 1000));
    message[3] = (uint8_t)b->index;
    XXH128_hash_t hash = XXH3_128bits(message, sizeof message);
    snprintf(want, sizeof want, "osd_%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
    key_of(b, "cd", "a", before);
    assert_string_equal(before, want);
    b->epoch++;
    bed_apply(b, T, bed_epoch_with(1, 2));
    key_of(b, "cd", "a", after);
    assert_string_equal(after, want);
    bed_close(b);
}

/* Without the secret nobody can make an order whose key is the hash that was once used. */
static void a_key_is_no_hash_that_a_client_can_calculate(void **state)
{
    struct bed *b = bed_with_secret();
    uint8_t message[] = {'c', 'd', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a'};
    char key[ORDERSCHED_KEY_SIZE], forged[ORDERSCHED_KEY_SIZE];

    (void)state;
    bed_apply(b, T, bed_schedule(b, "a", T + 1000));
    message[3] = (uint8_t)b->index;
    XXH128_hash_t hash = XXH3_128bits(message, sizeof message);
    snprintf(forged, sizeof forged, "osd_%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
    key_of(b, "cd", "a", key);
    assert_string_not_equal(key, forged);
    bed_close(b);
}

static void the_id_of_a_batch_is_a_hash_of_its_keys(void **state)
{
    struct delivery second = {.key = "osd_99d2"};
    struct delivery first = {.key = "osd_0f7c", .batch_next = &second};
    uint8_t text[2 * (ORDERSCHED_KEY_SIZE - 1)];
    uint8_t digest[32];
    char key[ORDERSCHED_KEY_SIZE];

    (void)state;
    memcpy(text, first.key, ORDERSCHED_KEY_SIZE - 1);
    memcpy(text + ORDERSCHED_KEY_SIZE - 1, second.key, ORDERSCHED_KEY_SIZE - 1);
    assert_non_null(SHA256(text, sizeof text, digest));
    delivery_batch_key(&first, key);
    assert_key(key, digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_a_mac_of_cluster_order_and_version),
        cmocka_unit_test(keys_of_other_clusters_orders_and_secrets_differ),
        cmocka_unit_test(an_order_from_before_the_secret_keeps_its_key),
        cmocka_unit_test(a_key_is_no_hash_that_a_client_can_calculate),
        cmocka_unit_test(the_id_of_a_batch_is_a_hash_of_its_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
