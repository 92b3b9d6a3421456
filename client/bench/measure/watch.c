/* watch.c - see watch.h. */
#include "watch.h"

#include <string.h>

static void watch_note(struct watch *w, const struct node_status *s)
{
    if (strcmp(s->role, "leader") != 0 || s->term <= w->leader_term) {
        return;
    }
    w->failovers += w->leader_term != 0;
    w->leader_term = s->term;
    w->leader_id = s->id;
}

static void watch_cb(void *arg, const struct ordersched_answer *answer)
{
    struct watch_slot *slot = arg;
    struct watch *w = slot->watch;
    struct node_status status;
    bool ok = answer->error == ORDERSCHED_OK &&
              node_status_decode(answer->body, answer->body_len, &status);

    pthread_mutex_lock(&w->mutex);
    if (ok) {
        watch_note(w, &status);
    }
    slot->asked = false;
    if (--w->asked == 0) {
        pthread_cond_broadcast(&w->idle);
    }
    pthread_mutex_unlock(&w->mutex);
}

/* A cluster that has just been started may still be electing. */
static int watch_find_leader(struct watch *w, const char *endpoints, unsigned timeout_ms)
{
    survey_find_nodes(&w->nodes, w->client, endpoints, timeout_ms);
    if (!w->nodes.members_known) {
        return ORDERSCHED_UNREACHABLE;
    }
    survey_ask_status(&w->nodes, w->client, timeout_ms);
    const struct survey_node *leader = survey_leader(&w->nodes);
    if (leader == NULL) {
        return ORDERSCHED_NOT_LEADER;
    }
    watch_note(w, &leader->status);
    return ORDERSCHED_OK;
}

int watch_open(struct watch *w, ordersched_client *client, const char *endpoints,
               unsigned timeout_ms)
{
    struct operation op = {.code = OPERATION_STATUS};

    memset(w, 0, sizeof *w);
    w->client = client;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->idle, NULL);
    for (unsigned i = 0; i < SURVEY_NODES_MAX; i++) {
        w->slots[i].watch = w;
    }
    operation_encode(&w->question, &op);
    return w->question.failed ? ORDERSCHED_NO_MEMORY : watch_find_leader(w, endpoints, timeout_ms);
}

static bool watch_reserve(struct watch *w, unsigned i)
{
    pthread_mutex_lock(&w->mutex);
    bool free_slot = !w->slots[i].asked;
    w->asked += free_slot;
    w->slots[i].asked = true;
    pthread_mutex_unlock(&w->mutex);
    return free_slot;
}

void watch_ask(struct watch *w)
{
    for (unsigned i = 0; i < w->nodes.n; i++) {
        if (!watch_reserve(w, i)) {
            continue;
        }
        int rv = ordersched_submit_raw(w->client, w->question.data, w->question.len, false,
                                       w->nodes.nodes[i].api, SURVEY_STATUS_MS, watch_cb,
                                       &w->slots[i]);
        if (rv != ORDERSCHED_OK) {
            watch_cb(&w->slots[i], &(struct ordersched_answer){.error = rv});
        }
    }
}

unsigned watch_failovers(struct watch *w)
{
    pthread_mutex_lock(&w->mutex);
    while (w->asked > 0) {
        pthread_cond_wait(&w->idle, &w->mutex);
    }
    unsigned failovers = w->failovers;
    pthread_mutex_unlock(&w->mutex);
    return failovers;
}

void watch_peek(struct watch *w, uint64_t *leader_id, uint64_t *term, unsigned *failovers)
{
    pthread_mutex_lock(&w->mutex);
    *leader_id = w->leader_id;
    *term = w->leader_term;
    *failovers = w->failovers;
    pthread_mutex_unlock(&w->mutex);
}

void watch_close(struct watch *w)
{
    watch_failovers(w);
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->mutex);
    buffer_free(&w->question);
}
