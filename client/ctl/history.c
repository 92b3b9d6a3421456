/* history.c - see history.h. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "../wire/cursor.h"
#include "../text/table.h"
#include "../text/units.h"

struct telling {
    struct slice reason;
    struct cursor at; /* the next event */
    uint32_t left;
};

/* [reason, [event, ...]] */
static bool telling_begin(const struct ask_reply *reply, struct telling *t)
{
    cursor_init(&t->at, reply->body, reply->body_len);
    uint32_t n = cursor_array(&t->at);
    t->reason = cursor_bytes(&t->at);
    t->left = cursor_array(&t->at);
    return cursor_ok(&t->at) && n == 2;
}

static bool telling_next(struct telling *t, struct history_event *e)
{
    size_t used;

    if (t->left == 0 ||
        history_event_decode(t->at.at, (size_t)(t->at.end - t->at.at), e, &used) != ORDERSCHED_OK) {
        return false;
    }
    t->at.at += used;
    t->left--;
    return true;
}

static bool is_whole(const struct ask_reply *reply)
{
    struct telling t;
    struct history_event e;

    if (!telling_begin(reply, &t)) {
        return false;
    }
    while (telling_next(&t, &e)) {
    }
    return t.left == 0;
}

int ctl_history_ask(struct ctl *ctl, const char *id, const char *target, struct ask_reply *reply)
{
    struct operation op = {.code = OPERATION_HISTORY, .id = {(const uint8_t *)id, strlen(id)}};
    struct ask ask = {.target = target};

    if (target != NULL) {
        ask_nodes(ctl->client, &op, ctl->timeout_ms, &ask, 1);
        *reply = ask.reply;
    } else {
        ask_leader(ctl->client, &op, ctl->timeout_ms, reply);
    }
    if (reply->error == ORDERSCHED_OK && !is_whole(reply)) {
        ctl_malformed(reply);
    }
    return reply->error;
}

static void add_number(json_t *object, const char *key, uint64_t n)
{
    json_object_set_new(object, key, json_integer((json_int_t)n));
}

static json_t *event_as_json(const struct history_event *e)
{
    json_t *object = json_object();

    json_object_set_new(object, "event", json_string(history_kind_name(e->kind)));
    if (e->kind == HISTORY_GAP) {
        add_number(object, "events_not_kept", e->value);
        return object;
    }
    ctl_json_time(object, "time_ms", "time", e->time_ms);
    if (e->index != 0) {
        add_number(object, "index", e->index);
    }
    if (e->kind == HISTORY_SCHEDULED || e->kind == HISTORY_EXTENDED) {
        ctl_json_time(object, "deadline_ms", "deadline", e->value);
    } else if (e->kind == HISTORY_ATTEMPT) {
        add_number(object, "attempt", e->attempt);
        add_number(object, "node", e->node);
        json_object_set_new(object, "outcome", json_string(history_outcome_name(e->outcome)));
        json_object_set_new(object, "dead", json_boolean(history_event_was_last(e)));
        if (e->value != 0) {
            ctl_json_time(object, "next_attempt_ms", "next_attempt", e->value);
        }
    } else if (e->kind == HISTORY_DECIDED) {
        json_object_set_new(object, "state", json_string(ordersched_state_name(e->outcome)));
    }
    if (e->reason.len > 0) {
        ctl_json_bytes(object, "reason", e->reason.data, e->reason.len);
    }
    return object;
}

void ctl_history_as_json(const struct ask_reply *reply, json_t *object)
{
    json_t *events = json_array();
    struct telling t;
    struct history_event e;

    if (telling_begin(reply, &t)) {
        if (t.reason.len > 0) {
            ctl_json_bytes(object, "reason", t.reason.data, t.reason.len);
        }
        while (telling_next(&t, &e)) {
            json_array_append_new(events, event_as_json(&e));
        }
    }
    json_object_set_new(object, "history", events);
}

/* The column that says what it was. */
static void what_happened(const struct history_event *e, struct table *t)
{
    char time[32];

    units_format_time(e->value, time, sizeof time);
    switch (e->kind) {
        case HISTORY_SCHEDULED:
        case HISTORY_EXTENDED:
            table_printf(t, "%s, deadline %s", history_kind_name(e->kind), time);
            break;
        case HISTORY_ATTEMPT:
            table_printf(t, "attempt %u %s%s%s", (unsigned)e->attempt,
                         history_outcome_name(e->outcome),
                         history_event_was_last(e) ? ": DEAD"
                         : e->value != 0           ? ", next at "
                                                   : "",
                         e->value != 0 ? time : "");
            break;
        case HISTORY_DECIDED:
            table_printf(t, "decided: %s", ordersched_state_name(e->outcome));
            break;
        case HISTORY_GAP:
            table_printf(t, "... %llu events that are no longer kept",
                         (unsigned long long)e->value);
            break;
        default: table_text(t, history_kind_name(e->kind));
    }
}

static void number_or_dash(struct table *t, uint64_t n)
{
    if (n == 0) {
        table_text(t, "-");
    } else {
        table_printf(t, "%llu", (unsigned long long)n);
    }
}

int ctl_history_print(const struct ask_reply *reply)
{
    struct telling telling;
    struct history_event e;
    struct table t;
    char time[32];

    table_init(&t, (const char *const[]){"TIME", "INDEX", "NODE", "WHAT HAPPENED", "ANSWER", NULL});
    if (!telling_begin(reply, &telling)) {
        telling = (struct telling){.left = 0};
    }
    while (telling_next(&telling, &e)) {
        if (e.time_ms != 0) {
            units_format_time(e.time_ms, time, sizeof time);
            table_text(&t, time);
        } else {
            table_text(&t, "-");
        }
        number_or_dash(&t, e.index);
        number_or_dash(&t, e.node);
        what_happened(&e, &t);
        table_bytes(&t, e.reason.data, e.reason.len);
    }
    int rv = table_print(&t, stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
    table_free(&t);
    if (rv == CTL_DONE && telling.reason.len > 0) {
        char *reason = table_escape(telling.reason.data, telling.reason.len); /* uncut */
        printf("\nreason: %s\n", reason != NULL ? reason : "?");
        free(reason);
    }
    return rv;
}
