/* state.c - see state.h. */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_FIRST 1024

const char *sink_answer_name(enum sink_answer answer)
{
    switch (answer) {
        case SINK_UNDECIDED: break;
        case SINK_EXPIRED: return "expired";
        case SINK_PAID_AFTER_ALL: return "paid";
        case SINK_LATER_ONCE: return "later";
        case SINK_FAILED: return "failed";
    }
    return "undecided";
}

static bool parse_number(const char *text, char end, uint64_t *number, const char **rest)
{
    char *stop;

    if (*text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *number = strtoull(text, &stop, 10);
    *rest = stop + 1;
    return errno == 0 && *stop == end;
}

bool sink_fence_parse(const char *text, struct sink_fence *fence)
{
    const char *rest;

    return parse_number(text, '.', &fence->epoch, &rest) &&
           parse_number(rest, '\0', &fence->index, &rest);
}

bool sink_fence_is_lower(struct sink_fence a, struct sink_fence b)
{
    return a.epoch < b.epoch || (a.epoch == b.epoch && a.index < b.index);
}

/* Double the table. On lack of memory it stays as it is, and slower. */
static void state_grow(struct sink_state *s)
{
    size_t n = s->n_buckets == 0 ? BUCKETS_FIRST : 2 * s->n_buckets;
    struct sink_entry **buckets = calloc(n, sizeof *buckets);

    if (buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n_buckets; i++) {
        for (struct sink_entry *e = s->buckets[i], *next; e != NULL; e = next) {
            next = e->next;
            e->next = buckets[e->hash & (n - 1)];
            buckets[e->hash & (n - 1)] = e;
        }
    }
    free(s->buckets);
    s->buckets = buckets;
    s->n_buckets = n;
}

/* Order ids are chosen by others: which of them meet is not for them to know. Without random bytes
 * the key stays 0, and the table works. */
static struct siphash_key state_key(struct sink_state *s)
{
    uint8_t bytes[SIPHASH_KEY_SIZE] = {0};

    if (!s->has_key) {
        s->has_key = true;
        (void)!getrandom(bytes, sizeof bytes, 0);
        s->key = siphash_key_of(bytes);
    }
    return s->key;
}

struct sink_entry *sink_state_entry(struct sink_state *s, enum sink_kind kind, const void *key,
                                    size_t key_len)
{
    uint64_t hash = siphash(state_key(s), key, key_len) + (uint64_t)kind;

    if (s->n >= s->n_buckets) {
        state_grow(s);
        if (s->n_buckets == 0) {
            return NULL;
        }
    }
    struct sink_entry **bucket = &s->buckets[hash & (s->n_buckets - 1)];
    for (struct sink_entry *e = *bucket; e != NULL; e = e->next) {
        if (e->hash == hash && e->kind == kind && e->key_len == key_len &&
            memcmp(e->key, key, key_len) == 0) {
            return e;
        }
    }
    struct sink_entry *e = calloc(1, sizeof *e + key_len);
    if (e == NULL) {
        return NULL;
    }
    e->hash = hash;
    e->kind = kind;
    e->key_len = key_len;
    memcpy(e->key, key, key_len);
    e->next = *bucket;
    *bucket = e;
    s->n++;
    return e;
}

void sink_state_free(struct sink_state *s)
{
    for (size_t i = 0; i < s->n_buckets; i++) {
        for (struct sink_entry *e = s->buckets[i], *next; e != NULL; e = next) {
            next = e->next;
            free(e);
        }
    }
    free(s->buckets);
    *s = (struct sink_state){0};
}
