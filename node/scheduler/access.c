/* access.c - who may do what, as a node decides it: what is denied before it is in the log, reads, and
 * what is said of a denial. What is in the log is decided by the machine alone (docs/roles.md). */
#include <assert.h>
#include <string.h>

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
             LOG_U64("operation", code), LOG_STR("reason", why), LOG_U64("since_last", s->denied));
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
    } else {
        result_encode(out, result);
    }
}
