/* request_key.c - see request_key.h.
 *
 * A batch has a thousand of them. OpenSSL's SHA256() looks its own implementation up each time, which costs more than
 * the hash, so its older interface is used, which is there in every version 3. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "request_key.h"

#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

#define KEY_MAX 128
#define HASH_BYTES 10 /* of a keyed request id */

static_assert(SHA256_DIGEST_LENGTH >= HASH_BYTES, "a hash has enough of them");

bool request_key_is_good(struct slice key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] < ' ' || key.data[i] > '~') {
            return false;
        }
    }
    return key.len >= 1 && key.len <= KEY_MAX;
}

/* --- what is hashed: parts, each with its length in front, so that they cannot run into each other --- */

static void add(struct buffer *b, const void *data, size_t len)
{
    write_bin(b, data, len);
}

static void add_text(struct buffer *b, const char *text)
{
    add(b, text, strlen(text));
}

static void add_target(struct buffer *b, const struct exchange *x)
{
    add_text(b, x->method);
    write_array(b, x->n_segments);
    for (unsigned i = 0; i < x->n_segments; i++) {
        add(b, x->segments[i].data, x->segments[i].len);
    }
}

/* Frees the buffer. Without memory for it the id is a new one each time: less than what was asked for, and safe. */
static void settle(struct buffer *b, uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    SHA256_CTX sha;

    memset(request_id, 0, ORDERSCHED_REQUEST_ID_SIZE);
    if (!b->failed) {
        SHA256_Init(&sha);
        SHA256_Update(&sha, b->data, b->len);
        SHA256_Final(hash, &sha);
        request_id_make_keyed(request_id, 0, hash);
    }
    buffer_free(b);
}

/* --- ids --- */

void request_key_make(const struct exchange *x, const struct slice *about,
                      uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    struct buffer b = {0};

    if (x->idempotency_key == NULL) {
        memset(request_id, 0, ORDERSCHED_REQUEST_ID_SIZE);
        return;
    }
    add_text(&b, "key");
    add_text(&b, x->idempotency_key);
    add_target(&b, x);
    if (about != NULL) {
        add(&b, about->data, about->len);
    }
    settle(&b, request_id);
}

/* What a schedule says, in the one form that it has on the wire: however it was written in JSON. */
static void of_content(const struct operation *op, uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    static const uint8_t none[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation plain = *op;
    struct buffer b = {0};

    assert(op->code == OPERATION_SCHEDULE);
    plain.request_id = none;
    add_text(&b, "content");
    operation_encode(&b, &plain);
    settle(&b, request_id);
}

void request_key_of_put(const struct exchange *x, const struct operation *op,
                        uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    if (x->idempotency_key != NULL) {
        request_key_make(x, NULL, request_id);
    } else {
        of_content(op, request_id);
    }
}

void request_key_of_operation(const struct exchange *x, struct slice key, unsigned place,
                              const struct operation *op,
                              uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    struct buffer b = {0};

    if (key.len == 0 && x->idempotency_key == NULL) {
        if (op->code == OPERATION_SCHEDULE) {
            of_content(op, request_id);
        } else {
            memset(request_id, 0, ORDERSCHED_REQUEST_ID_SIZE);
        }
        return;
    }
    if (key.len > 0) {
        add_text(&b, "operation's key");
        add(&b, key.data, key.len);
    } else {
        add_text(&b, "batch's key");
        add_text(&b, x->idempotency_key);
        write_uint(&b, place);
    }
    write_uint(&b, op->code);
    add(&b, op->id.data, op->id.len);
    settle(&b, request_id);
}
