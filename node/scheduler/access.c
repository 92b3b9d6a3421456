/* access.c - who may do what, and how much, as a node decides it: what is refused before it is in the log,
 * reads, and what is said of a refusal. What is in the log is decided by the machine alone (docs/roles.md). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "internal.h"

/* Nobody is denied anything, nor was made to say who it is: nothing need be looked at. */
static bool is_open(const struct scheduler *s, const struct actor *actor)
{
    return !s->machine.grants.on && actor->lack == LACK_NOTHING;
}

static struct operation operation_of(const struct inbound *in, const struct inbound_item *item)
{
    struct operation op;

    int error = operation_decode(in->message + item->offset, item->len, &op);
    assert(error == ORDERSCHED_OK); /* inbound_check decoded these very bytes */
    return op;
}

static bool is_read(enum operation_code code)
{
    return operation_is_read(code) || code == OPERATION_MEMBER_LIST;
}

bool scheduler_denies(const struct scheduler *s, const struct actor *actor,
                      const struct inbound *in, const struct inbound_item *item)
{
    enum role role;

    if (is_open(s, actor) || is_read(item->code)) {
        return false;
    }
    struct operation op = operation_of(in, item);
    return machine_may(&s->machine, actor, &op, &role) != LACK_NOTHING;
}

bool scheduler_denies_now(const struct scheduler *s, const struct actor *actor,
                          const struct inbound *in, const struct inbound_item *item)
{
    bool was_let_in = item->error == ORDERSCHED_OK && is_read(item->code);
    enum role role;

    if (is_open(s, actor) || (!was_let_in && item->error != ORDERSCHED_DENIED)) {
        return false;
    }
    struct operation op = operation_of(in, item);
    return machine_may(&s->machine, actor, &op, &role) != LACK_NOTHING;
}

bool scheduler_hides(const struct scheduler *s, const struct inbound *in,
                     const struct operation *op)
{
    if (!s->machine.grants.on || (op->code != OPERATION_GET && op->code != OPERATION_HISTORY)) {
        return false;
    }
    struct actor actor = machine_actor(&s->machine, in->caller);
    const struct order *o = machine_find(&s->machine, op->id);
    return o != NULL && machine_hides(&s->machine, &actor, op->code, o);
}

#define LINES_EVERY_US 1000000

/* Somebody guesses, or was not given what it needs: one line a second, however many there are. */
static void log_denied(struct scheduler *s, const struct caller *caller, enum operation_code code,
                       const char *why)
{
    uint64_t now_us = scheduler_monotonic_us(s);
    struct actor actor = machine_actor(&s->machine, *caller);
    const char *who = actor.principal != NULL              ? actor.principal->name
                      : caller->kind == CALLER_NOBODY      ? "nobody"
                      : caller->kind == CALLER_CERTIFICATE ? "a certificate without a grant"
                                                           : "a token that is not good";

    s->denied++;
    if (s->config.log == NULL ||
        (s->denied_at_us != 0 && now_us - s->denied_at_us < LINES_EVERY_US)) {
        return;
    }
    log_line(s->config.log, LOG_WARN, "denied", LOG_STR("principal", who),
             LOG_U64("operation", code), LOG_BYTES("from", caller->from.data, caller->from.len),
             LOG_STR("reason", why), LOG_U64("since_last", s->denied));
    s->denied = 0;
    s->denied_at_us = now_us;
}

static void write_denied(struct scheduler *s, const struct caller *caller, enum lack lack,
                         enum role role, enum operation_code code, struct buffer *out)
{
    char text[160];

    roles_explain(lack, role, code, text, sizeof text);
    log_denied(s, caller, code, text);
    buffer_reset(&s->body);
    write_str(&s->body, text, strlen(text));
    struct result result = {.error = ORDERSCHED_DENIED, .body = {s->body.data, s->body.len}};
    result_encode(out, &result);
}

void scheduler_write_denied(struct scheduler *s, const struct actor *actor,
                            const struct inbound *in, const struct inbound_item *item,
                            struct buffer *out)
{
    struct operation op = operation_of(in, item);
    enum role role = 0;
    enum lack lack = machine_may(&s->machine, actor, &op, &role);

