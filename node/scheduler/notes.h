/* notes.h - what was refused before it was in the log, or beside it, until it is noted there for the audit
 * trail (docs/security.md).
 *
 * Whoever may guess may guess often: what one caller was refused of one kind is counted, and noted once a
 * second with its count. Of more than NOTES_MAX such callers in a second the rest is counted together.
 *
 * Pure. */
#ifndef NOTES_H
#define NOTES_H

#include "../../client/wire/audit.h"

#define NOTES_MAX 16u
#define NOTES_EVERY_US 1000000 /* 1 s */

struct note {
    enum operation_code code;
    int error;
    uint32_t count;
    struct caller caller; /* points into these */
    uint8_t who[GRANT_NAME_MAX];
    uint8_t from[AUDIT_FROM_MAX];
};

/* Zero it to start. */
struct notes {
    struct note note[NOTES_MAX + 1]; /* the last: of all others */
    unsigned n;
    uint64_t next_us; /* monotonic; not before that */
};

/* This caller was refused that, which audit_covers(). */
void notes_add(struct notes *n, const struct caller *caller, enum operation_code code, int error);
/* When the next are to be noted; UINT64_MAX: there are none. */
uint64_t notes_due_us(const struct notes *n);
/* The operation that notes the i-th; points into the notes. */
struct operation notes_operation(const struct notes *n, unsigned i);
void notes_taken(struct notes *n, uint64_t now_us); /* all of them */

#endif
