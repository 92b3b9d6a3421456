/* audit_trail.c - see audit_trail.h. */
#include "audit_trail.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../../client/base/must.h"

#define TRAIL_FIELDS 3u
#define UINT_BOUND 9u
#define HEAD_BOUND 5u
#define ROW_BOUND                                                                         \
    (9u * (UINT_BOUND + HEAD_BOUND) + GRANT_NAME_MAX + AUDIT_FROM_MAX + AUDIT_ABOUT_MAX + \
     AUDIT_DETAIL_MAX)

struct audit_record {
    struct audit_row row;
    uint64_t hash;
    size_t bound;
    uint8_t bytes[];
};

/* --- records --- */

static struct slice keep(uint8_t **at, struct slice s)
{
    struct slice kept = {*at, s.len};

    if (s.len > 0) {
        memcpy(*at, s.data, s.len);
    }
    *at += s.len;
    return kept;
}

static uint64_t hash_row(const struct audit_row *row)
{
    uint8_t bytes[ROW_BOUND];
    struct buffer b = {.data = bytes, .cap = sizeof bytes};

    audit_row_write(&b, row);
    assert(b.data == bytes && !b.failed); /* it never grows: the bound holds */
    return XXH3_64bits(bytes, b.len);
}

static void settle(struct audit_record *r)
{
    r->hash = hash_row(&r->row);
    r->bound = audit_row_bound(&r->row);
}

static struct audit_record *record_new(const struct audit_row *row)
{
    size_t len = row->name.len + row->from.len + row->about.len + row->detail.len;
    struct audit_record *r = must_have(malloc(sizeof *r + len));
    uint8_t *at = r->bytes;

    r->row = *row;
    r->row.name = keep(&at, row->name);
    r->row.from = keep(&at, row->from);
    r->row.about = keep(&at, row->about);
    r->row.detail = keep(&at, row->detail);
    return r;
}

/* --- lists --- */

static struct audit_record **place(const struct audit_list *l, uint32_t i)
{
    return &l->rows[(l->first + i) & (l->cap - 1)];
}

static void list_grow(struct audit_list *l)
{
    uint32_t cap = l->cap == 0 ? 16 : 2 * l->cap;
    struct audit_record **rows = must_have(malloc(cap * sizeof(struct audit_record *)));

    for (uint32_t i = 0; i < l->n; i++) {
        rows[i] = *place(l, i);
    }
    free(l->rows);
    l->rows = rows;
    l->cap = cap;
    l->first = 0;
}

static void list_append(struct audit_trail *a, struct audit_list *l, struct audit_record *r)
{
    if (l->n == l->cap) {
        list_grow(l);
    }
    *place(l, l->n++) = r;
    l->bytes += r->bound;
    a->sum += r->hash;
}

static struct audit_record *list_take(struct audit_trail *a, struct audit_list *l, uint32_t i)
{
    struct audit_record *r = *place(l, i);

    if (i == 0) {
        l->first = (l->first + 1) & (l->cap - 1);
    } else {
        for (; i + 1 < l->n; i++) {
            *place(l, i) = *place(l, i + 1);
        }
    }
    l->n--;
    l->bytes -= r->bound;
    a->sum -= r->hash;
    return r;
}

static void list_trim(struct audit_trail *a, struct audit_list *l, uint32_t max, size_t bytes_max)
{
    while (l->n > max || l->bytes > bytes_max) {
        free(list_take(a, l, 0));
    }
}

static void list_clear(struct audit_list *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        free(*place(l, i));
    }
    free(l->rows);
}

void audit_clear(struct audit_trail *a)
{
    list_clear(&a->done);
    list_clear(&a->refused);
    *a = (struct audit_trail){0};
}

uint32_t audit_count(const struct audit_trail *a)
{
    return a->done.n + a->refused.n;
}

/* --- adding --- */

