/* principals.c - see principals.h. */
#include "principals.h"

#include <msgpack.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

#include "../bed/command.h"

/* Numbers of operations and kinds, from docs/protocol.md. */
enum { CODE_GRANT_LIST = 23 };
static const unsigned codes[] = {
    [ASK_PUT] = 41, [ASK_REVOKE] = 42, [ASK_CREATE] = 43, [ASK_ROTATE] = 44};
enum { KIND_TOKEN = 1, KIND_CERTIFICATE = 2 };

#define RANDOM_SIZE 32
#define BASE64_SIZE 45 /* of so many bytes: with one '=', and a NUL */
#define PREFIX "osdt_"

const char *ask_role_name(enum ask_role role)
{
    static const char *const names[] = {[ASK_OBSERVER] = "observer",
                                        [ASK_PRODUCER] = "producer",
                                        [ASK_WORKER] = "worker",
                                        [ASK_OPERATOR] = "operator",
                                        [ASK_ADMIN] = "admin"};
    return names[role];
}

const char *ask_change_name(enum ask_change_kind kind)
{
    static const char *const names[] = {[ASK_PUT] = "put",
                                        [ASK_REVOKE] = "revoke",
                                        [ASK_CREATE] = "create",
                                        [ASK_ROTATE] = "rotate"};

    return names[kind];
}

/* --- tokens --- */

void ask_make_token(char text[ASK_TOKEN_SIZE])
{
    uint8_t bytes[RANDOM_SIZE];
    unsigned char base64[BASE64_SIZE];
    const size_t len = ASK_TOKEN_SIZE - sizeof PREFIX; /* without the '=' */

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        bed_fail("no randomness");
    }
    EVP_EncodeBlock(base64, bytes, sizeof bytes);
    memcpy(text, PREFIX, sizeof PREFIX - 1);
    for (size_t i = 0; i < len; i++) {
        char c = (char)base64[i];
        text[sizeof PREFIX - 1 + i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    text[ASK_TOKEN_SIZE - 1] = '\0';
}

/* --- encoded by hand --- */

static void pack_text(msgpack_packer *p, const char *text)
{
    msgpack_pack_str(p, strlen(text));
    msgpack_pack_str_body(p, text, strlen(text));
}

static void pack_bytes(msgpack_packer *p, const void *bytes, size_t len)
{
    msgpack_pack_bin(p, len);
    msgpack_pack_bin_body(p, bytes, len);
}

static void pack_grants(msgpack_packer *p, const struct ask_change *change)
{
    msgpack_pack_array(p, change->n_grants);
    for (unsigned i = 0; i < change->n_grants; i++) {
        msgpack_pack_array(p, 3);
        msgpack_pack_unsigned_int(p, change->grants[i].role);
        pack_text(p, change->grants[i].routes);
        pack_bytes(p, change->grants[i].prefix, strlen(change->grants[i].prefix));
    }
}

static void pack_token(msgpack_packer *p, const struct ask_change *change)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)change->token, strlen(change->token), hash);
    pack_bytes(p, hash, sizeof hash);
    msgpack_pack_unsigned_int(p, 0); /* it does not expire */
}

static void pack_change(msgpack_packer *p, const struct ask_change *change)
{
    static const unsigned lengths[] = {
        [ASK_PUT] = 5, [ASK_REVOKE] = 3, [ASK_CREATE] = 6, [ASK_ROTATE] = 6};

    msgpack_pack_array(p, lengths[change->kind]);
    msgpack_pack_unsigned_int(p, codes[change->kind]);
    pack_bytes(p, change->request, sizeof change->request);
    pack_text(p, change->name);
    switch (change->kind) {
        case ASK_PUT:
            msgpack_pack_unsigned_int(p, change->certificate ? KIND_CERTIFICATE : KIND_TOKEN);
            pack_grants(p, change);
            break;
        case ASK_REVOKE: break;
        case ASK_CREATE:
            pack_token(p, change);
            pack_grants(p, change);
            break;
        case ASK_ROTATE:
            pack_token(p, change);
            msgpack_pack_uint64(p, change->overlap_ms);
            break;
    }
}

int ask_change(ordersched_client *client, const struct ask_change *change, unsigned timeout_ms)
{
    msgpack_sbuffer b;
    msgpack_packer p;
    struct asked a;

    msgpack_sbuffer_init(&b);
    msgpack_packer_init(&p, &b, msgpack_sbuffer_write);
    pack_change(&p, change);
    ask_raw(client, b.data, b.size, true, NULL, timeout_ms, &a);
    msgpack_sbuffer_destroy(&b);
    asked_free(&a);
    return a.error;
}

/* --- the list --- */

static bool is_named(const msgpack_object *o, const char *name)
{
    return (o->type == MSGPACK_OBJECT_STR || o->type == MSGPACK_OBJECT_BIN) &&
           o->via.str.size == strlen(name) && memcmp(o->via.str.ptr, name, o->via.str.size) == 0;
}

/* [next, [[name, kind, index, ...], ...]] */
static bool find_index(const msgpack_object *page, const char *name, uint64_t *index)
{
    const msgpack_object *list = page->type == MSGPACK_OBJECT_ARRAY && page->via.array.size == 2
                                     ? &page->via.array.ptr[1]
                                     : NULL;

    for (uint32_t i = 0;
         list != NULL && list->type == MSGPACK_OBJECT_ARRAY && i < list->via.array.size; i++) {
        const msgpack_object *principal = &list->via.array.ptr[i];
        if (principal->type == MSGPACK_OBJECT_ARRAY && principal->via.array.size >= 3 &&
            is_named(&principal->via.array.ptr[0], name) &&
            principal->via.array.ptr[2].type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
            *index = principal->via.array.ptr[2].via.u64;
            return true;
        }
    }
    return false;
}

/* The list goes on behind a name: the one asked for without its last letter stands just before it. */
int ask_change_index(ordersched_client *client, const char *name, unsigned timeout_ms,
                     uint64_t *index)
{
    msgpack_sbuffer b;
    msgpack_packer p;
    msgpack_unpacked u;
    struct asked a;
    size_t at = 0;

    msgpack_sbuffer_init(&b);
    msgpack_packer_init(&p, &b, msgpack_sbuffer_write);
    msgpack_pack_array(&p, 2);
    msgpack_pack_unsigned_int(&p, CODE_GRANT_LIST);
    msgpack_pack_str(&p, strlen(name) - 1);
    msgpack_pack_str_body(&p, name, strlen(name) - 1);
    ask_raw(client, b.data, b.size, false, NULL, timeout_ms, &a);
    msgpack_sbuffer_destroy(&b);
    msgpack_unpacked_init(&u);
    int error = a.error;
    if (error == ORDERSCHED_OK &&
        (a.body == NULL ||
         msgpack_unpack_next(&u, (const char *)a.body, a.body_len, &at) != MSGPACK_UNPACK_SUCCESS ||
         !find_index(&u.data, name, index))) {
        error = ORDERSCHED_NOT_FOUND;
    }
    msgpack_unpacked_destroy(&u);
    asked_free(&a);
    return error;
}
