/* client_logic.c - see client_logic.h. Calls are gathered into messages here, and messages matched
 * with what came back. What that means for a call is in client_outcome.c; the search for the
 * leader in client_search.c. */
#include "client_logic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../text/units.h"
#include "client_internal.h"

#define MESSAGE_HEAD_MAX 96 /* the envelope of a request takes less */
#define TARGET_WINDOW 2     /* messages in flight to a node that was asked for by name */
#define STARVED_RETRY_MS 50
#define GATHER_LOOK_MAX 4096 /* calls that are looked at for others of the same caller */

/* Who asks, behind the operations: at most what is written for somebody vouched for. */
#define MESSAGE_CALLER_MAX (4 + sizeof(struct call_caller))

/* Two arrays, three numbers that are small, and the cluster's name behind its head. */
static_assert(2 * 5 + 3 * 5 + 2 + PROTOCOL_CLUSTER_MAX <= MESSAGE_HEAD_MAX, "the envelope fits");

static unsigned default_to(unsigned value, unsigned fallback)
{
    return value != 0 ? value : fallback;
}

bool client_logic_init(struct client_logic *l, const struct client_logic_config *config,
                       const struct client_io *io)
{
    memset(l, 0, sizeof *l);
    l->config = *config;
    l->io = *io;
    struct client_logic_config *c = &l->config;
    c->window = default_to(c->window, 8);
    c->operations_max = default_to(c->operations_max, PROTOCOL_OPERATIONS_MAX);
    assert(c->operations_max <= PROTOCOL_OPERATIONS_MAX);
    c->attempt_timeout_ms = default_to(c->attempt_timeout_ms, 2000);
    c->probe_timeout_ms = default_to(c->probe_timeout_ms, 1000);
    c->hedge_ms = default_to(c->hedge_ms, 100);
    c->doubt_ms = default_to(c->doubt_ms, 300);
    c->backoff_min_ms = default_to(c->backoff_min_ms, 20);
    c->backoff_max_ms = default_to(c->backoff_max_ms, 500);
    l->search.leader = -1;
    l->search.error = l->search.round_error = ORDERSCHED_UNREACHABLE;
    l->batch = calloc(c->operations_max, sizeof *l->batch);
    return l->batch != NULL;
}

/* Give the call its request id, if it needs one. False: the cluster's time is not known yet. */
static bool client_prepare(struct client_logic *l, struct call *call, uint64_t now_ms)
{
    uint64_t cluster_ms = 0;
    uint8_t random_bytes[10];

    if (!call->own_id || call->id_made) {
        return true;
    }
    if (!client_logic_time(l, now_ms, &cluster_ms)) {
        return false;
    }
    if (call->keyed) {
        request_id_set_time(call->bytes + call->id_offset, cluster_ms);
    } else {
        l->io.random(l->io.arg, random_bytes, sizeof random_bytes);
        request_id_make(call->bytes + call->id_offset, cluster_ms, random_bytes);
    }
    call->id_made = true;
    assert(l->need_time > 0);
    l->need_time--;
    return true;
}

/* A request for one node by name is answered from that node's own state if it only reads. */
static uint32_t client_flags_of(const struct call *call)
{
    return call->slot >= 0 && !call->mutating ? PROTOCOL_LOCAL : 0;
}

/* Move calls from the queue to l->batch, as many as one message takes: of one caller, the first one's. Those of
 * others keep their places. */
static uint32_t client_gather(struct client_logic *l, struct call_queue *queue, uint64_t now_ms)
{
    const struct call_caller *caller = queue->first->caller;
    size_t bytes = MESSAGE_HEAD_MAX +
                   (caller != NULL ? MESSAGE_CALLER_MAX : sizeof l->config.token);
    unsigned looks = 0;
    uint32_t n = 0;

    for (struct call *call = queue->first, *next;
         n < l->config.operations_max && call != NULL && looks < GATHER_LOOK_MAX; call = next) {
        const struct call *head = n > 0 ? l->batch[0] : call;
        next = call->next;
        looks++;
        if (!call_caller_is(call->caller, caller)) {
            continue;
        }
        bool fits = bytes + call->len <= PROTOCOL_MESSAGE_MAX &&
                    client_flags_of(call) == client_flags_of(head) &&
                    (n == 0 || !(call->alone || head->alone));
        if (!fits || !client_prepare(l, call, now_ms)) {
            break;
        }
        bytes += call->len;
        call_queue_remove(queue, call);
        l->batch[n++] = call;
    }
    return n;
}

