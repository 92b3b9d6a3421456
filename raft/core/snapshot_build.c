/* snapshot_build.c - a snapshot of the machine, built in slices while it goes on (see snapshot.h).
 *
 * Every order carries a mark. At begin the machine's mark is turned over, so that all orders carry
 * the other one; whoever is written is given the new one, as is who comes later. At the end all
 * carry it again, and the next snapshot can begin. A slice is a run of whole shards of the store:
 * inside a shard orders move as others come and go, but none ever moves to another. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../../client/base/must.h"
#include "../mutant.h"
#include "recent.h"
#include "snapshot_parts.h"

#define AHEAD 6u /* so many slots before its turn an order is fetched from memory */

/* A growing sequence of parts, and the checksum of those that are full. */
struct stream {
    struct snapshot_part *parts;
    unsigned n, cap;
    struct snapshot_part last; /* the one that is being written, through `out` */
    struct buffer out;
    size_t len; /* of the full ones */
    XXH3_state_t *sum;
};

struct snapshot_build {
    struct machine_observer observer; /* first: it is found by it */
    struct machine *m;
    struct stream base;
    struct stream tail;
    uint64_t expected;    /* orders of the base... */
    uint64_t written;     /* ...and how many of them are there */
    uint32_t shard;       /* to be written next */
    uint32_t recent_at;   /* of the recent requests, from the oldest: these are written... */
    uint32_t recent_left; /* ...and as many behind them are to be; those behind came later */
};

static struct snapshot_build *build_of(struct machine_observer *observer)
{
    return (struct snapshot_build *)observer;
}

/* --- streams --- */

static void stream_init(struct stream *s)
{
    s->sum = must_have(XXH3_createState());
    XXH3_64bits_reset(s->sum);
}

/* The records are within their bounds: the buffer has the memory that it was given. */
static bool is_within(const struct stream *s)
{
    return s->out.data == s->last.data && s->out.len <= s->last.cap && !s->out.failed;
}

/* The last part is full: it goes to the others. */
static void stream_flush(struct stream *s)
{
    if (s->out.len == 0) {
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 8 : 2 * s->cap;
        s->parts = must_have(realloc(s->parts, s->cap * sizeof *s->parts));
    }
    assert(is_within(s));
    XXH3_64bits_update(s->sum, s->out.data, s->out.len);
    s->last.len = s->out.len;
    s->parts[s->n++] = s->last;
    s->len += s->out.len;
    s->last = (struct snapshot_part){0};
    s->out = (struct buffer){0};
}

/* Small states stay small. */
static size_t part_size(unsigned n)
{
    return n == 0 ? 16u * 1024 : n == 1 ? 256u * 1024 : SNAPSHOT_PART_SIZE;
}

/* Room for so many bytes in one part. The buffer never grows by itself: its memory may not be
 * malloc's. */
static struct buffer *stream_room(struct stream *s, size_t bound)
{
    assert(is_within(s));
    if (s->out.cap - s->out.len < bound) {
        size_t size = part_size(s->n);
        stream_flush(s);
        if (s->last.data != NULL) { /* empty, and too small */
            snapshot_part_free(&s->last);
        }
        size = size > bound ? size : bound;
        if (!snapshot_part_new(&s->last, size)) {
            (void)must_have(NULL);
        }
        s->out = (struct buffer){.data = s->last.data, .cap = size};
    }
    return &s->out;
}

static void stream_free(struct stream *s)
{
    snapshot_parts_free(s->parts, s->n);
    if (s->last.data != NULL) {
        snapshot_part_free(&s->last);
    }
    XXH3_freeState(s->sum);
}

/* --- the base --- */

static void write_next_recent(struct snapshot_build *b)
{
    snapshot_write_recent(stream_room(&b->base, snapshot_bound_of_answer()),
                          recent_at(b->m->recent, b->recent_at));
    b->recent_left--;
}

static void build_request_leaves(struct machine_observer *observer)
{
    struct snapshot_build *b = build_of(observer);

    assert(b->recent_at + b->recent_left <= recent_count(b->m->recent));
    if (b->recent_at > 0) {
        b->recent_at--; /* it is written */
    } else if (b->recent_left > 0) {
        write_next_recent(b);
    }
}

/* The recent requests are written before the orders. Returns how many. */
static unsigned write_recent(struct snapshot_build *b, unsigned max)
{
    unsigned n = 0;

    for (; n < max && b->recent_left > 0; n++) {
        write_next_recent(b);
        b->recent_at++;
    }
    return n;
}

static void save_order(struct snapshot_build *b, struct order *o)
{
    assert(o->observed != b->m->observed_mark);
    assert(b->written < b->expected || MUTANT(SNAPSHOT_TORN));
    snapshot_write_order(stream_room(&b->base, snapshot_bound_of_order(o)), o);
    o->observed = b->m->observed_mark;
    b->written++;
}

