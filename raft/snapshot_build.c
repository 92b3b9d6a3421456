/* snapshot_build.c - an image of the machine, built in slices while it goes on (see snapshot.h).
 *
 * Every order carries a mark. At begin the machine's mark is turned over, so that all orders carry
 * the other one; whoever is written is given the new one, as is who comes later. At the end all
 * carry it again, and the next image can begin. A slice is a run of whole shards of the store:
 * inside a shard orders move as others come and go, but none ever moves to another. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "mutant.h"
#include "snapshot_parts.h"

#define PART_FIRST (16u * 1024) /* small states stay small */
#define PART_SIZE (1024u * 1024)

/* A growing sequence of parts, and the checksum of those that are full. */
struct stream {
    struct snapshot_part *parts;
    unsigned n, cap;
    struct buffer last; /* the part that is being written */
    size_t len;         /* of the full ones */
    XXH3_state_t *sum;
};

struct snapshot_build {
    struct machine *m;
    void *(*alloc)(size_t);
    void (*dealloc)(void *);
    struct stream base;
    struct stream tail;
    uint64_t expected; /* orders of the base... */
    uint64_t written;  /* ...and how many of them are there */
    uint32_t shard;    /* to be written next */
};

/* --- streams --- */

static void stream_init(struct stream *s)
{
    s->sum = machine_must_have(XXH3_createState());
    XXH3_64bits_reset(s->sum);
}

/* The last part is full: it goes to the others. */
static void stream_flush(struct stream *s)
{
    if (s->last.len == 0) {
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 8 : 2 * s->cap;
        s->parts = machine_must_have(realloc(s->parts, s->cap * sizeof *s->parts));
    }
    XXH3_64bits_update(s->sum, s->last.data, s->last.len);
    s->parts[s->n++] = (struct snapshot_part){s->last.data, s->last.len};
    s->len += s->last.len;
    s->last = (struct buffer){0};
}

/* Room for so many bytes in one part. The buffer never grows by itself: its memory may not be
 * malloc's. */
static struct buffer *stream_room(struct snapshot_build *b, struct stream *s, size_t bound)
{
    if (s->last.cap - s->last.len < bound) {
        size_t size = s->n == 0 && s->last.data == NULL ? PART_FIRST : PART_SIZE;
        stream_flush(s);
        if (s->last.data != NULL) { /* empty, and too small */
            b->dealloc(s->last.data);
        }
        s->last = (struct buffer){.cap = size > bound ? size : bound};
        s->last.data = machine_must_have(b->alloc(s->last.cap));
    }
    return &s->last;
}

static void stream_free(struct snapshot_build *b, struct stream *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        b->dealloc(s->parts[i].data);
    }
    if (s->last.data != NULL) {
        b->dealloc(s->last.data);
    }
    free(s->parts);
    XXH3_freeState(s->sum);
}

/* --- the base --- */

struct snapshot_build *snapshot_begin(struct machine *m, void *(*alloc)(size_t),
                                      void (*dealloc)(void *))
{
    struct snapshot_build *b = calloc(1, sizeof *b);

    assert(m->image == NULL);
    if (b == NULL) {
        return NULL;
    }
    b->m = m;
    b->alloc = alloc;
    b->dealloc = dealloc;
    b->expected = m->store.n;
    stream_init(&b->base);
    stream_init(&b->tail);
    snapshot_write_head(stream_room(b, &b->base, snapshot_bound_of_head(m)), m);
    m->image = b;
    m->image_mark ^= 1;
    return b;
}

void snapshot_save_order(struct snapshot_build *b, struct order *o)
{
    assert(o->image != b->m->image_mark);
    snapshot_write_order(stream_room(b, &b->base, snapshot_bound_of_order(o)), o);
    o->image = b->m->image_mark;
    b->written++;
}

void machine_touch(struct machine *m, struct order *o)
{
    if (m->image != NULL && o->image != m->image_mark && !MUTANT(SNAPSHOT_TORN)) {
        snapshot_save_order(m->image, o);
    }
}

