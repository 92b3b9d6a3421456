/* check_chronicle.c - the life of each order in log order, as the first node to apply an index
 * shows it, with the rules of docs/semantics.md that can be told from the states before and after
 * (I1, I2, I4, I9, I10), and the search of each node's state for what was acknowledged (ACKED). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../../raft/core/recent.h"
#include "check_internal.h"

static const struct order *order_of(const struct check *c, unsigned id, const struct machine *m)
{
    char name[16];
    size_t len = check_order_name(c, id, name);

    return store_find(&m->store, (struct slice){(const uint8_t *)name, len});
}

/* --- acknowledged means kept --- */

static void verify_life(struct check *c, unsigned node, uint64_t index, const struct life *life,
                        const struct order *o)
{
    if (life->acked && (o == NULL || o->schedule_index != life->scheduled)) {
        check_fail(c, "ACKED", (int)life->id,
                   "an acknowledged order is missing:\n"
                   "  a client was told that it is scheduled, at log index %" PRIu64 "\n"
                   "  node %u at log index %" PRIu64 " %s",
                   life->scheduled, node + 1, index,
                   o == NULL ? "does not know it" : "knows another order of this id");
        return;
    }
    if (o == NULL || o->schedule_index != life->scheduled) {
        return;
    }
    if (life->acked_ending && life->decision <= index &&
        (o->state != life->state || order_decision_index(o) != life->decision)) {
        check_fail(c, "ACKED", (int)life->id,
                   "an acknowledged decision is missing:\n"
                   "  a client was told %s, at log index %" PRIu64 "\n"
                   "  node %u at log index %" PRIu64 " has it %s, at %" PRIu64,
                   ordersched_state_name(life->state), life->decision, node + 1, index,
                   ordersched_state_name(o->state), order_decision_index(o));
    } else if (life->acked_version_at <= index && o->version < life->acked_version) {
        check_fail(c, "ACKED", (int)life->id,
                   "an acknowledged extend is missing:\n"
                   "  a client was told of it, version %" PRIu32 " at log index %" PRIu64 "\n"
                   "  node %u at log index %" PRIu64 " has version %" PRIu32,
                   life->acked_version, life->acked_version_at, node + 1, index, o->version);
    }
}

void chronicle_verify(struct check *c, unsigned node, uint64_t index, const struct machine *m)
{
    uint64_t top = index < c->max_index ? index : c->max_index;

    for (unsigned id = 0; id < c->n_ids && check_is_alive(c); id++) {
        const struct life *life = check_life_at(c, id, top);
        const struct order *o = life != NULL ? order_of(c, id, m) : NULL;
        if (o != NULL && o->schedule_index == life->scheduled) {
            check_trace_kept(c, node, index, life, o);
        }
        bool may_be_gone = life != NULL && check_is_terminal(life->state) &&
                           life->decided_ms + m->retention_ms <= m->now_ms;
        if (life != NULL && !may_be_gone) {
            verify_life(c, node, index, life, o);
        }
    }
}

/* --- what one entry did to one order --- */

static void stand_add(struct check *c, unsigned id, uint64_t index, const struct life *life)
{
    struct chronicle *h = &c->histories[id];
    bool known = life != NULL && life->gone == 0;
    struct stand stand = {.index = index, .state = ORDERSCHED_STATE_NONE};

    if (known) {
        stand = (struct stand){index,          life->state,   life->deadline_ms,
                               life->decision, life->version, life->scheduled};
    }
    const struct stand *last = h->n > 0 ? &h->stands[h->n - 1] : NULL;
    if (last != NULL && last->state == stand.state && last->deadline_ms == stand.deadline_ms &&
        last->version == stand.version && last->scheduled == stand.scheduled) {
        return;
    }
    if (last == NULL && !known) {
        return;
    }
    h->stands = check_grow(h->stands, h->n, &h->cap, sizeof *h->stands);
    h->stands[h->n++] = stand;
}

