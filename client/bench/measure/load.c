/* load.c - see load.h. */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct load;

struct load_slot {
    struct load *load;
    size_t order;
};

struct load {
    ordersched_client *client;
    const struct plan *plan;
    struct tally *tally; /* NULL: the calls are schedules, else GETs */
    unsigned timeout_ms;
    struct load_slot *slots;
    pthread_mutex_t mutex; /* guards what follows, and the tally */
    pthread_cond_t wake;
    unsigned outstanding;
    struct load_result result;
};

static void load_settle(struct load *l, size_t order, const struct ordersched_answer *answer)
{
    bool ok = answer->error == ORDERSCHED_OK;

    if (l->tally != NULL) {
        tally_end(l->tally, order, answer->error, answer->state);
        ok = ok || answer->error == ORDERSCHED_NOT_FOUND; /* an end, too */
    }
    if (!ok && l->result.failed++ == 0) {
        l->result.first_error = answer->error;
        snprintf(l->result.text, sizeof l->result.text, "%s",
                 answer->text != NULL ? answer->text : "");
    }
}

static void load_cb(void *arg, const struct ordersched_answer *answer)
{
    struct load_slot *slot = arg;
    struct load *l = slot->load;

    pthread_mutex_lock(&l->mutex);
    load_settle(l, slot->order, answer);
    l->outstanding--;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
}

/* Without the lock: the callback takes it, and may come before this returns. */
static void load_call(struct load *l, struct load_slot *slot)
{
    char id[PLAN_ID_SIZE];
    struct ordersched_operation op = {.kind = ORDERSCHED_GET, .id = id};

    plan_id(l->plan, slot->order, id);
    op.id_len = strlen(id);
    if (l->tally == NULL) {
        op.kind = ORDERSCHED_SCHEDULE;
        op.time_ms = plan_deadline_ms(l->plan, slot->order);
        op.route = plan_route(l->plan, slot->order);
    }
    int rv = ordersched_submit(l->client, &op, l->timeout_ms, load_cb, slot);
    if (rv != ORDERSCHED_OK) {
        load_cb(slot, &(struct ordersched_answer){.error = rv});
    }
}

static void load_run(struct load *l)
{
    pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < l->plan->n; i++) {
        while (l->outstanding >= LOAD_OUTSTANDING_MAX) {
            pthread_cond_wait(&l->wake, &l->mutex);
        }
        l->outstanding++;
        l->slots[i] = (struct load_slot){.load = l, .order = i};
        pthread_mutex_unlock(&l->mutex);
        load_call(l, &l->slots[i]);
        pthread_mutex_lock(&l->mutex);
    }
    while (l->outstanding > 0) {
        pthread_cond_wait(&l->wake, &l->mutex);
    }
    pthread_mutex_unlock(&l->mutex);
}

static int load_all(struct load *l, struct load_result *result)
{
    l->slots = calloc(l->plan->n, sizeof *l->slots);
    if (l->slots == NULL) {
        return -1;
    }
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->wake, NULL);
    load_run(l);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->mutex);
    free(l->slots);
    *result = l->result;
    return 0;
}

int load_schedule(ordersched_client *client, const struct plan *plan, unsigned timeout_ms,
                  struct load_result *result)
{
    struct load l = {.client = client, .plan = plan, .timeout_ms = timeout_ms};

    return load_all(&l, result);
}

int load_read_ends(ordersched_client *client, struct tally *tally, unsigned timeout_ms,
                   struct load_result *result)
{
    struct load l = {.client = client,
                     .plan = tally->plan,
                     .tally = tally,
                     .timeout_ms = timeout_ms};

    return load_all(&l, result);
}
