/* client_sync.c - synchronous calls: a thread that waits for its answer, and meanwhile runs the
 * client itself when it is the only one that wants anything (client_handle.h).
 *
 * While it does, its own callback is the only one that can run on it: a call that somebody else
 * makes goes to the inbox, and is not taken from there before the client's thread has its turn
 * again. So callbacks run on the client's thread, as promised. */
#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include "client_handle.h"

/* Run the client until *done, which the callback of our caller's call sets, or until there is
 * anything but that call. */
static void caller_run(struct ordersched_client *c, const bool *done)
{
    pthread_mutex_lock(&c->mutex);
    assert(c->caller_runs && c->inbox.first != NULL);
    if (c->inbox.n == 1 && !c->closing) {
        client_round(c); /* takes our call */
        while (!*done && c->inbox.first == NULL && !c->closing) {
            if (c->woken || !client_wait(c, &c->caller_work, c->wake_ms)) {
                client_round(c);
            }
        }
    }
    c->caller_runs = false;
    if (c->woken || c->inbox.first != NULL || c->closing || c->wake_ms < c->idle_until_ms) {
        pthread_cond_signal(&c->work);
    }
    pthread_mutex_unlock(&c->mutex);
}

/* A thread that waits for its call. A semaphore, as the one that posts it needs no lock, which the
 * waiter would then have to wait for, and has no further business with it. */
struct waiter {
    sem_t done;
    bool answered; /* for our own thread, when it was the one that ran the callback */
    struct ordersched_answer answer;
};

static void waiter_cb(void *arg, const struct ordersched_answer *answer)
{
    struct waiter *w = arg;

    w->answer = *answer;
    w->answer.body = NULL;
    w->answer.body_len = 0;
    w->answer.text = NULL;
    w->answered = true;
    sem_post(&w->done); /* the last touch: the waiter's stack may go now */
}

int ordersched_call(struct ordersched_client *c, const struct ordersched_operation *operation,
                    unsigned timeout_ms, struct ordersched_answer *answer)
{
    struct waiter w = {0};
    bool our_turn = false;

    sem_init(&w.done, 0, 0);
    /* On the client's own thread nobody would be left to answer. */
    int error = pthread_equal(pthread_self(), c->thread)
                    ? ORDERSCHED_ARGUMENT
                    : client_submit(c, operation, timeout_ms, waiter_cb, &w, &our_turn);
    if (our_turn) {
        caller_run(c, &w.answered);
    }
    if (error != ORDERSCHED_OK) {
        w.answer.error = error;
    } else {
        while (sem_wait(&w.done) != 0) {
            assert(errno == EINTR);
        }
    }
    sem_destroy(&w.done);
    if (answer != NULL) {
        *answer = w.answer;
    }
    return w.answer.error;
}

static int client_call_id(struct ordersched_client *c, struct ordersched_operation *operation,
                          const char *id, struct ordersched_answer *answer)
{
    operation->id = id;
    operation->id_len = id != NULL ? strlen(id) : 0;
    return ordersched_call(c, operation, 0, answer);
}

int ordersched_schedule(struct ordersched_client *c, const char *id, uint64_t delay_ms,
                        const char *route, const void *payload, size_t payload_len,
                        struct ordersched_answer *answer)
{
    struct ordersched_operation operation = {
        .kind = ORDERSCHED_SCHEDULE,
        .relative = true,
        .time_ms = delay_ms,
        .route = route,
        .payload = payload,
        .payload_len = payload_len,
    };
    return client_call_id(c, &operation, id, answer);
}

int ordersched_pay(struct ordersched_client *c, const char *id, struct ordersched_answer *answer)
{
    return client_call_id(c, &(struct ordersched_operation){.kind = ORDERSCHED_PAY}, id, answer);
}

int ordersched_cancel(struct ordersched_client *c, const char *id, struct ordersched_answer *answer)
{
    return client_call_id(c, &(struct ordersched_operation){.kind = ORDERSCHED_CANCEL}, id, answer);
}

int ordersched_extend(struct ordersched_client *c, const char *id, uint64_t delay_ms,
                      struct ordersched_answer *answer)
{
    struct ordersched_operation operation = {
        .kind = ORDERSCHED_EXTEND,
        .relative = true,
        .time_ms = delay_ms,
    };
    return client_call_id(c, &operation, id, answer);
}

int ordersched_get(struct ordersched_client *c, const char *id, struct ordersched_answer *answer)
{
    return client_call_id(c, &(struct ordersched_operation){.kind = ORDERSCHED_GET}, id, answer);
}
