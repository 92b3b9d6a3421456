/* ask.c - see ask.h. */
#include "ask.h"

#include <msgpack.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_PAGE 256
#define LIST_TIMEOUT_MS 5000
#define CURSOR_MAX 160

/* Numbers of operations, from docs/protocol.md. */
enum { CODE_LIST = 17, CODE_STATUS = 18, CODE_DIGEST = 20, CODE_TRANSFER = 51 };

struct waiting {
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool done;
    struct asked *answer;
};

static void asked_copy(struct asked *a, const struct ordersched_answer *from)
{
    a->error = from->error;
    a->state = from->state;
    a->deadline_ms = from->deadline_ms;
    a->remaining_ms = from->remaining_ms;
    a->index = from->index;
    if (from->text != NULL) {
        snprintf(a->text, sizeof a->text, "%s", from->text);
    }
    if (from->body_len > 0 && (a->body = malloc(from->body_len)) != NULL) {
        memcpy(a->body, from->body, from->body_len);
        a->body_len = from->body_len;
    }
}

static void ask_cb(void *arg, const struct ordersched_answer *answer)
{
    struct waiting *w = arg;

    pthread_mutex_lock(&w->mutex);
    asked_copy(w->answer, answer);
    w->done = true;
    pthread_cond_signal(&w->woken);
    pthread_mutex_unlock(&w->mutex);
}

static void waiting_init(struct waiting *w, struct asked *a)
{
    memset(a, 0, sizeof *a);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->woken, NULL);
    w->done = false;
    w->answer = a;
}

