/* client_search.c - how a client finds the leader, and learns the cluster's time.
 *
 * One node after the other is asked with an empty request; a silent one is overtaken by the next
 * after hedge_ms. Between rounds over all nodes, and after each believed leader that failed,
 * the search waits longer, until a leader has done some work.
 *
 * A leader that owes an answer for doubt_ms is doubted: the others are asked beside it. It may just
 * be slow, so nothing is taken from it before one of them names another leader of the same or a later term. */
#include <assert.h>
#include <string.h>

#include "client_internal.h"

/* Redirects that are followed at once since a leader last worked; later ones wait like any other
 * failure, so that two confused nodes cannot make a client spin. */
#define SEARCH_QUICK_REDIRECTS 3
#define SEARCH_EAGER_ROUNDS 12
#define SEARCH_EAGER_MS 100
#define SEARCH_DOUBT_BACKOFF 2 /* as after so many failures, while a silent leader is believed in */

/* An election takes about a second: for so long the pauses stay short. */
static uint64_t search_backoff_ms(struct client_logic *l, unsigned n)
{
    uint64_t most = l->config.backoff_max_ms;

    if (n < SEARCH_EAGER_ROUNDS && most > SEARCH_EAGER_MS) {
        most = SEARCH_EAGER_MS;
    }
    return client_backoff_below_ms(l, n, most);
}

static bool endpoint_is_away(const struct client_endpoint *e, uint64_t now_ms)
{
    return now_ms < e->away_until_ms;
}

static bool endpoint_is_free(const struct client_logic *l, unsigned slot)
{
    const struct client_endpoint *e = &l->endpoints[slot];

    return !e->given && e->in_flight == 0 && e->targeted == 0 && l->search.leader != (int)slot;
}

/* An unused slot, or the one that was used the longest time ago. */
static int search_free_slot(const struct client_logic *l)
{
    int best = -1;

    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        if (l->endpoints[i].address[0] == '\0') {
            return (int)i;
        }
        if (endpoint_is_free(l, i) &&
            (best < 0 || l->endpoints[i].used_at < l->endpoints[best].used_at)) {
            best = (int)i;
        }
    }
    return best;
}

int client_search_slot(struct client_logic *l, const char *address, size_t len)
{
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        const char *known = l->endpoints[i].address;
        if (strlen(known) == len && len > 0 && memcmp(known, address, len) == 0) {
            return (int)i;
        }
    }
    int slot = search_free_slot(l);
    if (slot < 0 || len == 0 || len >= PROTOCOL_ADDRESS_MAX || memchr(address, '\0', len)) {
        return -1;
    }
    struct client_endpoint *e = &l->endpoints[slot];
    memset(e, 0, sizeof *e);
    memcpy(e->address, address, len);
    e->used_at = ++l->sequence;
    return slot;
}

int client_logic_add_endpoint(struct client_logic *l, const char *address)
{
    int slot = client_search_slot(l, address, strlen(address));

    if (slot < 0) {
        return ORDERSCHED_ARGUMENT;
    }
    l->endpoints[slot].given = true;
    l->endpoints[slot].searched = true;
    return ORDERSCHED_OK;
}

/* Is there a leader that owes an answer? Then it is doubted from doubt_at_ms on. */
static bool search_may_doubt(const struct client_logic *l)
{
    return l->search.leader >= 0 && l->in_flight > 0;
}

static bool search_doubts(const struct client_logic *l, uint64_t now_ms)
{
    return search_may_doubt(l) && now_ms >= l->search.doubt_at_ms;
}

void client_search_trust(struct client_logic *l, uint64_t now_ms)
{
    l->search.doubt_at_ms = now_ms + l->config.doubt_ms;
}

uint64_t client_search_wake_ms(const struct client_logic *l, uint64_t now_ms)
{
    const struct client_search *s = &l->search;

    if (client_search_wanted(l, now_ms)) {
        return s->probe_at_ms;
    }
    return !l->closed && search_may_doubt(l) ? s->doubt_at_ms : UINT64_MAX;
}

