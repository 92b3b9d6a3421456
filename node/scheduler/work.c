/* work.c - workers' messages on their way to callback/worker.h, and what that needs of
 * the scheduler. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static uint64_t work_monotonic_us(void *arg)
{
    return scheduler_monotonic_us(arg);
}

static uint64_t work_random(void *arg)
{
    const struct environment *e = ((struct scheduler *)arg)->environment;

    return e->random(e->impl);
}

static void work_answer(void *arg, struct inbound *in, const struct result *result)
{
    scheduler_answer_one(arg, in, result);
}

static void work_refuse(void *arg, struct inbound *in, int error, const char *text)
{
    const struct scheduler *s = arg;

    if (error == ORDERSCHED_BUSY) {
        metrics_note_busy(s->config.metrics, METRICS_BUSY_RESERVES);
    }
    scheduler_refuse(arg, in, error, text);
}

static uint64_t work_ticket(void *arg)
{
    return ((struct scheduler *)arg)->batcher.tickets;
}

void scheduler_init_worker(struct scheduler *s, struct receiver *others)
{
    struct callback_worker_host host = {
        .arg = s,
        .monotonic_us = work_monotonic_us,
        .random = work_random,
        .answer = work_answer,
        .refuse = work_refuse,
        .ticket = work_ticket,
    };

    callback_worker_init(&s->worker, &host, s->config.max_polls);
    receivers_init(&s->receivers, others, &s->worker.receiver, others);
}

/* The operation was refused; the message was sound. */
static void work_answer_error(struct scheduler *s, struct inbound *in, int error, const char *text)
{
    buffer_reset(&s->body);
    write_str(&s->body, text, strlen(text));
    struct result result = {.error = error, .body = {s->body.data, s->body.len}};
    scheduler_answer_one(s, in, &result);
}

static void scheduler_reserve(struct scheduler *s, struct inbound *in, const struct operation *op)
{
    const struct route *route = machine_find_route(&s->machine, op->route);

    if (route == NULL) {
        work_answer_error(s, in, ORDERSCHED_UNKNOWN_ROUTE,
                          ordersched_error_text(ORDERSCHED_UNKNOWN_ROUTE));
    } else if (route->settings.kind != ROUTE_WORKER) {
        work_answer_error(s, in, ORDERSCHED_INVALID, "the route is not of kind worker");
    } else {
        callback_worker_reserve(&s->worker, in, op, (uint16_t)(route - s->machine.routes));
    }
}

bool scheduler_work(struct scheduler *s, struct inbound *in)
{
    struct operation op;

    if (operation_decode(in->message + in->items[0].offset, in->items[0].len, &op) != 0) {
        abort(); /* inbound_check decoded these very bytes */
    }
    switch (op.code) {
        case OPERATION_RESERVE: scheduler_reserve(s, in, &op); return true;
        case OPERATION_LEASE: callback_worker_lease(&s->worker, in, &op); return true;
        case OPERATION_SETTLE: callback_worker_settle(&s->worker, in, &op); return true;
        default: return false;
    }
}

bool scheduler_work_goes_on(const struct inbound *in)
{
    return in->administers &&
           (in->items[0].code == OPERATION_LEASE || in->items[0].code == OPERATION_SETTLE);
}
