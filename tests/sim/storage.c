/* storage.c - what is durable. See storage.h. */
#include "storage.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STORAGE_BATCH 32 /* entries that share a piece of memory when they are loaded */

static void *storage_alloc(size_t len)
{
    void *p = malloc(len > 0 ? len : 1);

    if (p == NULL) {
        abort();
    }
    return p;
}

static void *library_alloc(size_t len)
{
    void *p = raft_malloc(len);

    if (p == NULL) {
        abort();
    }
    return p;
}

void storage_init(struct storage *s)
{
    *s = (struct storage){.first = 1};
}

static void storage_drop_snapshot(struct storage *s)
{
    if (s->has_snapshot) {
        raft_free(s->snapshot.configuration.base);
        free(s->snapshot.data);
        s->has_snapshot = false;
    }
}

static void storage_drop_entries(struct storage *s, size_t from, size_t n)
{
    if (n == 0) {
        return;
    }
    for (size_t i = from; i < from + n; i++) {
        free(s->entries[i].data);
    }
    memmove(s->entries + from, s->entries + from + n, (s->n - from - n) * sizeof s->entries[0]);
    s->n -= n;
}

void storage_free(struct storage *s)
{
    storage_drop_snapshot(s);
    storage_drop_entries(s, 0, s->n);
    free(s->entries);
}

static uint8_t *storage_copy_bytes(const void *data, size_t len)
{
    return memcpy(storage_alloc(len), data, len);
}

void storage_copy(struct storage *to, const struct storage *from)
{
    const struct raft_buffer *conf = &from->snapshot.configuration;

    *to = *from;
    to->cap = from->n;
    to->entries = storage_alloc(from->n * sizeof to->entries[0]);
    for (size_t i = 0; i < from->n; i++) {
        to->entries[i] = from->entries[i];
        to->entries[i].data = storage_copy_bytes(from->entries[i].data, from->entries[i].len);
    }
    if (from->has_snapshot) {
        to->snapshot.data = storage_copy_bytes(from->snapshot.data, from->snapshot.len);
        to->snapshot.configuration.base = memcpy(library_alloc(conf->len), conf->base, conf->len);
    }
}

raft_term storage_term_at(const struct storage *s, raft_index index)
{
    if (index >= s->first && index < s->first + s->n) {
        return s->entries[index - s->first].term;
    }
    return s->has_snapshot && s->snapshot.index == index ? s->snapshot.term : 0;
}

bool storage_is_pristine(const struct storage *s)
{
    return s->term == 0 && s->n == 0 && !s->has_snapshot;
}

raft_index storage_last(const struct storage *s)
{
    if (s->n > 0) {
        return s->first + s->n - 1;
    }
    return s->has_snapshot ? s->snapshot.index : s->first - 1;
}

void storage_append(struct storage *s, raft_index index, const struct raft_entry *entries, size_t n)
{
    assert(index == s->first + s->n);
    if (s->n + n > s->cap) {
        s->cap = 2 * (s->n + n);
        s->entries = realloc(s->entries, s->cap * sizeof s->entries[0]);
        if (s->entries == NULL) {
            abort();
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct storage_entry *e = &s->entries[s->n++];
        *e = (struct storage_entry){
            .term = entries[i].term,
            .type = entries[i].type,
            .len = entries[i].buf.len,
            .data = storage_alloc(entries[i].buf.len),
        };
        memcpy(e->data, entries[i].buf.base, e->len);
    }
}

void storage_truncate(struct storage *s, raft_index index)
{
    assert(index >= s->first);
    if (index < s->first + s->n) {
        storage_drop_entries(s, index - s->first, s->first + s->n - index);
    }
}

void storage_put(struct storage *s, const struct raft_snapshot *snapshot, size_t trailing)
{
    struct storage_snapshot *out = &s->snapshot;

    storage_drop_snapshot(s);
    *out = (struct storage_snapshot){
        .index = snapshot->index,
        .term = snapshot->term,
        .configuration_index = snapshot->configuration_index,
    };
    if (raft_configuration_encode(&snapshot->configuration, &out->configuration) != 0) {
        abort();
    }
    for (unsigned i = 0; i < snapshot->n_bufs; i++) {
        out->len += snapshot->bufs[i].len;
    }
    out->data = storage_alloc(out->len);
    out->len = 0;
    for (unsigned i = 0; i < snapshot->n_bufs; i++) {
        memcpy(out->data + out->len, snapshot->bufs[i].base, snapshot->bufs[i].len);
        out->len += snapshot->bufs[i].len;
    }
    s->has_snapshot = true;
    if (trailing == 0) {
        storage_drop_entries(s, 0, s->n);
        s->first = out->index + 1;
    } else if (out->index > trailing && out->index - trailing + 1 > s->first) {
        size_t n = out->index - trailing + 1 - s->first;
        assert(n <= s->n);
        storage_drop_entries(s, 0, n);
        s->first += n;
    }
}

struct raft_snapshot *storage_get(const struct storage *s)
{
    const struct storage_snapshot *from = &s->snapshot;
    struct raft_snapshot *out = library_alloc(sizeof *out);

    assert(s->has_snapshot);
    out->index = from->index;
    out->term = from->term;
    out->configuration_index = from->configuration_index;
    raft_configuration_init(&out->configuration);
    if (raft_configuration_decode(&from->configuration, &out->configuration) != 0) {
        abort();
    }
    out->bufs = library_alloc(sizeof *out->bufs);
    out->n_bufs = 1;
    out->bufs[0].len = from->len;
    out->bufs[0].base = library_alloc(from->len);
    memcpy(out->bufs[0].base, from->data, from->len);
    return out;
}

/* A batch of entries in one piece of memory, as it would come from one write. */
static void storage_load_batch(const struct storage *s, size_t from, size_t n,
                               struct raft_entry *out)
{
    size_t size = 0;
    uint8_t *batch;

    for (size_t i = from; i < from + n; i++) {
        size += s->entries[i].len;
    }
    batch = library_alloc(size);
    size = 0;
    for (size_t i = from; i < from + n; i++, out++) {
        const struct storage_entry *e = &s->entries[i];
        memcpy(batch + size, e->data, e->len);
        *out = (struct raft_entry){
            .term = e->term,
            .type = e->type,
            .buf = {.base = batch + size, .len = e->len},
            .batch = batch,
        };
        size += e->len;
    }
}

void storage_load_log(const struct storage *s, raft_index *start_index,
                      struct raft_entry *entries[], size_t *n)
{
    *start_index = s->first;
    *n = s->n;
    *entries = s->n > 0 ? library_alloc(s->n * sizeof **entries) : NULL;
    for (size_t i = 0; i < s->n; i += STORAGE_BATCH) {
        size_t left = s->n - i;
        storage_load_batch(s, i, left < STORAGE_BATCH ? left : STORAGE_BATCH, *entries + i);
    }
}