bool client_search_wanted(const struct client_logic *l, uint64_t now_ms)
{
    if (l->closed) {
        return false;
    }
    if (!l->time_known && (l->need_time > 0 || now_ms < l->want_time_until_ms)) {
        return true;
    }
    return (l->search.leader < 0 && l->calls.n > 0) || search_doubts(l, now_ms);
}

/* What a call that was never sent should be told: a refusal tells more than the lack of a leader,
 * and that more than silence. */
static void search_note_error(struct client_search *s, int error)
{
    bool weak = s->round_error == ORDERSCHED_UNREACHABLE ||
                (s->round_error == ORDERSCHED_NOT_LEADER && error != ORDERSCHED_UNREACHABLE);

    if (weak) {
        s->round_error = error;
    }
    if (s->error == ORDERSCHED_UNREACHABLE) {
        s->error = error;
    }
}

static void search_set_leader(struct client_logic *l, int slot, uint64_t term, uint64_t now_ms)
{
    struct client_search *s = &l->search;

    assert(slot >= 0 && l->endpoints[slot].address[0] != '\0');
    s->leader = slot;
    s->leadership++;
    s->term = term;
    s->error = s->round_error = ORDERSCHED_UNREACHABLE;
    l->endpoints[slot].searched = true;
    l->in_flight = 0;
    client_search_trust(l, now_ms);
    client_abandon_silent(l, now_ms);
}

/* Start a round with the node after the one that was looked at last. Not with the one after the leader that
 * failed: if that one is behind and names it again, the two would send the client to and fro, and
 * it would never ask the others. */
static void search_begin(struct client_search *s, uint64_t at_ms)
{
    s->leader = -1;
    s->in_round = true;
    s->left = CLIENT_ENDPOINTS_MAX;
    s->probe_at_ms = at_ms;
}

/* No node named a leader in this round. Terms are forgotten with it: a cluster that was built
 * anew starts from low ones. */
static void search_end_round(struct client_logic *l, uint64_t now_ms)
{
    struct client_search *s = &l->search;

    s->in_round = false;
    if (search_doubts(l, now_ms)) { /* the term of who is doubted is the one to beat */
        s->probe_at_ms = now_ms + search_backoff_ms(l, SEARCH_DOUBT_BACKOFF);
        return;
    }
    s->probe_at_ms = now_ms + search_backoff_ms(l, s->failures);
    s->failures++;
    s->term = 0;
    s->error = s->round_error;
    s->round_error = ORDERSCHED_UNREACHABLE;
}

static bool search_probe(struct client_logic *l, unsigned slot)
{
    buffer_reset(&l->out);
    request_encode_head(&l->out, l->config.cluster, PROTOCOL_IDENTIFY, 0);
    if (client_message_send(l, MESSAGE_PROBE, slot, 0, l->config.probe_timeout_ms) == NULL) {
        return false;
    }
    l->endpoints[slot].probing = true;
    return true;
}

void client_search_tick(struct client_logic *l, uint64_t now_ms)
{
    struct client_search *s = &l->search;

    if (!client_search_wanted(l, now_ms) || now_ms < s->probe_at_ms) {
        return;
    }
    if (!s->in_round) {
        s->in_round = true;
        s->left = CLIENT_ENDPOINTS_MAX;
    }
    while (s->left > 0) {
        unsigned slot = s->next;
        s->next = (slot + 1) % CLIENT_ENDPOINTS_MAX;
        s->left--;
        if (!l->endpoints[slot].searched || l->endpoints[slot].probing ||
            ((int)slot == s->leader && search_doubts(l, now_ms))) { /* it owes answers enough */
            continue;
        }
        /* Where there was no connection a moment ago the answer is not waited for. */
        if (search_probe(l, slot) && !endpoint_is_away(&l->endpoints[slot], now_ms)) {
            s->probe_at_ms = now_ms + l->config.hedge_ms;
            return;
        }
    }
    search_end_round(l, now_ms);
}

