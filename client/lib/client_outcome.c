/* client_outcome.c - what became of a call: what each answer, refusal or silence lets the client
 * conclude, and whether it tries again.
 *
 * The rule behind all of it: `maybe_done` is set by the first attempt that may have reached the
 * log, and from then on only an answer of the cluster to the same request id decides. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client_internal.h"
#include "../wire/cursor.h"

#define TEXT_MAX 768

static const struct slice no_text;

struct call_queue *client_queue_of(struct client_logic *l, const struct call *call)
{
    return call->slot < 0 ? &l->calls : &l->endpoints[call->slot].calls;
}

/* Take a call from wherever it is, and free it. */
static void client_remove(struct client_logic *l, struct call *call)
{
    assert(call->state != CALL_NEW);
    if (call->state == CALL_QUEUED) {
        call_queue_remove(client_queue_of(l, call), call);
    } else if (call->state == CALL_SENT) {
        struct call **place = &call->message->calls[call->position];
        assert(call->position < call->message->n_calls && (*place == NULL || *place == call));
        *place = NULL;
    }
    call_agenda_remove(&l->agenda, call);
    if (call->own_id && !call->id_made) {
        l->need_time--;
    }
    if (call->slot >= 0) {
        l->endpoints[call->slot].targeted--;
    }
    call_free(call);
}

uint64_t client_logic_drop(struct client_logic *l, struct call *call)
{
    struct message *m = call->state == CALL_SENT ? call->message : NULL;

    client_remove(l, call);
    for (uint32_t i = 0; m != NULL && i < m->n_calls; i++) {
        if (m->calls[i] != NULL) {
            return 0;
        }
    }
    if (m == NULL) {
        return 0;
    }
    uint64_t handle = m->handle;
    free(client_message_take(l, handle));
    return handle;
}

/* The end of a call: its owner is told. */
static void client_finish(struct client_logic *l, struct call *call,
                          struct ordersched_answer *answer, struct slice text)
{
    char sentence[TEXT_MAX];
    size_t len = text.len < sizeof sentence ? text.len : sizeof sentence - 1;
    ordersched_cb cb = call->cb;
    void *arg = call->arg;

    client_remove(l, call);
    if (answer->error != ORDERSCHED_OK && len > 0) {
        memcpy(sentence, text.data, len);
        sentence[len] = '\0';
        answer->text = sentence;
    } else if (answer->error != ORDERSCHED_OK) {
        answer->text = ordersched_error_text(answer->error);
    }
    cb(arg, answer);
}

static void client_finish_error(struct client_logic *l, struct call *call, int error,
                                struct slice text)
{
    struct ordersched_answer answer = {.error = error};

    client_finish(l, call, &answer, text);
}

/* An attempt may have taken effect, and nothing that comes can tell: say so. */
static void client_finish_unknown(struct client_logic *l, struct call *call)
{
    client_finish_error(l, call, ORDERSCHED_UNKNOWN_OUTCOME, no_text);
}

/* A refusal that repeating cannot mend. It speaks of its own attempt only. */
static void client_finish_refused(struct client_logic *l, struct call *call, int error,
                                  struct slice text)
{
    if (call->maybe_done) {
        client_finish_unknown(l, call);
    } else {
        client_finish_error(l, call, error, text);
    }
}

/* The same, and the answer tells after how long there is room. */
static void client_finish_over_quota(struct client_logic *l, struct call *call,
                                     const struct result *result, struct slice text)
{
    struct ordersched_answer answer = {
        .error = ORDERSCHED_QUOTA,
        .remaining_ms = result->remaining_ms,
    };

    assert(!call->maybe_done); /* else it is asked again */
    client_finish(l, call, &answer, text);
}

void client_refuse_waiting(struct client_logic *l, struct call_queue *queue, int error)
{
    /* Counted beforehand: a cb may submit the next call. */
    for (size_t n = queue->n; n > 0; n--) {
        client_finish_refused(l, queue->first, error, no_text);
    }
}

void client_refuse_same(struct client_logic *l, struct call_queue *queue, int error)
{
    struct call *call = queue->first;
    bool own = call->caller == NULL;
    struct call_caller who = own ? (struct call_caller){0} : *call->caller;

    /* Counted beforehand: a cb may submit the next call. */
    for (size_t n = queue->n; n > 0; n--) {
        struct call *next = call->next;
        if (call_caller_is(call->caller, own ? NULL : &who)) {
            client_finish_refused(l, call, error, no_text);
        }
        call = next;
    }
}