static unsigned write_shard(struct snapshot_build *b, const struct store_shard *shard)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < shard->cap; i++) {
        struct order *o = shard->slots[i];
        if (o != NULL && o->image != b->m->image_mark) {
            snapshot_save_order(b, o);
            n++;
        }
    }
    return n;
}

bool snapshot_step(struct snapshot_build *b, unsigned orders)
{
    unsigned n = 0;

    while (b->shard < STORE_SHARDS && n < orders) {
        n += write_shard(b, &b->m->store.shards[b->shard++]);
    }
    assert(b->shard < STORE_SHARDS || b->written == b->expected || MUTANT(SNAPSHOT_TORN));
    return snapshot_is_complete(b);
}

bool snapshot_is_complete(const struct snapshot_build *b)
{
    return b->shard == STORE_SHARDS;
}

/* --- the tail --- */

void snapshot_note_entry(struct snapshot_build *b, uint64_t index, const uint8_t *data, size_t len)
{
    snapshot_write_entry(stream_room(b, &b->tail, snapshot_bound_of_entry(len)), index, data, len);
}

size_t snapshot_tail_bytes(const struct snapshot_build *b)
{
    return b->tail.len + b->tail.last.len;
}

/* --- the end --- */

static void put_u64(uint8_t *out, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static void write_trailer(struct snapshot_build *b)
{
    uint8_t trailer[SNAPSHOT_TRAILER_SIZE];

    stream_flush(&b->base);
    put_u64(trailer, b->base.len);
    put_u64(trailer + 8, XXH3_64bits_digest(b->base.sum));
    /* The tail's sum is of its parts so far and of the one that the trailer follows in. */
    struct buffer *last = stream_room(b, &b->tail, sizeof trailer);
    XXH3_64bits_update(b->tail.sum, last->data, last->len);
    put_u64(trailer + 16, XXH3_64bits_digest(b->tail.sum));
    put_u64(trailer + 24, XXH3_64bits(trailer, 24));
    buffer_append(last, trailer, sizeof trailer);
    stream_flush(&b->tail);
}

/* All orders carry the machine's mark from here on. */
static void build_detach(struct snapshot_build *b)
{
    assert(b->m->image == b);
    b->m->image = NULL;
}

void snapshot_finish(struct snapshot_build *b, struct snapshot_part **parts, unsigned *n)
{
    assert(snapshot_is_complete(b));
    write_trailer(b);
    *n = b->base.n + b->tail.n;
    *parts = machine_must_have(malloc(*n * sizeof **parts));
    memcpy(*parts, b->base.parts, b->base.n * sizeof **parts);
    memcpy(*parts + b->base.n, b->tail.parts, b->tail.n * sizeof **parts);
    b->base.n = b->tail.n = 0; /* the parts are the caller's */
    build_detach(b);
    stream_free(b, &b->base);
    stream_free(b, &b->tail);
    free(b);
}

void snapshot_abort(struct snapshot_build *b)
{
    if (b != NULL) {
        build_detach(b);
        stream_free(b, &b->base);
        stream_free(b, &b->tail);
        free(b);
    }
}

int snapshot_encode(struct machine *m, void *(*alloc)(size_t), uint8_t **data, size_t *len)
{
    struct snapshot_build *b = snapshot_begin(m, malloc, free);
    struct snapshot_part *parts;
    unsigned n;

    if (b == NULL) {
        return -1;
    }
    while (!snapshot_step(b, UINT32_MAX)) {
    }
    snapshot_finish(b, &parts, &n);
    *len = 0;
    for (unsigned i = 0; i < n; i++) {
        *len += parts[i].len;
    }
    *data = alloc(*len);
    for (size_t i = 0, at = 0; i < n; at += parts[i].len, i++) {
        if (*data != NULL) {
            memcpy(*data + at, parts[i].data, parts[i].len);
        }
        free(parts[i].data);
    }
    free(parts);
    return *data != NULL ? 0 : -1;
}
