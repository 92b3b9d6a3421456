/* loop.c - virtual time, one queue of events, one generator. See loop.h. */
#include "loop.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* A binary heap by (time, insertion); each event knows its place, so that it can be cancelled. */
struct sim_event {
    uint64_t at_us;
    uint64_t sequence;
    size_t place;
    sim_event_cb cb;
    void *arg;
};

void loop_init(struct sim_loop *l, uint64_t seed, FILE *trace)
{
    *l = (struct sim_loop){.random = seed, .trace = trace, .trace_hash = seed};
}

void loop_close(struct sim_loop *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->heap[i]);
    }
    free(l->heap);
    l->heap = NULL;
    l->n = l->cap = 0;
}

/* --- the queue --- */

static bool event_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void heap_place(struct sim_loop *l, struct sim_event *e, size_t place)
{
    l->heap[place] = e;
    e->place = place;
}

static void heap_rise(struct sim_loop *l, struct sim_event *e, size_t place)
{
    while (place > 0 && event_before(e, l->heap[(place - 1) / 2])) {
        heap_place(l, l->heap[(place - 1) / 2], place);
        place = (place - 1) / 2;
    }
    heap_place(l, e, place);
}

static void heap_sink(struct sim_loop *l, struct sim_event *e, size_t place)
{
    for (;;) {
        size_t child = 2 * place + 1;
        if (child + 1 < l->n && event_before(l->heap[child + 1], l->heap[child])) {
            child++;
        }
        if (child >= l->n || !event_before(l->heap[child], e)) {
            break;
        }
        heap_place(l, l->heap[child], place);
        place = child;
    }
    heap_place(l, e, place);
}

static void heap_remove(struct sim_loop *l, struct sim_event *e)
{
    size_t place = e->place;
    struct sim_event *last = l->heap[--l->n];

    assert(l->heap[place] == e || last == e);
    if (last == e) {
        return;
    }
    if (event_before(last, e)) {
        heap_rise(l, last, place);
    } else {
        heap_sink(l, last, place);
    }
}

struct sim_event *loop_after(struct sim_loop *l, uint64_t delay_us, sim_event_cb cb, void *arg)
{
    struct sim_event *e = malloc(sizeof *e);

    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 256 : 2 * l->cap;
        l->heap = realloc(l->heap, l->cap * sizeof *l->heap);
    }
    if (e == NULL || l->heap == NULL) {
        abort();
    }
    *e = (struct sim_event){
        .at_us = l->now_us + delay_us,
        .sequence = l->sequence++,
        .cb = cb,
        .arg = arg,
    };
    assert(e->at_us >= l->now_us);
    l->n++;
    heap_rise(l, e, l->n - 1);
    return e;
}

void loop_cancel(struct sim_loop *l, struct sim_event *e)
{
    heap_remove(l, e);
    free(e);
}

bool loop_step(struct sim_loop *l, uint64_t until_us)
{
    struct sim_event *e = l->n > 0 ? l->heap[0] : NULL;
    sim_event_cb cb;
    void *arg;

    if (e == NULL || e->at_us > until_us) {
        if (until_us > l->now_us && until_us != UINT64_MAX) {
            l->now_us = until_us;
        }
        return false;
    }
    cb = e->cb;
    arg = e->arg;
    l->now_us = e->at_us;
    l->events++;
    heap_remove(l, e);
    free(e);
    cb(arg);
    return true;
}

/* --- the generator: SplitMix64 (Steele, Lea & Flood 2014) --- */

uint64_t loop_random(struct sim_loop *l)
{
    uint64_t z = l->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t loop_below(struct sim_loop *l, uint64_t limit)
{
    assert(limit > 0);
    return (uint64_t)(((unsigned __int128)loop_random(l) * limit) >> 64);
}

uint64_t loop_between(struct sim_loop *l, uint64_t min, uint64_t max)
{
    assert(min <= max);
    return max - min == UINT64_MAX ? loop_random(l) : min + loop_below(l, max - min + 1);
}

bool loop_random_bool(struct sim_loop *l, unsigned per_mille)
{
    return per_mille > 0 && loop_below(l, 1000) < per_mille;
}

/* --- the trace --- */

void loop_trace(struct sim_loop *l, const char *format, ...)
{
    char line[512];
    size_t len;
    va_list args;
    int n = snprintf(line, sizeof line, "%10" PRIu64 " ", l->now_us);

    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    len = strlen(line);
    l->trace_hash = XXH3_64bits_withSeed(line, len, l->trace_hash);
    if (l->trace != NULL) {
        fprintf(l->trace, "%s\n", line);
    }
}
