/* client_call.c - see client_call.h. */
#include "client_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What one call costs beside its bytes, roughly. */
#define CALL_OVERHEAD sizeof(struct call)
/* It reads every order; asked again too early, a node would do it twice. */
#define DIGEST_WAIT_MS 60000

/* It has no time: a keyed one has all else already. */
static bool is_unmade(const uint8_t *request_id)
{
    static const uint8_t none[ORDERSCHED_REQUEST_ID_SIZE];

    return request_id_is_keyed(request_id) ? request_id_time_ms(request_id) == 0
                                           : memcmp(request_id, none, sizeof none) == 0;
}

static bool budget_take(struct call_budget *b, size_t bytes)
{
    size_t calls = atomic_fetch_add(&b->calls, 1);
    size_t used = atomic_fetch_add(&b->bytes, bytes);

    if (calls >= b->calls_max || bytes > b->bytes_max || used > b->bytes_max - bytes) {
        atomic_fetch_sub(&b->calls, 1);
        atomic_fetch_sub(&b->bytes, bytes);
        return false;
    }
    return true;
}

static void budget_give(struct call_budget *b, size_t bytes)
{
    size_t calls = atomic_fetch_sub(&b->calls, 1);
    size_t used = atomic_fetch_sub(&b->bytes, bytes);

    assert(calls > 0 && used >= bytes);
}

static size_t call_cost(size_t len, size_t target_len)
{
    return CALL_OVERHEAD + len + target_len;
}

static void call_describe(struct call *call, const struct operation *op)
{
    call->mutating = call->mutating || operation_is_logged(op->code);
    call->repeatable = !call->mutating || op->request_id != NULL || op->code == OPERATION_SETTLE;
    call->polls = op->code == OPERATION_RESERVE;
    call->wait_ms = call->polls ? (unsigned)op->time_ms : 0;
    if (op->code == OPERATION_DIGEST) {
        call->wait_ms = DIGEST_WAIT_MS;
    }
    call->alone = op->code >= OPERATION_MEMBER_LIST && op->code < OPERATION_EPOCH;
    if (op->request_id != NULL) {
        call->id_offset = (size_t)(op->request_id - op->bytes.data);
        call->own_id = is_unmade(op->request_id);
        call->keyed = request_id_is_keyed(op->request_id);
    }
}

int call_new(struct call_budget *budget, const void *operation, size_t len, bool mutating,
             const char *target, ordersched_cb cb, void *arg, struct call **out)
{
    size_t target_len = target != NULL ? strlen(target) + 1 : 0;
    struct operation op;

    if (operation_decode(operation, len, &op) != ORDERSCHED_OK || op.bytes.len != len ||
        op.code >= OPERATION_EPOCH || target_len > PROTOCOL_ADDRESS_MAX) {
        return ORDERSCHED_ARGUMENT;
    }
    if (!budget_take(budget, call_cost(len, target_len))) {
        return ORDERSCHED_BUSY;
    }
    struct call *call = calloc(1, sizeof *call + len + target_len);
    if (call == NULL) {
        budget_give(budget, call_cost(len, target_len));
        return ORDERSCHED_NO_MEMORY;
    }
    call->budget = budget;
    call->cb = cb;
    call->arg = arg;
    call->mutating = mutating;
    call->slot = -1;
    call->len = len;
    memcpy(call->bytes, operation, len);
    if (target != NULL) {
        call->target = (char *)call->bytes + len;
        memcpy(call->target, target, target_len);
    }
    call_describe(call, &op);
    *out = call;
    return ORDERSCHED_OK;
}

void call_free(struct call *call)
{
    size_t target_len = call->target != NULL ? strlen(call->target) + 1 : 0;

    budget_give(call->budget, call_cost(call->len, target_len));
    free(call->last_text);
    free(call->caller);
    free(call);
}

bool call_ask_for(struct call *call, const struct call_caller *caller)
{
    assert(call->state == CALL_NEW && call->caller == NULL && caller->kind != CALLER_OWNER);
    call->caller = malloc(sizeof *call->caller);
    if (call->caller != NULL) {
        *call->caller = *caller;
    }
    return call->caller != NULL;
}

