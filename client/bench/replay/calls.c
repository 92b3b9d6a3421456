/* calls.c - see calls.h. */
#include "calls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/clocks.h"

#define KINDS 3

int calls_open(struct calls *c, const struct replay_config *config,
               const struct bench_orders *orders, ordersched_client *client)
{
    *c = (struct calls){.config = config, .orders = orders, .client = client};
    pthread_mutex_init(&c->mutex, NULL);
    (void)clocks_cond_init(&c->wake);
    c->cap_heap = KINDS * orders->n; /* each slot is in the heap at most once */
    c->history = calloc(orders->n, sizeof *c->history);
    c->slots = calloc(c->cap_heap, sizeof *c->slots);
    c->heap = calloc(c->cap_heap, sizeof *c->heap);
    if (c->history == NULL || c->slots == NULL || c->heap == NULL) {
        return -1;
    }
    for (size_t i = 0; i < orders->n; i++) {
        c->history[i].id = orders->items[i].id;
        c->history[i].expect_paid = replay_expects_paid(config, &orders->items[i]);
        c->history[i].expect_either = bench_order_is_paid_at(&orders->items[i], config->window_ms);
        for (unsigned kind = 0; kind < KINDS; kind++) {
            c->slots[KINDS * i + kind] = (struct call_slot){.calls = c,
                                                            .order = (uint32_t)i,
                                                            .kind = kind};
        }
    }
    return 0;
}

/* ---- the heap: earliest first, equal times in the file's order ---- */

static bool due_before(const struct due *a, const struct due *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->slot->order < b->slot->order;
}

static void heap_push(struct calls *c, struct due due)
{
    assert(c->n_heap < c->cap_heap);
    size_t at = c->n_heap++;
    while (at > 0 && due_before(&due, &c->heap[(at - 1) / 2])) {
        c->heap[at] = c->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    c->heap[at] = due;
}

static struct due heap_pop(struct calls *c)
{
    assert(c->n_heap > 0);
    struct due top = c->heap[0];
    struct due last = c->heap[--c->n_heap];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < c->n_heap && due_before(&c->heap[child + 1], &c->heap[child])) {
            child++;
        }
        if (child >= c->n_heap || !due_before(&c->heap[child], &last)) {
            break;
        }
        c->heap[at] = c->heap[child];
        at = child;
    }
    c->heap[at] = last;
    return top;
}

static void add_locked(struct calls *c, enum call_kind kind, size_t order, uint64_t at_ms)
{
    struct call_slot *slot = &c->slots[KINDS * order + kind];

    slot->first_ms = at_ms;
    heap_push(c, (struct due){at_ms, slot});
}

void calls_add(struct calls *c, enum call_kind kind, size_t order, uint64_t at_ms)
{
    pthread_mutex_lock(&c->mutex);
    add_locked(c, kind, order, at_ms);
    pthread_mutex_unlock(&c->mutex);
}

/* ---- answers ---- */

static struct judge_call *call_of(struct calls *c, const struct call_slot *slot)
{
    struct judge_order *o = &c->history[slot->order];

    switch (slot->kind) {
        case CALL_SCHEDULE: return &o->schedule;
        case CALL_PAY: return &o->pay;
        default: return &o->final;
    }
}

/* Refused before the log for a reason that may pass: nothing happened, so ask again. */
static bool refusal_may_pass(int error)
{
    switch (error) {
        case ORDERSCHED_BUSY:
        case ORDERSCHED_FULL:
        case ORDERSCHED_NOT_LEADER:
        case ORDERSCHED_NO_SPACE:
        case ORDERSCHED_SHUTTING_DOWN:
        case ORDERSCHED_EARLY_REQUEST:
        case ORDERSCHED_STALE_REQUEST:
        case ORDERSCHED_UNREACHABLE: return true;
        default: return false;
    }
}

static bool try_again(const struct call_slot *slot, int error, uint64_t now_ms)
{
    if (now_ms >= slot->first_ms + CALLS_PERSIST_MS) {
        return false;
    }
    if (slot->kind == CALL_GET && ordersched_error_class(error) == ORDERSCHED_UNKNOWN) {
        return true; /* a read may be repeated at will */
    }
    return refusal_may_pass(error);
}

/* The order was purchased when its schedule was sent: its payment counts from there. */
static void plan_pay(struct calls *c, const struct call_slot *slot, uint64_t now_ms)
{
    struct judge_order *o = &c->history[slot->order];
    const struct bench_order *order = &c->orders->items[slot->order];
    uint64_t since_ms = (uint64_t)((double)order->pay_delay_ms / c->config->speed);
    uint64_t wall_ms = clocks_wall_ms();

    if (!replay_sends_pay(c->config, order)) {
        return;
    }
    o->pay.due_ms = o->schedule.sent_ms + since_ms;
    add_locked(c, CALL_PAY, slot->order,
               o->pay.due_ms > wall_ms ? now_ms + (o->pay.due_ms - wall_ms) : now_ms);
}