static void life_end(struct check *c, struct life *life, uint64_t index, const struct machine *m)
{
    if (!check_is_terminal(life->state) || life->decided_ms + m->retention_ms > m->now_ms) {
        check_fail(c, "ACKED", (int)life->id,
                   "an order vanishes at log index %" PRIu64 " (now %" PRIu64 ", retention "
                   "%" PRIu64 " ms):\n  it was scheduled at %" PRIu64 " and stood %s, deadline "
                   "%" PRIu64 ", decided at %" PRIu64 " ms\n  it is not in the state any more",
                   index, m->now_ms, m->retention_ms, life->scheduled,
                   ordersched_state_name(life->state), life->deadline_ms, life->decided_ms);
    }
    life->gone = index;
    c->coverage->forgotten++;
}

/* The order is new: who asked for it? */
static struct life *life_begin(struct check *c, unsigned id, uint64_t index,
                               const struct machine *m, const struct order *o)
{
    struct chronicle *h = &c->histories[id];
    struct request_record *r = check_request_kept(c, o->schedule_request);
    struct life *life = calloc(1, sizeof *life);

    if (life == NULL) {
        abort();
    }
    life->older = h->life;
    c->coverage->id_used_again += h->life != NULL;
    h->life = life;
    life->id = id;
    life->scheduled = o->schedule_index;
    memcpy(life->request, r != NULL ? r->id : o->schedule_request, sizeof life->request);
    life->first_deadline_ms = o->extra != NULL && o->version > 1 ? o->extra->first_deadline_ms
                                                                 : o->deadline_ms;
    life->deadline_ms = life->first_deadline_ms;
    life->version = 1;
    life->state = ORDERSCHED_PENDING;
    life->route = atoi(m->routes[o->route].name + 1); /* "r3" */
    if (o->schedule_index != index) {
        check_fail(c, "I2", (int)id,
                   "an order appears late:\n  at log index %" PRIu64
                   "\n  with its schedule at %" PRIu64,
                   index, (uint64_t)o->schedule_index);
    } else if (r == NULL || r->code != OPERATION_SCHEDULE || r->order != id) {
        check_fail(c, "I4", (int)id,
                   "a phantom:\n  it is scheduled at log index %" PRIu64
                   "\n  nobody asked for it with this request",
                   index);
    } else if (r->done != 0 && !check_is_revived(c, r)) {
        check_fail(c, "I10", (int)id,
                   "one request schedules twice:\n  at log index %" PRIu64
                   "\n  at log index %" PRIu64,
                   r->done, index);
    } else if (r->failed && !check_is_revived(c, r)) {
        check_fail(c, "I4", (int)id,
                   "what failed becomes visible:\n  its client was told for "
                   "certain that it did not happen\n  it is scheduled at log index %" PRIu64,
                   index);
    } else if (r->delay_ms != 0 && life->first_deadline_ms != m->now_ms + r->delay_ms) {
        check_fail(c, "I2", (int)id,
                   "a relative deadline does not count from the entry's now, at log "
                   "index %" PRIu64 ":\n  now: %" PRIu64 ", asked for: %" PRIu64 " ms\n"
                   "  deadline: %" PRIu64,
                   index, m->now_ms, r->delay_ms, life->first_deadline_ms);
    } else {
        r->done = index;
        r->life = life;
        r->answer = (struct order_request){.deadline_ms = life->first_deadline_ms,
                                           .state = ORDERSCHED_PENDING};
        check_access_effect(c, r, index, life->route);
    }
    check_trace_begin(c, life, r, index, m->epoch, o);
    return life;
}

/* Requests newly recorded with the order that were done. */
struct fresh {
    unsigned extends;
    unsigned redrives;
    unsigned drops;
};

static void count_fresh(struct fresh *fresh, enum operation_code code)
{
    fresh->extends += code == OPERATION_EXTEND;
    fresh->redrives += code == OPERATION_DEAD_REDRIVE;
    fresh->drops += code == OPERATION_DEAD_DROP;
}