void client_again(struct client_logic *l, struct call *call)
{
    assert(call->state == CALL_SENT || call->state == CALL_DELAYED);
    call->state = CALL_QUEUED;
    call->message = NULL;
    call_queue_push_front(client_queue_of(l, call), call);
    call_agenda_move(&l->agenda, call);
}

/* Back to its queue, after a while. */
static void client_later(struct client_logic *l, struct call *call, uint64_t now_ms)
{
    assert(call->state == CALL_SENT);
    call->state = CALL_DELAYED;
    call->message = NULL;
    call->not_before_ms = now_ms + client_backoff_ms(l, call->refusals);
    call->refusals++;
    call_agenda_move(&l->agenda, call);
}

/* Drop the request id that we made: only if no copy with it can be in the log. */
static void client_renew_id(struct client_logic *l, struct call *call)
{
    assert(call->own_id && call->id_made && !call->maybe_done);
    call->id_made = false;
    l->need_time++;
}

/* For the case that no further attempt comes. Without memory for it the error has to do. */
static void client_note_refusal(struct call *call, int error, struct slice text)
{
    call->last_error = error;
    free(call->last_text);
    call->last_text = text.len > 0 ? strndup((const char *)text.data, text.len) : NULL;
}

void client_lost(struct client_logic *l, struct call *call, uint64_t now_ms)
{
    if (!call->mutating) {
        client_note_refusal(call, ORDERSCHED_UNREACHABLE, no_text);
    } else {
        call->maybe_done = true;
        if (!call->repeatable) {
            client_finish_unknown(l, call);
            return;
        }
    }
    if (call->slot >= 0) {
        client_later(l, call, now_ms);
    } else {
        client_again(l, call);
    }
}

void client_refused_for_now(struct client_logic *l, struct call *call, int error, struct slice text,
                            uint64_t now_ms)
{
    bool moved = error == ORDERSCHED_NOT_LEADER || error == ORDERSCHED_SHUTTING_DOWN ||
                 error == ORDERSCHED_UNREACHABLE;

    client_note_refusal(call, error, text);
    l->busy += error == ORDERSCHED_BUSY;
    if (moved && call->slot < 0) {
        client_again(l, call); /* the search for the leader has its own backoff */
    } else {
        client_later(l, call, now_ms);
    }
}

static void client_on_stale(struct client_logic *l, struct call *call, struct slice text,
                            uint64_t now_ms)
{
    if (call->maybe_done) {
        /* This copy did nothing, nor will any later one; an earlier one may have. */
        client_finish_unknown(l, call);
    } else if (call->own_id) {
        client_renew_id(l, call);
        client_note_refusal(call, ORDERSCHED_STALE_REQUEST, text);
        if (call->refusals == 0) {
            call->refusals++;
            client_again(l, call);
        } else {
            client_later(l, call, now_ms);
        }
    } else {
        client_finish_error(l, call, ORDERSCHED_STALE_REQUEST, text);
    }
}

/* The cluster has decided. */
static void client_decided(struct client_logic *l, struct call *call, const struct result *result,
                           struct slice text)
{
    bool body = result->error == ORDERSCHED_OK && result->body.len > 0;
    struct ordersched_answer answer = {
        .error = result->error,
        .state = result->state,
        .deadline_ms = result->deadline_ms,
        .remaining_ms = result->remaining_ms,
        .index = result->index,
        .body = body ? result->body.data : NULL,
        .body_len = body ? result->body.len : 0,
    };
    client_finish(l, call, &answer, text);
}

/* The sentence in an error's body, if there is one. */
static struct slice client_text_of(const struct result *result)
{
    struct cursor c;

    if (result->error == ORDERSCHED_OK || result->body.len == 0) {
        return no_text;
    }
    cursor_init(&c, result->body.data, result->body.len);
    struct slice text = cursor_bytes(&c);
    return cursor_ok(&c) ? text : no_text;
}

static bool error_is_for_now(const struct call *call, int error)
{
    switch (error) {
        case ORDERSCHED_BUSY: /* an operator who changes something wants to hear why not, and decide */
            return call->repeatable;
        case ORDERSCHED_SHUTTING_DOWN:
        case ORDERSCHED_EARLY_REQUEST: return true;
        case ORDERSCHED_NOT_LEADER: /* who asks one node by name wants to hear that */
            return call->slot < 0;
        case ORDERSCHED_FULL:
        case ORDERSCHED_QUOTA:
        case ORDERSCHED_NO_SPACE: /* nothing to wait for, but for the fate of an earlier copy */
            return call->maybe_done;
        default: return false;
    }
}