static unsigned client_timeout_of_batch(const struct client_logic *l, uint32_t n, uint64_t now_ms)
{
    uint64_t longest = 1;

    for (uint32_t i = 0; i < n; i++) {
        assert(l->batch[i]->deadline_ms > now_ms); /* this tick has ended all others */
        uint64_t left = l->batch[i]->deadline_ms - now_ms;
        longest = left > longest ? left : longest;
    }
    /* What cannot be repeated has nothing to gain from giving an attempt up. */
    if (l->batch[0]->mutating && !l->batch[0]->repeatable) {
        return (unsigned)longest;
    }
    uint64_t attempt_ms = (uint64_t)l->config.attempt_timeout_ms + l->batch[0]->wait_ms;
    return (unsigned)(longest < attempt_ms ? longest : attempt_ms);
}

/* How a message says who asks. */
struct client_saying {
    uint32_t flag;     /* PROTOCOL_TOKEN, PROTOCOL_FOR, or 0: nobody */
    const char *token; /* with PROTOCOL_TOKEN */
};

/* False: it cannot be said there. A token is not for whoever listens on the way, and a certificate's name is
 * worth nothing to whom we may not vouch for it. */
static bool client_say(const struct client_logic *l, unsigned slot, const struct call *call,
                       struct client_saying *saying)
{
    const char *address = l->endpoints[slot].address;
    const struct call_caller *caller = call->caller;

    *saying = (struct client_saying){.token = l->config.token};
    if (caller != NULL && l->io.vouches != NULL && l->io.vouches(l->io.arg, address)) {
        saying->flag = PROTOCOL_FOR;
        return true;
    }
    if (caller != NULL && caller->kind == CALLER_CERTIFICATE) {
        return false;
    }
    if (caller != NULL) {
        saying->token = caller->name;
    }
    saying->flag = saying->token[0] != '\0' ? PROTOCOL_TOKEN : 0;
    return saying->flag == 0 || l->config.token_anywhere || units_is_loopback(address) ||
           units_local_path(address) != NULL;
}

static void client_compose(struct client_logic *l, uint32_t n, const struct client_saying *saying)
{
    const struct call_caller *caller = l->batch[0]->caller;
    uint32_t flags = client_flags_of(l->batch[0]) | saying->flag;

    buffer_reset(&l->out);
    request_encode_head(&l->out, l->config.cluster, flags, n);
    for (uint32_t i = 0; i < n; i++) {
        buffer_append(&l->out, l->batch[i]->bytes, l->batch[i]->len);
    }
    if (saying->flag == PROTOCOL_TOKEN) {
        request_encode_token(&l->out, saying->token);
    } else if (saying->flag == PROTOCOL_FOR) {
        request_encode_for(&l->out, caller->kind, caller->name, caller->from);
    }
}

/* Send one message of calls. False: nothing could be sent. */
static bool client_send_batch(struct client_logic *l, struct call_queue *queue,
                              enum message_kind kind, unsigned slot, uint64_t now_ms)
{
    struct client_saying saying;

    if (!client_say(l, slot, queue->first, &saying)) {
        client_refuse_same(l, queue, ORDERSCHED_INSECURE_TOKEN);
        return queue->first != NULL;
    }
    uint32_t n = client_gather(l, queue, now_ms);
    if (n == 0) {
        return false;
    }
    client_compose(l, n, &saying);
    struct message *m = client_message_send(l, kind, slot, n,
                                            client_timeout_of_batch(l, n, now_ms));
    if (m == NULL) {
        while (n > 0) {
            call_queue_push_front(queue, l->batch[--n]);
        }
        return false;
    }
    if (kind == MESSAGE_LEADER && l->in_flight == 1) {
        client_search_trust(l, now_ms);
    }
    if (kind == MESSAGE_LEADER && l->batch[0]->polls) {
        m->polls = true;
        l->in_flight--;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct call *call = l->batch[i];
        assert(call->state == CALL_QUEUED && (call->id_made || !call->own_id));
        m->calls[i] = call;
        call->state = CALL_SENT;
        call->message = m;
        call->position = i;
    }
    return true;
}