bool call_caller_is(const struct call_caller *a, const struct call_caller *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return a->kind == b->kind && strcmp(a->name, b->name) == 0 && strcmp(a->from, b->from) == 0;
}

void call_queue_push(struct call_queue *q, struct call *call)
{
    assert(call->next == NULL && call->prev == NULL && q->first != call); /* it is in no queue */
    call->prev = q->last;
    if (q->last != NULL) {
        q->last->next = call;
    } else {
        q->first = call;
    }
    q->last = call;
    q->n++;
}

void call_queue_push_front(struct call_queue *q, struct call *call)
{
    assert(call->next == NULL && call->prev == NULL && q->first != call);
    call->next = q->first;
    if (q->first != NULL) {
        q->first->prev = call;
    } else {
        q->last = call;
    }
    q->first = call;
    q->n++;
}

void call_queue_remove(struct call_queue *q, struct call *call)
{
    if (call->prev != NULL) {
        call->prev->next = call->next;
    } else {
        assert(q->first == call);
        q->first = call->next;
    }
    if (call->next != NULL) {
        call->next->prev = call->prev;
    } else {
        assert(q->last == call);
        q->last = call->prev;
    }
    call->next = call->prev = NULL;
    q->n--;
    assert((q->n == 0) == (q->first == NULL));
}

struct call *call_queue_pop(struct call_queue *q)
{
    struct call *call = q->first;

    if (call != NULL) {
        call_queue_remove(q, call);
    }
    return call;
}

uint64_t call_wake_ms(const struct call *call)
{
    if (call->state == CALL_DELAYED && call->not_before_ms < call->deadline_ms) {
        return call->not_before_ms;
    }
    return call->deadline_ms;
}

static void agenda_put(struct call_agenda *a, size_t at, struct call *call)
{
    a->heap[at] = call;
    call->agenda_at = at;
}

static void agenda_rise(struct call_agenda *a, size_t at)
{
    struct call *call = a->heap[at];

    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (call_wake_ms(a->heap[parent]) <= call_wake_ms(call)) {
            break;
        }
        agenda_put(a, at, a->heap[parent]);
        at = parent;
    }
    agenda_put(a, at, call);
}

static void agenda_sink(struct call_agenda *a, size_t at)
{
    struct call *call = a->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= a->n) {
            break;
        }
        if (child + 1 < a->n && call_wake_ms(a->heap[child + 1]) < call_wake_ms(a->heap[child])) {
            child++;
        }
        if (call_wake_ms(a->heap[child]) >= call_wake_ms(call)) {
            break;
        }
        agenda_put(a, at, a->heap[child]);
        at = child;
    }
    agenda_put(a, at, call);
}

bool call_agenda_add(struct call_agenda *a, struct call *call)
{
    if (a->n == a->cap) {
        size_t cap = a->cap == 0 ? 64 : 2 * a->cap;
        struct call **grown = realloc(a->heap, cap * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        a->heap = grown;
        a->cap = cap;
    }
    agenda_put(a, a->n, call);
    a->n++;
    agenda_rise(a, call->agenda_at);
    return true;
}

void call_agenda_move(struct call_agenda *a, struct call *call)
{
    assert(call->agenda_at < a->n && a->heap[call->agenda_at] == call);
    agenda_rise(a, call->agenda_at);
    agenda_sink(a, call->agenda_at);
}

void call_agenda_remove(struct call_agenda *a, struct call *call)
{
    size_t at = call->agenda_at;

    assert(at < a->n && a->heap[at] == call);
    a->n--;
    if (at < a->n) {
        agenda_put(a, at, a->heap[a->n]);
        call_agenda_move(a, a->heap[at]);
    }
}

struct call *call_agenda_first(const struct call_agenda *a)
{
    return a->n > 0 ? a->heap[0] : NULL;
}

void call_agenda_free(struct call_agenda *a)
{
    free(a->heap);
    *a = (struct call_agenda){0};
}
