/* judge_history.c - see judge_history.h. Reading is in judge_read.c. */
#include "judge_history.h"

#include <stdlib.h>
#include <string.h>

static const char *const call_names[] = {
    [CALL_SCHEDULE] = "schedule", [CALL_PAY] = "pay", [CALL_CANCEL] = "cancel",
    [CALL_EXTEND] = "extend",     [CALL_GET] = "get",
};
static const char *const end_names[] = {
    [CALL_OK] = "ok",
    [CALL_FAIL] = "fail",
    [CALL_INFO] = "info",
};
static const char *const verdict_names[] = {
    [VERDICT_EXPIRED] = "expired", [VERDICT_PAID] = "paid", [VERDICT_LATER] = "later",
    [VERDICT_FAILED] = "failed",   [VERDICT_HUNG] = "hung", [VERDICT_DUPLICATE] = "duplicate",
    [VERDICT_REFUSED] = "refused",
};

static const char *const change_names[] = {
    [CHANGE_PUT] = "put",
    [CHANGE_REVOKE] = "revoke",
    [CHANGE_CREATE] = "create",
    [CHANGE_ROTATE] = "rotate",
};
static const char *const role_names[] = {
    [ROLE_IS_OBSERVER] = "observer", [ROLE_IS_PRODUCER] = "producer", [ROLE_IS_WORKER] = "worker",
    [ROLE_IS_OPERATOR] = "operator", [ROLE_IS_ADMIN] = "admin",
};

const char *history_change_name(enum change_kind kind)
{
    return change_names[kind];
}

const char *history_role_name(enum history_role role)
{
    return role_names[role];
}

const char *history_call_name(enum call_f f)
{
    return call_names[f];
}

const char *history_end_name(enum call_end end)
{
    return end_names[end];
}

const char *history_verdict_name(enum delivery_verdict verdict)
{
    return verdict_names[verdict];
}

int history_error_number(const char *name)
{
    for (int error = 0; error < 128; error++) {
        if (strcmp(ordersched_error_name(error), name) == 0 && strcmp(name, "UNKNOWN_ERROR") != 0) {
            return error;
        }
    }
    return -1;
}

int history_state_number(const char *name)
{
    for (int state = ORDERSCHED_STATE_NONE; state <= ORDERSCHED_DEAD; state++) {
        if (strcmp(ordersched_state_name(state), name) == 0) {
            return state;
        }
    }
    return -1;
}

const char *history_order_name(const struct history *h, uint32_t order)
{
    return names_text(&h->names, h->order_names[order]);
}

const struct history_note *history_phase(const struct history *h, const char *name)
{
    for (uint32_t i = 0; i < h->phases.n; i++) {
        if (strcmp(names_text(&h->names, h->phases.all[i].kind), name) == 0) {
            return &h->phases.all[i];
        }
    }
    return NULL;
}

bool history_is_decided(const struct history_call *c)
{
    return c->end != CALL_INFO && !c->blind && c->answer.error < ORDERSCHED_INVALID &&
           c->answer.error != ORDERSCHED_STALE_REQUEST;
}

bool history_may_have_happened(const struct history_call *c)
{
    return c->f != CALL_GET && (c->end == CALL_INFO || history_is_decided(c));
}

bool history_is_refused_put(const struct history_call *c)
{
    return c->node != 0 && c->f == CALL_SCHEDULE && c->end == CALL_FAIL;
}

bool history_saw_state(const struct history_call *c)
{
    if (c->blind) {
        return false;
    }
    switch (c->answer.error) {
        case ORDERSCHED_OK: return c->end == CALL_OK;
        case ORDERSCHED_NOT_FOUND: return c->end != CALL_INFO;
        case ORDERSCHED_TOO_LATE:
        case ORDERSCHED_DECIDED:
        case ORDERSCHED_VERSION_CHANGED:
        case ORDERSCHED_EXISTS: return c->end == CALL_FAIL;
        default: return false;
    }
}

int64_t history_wall_ns(const struct history *h, uint64_t wall_ms)
{
    double ms = (double)wall_ms - (double)h->header.epoch_ms;

    /* Whatever a history says, sums of a few times must not overflow. */
    if (ms > (double)HISTORY_TIME_MAX / 1e6 || ms < -(double)HISTORY_TIME_MAX / 1e6) {
        return ms > 0 ? HISTORY_TIME_MAX : -HISTORY_TIME_MAX;
    }
    return ((int64_t)wall_ms - (int64_t)h->header.epoch_ms) * 1000000;
}

void history_free(struct history *h)
{
    free(h->calls);
    free(h->changes);
    free(h->deliveries);
    free(h->effects);
    free(h->faults);
    free(h->leaderships);
    free(h->finals);
    free(h->final_orders);
    free(h->phases.all);
    free(h->probes.all);
    free(h->logs.all);
    free(h->exits.all);
    free(h->order_names);
    free(h->orders);
    free(h->order_places);
    names_free(&h->names);
    *h = (struct history){0};
}
