/* wheel.c - the timing wheel: which order becomes due when.
 *
 * What holds between two calls:
 *   1. level 0: only the slot of now_ms and those behind it are occupied; the slot of now_ms also
 *      takes what was inserted after its time;
 *   2. higher levels: only slots behind the one of now_ms are occupied, with one exception: the
 *      slot of now_ms at the level `cascading`, whose orders an advance has begun to move down.
 *      Until that is done an insert into its range goes to its end, not past it, so that
 *      orders of the same time stay in order. */
#include <assert.h>
#include <stddef.h>

#include "../mutant.h"
#include "wheel.h"

#define WORD_BITS 64u
#define SORT_STEPS 16u

static_assert(WHEEL_LEVELS * WHEEL_BITS == 64, "each byte of a time is a level");
static_assert(WHEEL_SLOTS % WORD_BITS == 0, "a level's bitmap has whole words");

static uint64_t time_of(const struct link *l)
{
    return order_time_ms((const struct order *)((const char *)l - offsetof(struct order, link)));
}

/* --- slots --- */

static unsigned slot_of(uint64_t time_ms, unsigned level)
{
    return (unsigned)(time_ms >> (level * WHEEL_BITS)) % WHEEL_SLOTS;
}

/* The level of the highest byte in which the two differ. */
static unsigned level_of(uint64_t time_ms, uint64_t now_ms)
{
    uint64_t difference = time_ms ^ now_ms;
    return difference == 0 ? 0 : (63 - (unsigned)__builtin_clzll(difference)) / WHEEL_BITS;
}

static void bit_set(uint64_t *bits, unsigned slot)
{
    bits[slot / WORD_BITS] |= UINT64_C(1) << slot % WORD_BITS;
}

