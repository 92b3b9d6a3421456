/* delivery_key.c - see delivery_key.h.
 *
 * A key is made for each delivery, on the raft loop. OpenSSL's HMAC costs ten times what it
 * calculates (3.5 us against 0.3), for it looks up, allocates and frees; so its older interface is
 * used, which is there in every version 3. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "delivery_key.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "../../raft/core/secret.h"

#define KIND_ORDER 1
#define HMAC_BLOCK 64
#define KEY_BYTES 16
#define MESSAGE_MAX (2 + PROTOCOL_CLUSTER_MAX + 16 + ORDERSCHED_ID_MAX)

static_assert(SECRET_KEY_MAX <= HMAC_BLOCK, "a longer key would have to be hashed first");
static_assert(4 + 2 * KEY_BYTES + 1 == ORDERSCHED_KEY_SIZE, "osd_, hexadecimal digits, a NUL");

/* HMAC (RFC 2104): a hash that begins with the key, each byte xor `pad`. */
static void begin_hash(SHA256_CTX *hash, const uint8_t key[SECRET_KEY_MAX], uint8_t pad)
{
    uint8_t block[HMAC_BLOCK];

    memset(block, pad, sizeof block);
    for (unsigned i = 0; i < SECRET_KEY_MAX; i++) {
        block[i] ^= key[i];
    }
    SHA256_Init(hash);
    SHA256_Update(hash, block, sizeof block);
    OPENSSL_cleanse(block, sizeof block);
}

void delivery_keys_init(struct delivery_keys *k, const char *cluster, const struct machine *m)
{
    uint8_t key[SECRET_KEY_MAX];

    assert(strlen(cluster) <= PROTOCOL_CLUSTER_MAX);
    *k = (struct delivery_keys){.cluster = cluster, .from_index = UINT64_MAX};
    if (m->secret_index == 0) {
        return;
    }
    k->from_index = m->secret_index;
    secret_derive(m->secret, "callbacks", key, sizeof key);
    begin_hash(&k->inner, key, 0x36);
    begin_hash(&k->outer, key, 0x5c);
    OPENSSL_cleanse(key, sizeof key);
}

void delivery_keys_clear(struct delivery_keys *k)
{
    OPENSSL_cleanse(k, sizeof *k);
}

static void write_key(const uint8_t bytes[KEY_BYTES], char *out)
{
    static const char digits[] = "0123456789abcdef";

    memcpy(out, "osd_", 4);
    for (unsigned i = 0; i < KEY_BYTES; i++) {
        out[4 + 2 * i] = digits[bytes[i] >> 4];
        out[5 + 2 * i] = digits[bytes[i] & 15];
    }
    out[ORDERSCHED_KEY_SIZE - 1] = '\0';
}

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
    memcpy(at, data, len);
    return at + len;
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        *at++ = (uint8_t)(value >> (8 * i));
    }
    return at;
}

/* Both kinds of keys end with what tells orders and their versions apart. */
static uint8_t *put_order(uint8_t *at, const struct order *o)
{
    at = put_u64(at, o->schedule_index);
    at = put_u64(at, o->version);
    return put(at, order_id(o), o->id_len);
}

static void old_key(const char *cluster, const struct order *o, char *out)
{
    uint8_t message[MESSAGE_MAX];
    uint8_t *end = put_order(put(message, cluster, strlen(cluster) + 1), o);
    assert(end <= message + sizeof message);
    XXH128_hash_t hash = XXH3_128bits(message, (size_t)(end - message));

    snprintf(out, ORDERSCHED_KEY_SIZE, "osd_%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void delivery_key(const struct delivery_keys *k, const struct order *o,
                  char out[ORDERSCHED_KEY_SIZE])
{
    uint8_t message[MESSAGE_MAX];
    uint8_t mac[SHA256_DIGEST_LENGTH];
    uint8_t *at = message;
    SHA256_CTX hash = k->inner;

    if (o->schedule_index < k->from_index) {
        old_key(k->cluster, o, out);
        return;
    }
    *at++ = KIND_ORDER;
    *at++ = (uint8_t)strlen(k->cluster);
    at = put_order(put(at, k->cluster, strlen(k->cluster)), o);
    assert(at <= message + sizeof message);
    SHA256_Update(&hash, message, (size_t)(at - message));
    SHA256_Final(mac, &hash);
    hash = k->outer;
    SHA256_Update(&hash, mac, sizeof mac);
    SHA256_Final(mac, &hash);
    write_key(mac, out);
}

void delivery_batch_key(const struct delivery *first, char out[ORDERSCHED_KEY_SIZE])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX hash;

    SHA256_Init(&hash);
    for (const struct delivery *d = first; d != NULL; d = d->batch_next) {
        SHA256_Update(&hash, d->key, ORDERSCHED_KEY_SIZE - 1);
    }
    SHA256_Final(digest, &hash);
    write_key(digest, out);
}