static void calls_count(struct calls *c, enum call_kind kind, int error)
{
    if (kind == CALL_GET) {
        c->counts.read++;
        return;
    }
    if (error == ORDERSCHED_OK) {
        *(kind == CALL_SCHEDULE ? &c->counts.scheduled : &c->counts.paid) += 1;
    } else if (error == ORDERSCHED_TOO_LATE) {
        c->counts.too_late++;
    } else if (ordersched_error_class(error) == ORDERSCHED_UNKNOWN) {
        c->counts.unknown++;
    } else {
        c->counts.refused++;
    }
}

static void calls_settle(struct calls *c, struct call_slot *slot,
                         const struct ordersched_answer *answer)
{
    struct judge_call *call = call_of(c, slot);
    uint64_t now_ms = clocks_running_ms();

    c->outstanding--;
    if (try_again(slot, answer->error, now_ms)) {
        heap_push(c, (struct due){now_ms + CALLS_RETRY_MS, slot});
        return;
    }
    call->answered = true;
    call->error = answer->error;
    call->state = answer->state;
    call->deadline_ms = answer->deadline_ms;
    call->index = answer->index;
    calls_count(c, slot->kind, answer->error);
    if (slot->kind == CALL_SCHEDULE &&
        ordersched_error_class(answer->error) != ORDERSCHED_DEFINITE) {
        plan_pay(c, slot, now_ms);
    }
}

static void call_cb(void *arg, const struct ordersched_answer *answer)
{
    struct call_slot *slot = arg;
    struct calls *c = slot->calls;

    pthread_mutex_lock(&c->mutex);
    calls_settle(c, slot, answer);
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->mutex);
}

/* ---- calls ---- */

/* Without the lock: the callback takes it, and may come before this returns. */
static void make_call(struct calls *c, struct call_slot *slot)
{
    static const enum ordersched_operation_kind kinds[KINDS] = {[CALL_SCHEDULE] =
                                                                    ORDERSCHED_SCHEDULE,
                                                                [CALL_PAY] = ORDERSCHED_PAY,
                                                                [CALL_GET] = ORDERSCHED_GET};
    const struct bench_order *order = &c->orders->items[slot->order];
    struct ordersched_operation op = {.kind = kinds[slot->kind],
                                      .id = order->id,
                                      .id_len = strlen(order->id)};

    if (slot->kind == CALL_SCHEDULE) {
        op.relative = true;
        op.time_ms = replay_delay_ms(c->config);
        op.route = c->config->route;
    }
    int rv = ordersched_submit(c->client, &op, c->config->timeout_ms, call_cb, slot);
    if (rv != ORDERSCHED_OK) {
        call_cb(slot, &(struct ordersched_answer){.error = rv});
    }
}

static void wait_until(struct calls *c, uint64_t until_ms)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};

    pthread_cond_timedwait(&c->wake, &c->mutex, &until);
}

bool calls_tick(struct calls *c, uint64_t until_ms)
{
    pthread_mutex_lock(&c->mutex);
    while (c->n_heap > 0 && c->outstanding < CALLS_OUTSTANDING_MAX &&
           c->heap[0].at_ms <= clocks_running_ms()) {
        struct due due = heap_pop(c);
        struct judge_call *call = call_of(c, due.slot);
        c->outstanding++;
        call->sent = true;
        call->sent_ms = clocks_wall_ms();
        pthread_mutex_unlock(&c->mutex);
        make_call(c, due.slot);
        pthread_mutex_lock(&c->mutex);
    }
    bool done = c->n_heap == 0 && c->outstanding == 0;
    if (!done) {
        uint64_t next_ms = c->n_heap > 0 && c->outstanding < CALLS_OUTSTANDING_MAX
                               ? c->heap[0].at_ms
                               : UINT64_MAX;
        uint64_t now_ms = clocks_running_ms();
        next_ms = next_ms < until_ms ? next_ms : until_ms;
        if (next_ms > now_ms) {
            wait_until(c, next_ms);
        }
    }
    pthread_mutex_unlock(&c->mutex);
    return done;
}

void calls_peek(struct calls *c, struct calls_counts *counts, unsigned *outstanding)
{
    pthread_mutex_lock(&c->mutex);
    *counts = c->counts;
    *outstanding = c->outstanding;
    pthread_mutex_unlock(&c->mutex);
}

void calls_close(struct calls *c)
{
    free(c->history);
    free(c->slots);
    free(c->heap);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->mutex);
}
