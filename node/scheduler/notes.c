/* notes.c - see notes.h. */
#include "notes.h"

#include <assert.h>
#include <string.h>

static bool is_of(const struct note *note, const struct caller *caller, enum operation_code code,
                  int error)
{
    return note->code == code && note->error == error && caller_is(&note->caller, caller) &&
           caller_is_from(&note->caller, caller);
}

static void note_begin(struct note *note, const struct caller *caller, enum operation_code code,
                       int error)
{
    assert(caller->who.len <= sizeof note->who && caller->from.len <= sizeof note->from);
    *note = (struct note){.code = code, .error = error};
    if (caller->who.len > 0) {
        memcpy(note->who, caller->who.data, caller->who.len);
    }
    if (caller->from.len > 0) {
        memcpy(note->from, caller->from.data, caller->from.len);
    }
    note->caller = (struct caller){caller->kind,
                                   {note->who, caller->who.len},
                                   {note->from, caller->from.len}};
}

void notes_add(struct notes *n, const struct caller *caller, enum operation_code code, int error)
{
    static const struct caller others = {.kind = CALLER_NOBODY};
    struct note *note = n->note;

    while (note < n->note + n->n && note < n->note + NOTES_MAX &&
           !is_of(note, caller, code, error)) {
        note++;
    }
    if (note == n->note + n->n) {
        note_begin(note, note < n->note + NOTES_MAX ? caller : &others, code, error);
        n->n++;
    }
    note->count += note->count < UINT32_MAX;
}

uint64_t notes_due_us(const struct notes *n)
{
    return n->n == 0 ? UINT64_MAX : n->next_us;
}

struct operation notes_operation(const struct notes *n, unsigned i)
{
    static const char together[] = "and others, more than are told apart";
    const struct note *note = &n->note[i];

    assert(i < n->n);
    return (struct operation){
        .code = OPERATION_NOTE,
        .state = note->code,
        .payload = {(const uint8_t *)together, i == NOTES_MAX ? sizeof together - 1 : 0},
        .attempt = (uint32_t)note->error,
        .version = note->count,
        .kind = note->caller.kind,
        .secret = note->caller.who,
        .address = note->caller.from,
    };
}

void notes_taken(struct notes *n, uint64_t now_us)
{
    n->n = 0;
    n->next_us = now_us + NOTES_EVERY_US;
}
