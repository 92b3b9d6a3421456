/* verdict.c - see verdict.h. */
#include "verdict.h"

#include <string.h>
#include <xxhash.h>

enum { DRAW_PAID = 1, DRAW_LATER = 2 }; /* seeds of the shares of idempotency keys */

/* ---- random draws ---- */

/* Is this one of the share? Of a hash, so evenly spread over 2^64. */
static bool in_share(uint64_t hash, double share)
{
    return share > 0 && (double)(hash >> 11) * 0x1p-53 < share;
}

bool sink_verdict_draw(struct sink_verdicts *v, double share)
{
    uint64_t n = v->draws++;

    return in_share(XXH3_64bits_withSeed(&n, sizeof n, v->options->seed), share);
}

/* A key's lot: the same at each attempt and after a restart. */
static bool draw_key(const struct sink_item *item, double share, uint64_t seed)
{
    return in_share(XXH3_64bits_withSeed(item->key, strlen(item->key), seed), share);
}

/* ---- one order ---- */

/* What a key that is not settled is told. */
static enum sink_answer decide_answer(struct sink_verdicts *v, struct sink_item *item,
                                      const struct sink_entry *webhook)
{
    const struct sink_options *o = v->options;
    const char *id = json_string_value(item->order_id);
    size_t id_len = json_string_length(item->order_id);
    const struct sink_chosen *later = sink_chosen_find(o->later, id, id_len);

    if (sink_verdict_draw(v, o->fail_share)) {
        return SINK_FAILED;
    }
    if (!webhook->postponed && (later != NULL || draw_key(item, o->later_share, DRAW_LATER))) {
        item->delay_ms = later != NULL ? later->delay_ms : o->later_delay_ms;
        return SINK_LATER_ONCE;
    }
    if (sink_chosen_find(o->paid, id, id_len) != NULL || draw_key(item, o->paid_share, DRAW_PAID)) {
        return SINK_PAID_AFTER_ALL;
    }
    return SINK_EXPIRED;
}

/* The effect stands before the delivery in the journal: if only the first of them survives, the
 * repeat finds the key settled and has no second effect. */
static void settle(struct sink_verdicts *v, const struct sink_request *r, struct sink_item *item,
                   struct sink_entry *webhook)
{
    item->answer = decide_answer(v, item, webhook);
    switch (item->answer) {
        case SINK_EXPIRED:
            webhook->settled = item->answer;
            sink_ledger_write(&v->ledger, r, item, "effect", sink_answer_name(item->answer));
            v->counts.effects++;
            break;
        case SINK_PAID_AFTER_ALL:
            webhook->settled = item->answer;
            v->counts.paid++;
            break;
        case SINK_LATER_ONCE:
            webhook->postponed = true;
            v->counts.later++;
            break;
        case SINK_FAILED:
            sink_item_refuse(item, 500, "told to fail");
            v->counts.failed++;
            break;
        case SINK_UNDECIDED: break;
    }
}

static void item_fail(struct sink_verdicts *v, struct sink_item *item, unsigned status,
                      const char *reason)
{
    item->answer = SINK_FAILED;
    sink_item_refuse(item, status, "%s", reason);
    v->counts.failed++;
}

enum todo { DO_IT, DO_NOTHING, BE_BUSY };

static void decide_item(struct sink_verdicts *v, const struct sink_request *r,
                        struct sink_item *item, enum todo todo)
{
    struct sink_entry *order = sink_state_entry(&v->ledger.state, item->order_kind,
                                                json_string_value(item->order_id),
                                                json_string_length(item->order_id));
    struct sink_entry *webhook = sink_state_entry(&v->ledger.state, SINK_WEBHOOK, item->key,
                                                  strlen(item->key));

