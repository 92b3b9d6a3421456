/* ask.c - see ask.h. */
#include "ask.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the waiting thread and the client's thread share. Lives on the waiter's stack: it leaves
 * only when every accepted submission was called back. */
struct ask_wait {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    unsigned left;
};

struct ask_slot {
    struct ask_wait *wait;
    struct ask_reply *reply;
};

static void ask_keep(struct ask_reply *reply, const struct ordersched_answer *answer)
{
    reply->error = answer->error;
    reply->state = answer->state;
    reply->deadline_ms = answer->deadline_ms;
    reply->remaining_ms = answer->remaining_ms;
    reply->index = answer->index;
    if (answer->text != NULL) {
        snprintf(reply->text, sizeof reply->text, "%s", answer->text);
    }
    if (answer->body != NULL && answer->body_len > 0) {
        reply->body = malloc(answer->body_len);
        if (reply->body == NULL) {
            reply->error = ORDERSCHED_NO_MEMORY;
            return;
        }
        memcpy(reply->body, answer->body, answer->body_len);
        reply->body_len = answer->body_len;
    }
}

static void ask_cb(void *arg, const struct ordersched_answer *answer)
{
    struct ask_slot *slot = arg;
    struct ask_wait *wait = slot->wait;

    ask_keep(slot->reply, answer);
    pthread_mutex_lock(&wait->mutex);
    wait->left--;
    pthread_cond_signal(&wait->done);
    pthread_mutex_unlock(&wait->mutex);
}

static void ask_wait_init(struct ask_wait *wait, unsigned n)
{
    pthread_mutex_init(&wait->mutex, NULL);
    pthread_cond_init(&wait->done, NULL);
    wait->left = n;
}

static void ask_wait_end(struct ask_wait *wait)
{
    pthread_mutex_lock(&wait->mutex);
    while (wait->left > 0) {
        pthread_cond_wait(&wait->done, &wait->mutex);
    }
    pthread_mutex_unlock(&wait->mutex);
    pthread_cond_destroy(&wait->done);
    pthread_mutex_destroy(&wait->mutex);
}

/* A submission that was not accepted is not called back. */
static void ask_settle_refused(struct ask_slot *slot, int rv)
{
    if (rv != ORDERSCHED_OK) {
        struct ordersched_answer refused = {.error = rv};
        ask_cb(slot, &refused);
    }
}

int ask_operation(ordersched_client *client, const struct ordersched_operation *operation,
                  unsigned timeout_ms, struct ask_reply *reply)
{
    struct ask_wait wait;
    struct ask_slot slot = {&wait, reply};

    *reply = (struct ask_reply){0};
    ask_wait_init(&wait, 1);
    ask_settle_refused(&slot, ordersched_submit(client, operation, timeout_ms, ask_cb, &slot));
    ask_wait_end(&wait);
    return reply->error;
}

/* The client believes a call that does not change anything to be safely repeatable. A reservation
 * whose answer is lost comes back with its lease. */
static bool operation_only_asks(enum operation_code code)
{
    return operation_is_read(code) || code == OPERATION_MEMBER_LIST || code == OPERATION_RESERVE ||
           code == OPERATION_LEASE;
}

void ask_leader_each(ordersched_client *client, const struct operation *operations,
                     unsigned timeout_ms, struct ask_reply *replies, unsigned n)
{
    struct ask_wait wait;
    struct ask_slot *slots = calloc(n, sizeof *slots);

    ask_wait_init(&wait, n);
    for (unsigned i = 0; i < n; i++) {
        struct buffer bytes = {0};
        replies[i] = (struct ask_reply){0};
        operation_encode(&bytes, &operations[i]);
        if (slots == NULL || bytes.failed) {
            replies[i].error = ORDERSCHED_NO_MEMORY;
            pthread_mutex_lock(&wait.mutex);
            wait.left--;
            pthread_mutex_unlock(&wait.mutex);
        } else {
            slots[i] = (struct ask_slot){&wait, &replies[i]};
            ask_settle_refused(&slots[i],
                               ordersched_submit_raw(client, bytes.data, bytes.len,
                                                     !operation_only_asks(operations[i].code), NULL,
                                                     timeout_ms, ask_cb, &slots[i]));
        }
        buffer_free(&bytes);
    }
    ask_wait_end(&wait);
    free(slots);
}

int ask_leader(ordersched_client *client, const struct operation *operation, unsigned timeout_ms,
               struct ask_reply *reply)
{
    ask_leader_each(client, operation, timeout_ms, reply, 1);
    return reply->error;
}

void ask_nodes(ordersched_client *client, const struct operation *operation, unsigned timeout_ms,
               struct ask *asks, unsigned n)
{
    struct ask_wait wait;
    struct buffer bytes = {0};
    struct ask_slot *slots = calloc(n, sizeof *slots);

    operation_encode(&bytes, operation);
    ask_wait_init(&wait, n);
    for (unsigned i = 0; i < n; i++) {
        asks[i].reply = (struct ask_reply){0};
        if (slots == NULL || bytes.failed) {
            asks[i].reply.error = ORDERSCHED_NO_MEMORY;
            wait.left--;
            continue;
        }
        slots[i] = (struct ask_slot){&wait, &asks[i].reply};
        ask_settle_refused(&slots[i],
                           ordersched_submit_raw(client, bytes.data, bytes.len, false,
                                                 asks[i].target, timeout_ms, ask_cb, &slots[i]));
    }
    ask_wait_end(&wait);
    buffer_free(&bytes);
    free(slots);
}

void ask_reply_free(struct ask_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
    reply->body_len = 0;
}