static void build_order_changes(struct machine_observer *observer, struct order *o)
{
    if (!MUTANT(SNAPSHOT_TORN)) {
        save_order(build_of(observer), o);
    }
}

static unsigned write_shard(struct snapshot_build *b, const struct store_shard *shard)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < shard->cap; i++) {
        struct order *o = shard->slots[i];
        if (i + AHEAD < shard->cap) {
            __builtin_prefetch(shard->slots[i + AHEAD]);
        }
        if (o != NULL && o->observed != b->m->observed_mark) {
            save_order(b, o);
            n++;
        }
    }
    return n;
}

bool snapshot_step(struct snapshot_build *b, unsigned orders)
{
    unsigned n = write_recent(b, orders);

    while (b->shard < STORE_SHARDS && n < orders) {
        n += write_shard(b, &b->m->store.shards[b->shard++]);
    }
    assert(b->shard < STORE_SHARDS || b->written == b->expected || MUTANT(SNAPSHOT_TORN));
    return snapshot_is_complete(b);
}

bool snapshot_is_complete(const struct snapshot_build *b)
{
    return b->shard == STORE_SHARDS && b->recent_left == 0;
}

/* --- the tail --- */

static void build_entry_applied(struct machine_observer *observer, uint64_t index,
                                const uint8_t *data, size_t len)
{
    struct snapshot_build *b = build_of(observer);

    snapshot_write_entry(stream_room(&b->tail, snapshot_bound_of_entry(len)), index, data, len);
}

size_t snapshot_tail_bytes(const struct snapshot_build *b)
{
    return b->tail.len + b->tail.out.len;
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
    struct buffer *last = stream_room(&b->tail, sizeof trailer);
    XXH3_64bits_update(b->tail.sum, last->data, last->len);
    put_u64(trailer + 16, XXH3_64bits_digest(b->tail.sum));
    put_u64(trailer + 24, XXH3_64bits(trailer, 24));
    buffer_append(last, trailer, sizeof trailer);
    stream_flush(&b->tail);
}

/* All orders carry the machine's mark from here on. */
static void build_detach(struct snapshot_build *b)
{
    assert(b->m->observer == &b->observer);
    b->m->observer = NULL;
}

void snapshot_finish(struct snapshot_build *b, struct snapshot_part **parts, unsigned *n)
{
    assert(snapshot_is_complete(b));
    write_trailer(b);
    assert(b->base.out.len == 0 && b->tail.out.len == 0); /* all of it is in the parts */
    *n = b->base.n + b->tail.n;
    *parts = must_have(malloc(*n * sizeof **parts));
    memcpy(*parts, b->base.parts, b->base.n * sizeof **parts);
    memcpy(*parts + b->base.n, b->tail.parts, b->tail.n * sizeof **parts);
    b->base.n = b->tail.n = 0; /* the parts are the caller's */
    build_detach(b);
    stream_free(&b->base);
    stream_free(&b->tail);
    free(b);
}

void snapshot_abort(struct snapshot_build *b)
{
    if (b != NULL) {
        build_detach(b);
        stream_free(&b->base);
        stream_free(&b->tail);
        free(b);
    }
}

static void build_machine_ends(struct machine_observer *observer)
{
    snapshot_abort(build_of(observer));
}

/* --- the beginning --- */

struct snapshot_build *snapshot_begin(struct machine *m)
{
    struct snapshot_build *b = calloc(1, sizeof *b);

    assert(m->observer == NULL);
    if (b == NULL) {
        return NULL;
    }
    b->m = m;
    b->observer = (struct machine_observer){
        .order_changes = build_order_changes,
        .request_leaves = build_request_leaves,
        .entry_applied = build_entry_applied,
        .machine_ends = build_machine_ends,
    };
    b->expected = m->store.n;
    stream_init(&b->base);
    stream_init(&b->tail);
    b->recent_left = MUTANT(SNAPSHOT_FORGETS_REQUESTS) ? 0 : recent_count(m->recent);
    snapshot_write_head(stream_room(&b->base, snapshot_bound_of_head(m)), m, b->recent_left);
    m->observer = &b->observer;
    m->observed_mark ^= 1;
    return b;
}

struct snapshot_build *snapshot_under_way(const struct machine *m)
{
    return m->observer != NULL ? build_of(m->observer) : NULL;
}

int snapshot_encode(struct machine *m, void *(*alloc)(size_t), uint8_t **data, size_t *len)
{
    struct snapshot_build *b = snapshot_begin(m);
    struct snapshot_part *parts;
    unsigned n;

    if (b == NULL) {
        return -1;
    }
    while (!snapshot_step(b, UINT32_MAX)) {
    }
    snapshot_finish(b, &parts, &n);
    *data = snapshot_parts_join(parts, n, alloc, len);
    snapshot_parts_free(parts, n);
    return *data != NULL ? 0 : -1;
}
