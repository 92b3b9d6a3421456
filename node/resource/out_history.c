/* out_history.c - what happened to an order, as JSON. See out_order.h. */
#include "out_order.h"

#include "../../client/wire/cursor.h"

static json_t *event_of(const struct history_event *e)
{
    json_t *event = json_object();

    out_text(event, "kind", history_kind_name(e->kind));
    if (e->kind == HISTORY_GAP) {
        out_number(event, "events_not_kept", e->value);
        return event;
    }
    out_time(event, "time", e->time_ms);
    out_number(event, "index", e->index);
    if (e->kind == HISTORY_SCHEDULED || e->kind == HISTORY_EXTENDED) {
        out_time(event, "deadline", e->value);
    } else if (e->kind == HISTORY_ATTEMPT) {
        out_number(event, "attempt", e->attempt);
        out_number(event, "node", e->node);
        out_text(event, "outcome", history_outcome_name(e->outcome));
        json_object_set_new(event, "dead", json_boolean(history_event_was_last(e)));
        out_time(event, "next_attempt", e->value);
    } else if (e->kind == HISTORY_DECIDED) {
        out_text(event, "state", ordersched_state_name(e->outcome));
    }
    if (e->reason.len > 0) {
        out_bytes(event, "reason", e->reason);
    }
    return event;
}

bool out_order_history(json_t *order, const struct ordersched_answer *answer)
{
    json_t *events = json_array();
    struct history_event e;
    struct cursor c;
    size_t used;

    cursor_init(&c, answer->body, answer->body_len);
    bool ok = cursor_array(&c) == 2;
    struct slice reason = cursor_bytes(&c);
    uint32_t n = cursor_array(&c);
    ok = ok && cursor_ok(&c);
    for (uint32_t i = 0; i < n && ok; i++) {
        ok = history_event_decode(c.at, (size_t)(c.end - c.at), &e, &used) == ORDERSCHED_OK;
        if (ok) {
            c.at += used;
            json_array_append_new(events, event_of(&e));
        }
    }
    if (reason.len > 0) {
        out_bytes(order, "reason", reason);
    } else {
        json_object_set_new(order, "reason", json_null());
    }
    json_object_set_new(order, "events", events);
    return ok;
}
