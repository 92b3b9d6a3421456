/* history_event.c - one event in the history of an order: its bytes, its names. */
#include "cursor.h"
#include "protocol.h"

#define EVENT_FIELDS 8

int history_event_decode(const uint8_t *data, size_t len, struct history_event *event, size_t *used)
{
    struct cursor c;

    cursor_init(&c, data, len);
    uint32_t n = cursor_array(&c);
    uint64_t kind = cursor_uint(&c);
    event->time_ms = cursor_uint(&c);
    event->index = cursor_uint(&c);
    event->node = cursor_uint(&c);
    uint64_t attempt = cursor_uint(&c);
    uint64_t outcome = cursor_uint(&c);
    event->value = cursor_uint(&c);
    event->reason = cursor_bytes(&c);
    if (!cursor_ok(&c) || n != EVENT_FIELDS || kind < HISTORY_SCHEDULED || kind > HISTORY_GAP ||
        attempt > UINT32_MAX || outcome > UINT8_MAX) {
        return ORDERSCHED_INVALID;
    }
    event->kind = (enum history_kind)kind;
    event->attempt = (uint32_t)attempt;
    event->outcome = (uint8_t)outcome;
    *used = (size_t)(c.at - data);
    return ORDERSCHED_OK;
}

void history_event_encode(struct buffer *b, const struct history_event *event)
{
    write_array(b, EVENT_FIELDS);
    write_uint(b, event->kind);
    write_uint(b, event->time_ms);
    write_uint(b, event->index);
    write_uint(b, event->node);
    write_uint(b, event->attempt);
    write_uint(b, event->outcome);
    write_uint(b, event->value);
    write_str(b, event->reason.data, event->reason.len);
}

const char *history_kind_name(enum history_kind kind)
{
    switch (kind) {
        case HISTORY_SCHEDULED: return "scheduled";
        case HISTORY_EXTENDED: return "extended";
        case HISTORY_DUE: return "due";
        case HISTORY_ATTEMPT: return "attempt";
        case HISTORY_REDRIVEN: return "redriven";
        case HISTORY_DECIDED: return "decided";
        case HISTORY_GAP: return "gap";
    }
    return "?";
}

const char *history_outcome_name(uint8_t outcome)
{
    switch (outcome) {
        case OUTCOME_EXPIRED: return "expired";
        case OUTCOME_PAID: return "paid";
        case OUTCOME_LATER: return "later";
        case OUTCOME_FAILED: return "failed";
        case OUTCOME_BATCH_FAILED: return "failed with its batch";
        default: return "?";
    }
}

bool history_event_was_last(const struct history_event *event)
{
    return event->outcome == OUTCOME_FAILED && event->value == 0;
}
