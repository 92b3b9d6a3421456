/* history.c - see history.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "history.h"

_Static_assert(HISTORY_EVENTS_MAX *HISTORY_EVENT_BYTES_MAX <= UINT16_MAX, "history.len");
_Static_assert(PROTOCOL_REASON_MAX <= UINT8_MAX, "history.reason_len");
_Static_assert(HISTORY_EVENTS_MAX <= UINT8_MAX, "history.n");
_Static_assert(HISTORY_HEAD < HISTORY_EVENTS_MAX, "one behind the head can leave");
_Static_assert(HISTORY_REASON_MAX <= 0xff && HISTORY_REASON_MAX <= PROTOCOL_REASON_MAX,
               "the head of an event's reason is two bytes");

/* At most `max` bytes, and no half of a UTF-8 character at the end. */
static struct slice cut(struct slice text, size_t max)
{
    if (text.len > max) {
        text.len = max;
        while (text.len > 0 && (text.data[text.len] & 0xc0) == 0x80) {
            text.len--;
        }
    }
    return text;
}

/* A history with these parts in the place of the old one. */
static void replace(struct history **h, uint32_t dropped, struct slice reason, uint32_t n,
                    struct slice events)
{
    struct history *fresh = NULL;

    assert(n <= HISTORY_EVENTS_MAX && reason.len <= PROTOCOL_REASON_MAX);
    assert(events.len <= n * HISTORY_EVENT_BYTES_MAX && (events.len > 0) == (n > 0));
    assert(dropped == 0 || n == HISTORY_EVENTS_MAX);
    if (n > 0 || reason.len > 0) {
        fresh = must_have(malloc(sizeof *fresh + reason.len + events.len));
        fresh->dropped = dropped;
        fresh->len = (uint16_t)events.len;
        fresh->n = (uint8_t)n;
        fresh->reason_len = (uint8_t)reason.len;
        if (reason.len > 0) {
            memcpy(fresh->bytes, reason.data, reason.len);
        }
        if (events.len > 0) {
            memcpy(fresh->bytes + reason.len, events.data, events.len);
        }
    }
    free(*h);
    *h = fresh;
}

/* The bytes of event number `i` among these. */
static struct slice event_at(struct slice events, uint32_t i)
{
    const uint8_t *at = events.data;
    size_t left = events.len;
    struct history_event e;
    size_t used = 0;

    for (uint32_t k = 0; k <= i; k++) {
        at += used;
        left -= used;
        bool whole = history_event_decode(at, left, &e, &used) == ORDERSCHED_OK;
        assert(whole); /* written here, or checked by history_restore */
    }
    return (struct slice){at, used};
}

void history_add(struct history **h, const struct history_event *event)
{
    struct history_event e = *event;
    struct slice old = history_events(*h);
    uint32_t n = *h != NULL ? (*h)->n : 0;
    uint32_t dropped = *h != NULL ? (*h)->dropped : 0;
    struct buffer b = {0};

    assert(e.kind == HISTORY_EXTENDED || e.kind == HISTORY_ATTEMPT || e.kind == HISTORY_REDRIVEN);
    if (n == HISTORY_EVENTS_MAX) {
        struct slice gone = event_at(old, HISTORY_HEAD);
        const uint8_t *behind = gone.data + gone.len;
        buffer_append(&b, old.data, (size_t)(gone.data - old.data));
        buffer_append(&b, behind, (size_t)(old.data + old.len - behind));
        n--;
        dropped += dropped < UINT32_MAX;
    } else if (n > 0) {
        buffer_append(&b, old.data, old.len);
    }
    e.reason = cut(e.reason, HISTORY_REASON_MAX);
    history_event_encode(&b, &e);
    must_hold(!b.failed);
    replace(h, dropped, history_reason(*h), n + 1, (struct slice){b.data, b.len});
    buffer_free(&b);
}

void history_set_reason(struct history **h, struct slice reason)
{
    struct history *old = *h;

    reason = cut(reason, PROTOCOL_REASON_MAX);
    if (old == NULL ? reason.len == 0
                    : reason.len == old->reason_len &&
                          (reason.len == 0 || memcmp(reason.data, old->bytes, reason.len) == 0)) {
        return;
    }
    replace(h, old != NULL ? old->dropped : 0, reason, old != NULL ? old->n : 0,
            history_events(old));
}

bool history_restore(struct history **h, uint32_t dropped, struct slice reason, uint32_t n,
                     struct slice events)
{
    size_t at = 0;

    if (n > HISTORY_EVENTS_MAX || reason.len > PROTOCOL_REASON_MAX ||
        (dropped > 0 && n < HISTORY_EVENTS_MAX)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct history_event e;
        size_t used;
        if (history_event_decode(events.data + at, events.len - at, &e, &used) != ORDERSCHED_OK ||
            used > HISTORY_EVENT_BYTES_MAX || e.reason.len > HISTORY_REASON_MAX ||
            (e.kind != HISTORY_EXTENDED && e.kind != HISTORY_ATTEMPT &&
             e.kind != HISTORY_REDRIVEN)) {
            return false;
        }
        at += used;
    }
    if (at != events.len) {
        return false;
    }
    replace(h, dropped, reason, n, events);
    return true;
}

struct slice history_reason(const struct history *h)
{
    return h != NULL ? (struct slice){h->bytes, h->reason_len} : (struct slice){NULL, 0};
}

struct slice history_events(const struct history *h)
{
    return h != NULL ? (struct slice){h->bytes + h->reason_len, h->len} : (struct slice){NULL, 0};
}

uint64_t history_latest_ms(const struct history *h)
{
    struct history_event e;
    size_t used;

    if (h == NULL || h->n == 0) {
        return 0;
    }
    struct slice latest = event_at(history_events(h), h->n - 1u);
    bool whole = history_event_decode(latest.data, latest.len, &e, &used) == ORDERSCHED_OK;
    assert(whole);
    return e.time_ms;
}

size_t history_memory(const struct history *h)
{
    return h != NULL ? sizeof *h + h->reason_len + h->len : 0;
}