static bool is_same(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The same caller, refused the same: what it was about may differ, or who guesses at names would have a row
 * for each. */
static bool is_again(const struct audit_row *a, const struct audit_row *b)
{
    return a->code == b->code && a->error == b->error && a->kind == b->kind &&
           is_same(a->name, b->name) && is_same(a->from, b->from);
}

static void count_in(struct audit_trail *a, struct audit_row *row)
{
    for (uint32_t i = a->refused.n; i-- > 0;) {
        const struct audit_row *before = &(*place(&a->refused, i))->row;
        if (is_again(before, row)) {
            row->count += before->count;
            row->first_ms = before->first_ms;
            free(list_take(a, &a->refused, i));
            return;
        }
    }
}

void audit_add(struct audit_trail *a, const struct audit_row *row)
{
    struct audit_record *r = record_new(row);
    bool done = row->error == ORDERSCHED_OK;

    assert(row->count > 0 && audit_covers(row->code));
    r->row.number = ++a->made;
    r->row.first_ms = r->row.time_ms;
    if (!done) {
        count_in(a, &r->row);
    }
    settle(r);
    list_append(a, done ? &a->done : &a->refused, r);
    list_trim(a, &a->done, AUDIT_DONE_MAX, AUDIT_DONE_BYTES_MAX);
    list_trim(a, &a->refused, AUDIT_REFUSED_MAX, AUDIT_REFUSED_BYTES_MAX);
}

/* --- looking --- */

static const struct audit_row *list_after(const struct audit_list *l, uint64_t number)
{
    uint32_t low = 0, high = l->n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((*place(l, middle))->row.number <= number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < l->n ? &(*place(l, low))->row : NULL;
}

const struct audit_row *audit_after(const struct audit_trail *a, uint64_t number)
{
    const struct audit_row *done = list_after(&a->done, number);
    const struct audit_row *refused = list_after(&a->refused, number);

    if (done == NULL || refused == NULL) {
        return done != NULL ? done : refused;
    }
    return done->number < refused->number ? done : refused;
}

/* --- in snapshots --- */

static size_t list_bound(const struct audit_list *l)
{
    return HEAD_BOUND + l->bytes;
}

size_t audit_bound(const struct audit_trail *a)
{
    return HEAD_BOUND + UINT_BOUND + list_bound(&a->done) + list_bound(&a->refused);
}

static void list_write(struct buffer *b, const struct audit_list *l)
{
    write_array(b, l->n);
    for (uint32_t i = 0; i < l->n; i++) {
        audit_row_write(b, &(*place(l, i))->row);
    }
}

void audit_write(struct buffer *b, const struct audit_trail *a)
{
    write_array(b, TRAIL_FIELDS);
    write_uint(b, a->made);
    list_write(b, &a->done);
    list_write(b, &a->refused);
}

static bool list_is_within(const struct audit_list *l, bool done)
{
    return l->n <= (done ? AUDIT_DONE_MAX : AUDIT_REFUSED_MAX) &&
           l->bytes <= (done ? AUDIT_DONE_BYTES_MAX : AUDIT_REFUSED_BYTES_MAX);
}

static bool list_read(struct cursor *c, struct audit_trail *a, bool done, uint64_t index)
{
    struct audit_list *l = done ? &a->done : &a->refused;
    uint32_t n = cursor_array(c);
    uint64_t last = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct audit_row row;
        if (!audit_row_read(c, &row) || row.number <= last || row.number > a->made ||
            row.index > index || (row.error == ORDERSCHED_OK) != done) {
            return false;
        }
        last = row.number;
        struct audit_record *r = record_new(&row);
        settle(r);
        list_append(a, l, r);
        if (!list_is_within(l, done)) {
            return false;
        }
    }
    return cursor_ok(c);
}

bool audit_read(struct cursor *c, struct audit_trail *a, uint64_t index)
{
    if (cursor_array(c) != TRAIL_FIELDS) {
        return false;
    }
    a->made = cursor_uint(c);
    return list_read(c, a, true, index) && list_read(c, a, false, index) && cursor_ok(c);
}

/* --- for tests and the simulator --- */

static bool list_is_sound(const struct audit_trail *a, const struct audit_list *l, bool done,
                          uint64_t *sum)
{
    uint64_t last = 0;
    size_t bytes = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        const struct audit_record *r = *place(l, i);
        if (r->row.number <= last || r->row.number > a->made || r->hash != hash_row(&r->row) ||
            (r->row.error == ORDERSCHED_OK) != done) {
            return false;
        }
        last = r->row.number;
        bytes += audit_row_bound(&r->row);
        *sum += r->hash;
    }
    return bytes == l->bytes && list_is_within(l, done);
}

bool audit_is_sound(const struct audit_trail *a)
{
    uint64_t sum = 0;

    return list_is_sound(a, &a->done, true, &sum) && list_is_sound(a, &a->refused, false, &sum) &&
           sum == a->sum;
}