    if (order == NULL || webhook == NULL) {
        sink_item_refuse(item, 503, "out of memory");
        return;
    }
    if (sink_fence_is_lower(item->fence, order->fence)) {
        sink_item_refuse(item, 409, "a fence of %llu.%llu was seen before",
                         (unsigned long long)order->fence.epoch,
                         (unsigned long long)order->fence.index);
        return;
    }
    order->fence = item->fence;
    item->status = 200;
    if (todo == BE_BUSY) {
        item_fail(v, item, v->options->busy_status, "told to be busy");
    } else if (webhook->settled != SINK_UNDECIDED) {
        item->answer = webhook->settled;
        item->repeat = true;
        v->counts.repeats++;
    } else if (todo == DO_NOTHING) {
        item_fail(v, item, 500, "told to do half");
    } else {
        settle(v, r, item, webhook);
    }
    sink_ledger_write(&v->ledger, r, item, "delivery", sink_answer_name(item->answer));
    v->counts.deliveries++;
}

static void refuse_item(struct sink_verdicts *v, const struct sink_request *r,
                        const struct sink_item *item)
{
    sink_ledger_write(&v->ledger, r, item, "refused", "refused");
    v->counts.refused++;
}

/* ---- a request ---- */

/* Every second order of a batch, each in the next way of lying that was chosen. */
static void lie(struct sink_verdicts *v, struct sink_request *r)
{
    const struct sink_options *o = v->options;

    for (size_t i = 1; i < r->n_items; i += 2) {
        r->items[i].lie = o->lies[i / 2 % o->n_lies];
        v->counts.lied++;
    }
}

static void decide_batch(struct sink_verdicts *v, struct sink_request *r, bool busy)
{
    bool half = sink_verdict_draw(v, v->options->half_share);

    r->status = 200;
    for (size_t i = 0; i < r->n_items; i++) {
        struct sink_item *item = &r->items[i];
        decide_item(v, r, item, busy ? BE_BUSY : half && i % 2 == 1 ? DO_NOTHING : DO_IT);
        if (item->answer == SINK_UNDECIDED) {
            refuse_item(v, r, item);
        }
    }
    v->counts.batches++;
    if (busy) {
        sink_request_refuse(r, v->options->busy_status, "told to be busy");
    } else if (v->options->n_lies > 0 && sink_verdict_draw(v, v->options->lie_share)) {
        lie(v, r);
    }
}

static void decide_single(struct sink_verdicts *v, struct sink_request *r, bool busy)
{
    struct sink_item *item = &r->items[0];

    decide_item(v, r, item, busy ? BE_BUSY : DO_IT);
    r->status = item->status;
    memcpy(r->reason, item->reason, sizeof r->reason);
    if (item->answer == SINK_UNDECIDED) {
        refuse_item(v, r, item);
    }
}

/* How an answer that could be given is not: drawn first, as the journal tells of it. */
static enum sink_fault draw_fault(struct sink_verdicts *v)
{
    const struct sink_options *o = v->options;

    return sink_verdict_draw(v, o->hang_share)      ? SINK_FAULT_HANG
           : sink_verdict_draw(v, o->close_share)   ? SINK_FAULT_CLOSE
           : sink_verdict_draw(v, o->garbage_share) ? SINK_FAULT_GARBAGE
           : sink_verdict_draw(v, o->huge_share)    ? SINK_FAULT_HUGE
                                                    : SINK_FAULT_NONE;
}

static void count_fault(struct sink_verdicts *v, enum sink_fault fault)
{
    v->counts.hung += fault == SINK_FAULT_HANG;
    v->counts.closed += fault == SINK_FAULT_CLOSE;
    v->counts.garbage += fault == SINK_FAULT_GARBAGE;
    v->counts.huge += fault == SINK_FAULT_HUGE;
}

void sink_verdict(struct sink_verdicts *v, struct sink_request *r)
{
    if (r->status != 0) {
        sink_ledger_write_refused(&v->ledger, r);
        v->counts.refused++;
        return;
    }
    bool busy = sink_verdict_draw(v, v->options->busy_share);
    r->fault = busy ? SINK_FAULT_NONE : draw_fault(v);
    if (r->is_batch) {
        decide_batch(v, r, busy);
    } else {
        decide_single(v, r, busy);
    }
    v->counts.busy += busy;
    if (r->status != 200) {
        r->fault = SINK_FAULT_NONE; /* a refusal is given */
    }
    count_fault(v, r->fault);
}
