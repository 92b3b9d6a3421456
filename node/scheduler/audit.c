/* audit.c - the audit trail's rows of what is not in the log: what is refused before, and what is done beside
 * it. The leader notes it there. */
#include <assert.h>

#include "internal.h"

bool scheduler_may_note(const struct scheduler *s)
{
    return s->state == SCHEDULER_LEADING && s->batcher.open && !scheduler_is_setting_back(s);
}

void scheduler_note_refused(struct scheduler *s, const struct caller *caller,
                            enum operation_code code, int error)
{
    if (caller->from.data != NULL && audit_covers(code) && s->state == SCHEDULER_LEADING) {
        notes_add(&s->notes, caller, code, error);
    }
}

uint64_t scheduler_note_due_us(const struct scheduler *s)
{
    return scheduler_may_note(s) ? notes_due_us(&s->notes) : UINT64_MAX;
}

void scheduler_note_step(struct scheduler *s, uint64_t now_us)
{
    if (scheduler_note_due_us(s) > now_us) {
        return;
    }
    for (unsigned i = 0; i < s->notes.n; i++) {
        struct operation op = notes_operation(&s->notes, i);
        (void)batcher_submit_internal(&s->batcher, &op);
    }
    notes_taken(&s->notes, now_us);
    s->again = true;
}

uint64_t scheduler_note(struct scheduler *s, const struct caller *caller,
                        const struct operation *done)
{
    char detail[AUDIT_DETAIL_MAX];

    if (caller->from.data == NULL || !scheduler_may_note(s)) {
        return 0;
    }
    assert(audit_covers(done->code));
    struct operation op = {
        .code = OPERATION_NOTE,
        .state = done->code,
        .payload = {(const uint8_t *)detail, audit_detail(done, detail)},
        .attempt = ORDERSCHED_OK,
        .version = 1,
        .kind = caller->kind,
        .secret = caller->who,
        .address = caller->from,
    };
    s->again = true;
    return batcher_submit_internal(&s->batcher, &op);
}