/* A leader commits what comes meanwhile together anyway, and one message costs all of the way less than many. But
 * calls of different callers share none: those go out at once. */
static bool client_gathers_more(const struct client_logic *l)
{
    unsigned same = 0;

    if (l->config.eager == 0 || l->in_flight < l->config.eager || l->calls.n >= l->config.fill) {
        return false;
    }
    for (const struct message *m = l->messages; m != NULL && same < l->config.eager; m = m->next) {
        if (m->kind != MESSAGE_LEADER || m->leadership != l->search.leadership || m->polls) {
            continue;
        }
        const struct call *call = m->calls[0];
        if (call == NULL || !call_caller_is(call->caller, l->calls.first->caller)) {
            return false;
        }
        same++;
    }
    return same == l->config.eager;
}

static void client_flush(struct client_logic *l, uint64_t now_ms)
{
    while (l->search.leader >= 0 && l->in_flight < l->config.window && l->calls.n > 0 &&
           !client_gathers_more(l)) {
        if (!client_send_batch(l, &l->calls, MESSAGE_LEADER, (unsigned)l->search.leader, now_ms)) {
            break;
        }
    }
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        struct client_endpoint *e = &l->endpoints[i];
        while (e->calls.n > 0 && e->targeted_in_flight < TARGET_WINDOW) {
            if (!client_send_batch(l, &e->calls, MESSAGE_TARGET, i, now_ms)) {
                break;
            }
        }
    }
}

/* The last calls first, as each goes to the front of its queue: they keep their order. */
static void client_message_lost(struct client_logic *l, struct message *m, bool unknown,
                                uint64_t now_ms)
{
    for (uint32_t i = m->n_calls; i > 0; i--) {
        struct call *call = m->calls[i - 1];
        if (call != NULL && unknown) {
            client_lost(l, call, now_ms);
        } else if (call != NULL) {
            client_refused_for_now(l, call, ORDERSCHED_UNREACHABLE, (struct slice){0}, now_ms);
        }
    }
}

void client_logic_on_send_failed(struct client_logic *l, uint64_t handle,
                                 enum client_failure failure, uint64_t now_ms)
{
    struct message *m = client_message_take(l, handle);

    if (m == NULL) {
        return;
    }
    l->endpoints[m->slot].failed = true;
    l->endpoints[m->slot].away_until_ms = failure != CLIENT_SILENT ? now_ms + CLIENT_AWAY_MS : 0;
    if (m->kind == MESSAGE_PROBE) {
        client_search_on_probe(l, m->slot, NULL, now_ms);
    } else {
        if (m->kind == MESSAGE_LEADER) {
            client_search_leader_lost(l, m->leadership, NULL, now_ms);
        }
        client_message_lost(l, m, failure != CLIENT_UNSENT, now_ms);
    }
    free(m);
}

/* The message was answered as a whole: the answer holds for each of its operations. */
static void client_on_refusal(struct client_logic *l, struct message *m,
                              const struct answer *answer, uint64_t now_ms)
{
    for (uint32_t i = m->n_calls; i > 0; i--) {
        if (m->calls[i - 1] != NULL) {
            client_judge_refusal(l, m->calls[i - 1], answer->error, answer->text, now_ms);
        }
    }
}

static bool error_moves_leader(int error)
{
    return error == ORDERSCHED_NOT_LEADER || error == ORDERSCHED_SHUTTING_DOWN ||
           error >= ORDERSCHED_UNKNOWN_OUTCOME;
}

/* Judge each call by its result. Returns false if a result says that the leader has moved. */
static bool client_on_results(struct client_logic *l, struct message *m,
                              const struct answer *answer, uint64_t now_ms)
{
    const uint8_t *at = answer->results.data;
    size_t left = answer->results.len;
    bool leads = true;

    for (uint32_t i = 0; i < m->n_calls; i++) {
        struct result result;
        size_t used = 0;
        if (result_decode(at, left, &result, &used) != ORDERSCHED_OK) {
            client_message_lost(l, m, true, now_ms); /* only those without a result are left */
            return false;
        }
        at += used;
        left -= used;
        leads = leads && !error_moves_leader(result.error);
        struct call *call = m->calls[i];
        m->calls[i] = NULL;
        if (call != NULL) {
            client_judge(l, call, &result, now_ms);
        }
    }
    return leads;
}