/* Which slot does the answer name as the leader? -1: none. A node that said its id itself is
 * preferred to the advertised address, which need not be reachable from here. Followers name a dead
 * leader until there is another: one that is not there is believed in when it answers itself. */
static int search_named_leader(struct client_logic *l, unsigned asked, const struct answer *answer,
                               uint64_t now_ms)
{
    if (answer->leader_id == 0) {
        return -1;
    }
    if (answer->leader_id == answer->node_id) {
        return answer->error == ORDERSCHED_SHUTTING_DOWN || answer->error == ORDERSCHED_NOT_LEADER
                   ? -1
                   : (int)asked;
    }
    if (l->config.stays) {
        return -1;
    }
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        const struct client_endpoint *e = &l->endpoints[i];
        if (i != asked && e->address[0] != '\0' && e->node_id == answer->leader_id && !e->failed) {
            return (int)i;
        }
    }
    int slot = client_search_slot(l, (const char *)answer->leader_address.data,
                                  answer->leader_address.len);
    if (slot >= 0 && endpoint_is_away(&l->endpoints[slot], now_ms)) {
        l->endpoints[slot].searched = true;
        return -1;
    }
    return slot;
}

/* Errors that no repetition will turn, whatever the message holds. */
static bool error_is_refusal(int error)
{
    return error >= ORDERSCHED_INVALID && error <= ORDERSCHED_TOO_MANY_OPERATIONS;
}

void client_search_on_envelope(struct client_logic *l, unsigned slot, const struct answer *answer,
                               uint64_t now_ms)
{
    struct client_endpoint *e = &l->endpoints[slot];
    bool leads = answer->leader_id != 0 && answer->leader_id == answer->node_id;
    uint64_t known_ms = 0;

    e->failed = false;
    e->away_until_ms = 0;
    e->node_id = 0;
    if ((int)slot == l->search.leader) {
        client_search_trust(l, now_ms);
    }
    if (answer->error == ORDERSCHED_WRONG_CLUSTER) {
        return;
    }
    e->node_id = answer->node_id;
    if (answer->now_ms == 0) {
        return;
    }
    bool known = client_logic_time(l, now_ms, &known_ms);
    /* A follower may lag; only the leader may set our idea back. */
    if (!known || leads || answer->now_ms > known_ms) {
        l->time_known = true;
        l->cluster_ms = answer->now_ms;
        l->cluster_at_ms = now_ms;
    }
}

/* Does every node that could be searched refuse us? Then waiting helps nobody. */
static void search_refused(struct client_logic *l, int error)
{
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        if (l->endpoints[i].searched && l->endpoints[i].refusal == ORDERSCHED_OK) {
            return;
        }
    }
    client_refuse_waiting(l, &l->calls, error);
}

/* A client stays with the cluster in which it found a leader first: a node of another one, whose
 * name is the same, is none of its nodes. */
static int search_refusal(const struct client_logic *l, const struct answer *answer)
{
    bool is_another = l->identity_known && answer->identity.len == sizeof l->identity &&
                      memcmp(answer->identity.data, l->identity, sizeof l->identity) != 0;

    return is_another                        ? ORDERSCHED_WRONG_CLUSTER
           : error_is_refusal(answer->error) ? answer->error
                                             : ORDERSCHED_OK;
}

static void search_stay_with(struct client_logic *l, const struct answer *answer)
{
    if (!l->identity_known && answer->identity.len == sizeof l->identity) {
        memcpy(l->identity, answer->identity.data, sizeof l->identity);
        l->identity_known = true;
    }
}