/* `error` is what submitting returned: unless it is OK nothing will be called back. */
static void waiting_end(struct waiting *w, int error)
{
    pthread_mutex_lock(&w->mutex);
    while (error == ORDERSCHED_OK && !w->done) {
        pthread_cond_wait(&w->woken, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    if (error != ORDERSCHED_OK) {
        w->answer->error = error;
    }
    pthread_cond_destroy(&w->woken);
    pthread_mutex_destroy(&w->mutex);
}

void asked_free(struct asked *a)
{
    free(a->body);
    a->body = NULL;
    a->body_len = 0;
}

/* The body of an answer; false when there is none. Destroy it in every case. */
static bool unpack(const struct asked *a, msgpack_unpacked *unpacked)
{
    size_t at = 0;

    msgpack_unpacked_init(unpacked);
    return a->error == ORDERSCHED_OK && a->body != NULL &&
           msgpack_unpack_next(unpacked, (const char *)a->body, a->body_len, &at) ==
               MSGPACK_UNPACK_SUCCESS;
}

/* Element i of an array of at least `least`, or NULL. */
static const msgpack_object *element(const msgpack_object *array, uint32_t i, uint32_t least)
{
    return array->type == MSGPACK_OBJECT_ARRAY && array->via.array.size >= least
               ? &array->via.array.ptr[i]
               : NULL;
}

/* The eighth field of a read, where there is one: 25 bytes. */
static void take_traceparent(struct asked *a)
{
    static const char form[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    msgpack_unpacked u;
    const msgpack_object *bytes = unpack(a, &u) ? element(&u.data, 7, 8) : NULL;
    bool whole = bytes != NULL && bytes->type == MSGPACK_OBJECT_BIN && bytes->via.bin.size == 25;
    size_t n = 0;

    for (size_t i = 0; whole && i < sizeof form - 1; i++) {
        uint8_t byte = (uint8_t)bytes->via.bin.ptr[n / 2];
        a->traceparent[i] = form[i] != 'x' ? form[i]
                                           : "0123456789abcdef"[n % 2 == 0 ? byte >> 4 : byte & 15];
        n += form[i] == 'x';
    }
    msgpack_unpacked_destroy(&u);
}

void ask_order(ordersched_client *client, const struct ordersched_operation *operation,
               unsigned timeout_ms, struct asked *a)
{
    struct waiting w;

    waiting_init(&w, a);
    waiting_end(&w, ordersched_submit(client, operation, timeout_ms, ask_cb, &w));
    if (operation->kind == ORDERSCHED_GET) {
        take_traceparent(a);
    }
}

void ask_raw(ordersched_client *client, const void *operation, size_t len, bool mutating,
             const char *target, unsigned timeout_ms, struct asked *a)
{
    struct waiting w;

    waiting_init(&w, a);
    waiting_end(&w, ordersched_submit_raw(client, operation, len, mutating, target, timeout_ms,
                                          ask_cb, &w));
}

/* --- encoded by hand --- */

static void ask_code(ordersched_client *client, unsigned code, const char *target,
                     unsigned timeout_ms, struct asked *a)
{
    uint8_t operation[] = {0x91, (uint8_t)code};

    ask_raw(client, operation, sizeof operation, false, target, timeout_ms, a);
}

static void status_field(struct asked_status *s, msgpack_object_str key, msgpack_object value)
{
    const struct {
        const char *name;
        uint64_t *at;
    } fields[] = {
        {"term", &s->term},     {"commit", &s->commit},   {"applied", &s->applied},
        {"now_ms", &s->now_ms}, {"pending", &s->pending}, {"closing", &s->closing},
        {"dead", &s->dead},
    };

    if (key.size == 4 && memcmp(key.ptr, "role", 4) == 0 && value.type == MSGPACK_OBJECT_STR) {
        s->leader = value.via.str.size == 6 && memcmp(value.via.str.ptr, "leader", 6) == 0;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (key.size == strlen(fields[i].name) && value.type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
            memcmp(key.ptr, fields[i].name, key.size) == 0) {
            *fields[i].at = value.via.u64;
        }
    }
}

struct asked_status ask_status(ordersched_client *client, const char *endpoint, unsigned timeout_ms)
{
    struct asked_status s = {0};
    struct asked a;
    msgpack_unpacked u;

    ask_code(client, CODE_STATUS, endpoint, timeout_ms, &a);
    if (unpack(&a, &u) && u.data.type == MSGPACK_OBJECT_MAP) {
        s.up = true;
        for (uint32_t i = 0; i < u.data.via.map.size; i++) {
            const msgpack_object_kv *pair = &u.data.via.map.ptr[i];
            if (pair->key.type == MSGPACK_OBJECT_STR) {
                status_field(&s, pair->key.via.str, pair->val);
            }
        }
    }
    msgpack_unpacked_destroy(&u);
    asked_free(&a);
    return s;
}

static uint64_t uint_of(const msgpack_object *o)
{
    return o != NULL && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? o->via.u64 : 0;
}

int ask_digest(ordersched_client *client, const char *endpoint, unsigned timeout_ms,
               uint64_t *applied, uint64_t *digest)
{
    struct asked a;
    msgpack_unpacked u;

    ask_code(client, CODE_DIGEST, endpoint, timeout_ms, &a);
    int error = a.error;
    if (unpack(&a, &u)) {
        *applied = uint_of(element(&u.data, 0, 2));
        *digest = uint_of(element(&u.data, 1, 2));
    } else if (error == ORDERSCHED_OK) {
        error = ORDERSCHED_INVALID;
    }
    msgpack_unpacked_destroy(&u);
    asked_free(&a);
    return error;
}

/* --- list --- */

static void list_order(const msgpack_object *o, void (*each)(void *, const struct listed_order *),
                       void *arg)
{
    struct listed_order order = {0};
    const msgpack_object *id = element(o, 0, 3);

    if (id == NULL || (id->type != MSGPACK_OBJECT_BIN && id->type != MSGPACK_OBJECT_STR) ||
        id->via.bin.size > ORDERSCHED_ID_MAX) {
        return;
    }
    memcpy(order.id, id->via.bin.ptr, id->via.bin.size);
    order.state = (int)uint_of(element(o, 1, 3));
    order.deadline_ms = uint_of(element(o, 2, 3));
    each(arg, &order);
}

/* The next cursor replaces the old one; its length is 0 at the end. */
static bool list_page(const struct asked *a, char cursor[CURSOR_MAX], size_t *cursor_len,
                      void (*each)(void *, const struct listed_order *), void *arg)
{
    msgpack_unpacked u;
    bool fine = unpack(a, &u);
    const msgpack_object *next = fine ? element(&u.data, 0, 2) : NULL;
    const msgpack_object *orders = fine ? element(&u.data, 1, 2) : NULL;

    fine = next != NULL && orders->type == MSGPACK_OBJECT_ARRAY &&
           (next->type == MSGPACK_OBJECT_BIN || next->type == MSGPACK_OBJECT_STR) &&
           next->via.bin.size <= CURSOR_MAX;
    if (fine) {
        *cursor_len = next->via.bin.size;
        memcpy(cursor, next->via.bin.ptr, *cursor_len);
        for (uint32_t i = 0; i < orders->via.array.size; i++) {
            list_order(&orders->via.array.ptr[i], each, arg);
        }
    }
    msgpack_unpacked_destroy(&u);
    return fine;
}

static void list_encode(msgpack_sbuffer *b, const char *cursor, size_t cursor_len)
{
    msgpack_packer p;

    msgpack_packer_init(&p, b, msgpack_sbuffer_write);
    msgpack_pack_array(&p, 5);
    msgpack_pack_unsigned_int(&p, CODE_LIST);
    msgpack_pack_unsigned_int(&p, 0);
    msgpack_pack_str(&p, 0);
    msgpack_pack_unsigned_int(&p, LIST_PAGE);
    msgpack_pack_bin(&p, cursor_len);
    msgpack_pack_bin_body(&p, cursor, cursor_len);
}

int ask_list(ordersched_client *client, const char *endpoint,
             void (*each)(void *arg, const struct listed_order *order), void *arg)
{
    char cursor[CURSOR_MAX];
    size_t cursor_len = 0;
    int error;

    do {
        msgpack_sbuffer b;
        struct asked a;
        msgpack_sbuffer_init(&b);
        list_encode(&b, cursor, cursor_len);
        ask_raw(client, b.data, b.size, false, endpoint, LIST_TIMEOUT_MS, &a);
        error = a.error;
        if (error == ORDERSCHED_OK && !list_page(&a, cursor, &cursor_len, each, arg)) {
            error = ORDERSCHED_INVALID;
        }
        asked_free(&a);
        msgpack_sbuffer_destroy(&b);
    } while (error == ORDERSCHED_OK && cursor_len > 0);
    return error;
}

int ask_transfer(ordersched_client *client, uint64_t node_id, unsigned timeout_ms)
{
    msgpack_sbuffer b;
    msgpack_packer p;
    struct asked a;

    msgpack_sbuffer_init(&b);
    msgpack_packer_init(&p, &b, msgpack_sbuffer_write);
    msgpack_pack_array(&p, 2);
    msgpack_pack_unsigned_int(&p, CODE_TRANSFER);
    msgpack_pack_uint64(&p, node_id);
    ask_raw(client, b.data, b.size, true, NULL, timeout_ms, &a);
    msgpack_sbuffer_destroy(&b);
    asked_free(&a);
    return a.error;
}
