/* uses.c - when a token was last used, and from where: the leader notes it in the log, so that it is known on
 * all nodes and for good. Seldom: a note is an operation of the log. */
#include <string.h>

#include "internal.h"

#define USE_EVERY_MS 3600000  /* of one token */
#define USE_MOVED_MS 60000    /* ... that comes from another address than before */
#define USE_AGAIN_US 10000000 /* until one that was noted is applied, or is lost */

static struct scheduler_use *memory_of(struct scheduler *s, const struct token *t)
{
    return &s->uses[t->hash[0] % SCHEDULER_USES];
}

static bool is_from(const struct token *t, const struct caller *caller)
{
    return t->from_len == caller->from.len &&
           (t->from_len == 0 || memcmp(t->from, caller->from.data, t->from_len) == 0);
}

static bool is_due(struct scheduler *s, const struct token *t, const struct caller *caller)
{
    uint64_t now_ms = scheduler_told_ms(s);

    if (t->used_ms == 0 || t->used_ms > now_ms) { /* the time was set back */
        return true;
    }
    return now_ms - t->used_ms >= (is_from(t, caller) ? USE_EVERY_MS : USE_MOVED_MS);
}

void scheduler_note_use(struct scheduler *s, const struct caller *caller)
{
    const struct token *t;

    if (caller->kind != CALLER_TOKEN || caller->from.data == NULL ||
        grants_find_token(&s->machine.grants, caller->who, &t) == NULL ||
        token_is_expired(t, s->machine.now_ms) || !is_due(s, t, caller) || !scheduler_may_note(s) ||
        !scheduler_time_goes(s)) {
        return;
    }
    struct scheduler_use *noted = memory_of(s, t);
    uint64_t now_us = scheduler_monotonic_us(s);
    if (memcmp(noted->hash, t->hash, sizeof noted->hash) == 0 &&
        now_us - noted->at_us < USE_AGAIN_US) {
        return;
    }
    memcpy(noted->hash, t->hash, sizeof noted->hash);
    noted->at_us = now_us;
    struct operation op = {
        .code = OPERATION_TOKEN_USED,
        .secret = caller->who,
        .address = caller->from,
    };
    (void)batcher_submit_internal(&s->batcher, &op);
}