    scheduler_note_refused(s, &in->caller, op.code, ORDERSCHED_DENIED);
    write_denied(s, &in->caller, lack, role, op.code, out);
}

/* --- quotas ---
 *
 * What is let into the log is charged there, when it is applied. So that one who asks for far too much does
 * not fill the log meanwhile, what the leader lets in is counted here as well, by buckets of its own, which
 * fill by its clock. */

static bool has_quota(const struct scheduler *s, const struct actor *actor,
                      enum operation_code code)
{
    return s->machine.grants.on && actor->principal != NULL && actor->principal->slot != 0 &&
           operation_is_logged(code);
}

static struct claim claim_of(struct scheduler *s, const struct actor *actor,
                             const struct operation *op)
{
    return machine_claim(&s->machine, actor, op, scheduler_now_ms(s), s->gates);
}

bool scheduler_is_over_quota(struct scheduler *s, const struct actor *actor,
                             const struct inbound *in, const struct inbound_item *item)
{
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];

    if (!has_quota(s, actor, item->code)) {
        return false;
    }
    struct operation op = operation_of(in, item);
    if (claim_of(s, actor, &op).shortage.kind == QUOTA_NONE) {
        return false;
    }
    machine_mark_request(actor, &op, id);
    return !machine_knows_request(&s->machine, &op);
}

void scheduler_charge(struct scheduler *s, const struct actor *actor, const struct inbound *in,
                      const struct inbound_item *item)
{
    if (!has_quota(s, actor, item->code)) {
        return;
    }
    struct operation op = operation_of(in, item);
    struct claim claim = claim_of(s, actor, &op);
    if (!claim.takes || claim.shortage.kind != QUOTA_NONE) {
        return;
    }
    if (s->gates == NULL) {
        s->gates = must_have(calloc(QUOTA_CHARGES, sizeof *s->gates));
    }
    quota_bucket_take(&s->gates[claim.charge], claim.quota.operations_per_s, scheduler_now_ms(s));
}

void scheduler_open_gates(struct scheduler *s)
{
    free(s->gates);
    s->gates = NULL;
}

static void write_over_quota(struct scheduler *s, const struct quota_shortage *shortage,
                             struct buffer *out)
{
    char text[160];

    quota_explain(shortage, text, sizeof text);
    buffer_reset(&s->body);
    write_str(&s->body, text, strlen(text));
    struct result result = {
        .error = ORDERSCHED_QUOTA,
        .remaining_ms = shortage->wait_ms,
        .body = {s->body.data, s->body.len},
    };
    result_encode(out, &result);
}

bool scheduler_write_over_quota(struct scheduler *s, const struct actor *actor,
                                const struct inbound *in, const struct inbound_item *item,
                                struct buffer *out)
{
    if (!has_quota(s, actor, item->code)) {
        return false;
    }
    struct operation op = operation_of(in, item);
    struct claim claim = claim_of(s, actor, &op); /* as things are now */
    if (claim.shortage.kind == QUOTA_NONE && !quota_is_set(&claim.quota)) {
        return false;
    }
    write_over_quota(s, &claim.shortage, out);
    return true;
}

void scheduler_write_logged(struct scheduler *s, const struct inbound *in,
                            const struct inbound_item *item, const struct result *result,
                            struct buffer *out)
{
    metrics_note_operation(s->config.metrics, item->code, result->error);
    if (result->error == ORDERSCHED_BUSY) {
        metrics_note_busy(s->config.metrics, METRICS_BUSY_REQUESTS);
    }
    if (result->error == ORDERSCHED_DENIED && result->state == ORDERSCHED_STATE_NONE) {
        write_denied(s, &in->caller, (enum lack)result->lacks, (enum role)result->role, item->code,
                     out);
    } else if (result->error == ORDERSCHED_QUOTA && result->state == ORDERSCHED_STATE_NONE) {
        struct quota_shortage shortage = {
            .kind = (enum quota_kind)result->quota,
            .place = result->grant,
            .wait_ms = result->remaining_ms,
        };
        write_over_quota(s, &shortage, out);
    } else {
        result_encode(out, result);
    }
}
