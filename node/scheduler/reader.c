/* reader.c - see reader.h. */
#include "reader.h"

#include <assert.h>
#include <string.h>

#include "../../raft/core/budget.h"

#define READER_STEP_NS 500 /* what a step takes at least */
#define READER_LOOKS 256   /* at sources that were held up, each turn */

void reader_init(struct reader *r, const struct reader_host *host)
{
    memset(r, 0, sizeof *r);
    r->host = *host;
    r->last = &r->first;
    r->held_last = &r->held;
    r->waiting_last = &r->waiting;
    r->turn_ns = READER_TURN_NS;
    reader_turn(r);
}

/* --- the ring of sources --- */

static void append_source(struct reader *r, struct inbound_source *source)
{
    source->next = NULL;
    *r->last = source;
    r->last = &source->next;
}

static struct inbound_source *shift_source(struct reader *r)
{
    struct inbound_source *source = r->first;

    r->first = source->next;
    if (r->first == NULL) {
        r->last = &r->first;
    }
    return source;
}

static void hold_source(struct reader *r, struct inbound_source *source)
{
    source->next = NULL;
    *r->held_last = source;
    r->held_last = &source->next;
    r->n_held++;
}

static struct inbound_source *shift_held(struct reader *r)
{
    struct inbound_source *source = r->held;

    assert(r->n_held > 0 && source->first != NULL);
    r->held = source->next;
    if (r->held == NULL) {
        r->held_last = &r->held;
    }
    r->n_held--;
    return source;
}

static void append_reading(struct reader *r, struct reading *reading)
{
    struct inbound_source *source = reading->source;

    reading->next = NULL;
    if (source->first == NULL) {
        source->last = &source->first;
        append_source(r, source);
    }
    *source->last = reading;
    source->last = &reading->next;
}

/* Take the first one out of a source that is not in the ring, and put that back if there are more. */
static void shift_reading(struct reader *r, struct inbound_source *source)
{
    source->first = source->first->next;
    if (source->first != NULL) {
        append_source(r, source);
    }
}

void reader_add(struct reader *r, struct reading *reading, struct inbound *in)
{
    reading->in = in;
    reading->source = in->source != NULL ? in->source : &r->nobody;
    reading->bytes = 0;
    r->n++;
    append_reading(r, reading);
}

/* --- reading --- */

/* Nobody may write more just now: clients are to take what there is, or to be closed. */
static bool is_stopped(const struct reader *r)
{
    return r->host.unread != NULL && r->host.unread(r->host.arg) > READER_UNREAD_ALL_MAX;
}

/* Is it the one that goes on where there is no room for all? */
static bool is_favoured(struct reader *r, const struct reading *reading)
{
    if (r->favoured == NULL && reading->bytes > 0) {
        r->favoured = reading;
    }
    return r->favoured == reading;
}

static bool may_go_on(struct reader *r, const struct inbound_source *source)
{
    const struct reading *reading = source->first;
    size_t unread = atomic_load_explicit(&source->unread, memory_order_relaxed);

    if (inbound_is_gone(reading->in)) {
        return true; /* to its end, which takes no more memory */
    }
    if (is_stopped(r) || (reading->bytes == 0 && unread >= READER_UNREAD_MAX)) {
        return false;
    }
    return r->bytes < READER_BYTES_MAX || is_favoured(r, reading);
}

/* It is not the reader's any more. */
static void forget_reading(struct reader *r, const struct reading *reading)
{
    r->favoured = r->favoured == reading ? NULL : r->favoured;
    assert(r->n > 0 && r->bytes >= reading->bytes);
    r->bytes -= reading->bytes;
    r->n--;
    assert(r->n > 0 || r->bytes == 0);
}

void reader_turn(struct reader *r)
{
    unsigned looks = r->n_held < READER_LOOKS ? r->n_held : READER_LOOKS;

    r->budget_ns = r->turn_ns;
    r->spent_us = 0;
    for (; looks > 0; looks--) {
        struct inbound_source *source = shift_held(r);
        if (may_go_on(r, source)) {
            append_source(r, source);
        } else {
            hold_source(r, source);
        }
    }
}

/* A share of the budget for the first reading of a source that was taken out of the ring. */
static void slice(struct reader *r, struct inbound_source *source)
{
    struct reading *reading = source->first;
    assert(r->bytes >= reading->bytes);
    uint64_t share_ns = r->budget_ns < READER_SHARE_NS ? r->budget_ns : READER_SHARE_NS;
    uint64_t left_ns = share_ns;

    r->bytes -= reading->bytes;
    enum reader_step step = r->host.step(r->host.arg, reading, &left_ns);
    r->bytes += reading->bytes;
    assert(left_ns <= share_ns);
    uint64_t spent_ns = share_ns - left_ns;
    spent_ns = spent_ns < READER_STEP_NS ? READER_STEP_NS : spent_ns;
    budget_spend(&r->budget_ns, spent_ns);
    if (step == READER_GOES_ON) {
        append_source(r, source);
        return;
    }
    shift_reading(r, source);
    reading->next = NULL;
    if (step == READER_WAITS) {
        assert(reading->bytes == 0);
        *r->waiting_last = reading;
        r->waiting_last = &reading->next;
        return;
    }
    forget_reading(r, reading);
    r->host.finish(r->host.arg, reading); /* the source may be gone from here on */
}

uint64_t reader_clock_us(const struct reader *r)
{
    return r->host.clock_us != NULL ? r->host.clock_us(r->host.arg) : 0;
}

bool reader_spent(struct reader *r, uint64_t since_us)
{
    uint64_t now_us = reader_clock_us(r);

    assert(now_us >= since_us);
    r->spent_us += now_us - since_us;
    return r->spent_us < READER_TURN_US;
}

void reader_run(struct reader *r)
{
    if (r->running) {
        return;
    }
    r->running = true;
    bool goes_on = r->spent_us < READER_TURN_US;
    while (goes_on && r->budget_ns > 0 && r->first != NULL) {
        struct inbound_source *source = shift_source(r);
        uint64_t since_us = reader_clock_us(r);
        if (may_go_on(r, source)) {
            slice(r, source);
        } else {
            hold_source(r, source);
        }
        goes_on = reader_spent(r, since_us);
    }
    r->running = false;
}

void reader_wake(struct reader *r)
{
    struct reading *reading = r->waiting;

    r->waiting = NULL;
    r->waiting_last = &r->waiting;
    while (reading != NULL) {
        struct reading *next = reading->next;
        append_reading(r, reading);
        reading = next;
    }
}

bool reader_has_work(const struct reader *r)
{
    return r->first != NULL;
}

bool reader_is_held_up(const struct reader *r)
{
    return r->first == NULL && r->held != NULL;
}

struct reading *reader_take(struct reader *r)
{
    reader_wake(r);
    while (r->held != NULL) {
        append_source(r, shift_held(r));
    }
    if (r->first == NULL) {
        return NULL;
    }
    struct inbound_source *source = shift_source(r);
    struct reading *reading = source->first;
    shift_reading(r, source);
    forget_reading(r, reading);
    return reading;
}