/* An order that has no room for another request: what operators did to it is among the recent. */
static void note_recent(struct check *c, struct life *life, uint64_t index, const struct machine *m,
                        struct fresh *fresh)
{
    for (uint32_t i = 0; i < recent_count(m->recent); i++) {
        const struct recent_request *q = recent_at(m->recent, i);
        struct request_record *r = check_request_kept(c, q->id);
        bool about_dead = r != NULL && r->order == life->id && r->done == 0 &&
                          (r->code == OPERATION_DEAD_REDRIVE || r->code == OPERATION_DEAD_DROP);
        if (about_dead && q->error == ORDERSCHED_OK) {
            r->done = index;
            r->life = life;
            r->answer = (struct order_request){.index = q->index,
                                               .deadline_ms = q->deadline_ms,
                                               .error = q->error,
                                               .state = q->state};
            count_fresh(fresh, r->code);
            check_access_effect(c, r, index, life->route);
        }
    }
}

static struct fresh note_requests(struct check *c, struct life *life, uint64_t index,
                                  const struct machine *m, const struct order *o)
{
    unsigned n = o->extra != NULL ? o->extra->n_requests : 0;
    struct fresh fresh = {0};

    for (unsigned i = 0; i < n; i++) {
        const struct order_request *q = &o->extra->requests[i];
        struct request_record *r = check_request_kept(c, q->id);
        if (r == NULL || r->order != life->id) {
            check_fail(c, "I4", (int)life->id,
                       "a phantom:\n  log index %" PRIu64 " carries out a "
                       "request on it\n  nobody made that request",
                       index);
        } else if (r->done == 0 && r->failed && q->error == ORDERSCHED_OK &&
                   !check_is_revived(c, r)) {
            check_fail(c, "I4", (int)life->id,
                       "what failed becomes visible:\n  the client of a %s "
                       "was told for certain that it did not happen\n  log index %" PRIu64
                       " carries it out",
                       check_code_name(r->code), index);
        } else if (r->done == 0) {
            r->done = index;
            r->life = life;
            r->answer = *q;
            check_access_effect(c, r, index, life->route);
            if (q->error == ORDERSCHED_OK) {
                count_fresh(&fresh, r->code);
            }
        } else if (check_is_revived(c, r)) {
            if (q->error == ORDERSCHED_OK && r->life != life) {
                count_fresh(&fresh, r->code);
            }
            r->life = life;
            r->answer = *q;
        } else if (r->answer.error != q->error || r->answer.state != q->state ||
                   r->answer.deadline_ms != q->deadline_ms || r->answer.index != q->index) {
            check_fail(c, "I10", (int)life->id,
                       "one request is answered in two ways:\n"
                       "  at log index %" PRIu64 ": %s, %s, deadline %" PRIu64 "\n"
                       "  at log index %" PRIu64 ": %s, %s, deadline %" PRIu64,
                       r->done, ordersched_error_name(r->answer.error),
                       ordersched_state_name(r->answer.state), r->answer.deadline_ms, index,
                       ordersched_error_name(q->error), ordersched_state_name(q->state),
                       q->deadline_ms);
        }
    }
    bool acted = o->state != life->state ||
                 (o->extra != NULL && o->extra->redriven_ms != life->redriven_ms);
    if (acted && !order_has_room(o, ORDER_CHANGE_REDRIVE)) {
        note_recent(c, life, index, m, &fresh);
    }
    return fresh;
}

static const char *outcome_name(enum outcome outcome)
{
    switch (outcome) {
        case OUTCOME_EXPIRED: return "expired";
        case OUTCOME_PAID: return "paid";
        case OUTCOME_LATER: return "later";
        case OUTCOME_FAILED: return "failed";
        case OUTCOME_BATCH_FAILED: break; /* no receiver says it */
    }
    return "?";
}

static bool outcome_gives(enum outcome outcome, const struct order *o, const struct fresh *fresh)
{
    switch (outcome) {
        case OUTCOME_EXPIRED: return o->state == ORDERSCHED_EXPIRED;
        case OUTCOME_PAID: return o->state == ORDERSCHED_PAID;
        case OUTCOME_LATER: return o->state == ORDERSCHED_PENDING;
        case OUTCOME_FAILED:
            return o->state == ORDERSCHED_PENDING || o->state == ORDERSCHED_DEAD ||
                   (o->state == ORDERSCHED_CANCELLED && fresh->drops > 0); /* by the same entry */
        case OUTCOME_BATCH_FAILED: break;
    }
    return false;
}

