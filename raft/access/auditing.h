/* auditing.h - the row that an administrative operation leaves in the audit trail: who asked for it, as the
 * state in front of it knows the caller, and what became of it. Pure. */
#ifndef AUDITING_H
#define AUDITING_H

#include "audit_trail.h"
#include "grants.h"

/* One operation under way. The principal's name is copied: the operation may be its end. */
struct auditing {
    struct caller caller;
    uint64_t time_ms; /* of the entry... */
    uint64_t index;   /* ...and its log index */
    size_t name_len;
    char name[GRANT_NAME_MAX];
};

/* `p`: whose token or certificate the caller's is, or NULL. */
struct auditing auditing_begin(const struct caller *caller, const struct principal *p,
                               uint64_t time_ms, uint64_t index);
/* It was carried out, or refused. A copy of a request has a row already; one that was answered BUSY or
 * QUOTA will have one. */
void auditing_end(const struct auditing *a, struct audit_trail *trail, const struct operation *op,
                  const struct result *result);
/* What a NOTE says of something that is not in the log. */
void auditing_note(const struct auditing *a, struct audit_trail *trail, const struct operation *op);
/* The cluster's time was set back. */
void auditing_set_back(const struct auditing *a, struct audit_trail *trail, uint64_t by_ms);

#endif