void client_judge(struct client_logic *l, struct call *call, const struct result *result,
                  uint64_t now_ms)
{
    struct slice text = client_text_of(result);
    int error = result->error;

    if (error == ORDERSCHED_STALE_REQUEST) {
        client_on_stale(l, call, text, now_ms);
    } else if (error < ORDERSCHED_INVALID) {
        client_decided(l, call, result, text);
    } else if (error_is_for_now(call, error)) {
        if (error == ORDERSCHED_EARLY_REQUEST && call->own_id && !call->maybe_done) {
            client_renew_id(l, call);
        }
        client_refused_for_now(l, call, error, text, now_ms);
    } else if (error == ORDERSCHED_QUOTA) {
        client_finish_over_quota(l, call, result, text);
    } else if (error < ORDERSCHED_UNKNOWN_OUTCOME) {
        client_finish_refused(l, call, error, text);
    } else {
        client_lost(l, call, now_ms);
    }
}

void client_judge_refusal(struct client_logic *l, struct call *call, int error, struct slice text,
                          uint64_t now_ms)
{
    struct result result = {.error = error};

    if (error >= ORDERSCHED_INVALID && error < ORDERSCHED_UNKNOWN_OUTCOME &&
        !error_is_for_now(call, error)) {
        client_finish_refused(l, call, error, text);
    } else if (error < ORDERSCHED_INVALID) {
        client_lost(l, call, now_ms); /* no decision can speak of a whole message */
    } else {
        client_judge(l, call, &result, now_ms);
    }
}

static bool client_is_unknown(const struct call *call)
{
    return call->mutating && (call->maybe_done || call->state == CALL_SENT);
}

void client_cut_off(struct client_logic *l, struct call *call, int definite)
{
    client_finish_error(l, call, client_is_unknown(call) ? ORDERSCHED_TIMEOUT : definite, no_text);
}

/* What keeps us from the node that was to be asked, or from one of those that were looked at. */
static bool client_explain(const struct client_logic *l, const struct call *call, char *text,
                           size_t size)
{
    for (unsigned i = 0; l->io.explain != NULL && i < CLIENT_ENDPOINTS_MAX; i++) {
        const struct client_endpoint *e = &l->endpoints[i];
        bool concerns = call->slot >= 0 ? (int)i == call->slot
                                        : e->searched && e->address[0] != '\0';
        if (concerns && l->io.explain(l->io.arg, i, e->address, text, size)) {
            return true;
        }
    }
    return false;
}

/* No node took it, and none said why not. */
static void client_expire_unreached(struct client_logic *l, struct call *call, int error)
{
    char text[TEXT_MAX];

    if (client_is_unknown(call) || !client_explain(l, call, text, sizeof text)) {
        client_cut_off(l, call, error);
        return;
    }
    client_finish_error(l, call, error, (struct slice){(const uint8_t *)text, strlen(text)});
}

void client_expire(struct client_logic *l, struct call *call)
{
    if (call->last_error == 0 || client_is_unknown(call)) {
        client_expire_unreached(l, call, call->slot < 0 ? l->search.error : ORDERSCHED_UNREACHABLE);
        return;
    }
    if (call->last_text == NULL &&
        (call->last_error == ORDERSCHED_UNREACHABLE || call->last_error == ORDERSCHED_NOT_LEADER)) {
        client_expire_unreached(l, call, call->last_error);
        return;
    }
    char *text = call->last_text; /* the call goes before it is told */
    call->last_text = NULL;
    client_finish_error(l, call, call->last_error,
                        (struct slice){(const uint8_t *)text, text != NULL ? strlen(text) : 0});
    free(text);
}

void client_abandon_silent(struct client_logic *l, uint64_t now_ms)
{
    for (struct message *m = l->messages; m != NULL; m = m->next) {
        if (m->kind != MESSAGE_LEADER || !l->endpoints[m->slot].failed) {
            continue;
        }
        for (uint32_t i = m->n_calls; i > 0; i--) {
            struct call *call = m->calls[i - 1];
            if (call != NULL && call->repeatable) {
                m->calls[i - 1] = NULL;
                client_lost(l, call, now_ms);
            }
        }
    }
}