/* A delivery's outcome was counted: it must be one that the leadership in force started and heard.
 * */
static void note_attempt(struct check *c, struct life *life, uint64_t index,
                         const struct machine *m, const struct order *o, uint32_t attempts,
                         const struct fresh *fresh)
{
    const struct sent *sent = life->sent;

    while (sent != NULL && !(sent->version == o->version && sent->attempt == attempts &&
                             sent->fence_epoch == m->epoch && sent->answered)) {
        sent = sent->next;
    }
    if (attempts != life->attempts + 1 || sent == NULL || !outcome_gives(sent->outcome, o, fresh)) {
        check_fail(c, "I9", (int)life->id,
                   "the outcome of attempt %" PRIu32 " (after %" PRIu32 ") is counted at log "
                   "index %" PRIu64 ", epoch %" PRIu64 ", and the order stands %s:\n"
                   "  of that epoch and attempt, its receiver answered: %s",
                   attempts, life->attempts, index, m->epoch, ordersched_state_name(o->state),
                   sent == NULL ? "nothing" : outcome_name(sent->outcome));
        return;
    }
    check_happened(life, &(struct happening){.kind = HISTORY_ATTEMPT,
                                             .index = index,
                                             .attempt = attempts,
                                             .outcome = sent->outcome});
    c->coverage->retries += sent->outcome == OUTCOME_FAILED;
    c->coverage->later += sent->outcome == OUTCOME_LATER;
    c->coverage->dead += o->state == ORDERSCHED_DEAD;
}

static void note_extend(struct check *c, struct life *life, uint64_t index, const struct machine *m,
                        const struct order *o, unsigned n_requests)
{
    uint32_t bumps = o->version - life->version;

    if (o->version < life->version || o->deadline_ms < life->deadline_ms ||
        (bumps == 0 && o->deadline_ms != life->deadline_ms)) {
        check_fail(c, "I2", (int)life->id,
                   "the deadline changes at log index %" PRIu64 ":\n"
                   "  before: %" PRIu64 ", version %" PRIu32 "\n  after: %" PRIu64
                   ", version %" PRIu32,
                   index, life->deadline_ms, life->version, (uint64_t)o->deadline_ms, o->version);
    } else if (bumps > n_requests) {
        check_fail(c, "I10", (int)life->id,
                   "an extend without a new request, at log index "
                   "%" PRIu64 ":\n  versions: %" PRIu32 " more\n  new requests: %u",
                   index, bumps, n_requests);
    } else if (bumps > 0 && life->deadline_ms <= m->now_ms) {
        check_fail(c, "I2", (int)life->id,
                   "an extend is accepted after the deadline, at log "
                   "index %" PRIu64 ":\n  deadline: %" PRIu64 "\n  now: %" PRIu64,
                   index, life->deadline_ms, m->now_ms);
    } else if (bumps > 0 && life->sent != NULL) {
        check_fail(c, "I8", (int)life->id,
                   "an extend is accepted at log index %" PRIu64 ":\n"
                   "  its new deadline: %" PRIu64 "\n  a delivery was started for the old one, "
                   "%" PRIu64,
                   index, (uint64_t)o->deadline_ms, life->deadline_ms);
    }
    for (uint32_t i = 1; i <= bumps && check_is_alive(c); i++) {
        check_happened(life, &(struct happening){.kind = HISTORY_EXTENDED,
                                                 .index = index,
                                                 .value = i == bumps ? o->deadline_ms : 0});
    }
    c->coverage->extended += bumps > 0;
    life->version = o->version;
    life->deadline_ms = o->deadline_ms;
}

