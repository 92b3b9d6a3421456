/* clients_wire.c - how the clients' messages travel: late, not at all, or so late that the client
 * gave them up; and the answers back. */
#include <stdlib.h>
#include <string.h>

#include "clients_internal.h"

#define LATE_MAX_US 20000000

static bool wire_random_bool(struct clients *s, unsigned per_mille)
{
    return !s->healed && loop_random_bool(s->loop, per_mille);
}

static uint64_t latency_us(struct clients *s)
{
    return loop_between(s->loop, s->options->latency_min_us, s->options->latency_max_us);
}

void exchange_free(struct exchange *e)
{
    *e->at = e->next;
    if (e->next != NULL) {
        e->next->at = e->at;
    }
    free(e->data);
    free(e);
}

/* Nothing will happen to it any more. */
static void exchange_rest(struct exchange *e)
{
    if (!e->open && !e->at_node && e->step == NULL) {
        exchange_free(e);
    }
}

static void exchange_close(struct exchange *e)
{
    e->open = false;
    if (e->timeout != NULL) {
        loop_cancel(e->client->clients->loop, e->timeout);
        e->timeout = NULL;
    }
}

static void exchange_fail(struct exchange *e, enum client_failure failure)
{
    struct sim_client *c = e->client;

    exchange_close(e);
    client_logic_on_send_failed(&c->logic, e->handle, failure, client_now_ms(c));
    client_pump(c);
}

static void exchange_timeout_cb(void *arg)
{
    struct exchange *e = arg;

    e->timeout = NULL;
    exchange_fail(e, CLIENT_SILENT);
    exchange_rest(e);
}

/* --- back --- */

static void count_answer(struct clients *s, const uint8_t *data, size_t len)
{
    struct coverage *v = s->coverage;
    struct answer answer;
    struct result result;
    size_t used;

    if (answer_decode(data, len, &answer) != ORDERSCHED_OK) {
        return;
    }
    v->answers_not_leader += answer.error == ORDERSCHED_NOT_LEADER;
    v->answers_busy += answer.error == ORDERSCHED_BUSY;
    v->answers_unknown_outcome += answer.error == ORDERSCHED_UNKNOWN_OUTCOME;
    for (size_t at = 0, i = 0; i < answer.n_results; i++, at += used) {
        if (result_decode(answer.results.data + at, answer.results.len - at, &result, &used) !=
            ORDERSCHED_OK) {
            return;
        }
        v->answers_busy += i == 0 && result.error == ORDERSCHED_BUSY;
        check_result(s->check, &result);
    }
}

static void exchange_answered_cb(void *arg)
{
    struct exchange *e = arg;
    struct sim_client *c = e->client;

    e->step = NULL;
    if (e->open) {
        exchange_close(e);
        client_logic_on_answer(&c->logic, e->handle, e->data, e->len, client_now_ms(c));
        client_pump(c);
    }
    exchange_rest(e);
}

static void exchange_broken_cb(void *arg)
{
    struct exchange *e = arg;

    e->step = NULL;
    if (e->open) {
        exchange_fail(e, CLIENT_LOST);
    }
    exchange_rest(e);
}

/* The node replies; NULL: its process is gone. */
static void exchange_reply(void *arg, const uint8_t *data, size_t len)
{
    struct exchange *e = arg;
    struct clients *s = e->client->clients;

    e->at_node = false;
    if (data == NULL) {
        s->coverage->lost_with_node++;
        e->step = loop_after(s->loop, latency_us(s), exchange_broken_cb, e);
        return;
    }
    count_answer(s, data, len);
    if (!cluster_reachable(s->cluster, e->node) ||
        wire_random_bool(s, s->options->drop_per_mille / 4)) {
        s->coverage->answers_lost++;
        exchange_rest(e);
        return;
    }
    free(e->data);
    e->data = malloc(len);
    if (e->data == NULL) {
        abort();
    }
    memcpy(e->data, data, len);
    e->len = len;
    e->step = loop_after(s->loop, latency_us(s), exchange_answered_cb, e);
}

/* --- there --- */

static void exchange_arrive_cb(void *arg)
{
    struct exchange *e = arg;
    struct clients *s = e->client->clients;

    e->step = NULL;
    s->coverage->messages_late += !e->open;
    if (!cluster_is_up(s->cluster, e->node)) {
        s->coverage->refused_connection++;
        if (e->open) {
            exchange_fail(e, CLIENT_UNSENT);
        }
    } else if (cluster_reachable(s->cluster, e->node)) {
        e->at_node = true;
        cluster_request(s->cluster, e->node, e->data, e->len, exchange_reply, e);
    }
    exchange_rest(e);
}

/* The requests that leave now may take effect from now on. */
static void note_requests(struct sim_client *c)
{
    if (c == &c->clients->admin.client) {
        access_note_request(c->clients);
        return;
    }
    for (struct job *j = c->clients->jobs; j != NULL; j = j->next) {
        if (j->client != c || j->call == NULL || !j->call->id_made) {
            continue;
        }
        const uint8_t *request = j->call->bytes + j->call->id_offset;
        if (!j->check.has_request ||
            memcmp(j->check.request, request, sizeof j->check.request) != 0) {
            memcpy(j->check.request, request, sizeof j->check.request);
            j->check.has_request = true;
            check_invoked(c->clients->check, &j->check);
        }
    }
}

bool wire_send(void *arg, unsigned slot, const char *address, const uint8_t *message, size_t len,
               uint64_t handle, unsigned timeout_ms)
{
    struct sim_client *c = arg;
    struct clients *s = c->clients;
    struct exchange *e = calloc(1, sizeof *e);
    int node = cluster_node_at(s->cluster, address);
    uint64_t delay_us = latency_us(s);

    (void)slot;
    if (e == NULL || node < 0 || (e->data = malloc(len)) == NULL) {
        abort(); /* only addresses that nodes gave are asked */
    }
    note_requests(c);
    memcpy(e->data, message, len);
    e->len = len;
    e->client = c;
    e->handle = handle;
    e->node = (unsigned)node;
    e->open = true;
    e->next = s->exchanges;
    e->at = &s->exchanges;
    if (e->next != NULL) {
        e->next->at = &e->next;
    }
    s->exchanges = e;
    e->timeout = loop_after(s->loop, (uint64_t)timeout_ms * 1000, exchange_timeout_cb, e);
    if (wire_random_bool(s, s->options->drop_per_mille / 4)) {
        return true; /* lost: the timeout tells */
    }
    if (wire_random_bool(s, s->options->client_delay_per_mille)) {
        delay_us += loop_below(s->loop, LATE_MAX_US);
    }
    e->step = loop_after(s->loop, delay_us, exchange_arrive_cb, e);
    return true;
}