static void client_on_calls_answered(struct client_logic *l, struct message *m,
                                     const struct answer *answer, uint64_t now_ms)
{
    bool leads;

    client_search_on_envelope(l, m->slot, answer, now_ms);
    if (answer->error != ORDERSCHED_OK) {
        client_on_refusal(l, m, answer, now_ms);
        leads = !error_moves_leader(answer->error);
    } else {
        leads = client_on_results(l, m, answer, now_ms);
    }
    if (m->kind != MESSAGE_LEADER) {
        return;
    }
    if (!leads) {
        client_search_leader_lost(l, m->leadership, answer, now_ms);
    } else if (answer->error == ORDERSCHED_OK) {
        client_search_leader_works(l);
    }
}

void client_logic_on_answer(struct client_logic *l, uint64_t handle, const uint8_t *data,
                            size_t len, uint64_t now_ms)
{
    struct answer answer;
    int error = answer_decode(data, len, &answer);
    struct message *m;

    for (m = l->messages; m != NULL && m->handle != handle; m = m->next) {
    }
    if (m == NULL) {
        return;
    }
    bool sound = error == ORDERSCHED_OK &&
                 (answer.error != ORDERSCHED_OK || answer.n_results == m->n_calls);
    if (!sound) {
        client_logic_on_send_failed(l, handle, CLIENT_SILENT, now_ms);
        return;
    }
    (void)client_message_take(l, handle);
    if (m->kind == MESSAGE_PROBE) {
        client_search_on_probe(l, m->slot, &answer, now_ms);
    } else {
        client_on_calls_answered(l, m, &answer, now_ms);
    }
    free(m);
}

int client_logic_submit(struct client_logic *l, struct call *call, uint64_t deadline_ms)
{
    if (l->closed) {
        return ORDERSCHED_CLOSED;
    }
    int slot = -1;
    assert(call->state == CALL_NEW);
    if (call->target != NULL) {
        slot = client_search_slot(l, call->target, strlen(call->target));
        if (slot < 0) {
            return ORDERSCHED_BUSY;
        }
    }
    call->slot = slot;
    call->deadline_ms = deadline_ms;
    call->state = CALL_QUEUED;
    if (!call_agenda_add(&l->agenda, call)) {
        call->state = CALL_NEW;
        return ORDERSCHED_NO_MEMORY;
    }
    call_queue_push(client_queue_of(l, call), call);
    if (slot >= 0) {
        l->endpoints[slot].targeted++;
    }
    if (call->own_id) {
        l->need_time++;
    }
    return ORDERSCHED_OK;
}

static void client_wake_calls(struct client_logic *l, uint64_t now_ms)
{
    struct call *call;

    while ((call = call_agenda_first(&l->agenda)) != NULL && call_wake_ms(call) <= now_ms) {
        if (call->deadline_ms <= now_ms) {
            client_expire(l, call);
        } else {
            client_again(l, call);
        }
    }
}

void client_logic_tick(struct client_logic *l, uint64_t now_ms)
{
    l->starved = false;
    client_wake_calls(l, now_ms);
    client_search_tick(l, now_ms);
    client_flush(l, now_ms);
}

uint64_t client_logic_next_wake_ms(const struct client_logic *l, uint64_t now_ms)
{
    const struct call *first = call_agenda_first(&l->agenda);
    uint64_t wake_ms = first != NULL ? call_wake_ms(first) : UINT64_MAX;

    uint64_t search_ms = client_search_wake_ms(l, now_ms);

    wake_ms = search_ms < wake_ms ? search_ms : wake_ms;
    if (l->starved && now_ms + STARVED_RETRY_MS < wake_ms) {
        wake_ms = now_ms + STARVED_RETRY_MS;
    }
    return wake_ms;
}

void client_logic_close(struct client_logic *l)
{
    struct call *call;

    l->closed = true;
    while ((call = call_agenda_first(&l->agenda)) != NULL) {
        client_cut_off(l, call, ORDERSCHED_CLOSED);
    }
    assert(l->calls.n == 0 && l->need_time == 0);
    while (l->messages != NULL) {
        struct message *m = l->messages;
        l->messages = m->next;
        free(m);
    }
    call_agenda_free(&l->agenda);
    buffer_free(&l->out);
    free(l->batch);
    l->batch = NULL;
}