/* A dead letter leaves: only because somebody asked for it. True when that is what happened. */
static bool note_operator(struct check *c, struct life *life, uint64_t index,
                          const struct machine *m, const struct order *o, bool attempted,
                          const struct fresh *fresh)
{
    bool was_dead = life->state == ORDERSCHED_DEAD || attempted;
    bool redriven = life->state == ORDERSCHED_DEAD && o->state == ORDERSCHED_PENDING;
    bool dropped = was_dead && o->state == ORDERSCHED_CANCELLED;

    if (!redriven && !dropped) {
        return false;
    }
    if (redriven ? fresh->redrives == 0 : fresh->drops == 0) {
        check_fail(c, "I1", (int)life->id,
                   "%s at log index %" PRIu64 ":\n  it was among the dead "
                   "letters\n  nobody asked for it",
                   redriven ? "redriven" : "dropped", index);
    } else if (dropped && (order_decision_index(o) != index || order_decided_ms(o) != m->now_ms)) {
        check_fail(c, "I2", (int)life->id,
                   "a decision appears at log index %" PRIu64 ":\n"
                   "  dropped, said to be decided at %" PRIu64,
                   index, order_decision_index(o));
    }
    life->dropped = dropped;
    return true;
}

static void note_ending(struct check *c, struct life *life, uint64_t index, const struct machine *m,
                        const struct order *o, bool attempted)
{
    int64_t early = (int64_t)(o->deadline_ms - m->now_ms);
    bool by_client = !attempted;

    if (life->state != ORDERSCHED_PENDING) {
        check_fail(c, "I1", (int)life->id,
                   "two endings:\n  %s, decided at log index %" PRIu64
                   "\n  %s, at log index %" PRIu64,
                   ordersched_state_name(life->state), life->decision,
                   ordersched_state_name(o->state), index);
    } else if (o->state != ORDERSCHED_DEAD &&
               (order_decision_index(o) != index || order_decided_ms(o) != m->now_ms)) {
        check_fail(c, "I2", (int)life->id,
                   "a decision appears at log index %" PRIu64 ":\n"
                   "  %s, said to be decided at %" PRIu64,
                   index, ordersched_state_name(o->state), order_decision_index(o));
    } else if (by_client && (o->state == ORDERSCHED_EXPIRED || o->state == ORDERSCHED_DEAD)) {
        check_fail(c, "I9", (int)life->id,
                   "%s at log index %" PRIu64 ":\n  no outcome of a "
                   "delivery was counted",
                   ordersched_state_name(o->state), index);
    } else if (by_client && early <= 0) {
        check_fail(c, "I2", (int)life->id,
                   "a client decides after the deadline: %s at log index "
                   "%" PRIu64 "\n  deadline: %" PRIu64 "\n  now: %" PRIu64,
                   ordersched_state_name(o->state), index, (uint64_t)o->deadline_ms, m->now_ms);
    }
    c->coverage->races_won_by_pay += by_client && early <= 20 && o->state == ORDERSCHED_PAID;
    c->coverage->races_won_by_cancel += by_client && early <= 20 &&
                                        o->state == ORDERSCHED_CANCELLED;
    c->coverage->expired += o->state == ORDERSCHED_EXPIRED;
    c->coverage->vetoes += attempted && o->state == ORDERSCHED_PAID;
}

/* The time was set back: what was due and lies ahead again is recalled, or stays due; nothing else moves,
 * and nothing that anybody was ever told of is recalled. */
static void life_set_back(struct check *c, struct life *life, uint64_t index,
                          const struct machine *m, const struct order *o)
{
    bool ahead = life->deadline_ms > m->now_ms;
    bool was_due = ahead && life->state == ORDERSCHED_PENDING &&
                   life->deadline_ms <= c->set_back_from_ms;
    bool kept = ahead && o->deadline_ms == m->now_ms && (was_due || life->attempts > 0);
    bool recalled = was_due && o->deadline_ms == life->deadline_ms;

    if (recalled && life->sent != NULL) {
        check_fail(c, "I8", (int)life->id,
                   "a set-back recalls an order, at log index %" PRIu64 ":\n"
                   "  its deadline: %" PRIu64 ", now: %" PRIu64 "\n"
                   "  node %u, leadership of term %" PRIu64 ", began to deliver it",
                   index, life->deadline_ms, m->now_ms, life->sent->node + 1, life->sent->term);
    } else if (!kept && o->deadline_ms != life->deadline_ms) {
        check_fail(c, "I2", (int)life->id,
                   "a set-back moves a deadline, at log index %" PRIu64 ":\n"
                   "  before: %" PRIu64 "\n  after: %" PRIu64 ", now: %" PRIu64,
                   index, life->deadline_ms, (uint64_t)o->deadline_ms, m->now_ms);
    }
    c->coverage->recalled += recalled;
    c->coverage->kept_due += kept && was_due;
    life->deadline_ms = o->deadline_ms;
    life->redriven_ms = o->extra != NULL ? o->extra->redriven_ms : 0;
}