/* Look at the next node of the round at once. */
static void search_go_on(struct client_logic *l, uint64_t now_ms)
{
    if (l->search.left > 0 && (l->search.leader < 0 || search_doubts(l, now_ms))) {
        l->search.probe_at_ms = now_ms;
    }
}

/* Is a leader that was named in this term to be believed in, instead of who is now? A follower that
 * has voted says the new term, and names the old leader until it hears of the new one: so who is
 * doubted gains nothing by a later term, and loses against another one of the same. */
static bool search_is_news(const struct client_logic *l, int leader, uint64_t term, uint64_t now_ms)
{
    const struct client_search *s = &l->search;

    if (search_doubts(l, now_ms)) {
        return leader != s->leader && term >= s->term;
    }
    return s->leader < 0 ? term >= s->term : term > s->term;
}

void client_search_on_probe(struct client_logic *l, unsigned slot, const struct answer *answer,
                            uint64_t now_ms)
{
    struct client_search *s = &l->search;
    struct client_endpoint *e = &l->endpoints[slot];

    assert(e->probing);
    e->probing = false;
    if (answer == NULL) {
        e->refusal = ORDERSCHED_OK;
        search_note_error(s, ORDERSCHED_UNREACHABLE);
        search_go_on(l, now_ms);
        return;
    }
    e->refusal = search_refusal(l, answer);
    if (e->refusal != ORDERSCHED_WRONG_CLUSTER) { /* its time and its leader are not ours */
        client_search_on_envelope(l, slot, answer, now_ms);
    } else {
        e->failed = false;
        e->away_until_ms = 0;
        e->node_id = 0;
    }
    if (e->refusal != ORDERSCHED_OK) {
        search_note_error(s, e->refusal);
        search_go_on(l, now_ms);
        search_refused(l, e->refusal);
        return;
    }
    int leader = search_named_leader(l, slot, answer, now_ms);
    if (leader >= 0 && search_is_news(l, leader, answer->term, now_ms)) {
        search_stay_with(l, answer);
        if (search_doubts(l, now_ms)) { /* what it owes is asked of the next one */
            l->endpoints[s->leader].failed = true;
        }
        search_set_leader(l, leader, answer->term, now_ms);
    } else {
        if (s->leader < 0) {
            search_note_error(s, ORDERSCHED_NOT_LEADER);
        }
        search_go_on(l, now_ms);
    }
}

void client_search_leader_lost(struct client_logic *l, uint64_t leadership,
                               const struct answer *answer, uint64_t now_ms)
{
    struct client_search *s = &l->search;

    if (s->leader < 0 || leadership != s->leadership) {
        return;
    }
    unsigned old = (unsigned)s->leader;
    unsigned failures = s->failures++;
    l->endpoints[old].failed = answer == NULL;
    if (answer != NULL && answer->term >= s->term && failures < SEARCH_QUICK_REDIRECTS) {
        int named = search_named_leader(l, old, answer, now_ms);
        if (named >= 0 && named != (int)old) {
            search_set_leader(l, named, answer->term, now_ms);
            return;
        }
    }
    if (answer != NULL && answer->term > s->term) {
        s->term = answer->term; /* who names a leader of an earlier one is behind */
    }
    search_begin(s, failures == 0 ? now_ms : now_ms + search_backoff_ms(l, failures - 1));
    search_note_error(s, answer != NULL ? ORDERSCHED_NOT_LEADER : ORDERSCHED_UNREACHABLE);
}

void client_search_leader_works(struct client_logic *l)
{
    l->search.failures = 0;
}

void client_logic_want_time(struct client_logic *l, uint64_t until_ms)
{
    if (until_ms > l->want_time_until_ms) {
        l->want_time_until_ms = until_ms;
    }
}

bool client_logic_time(const struct client_logic *l, uint64_t now_ms, uint64_t *cluster_ms)
{
    if (l->time_known) {
        *cluster_ms = l->cluster_ms + (now_ms - l->cluster_at_ms);
    }
    return l->time_known;
}