static void bit_clear(uint64_t *bits, unsigned slot)
{
    bits[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
}

static bool bit_get(const uint64_t *bits, unsigned slot)
{
    return (bits[slot / WORD_BITS] >> slot % WORD_BITS & 1) != 0;
}

/* The first occupied slot of a level, or WHEEL_SLOTS. */
static unsigned first_occupied(const struct wheel *w, unsigned level)
{
    for (unsigned i = 0; i < WHEEL_SLOTS / WORD_BITS; i++) {
        if (w->occupied[level][i] != 0) {
            return i * WORD_BITS + (unsigned)__builtin_ctzll(w->occupied[level][i]);
        }
    }
    return WHEEL_SLOTS;
}

/* Hang an order behind all of its slot whose time is not later. Deadlines come nearly in order, so
 * that a few steps from the end mostly suffice, and the first of a sorted slot is its earliest;
 * else it goes to the end, and the slot is unsorted until it is empty, or sorted. */
static void slot_append(struct wheel *w, unsigned level, unsigned slot, struct link *l,
                        uint64_t time_ms)
{
    struct link *head = &w->slots[level][slot];
    struct link *before = head->prev;
    if (!bit_get(w->unsorted[level], slot)) {
        unsigned steps = 0;
        while (before != head && time_of(before) > time_ms && steps < SORT_STEPS) {
            before = before->prev;
            steps++;
        }
        if (before != head && time_of(before) > time_ms) {
            bit_set(w->unsorted[level], slot);
            before = head->prev;
        }
    }
    bit_set(w->occupied[level], slot);
    link_prepend(before, l); /* a node of a list is a head to those behind it */
}

/* Take an order off its slot, which is known by its head alone once the order is the last. */
static void slot_remove(struct wheel *w, struct link *l)
{
    struct link *head = l->prev == l->next ? l->next : NULL;
    link_remove(l);
    if (head == NULL) {
        return;
    }
    ptrdiff_t at = head - &w->slots[0][0];
    assert(at >= 0 && at < (ptrdiff_t)(WHEEL_LEVELS * WHEEL_SLOTS));
    unsigned level = (unsigned)at / WHEEL_SLOTS;
    unsigned slot = (unsigned)at % WHEEL_SLOTS;
    bit_clear(w->occupied[level], slot);
    bit_clear(w->unsorted[level], slot);
    if (level != 0 && level == w->cascading && slot == slot_of(w->now_ms, level)) {
        w->cascading = 0;
    }
}

/* Hang an order where the wheel's now asks for it. */
static void wheel_place(struct wheel *w, struct link *l, uint64_t time_ms)
{
    uint64_t from_ms = time_ms > w->now_ms ? time_ms : w->now_ms;
    unsigned level = level_of(from_ms, w->now_ms);
    slot_append(w, level, slot_of(from_ms, level), l, time_ms);
}

/* The deliberate bug: hang an order where nobody ever looks. */
static void wheel_misplace(struct wheel *w, struct link *l, uint64_t time_ms)
{
    slot_append(w, WHEEL_LEVELS - 1, WHEEL_SLOTS - 1, l, time_ms);
}

/* --- putting a slot in order of time --- */

/* Merge two runs linked by `next` and ended by NULL; `a` first where times are equal. */
static struct link *wheel_merge(struct link *a, struct link *b)
{
    struct link *merged = NULL;
    struct link **end = &merged;
    while (a != NULL && b != NULL) {
        struct link **from = time_of(a) <= time_of(b) ? &a : &b;
        *end = *from;
        end = &(*from)->next;
        *from = *end;
    }
    *end = a != NULL ? a : b;
    return merged;
}

/* Merge sort, stable: runs[i] is empty or holds 2^i orders, those of higher i came earlier. */
static void slot_sort(struct wheel *w, unsigned level, unsigned slot)
{
    struct link *head = &w->slots[level][slot];
    struct link *runs[WORD_BITS] = {NULL};
    head->prev->next = NULL;
    for (struct link *l = head->next; l != NULL;) {
        struct link *run = l;
        l = l->next;
        run->next = NULL;
        unsigned i = 0;
        for (; runs[i] != NULL; i++) {
            run = wheel_merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    struct link *sorted = NULL;
    for (unsigned i = 0; i < WORD_BITS; i++) {
        sorted = wheel_merge(runs[i], sorted);
    }
    link_head_init(head);
    while (sorted != NULL) {
        struct link *l = sorted;
        sorted = l->next;
        l->next = NULL;
        link_append(head, l);
    }
    bit_clear(w->unsorted[level], slot);
}

/* --- the earliest --- */

/* When now enters a slot of the present turn of its level. */
static uint64_t slot_begin_ms(const struct wheel *w, unsigned level, unsigned slot)
{
    unsigned shift = level * WHEEL_BITS;
    uint64_t above = level + 1 == WHEEL_LEVELS ? 0 : ~UINT64_C(0) << (shift + WHEEL_BITS);
    return (w->now_ms & above) | (uint64_t)slot << shift;
}

/* Of an occupied slot: the earliest time, or when it begins if that takes too long to find. A client
 * may fill one, for 4 hours of a day to come, with as many orders as there are, and pay the earliest
 * again and again. */
static uint64_t slot_earliest_ms(const struct wheel *w, unsigned level, unsigned slot)
{
    const struct link *head = &w->slots[level][slot];
    uint64_t earliest_ms = time_of(head->next);
    if (bit_get(w->unsorted[level], slot)) {
        unsigned looks = 0;
        for (const struct link *l = head->next; l != head; l = l->next) {
            if (looks++ == WHEEL_LOOKS) {
                return slot_begin_ms(w, level, slot);
            }
            uint64_t time_ms = time_of(l);
            earliest_ms = time_ms < earliest_ms ? time_ms : earliest_ms;
        }
    }
    return earliest_ms;
}

static uint64_t find_earliest_ms(const struct wheel *w)
{
    uint64_t earliest_ms = UINT64_MAX;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned slot = first_occupied(w, level);
        if (slot < WHEEL_SLOTS && !(level == 2 && MUTANT(WHEEL_FORGETS_LEVEL))) {
            earliest_ms = slot_earliest_ms(w, level, slot);
            break;
        }
    }
    if (w->cascading != 0) { /* what it still holds may come before what it already gave */
        uint64_t held_ms = slot_earliest_ms(w, w->cascading, slot_of(w->now_ms, w->cascading));
        earliest_ms = held_ms < earliest_ms ? held_ms : earliest_ms;
    }
    return earliest_ms;
}

/* An order of this time is not in the wheel any more. */
static void note_left(struct wheel *w, uint64_t time_ms)
{
    w->n--;
    if (w->n == 0) {
        w->earliest_known = true;
        w->earliest_ms = UINT64_MAX;
    } else if (w->earliest_known && time_ms == w->earliest_ms) {
        w->earliest_known = false;
    }
}

uint64_t wheel_next_ms(const struct wheel *w)
{
    return w->earliest_known ? w->earliest_ms : find_earliest_ms(w);
}

/* --- advancing --- */

/* Move the orders of the slot that now has entered down to where they belong. */
static bool finish_cascade(struct wheel *w, unsigned *budget)
{
    while (w->cascading != 0) {
        if (*budget == 0) {
            return false;
        }
        --*budget;
        unsigned shift = w->cascading * WHEEL_BITS;
        struct link *l = w->slots[w->cascading][slot_of(w->now_ms, w->cascading)].next;
        assert(time_of(l) >> shift <= w->now_ms >> shift); /* it finds its place further down */
        /* This ends the cascade with the last. */
        slot_remove(w, l);
        if (MUTANT(CASCADE_DROPS_SLOT)) {
            wheel_misplace(w, l, time_of(l));
            continue;
        }
        wheel_place(w, l, time_of(l));
    }
    return true;
}

/* Hand out the slot of now_ms at level 0, all of which is due. */
static bool hand_out(struct wheel *w, struct link *due, unsigned *budget)
{
    unsigned slot = slot_of(w->now_ms, 0);
    struct link *head = &w->slots[0][slot];
    if (!link_empty(head) && *budget > 0 && bit_get(w->unsorted[0], slot)) {
        slot_sort(w, 0, slot);
    }
    while (!link_empty(head)) {
        if (*budget == 0) {
            return false;
        }
        --*budget;
        struct link *l = head->next;
        assert(w->n > 0 && time_of(l) <= w->now_ms); /* never early */
        slot_remove(w, l);
        link_append(due, l);
        note_left(w, time_of(l));
    }
    return true;
}

/* Move now to the next occupied slot, if that begins by until_ms. False when there is none. */
static bool enter_next_slot(struct wheel *w, uint64_t until_ms)
{
    assert(w->cascading == 0); /* else what it still holds would be passed over */
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned slot = first_occupied(w, level);
        if (slot == WHEEL_SLOTS) {
            continue;
        }
        uint64_t begin_ms = slot_begin_ms(w, level, slot);
        assert(begin_ms > w->now_ms);
        if (begin_ms > until_ms) {
            return false;
        }
        w->now_ms = begin_ms;
        w->cascading = level;
        return true;
    }
    return false;
}

bool wheel_advance(struct wheel *w, uint64_t now_ms, struct link *due, unsigned max)
{
    assert(max > 0);
    unsigned budget = max;
    uint64_t until_ms = now_ms > w->now_ms ? now_ms : w->now_ms;
    do {
        if (!finish_cascade(w, &budget) || !hand_out(w, due, &budget)) {
            return false;
        }
    } while (enter_next_slot(w, until_ms));
    w->now_ms = until_ms;
    if (!w->earliest_known || w->earliest_ms <= until_ms) { /* that slot is smaller now */
        w->earliest_ms = find_earliest_ms(w);
        w->earliest_known = true;
    }
    assert(w->n > 0 || w->earliest_ms == UINT64_MAX);
    return true;
}

/* --- coming and going --- */

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    *w = (struct wheel){.now_ms = now_ms, .earliest_known = true, .earliest_ms = UINT64_MAX};
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++) {
            link_head_init(&w->slots[level][slot]);
        }
    }
}

void wheel_insert(struct wheel *w, struct order *o)
{
    uint64_t time_ms = order_time_ms(o);
    uint64_t from_ms = time_ms > w->now_ms ? time_ms : w->now_ms;
    unsigned level = w->cascading;
    assert(o->state == ORDERSCHED_PENDING && !o->ready && !o->in_flight);
    if (level != 0 && level_of(from_ms, w->now_ms) < level) {
        slot_append(w, level, slot_of(w->now_ms, level), &o->link, time_ms);
    } else {
        wheel_place(w, &o->link, time_ms);
    }
    w->n++;
    if (w->earliest_known && time_ms < w->earliest_ms) {
        w->earliest_ms = time_ms;
    }
}

void wheel_remove(struct wheel *w, struct order *o)
{
    assert(w->n > 0 && !o->ready && !o->in_flight); /* other lists have the same link */
    slot_remove(w, &o->link);
    note_left(w, order_time_ms(o));
}