static void life_follow(struct check *c, struct life *life, uint64_t index, const struct machine *m,
                        const struct order *o)
{
    if (c->set_back_index == index) {
        life_set_back(c, life, index, m, o);
    }
    uint32_t attempts = o->extra != NULL ? o->extra->attempts : 0;
    bool attempted = attempts != life->attempts;
    struct fresh fresh = note_requests(c, life, index, m, o);

    note_extend(c, life, index, m, o, fresh.extends);
    if (attempted) {
        note_attempt(c, life, index, m, o, attempts, &fresh);
        life->attempts = attempts;
        if (life->state == ORDERSCHED_PENDING && fresh.redrives + fresh.drops > 0) {
            /* It died, and somebody acted on it, in one entry: operations between saw it DEAD. */
            struct life dead = *life;
            dead.state = ORDERSCHED_DEAD;
            stand_add(c, life->id, index, &dead);
        }
    }
    for (unsigned i = 0; i < fresh.redrives; i++) {
        check_happened(life, &(struct happening){.kind = HISTORY_REDRIVEN, .index = index});
    }
    c->coverage->dead_redriven += fresh.redrives;
    c->coverage->histories_cut += o->extra != NULL && o->extra->history != NULL &&
                                  o->extra->history->dropped > 0;
    c->coverage->dead_dropped += fresh.drops;
    bool by_operator = o->state != life->state &&
                       note_operator(c, life, index, m, o, attempted, &fresh);
    if (o->state != life->state && !by_operator) {
        note_ending(c, life, index, m, o, attempted);
    } else if (check_is_terminal(life->state) && order_decision_index(o) != life->decision) {
        check_fail(c, "I1", (int)life->id,
                   "a decision moves:\n  log index %" PRIu64 "\n  log index %" PRIu64,
                   life->decision, order_decision_index(o));
    }
    life->state = o->state;
    life->decided_ms = order_decided_ms(o);
    life->decision = order_decision_index(o);
    life->next_ms = o->extra != NULL ? o->extra->next_ms : 0;
    life->redriven_ms = o->extra != NULL ? o->extra->redriven_ms : 0;
    if (attempted && fresh.redrives + fresh.drops > 0) {
        life->dead_within = index;
    }
}

/* Unknown to all who ask, though it may take a while until its requests are stale and it is purged. */
static bool is_forgotten(const struct machine *m, const struct order *o)
{
    return check_is_terminal(o->state) && order_decided_ms(o) + m->retention_ms <= m->now_ms;
}

void chronicle_write(struct check *c, unsigned node, uint64_t index, const struct machine *m)
{
    uint64_t known = 0;

    for (unsigned id = 0; id < c->n_ids && check_is_alive(c); id++) {
        if (!c->histories[id].asked) {
            continue; /* whatever is known of it is a phantom, below */
        }
        const struct order *o = order_of(c, id, m);
        struct life *life = c->histories[id].life;
        if (life != NULL && life->gone != 0) {
            life = NULL;
        }
        if (life != NULL && (o == NULL || o->schedule_index != life->scheduled)) {
            life_end(c, life, index, m);
            life = NULL;
        }
        if (o != NULL) {
            known++;
            life = life == NULL ? life_begin(c, id, index, m, o) : life;
            life_follow(c, life, index, m, o);
        }
        stand_add(c, id, index, o != NULL && !is_forgotten(m, o) ? life : NULL);
    }
    if (check_is_alive(c) && known != m->store.n) {
        check_fail(c, "I4", -1,
                   "phantoms on node %u at log index %" PRIu64 ":\n  it has %" PRIu64
                   " orders\n  with ids that were ever asked for: %" PRIu64,
                   node + 1, index, m->store.n, known);
    }
}
