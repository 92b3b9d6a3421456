/* stale.c - reads of what somebody else has just decided: every other client schedules an order
 * and pays it, the rest read the orders that were paid last.
 *
 * It shows a leader that answers reads before it knows that it leads still: such a one is stopped, its successor
 * takes a payment, and a read that was sent to it meanwhile is answered when it goes on (nemesis
 * `pause-brief`). A client looks for another leader only after it was left without an answer, so the readers
 * are idle for most of the time, and patient. */
#include <stdlib.h>
#include <string.h>

#include "../bed/command.h"
#include "workload.h"

#define PAID_KEPT 4     /* orders, the latest */
#define READ_PERCENT 25 /* of a reader's steps */
#define READ_TIMEOUT_MS 3000
#define PAY_AFTER_MS_MAX 500

struct paid {
    pthread_mutex_t mutex;
    char ids[PAID_KEPT][CALL_ID_MAX];
    uint64_t n; /* ever */
};

static const char *const receivers[] = {"shop", NULL};

static void *stale_open(struct run *r)
{
    struct paid *p = calloc(1, sizeof *p);

    (void)r;
    if (p == NULL) {
        bed_fail("out of memory");
    }
    pthread_mutex_init(&p->mutex, NULL);
    return p;
}

static void stale_close(void *shared)
{
    struct paid *p = shared;

    pthread_mutex_destroy(&p->mutex);
    free(p);
}

/* Schedule an order, and pay it before long. */
static void stale_pay(struct worker *w)
{
    struct paid *p = w->shared;
    struct call call = {.kind = ORDERSCHED_SCHEDULE,
                        .relative = true,
                        .route = "shop",
                        .time_ms = 5000,
                        .payload = "{}"};
    struct call pay = {.kind = ORDERSCHED_PAY};
    struct asked answer;

    worker_new_id(w, "stale", call.id);
    memcpy(pay.id, call.id, sizeof pay.id);
    if (worker_call(w, &call, &answer) != ORDERSCHED_OK) {
        return;
    }
    sleep_ms(worker_between(w, 0, PAY_AFTER_MS_MAX));
    if (worker_call(w, &pay, &answer) == ORDERSCHED_OK) {
        pthread_mutex_lock(&p->mutex);
        memcpy(p->ids[p->n++ % PAID_KEPT], pay.id, sizeof pay.id);
        pthread_mutex_unlock(&p->mutex);
    }
}

static void stale_read(struct worker *w)
{
    struct paid *p = w->shared;
    struct call call = {.kind = ORDERSCHED_GET};
    struct asked answer;

    pthread_mutex_lock(&p->mutex);
    uint64_t n = p->n;
    if (n > 0) {
        uint64_t back = worker_between(w, 1, n < PAID_KEPT ? n : PAID_KEPT);
        memcpy(call.id, p->ids[(n - back) % PAID_KEPT], sizeof call.id);
    }
    pthread_mutex_unlock(&p->mutex);
    if (n > 0) {
        w->caller.timeout_ms = READ_TIMEOUT_MS;
        (void)caller_call(&w->caller, &call, &answer);
    }
}

static void stale_step(struct worker *w)
{
    if (w->number % 2 == 0) {
        stale_pay(w);
    } else if (worker_random_bool(w, READ_PERCENT)) {
        stale_read(w);
    }
}

const struct workload workload_stale = {.name = "stale",
                                        .rate = 30,
                                        .receivers = receivers,
                                        .open = stale_open,
                                        .step = stale_step,
                                        .close = stale_close};
