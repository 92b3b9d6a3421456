/* check_audit.c - the audit trail (AUTH): each administrative operation that took effect, or that a client was
 * told is done, has its row, with the principal that asked for it; and no request has two.
 *
 * The rows are read as entries are applied for the first time, and kept here: what a node's state holds is
 * compared elsewhere. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../../raft/access/audit_trail.h"
#include "check_internal.h"

/* Of the principals that this is about, by number; a token that was revoked since is not known. */
static unsigned asker_of(const struct audit_row *row)
{
    char name[GRANT_NAME_MAX + 1];

    memcpy(name, row->name.data, row->name.len);
    name[row->name.len] = '\0';
    return row->name.len == 0                    ? CHECK_NOBODY
           : strcmp(name, CHECK_ADMIN_NAME) == 0 ? CHECK_ADMIN
                                                 : (unsigned)atoi(name + 1);
}

void check_audit_free(struct check *c)
{
    free(c->trail.rows);
    free(c->trail.asked);
}

/* Of more than NOTES_MAX callers that were refused in a second the rest is told together. */
static bool is_of_others(const struct audit_row *row)
{
    static const char begins[] = "and others";

    return row->error != ORDERSCHED_OK && row->kind == CALLER_NOBODY && row->from.len == 0 &&
           row->detail.len > sizeof begins &&
           memcmp(row->detail.data, begins, sizeof begins - 1) == 0;
}

static void keep_row(struct check *c, const struct audit_row *row)
{
    struct trail *t = &c->trail;

    if (is_of_others(row)) {
        c->coverage->refusals_audited++;
        return;
    }
    if (row->from.len != strlen(SIM_CLIENT_ADDRESS) ||
        memcmp(row->from.data, SIM_CLIENT_ADDRESS, row->from.len) != 0) {
        check_fail(c, "AUTH", -1,
                   "row %" PRIu64 " of the audit trail is from \"%.*s\":\n  all "
                   "clients are at " SIM_CLIENT_ADDRESS,
                   row->number, (int)row->from.len, (const char *)row->from.data);
    }
    if (row->error != ORDERSCHED_OK) {
        c->coverage->refusals_audited++;
        return;
    }
    t->rows = check_grow(t->rows, t->n_rows, &t->cap_rows, sizeof *t->rows);
    t->rows[t->n_rows++] = (struct trail_row){asker_of(row), row->code, row->index};
    c->coverage->audited++;
}

static size_t rows_of(const struct check *c, unsigned principal, enum operation_code code)
{
    size_t n = 0;

    for (size_t i = 0; i < c->trail.n_rows; i++) {
        n += c->trail.rows[i].principal == principal && c->trail.rows[i].code == code;
    }
    return n;
}

/* How many requests were made of this kind, and how many of them were answered OK. */
static struct trail_asked *asked_of(struct check *c, unsigned principal, enum operation_code code)
{
    struct trail *t = &c->trail;

    for (size_t i = 0; i < t->n_asked; i++) {
        if (t->asked[i].principal == principal && t->asked[i].code == code) {
            return &t->asked[i];
        }
    }
    t->asked = check_grow(t->asked, t->n_asked, &t->cap_asked, sizeof *t->asked);
    t->asked[t->n_asked] = (struct trail_asked){principal, code, 0, 0};
    return &t->asked[t->n_asked++];
}

/* Principals are changed by the administrator; members and transfers are the cluster's. */
static bool is_clients(enum operation_code code)
{
    return operation_is_logged(code) && !operation_is_on_principal(code);
}

void check_audit_applied(struct check *c, const struct machine *m)
{
    const struct audit_row *row;

    while (check_is_alive(c) && (row = audit_after(&m->audit, c->trail.seen)) != NULL) {
        c->trail.seen = row->number;
        keep_row(c, row);
        unsigned principal = asker_of(row);
        if (row->error == ORDERSCHED_OK && principal != CHECK_ADMIN && is_clients(row->code) &&
            rows_of(c, principal, row->code) > asked_of(c, principal, row->code)->requests) {
            check_fail(c, "AUTH", -1,
                       "principal %u has %zu rows for a %s in the audit trail:\n  it made %zu "
                       "requests",
                       principal, rows_of(c, principal, row->code), check_code_name(row->code),
                       asked_of(c, principal, row->code)->requests);
        }
    }
}

void check_audit_changed(struct check *c, uint64_t index, bool by_admin)
{
    unsigned principal = by_admin ? CHECK_ADMIN : CHECK_NOBODY;

    for (size_t i = c->trail.n_rows; i-- > 0;) {
        const struct trail_row *row = &c->trail.rows[i];
        if (row->index == index && row->code == c->access.change.code &&
            row->principal == principal) {
            return;
        }
    }
    check_fail(c, "AUTH", -1,
               "log index %" PRIu64 " carries out what the administrator asked for, operation %u:\n"
               "  the audit trail has no row of it",
               index, (unsigned)c->access.change.code);
}

static bool is_audited(const struct check *c, enum operation_code code)
{
    return c->options->access && audit_covers(code);
}

void check_audit_invoked(struct check *c, const struct check_call *call)
{
    if (is_audited(c, call->code)) {
        asked_of(c, call->principal, call->code)->requests++;
    }
}

void check_audit_answered(struct check *c, const struct check_call *call, int error)
{
    if (!is_audited(c, call->code) || error != ORDERSCHED_OK) {
        return;
    }
    size_t rows = rows_of(c, call->principal, call->code);
    if (++asked_of(c, call->principal, call->code)->done > rows) {
        check_fail(c, "AUTH", -1,
                   "principal %u was told that a %s is done, for the %zu. time:\n  the audit trail "
                   "has %zu rows of that",
                   call->principal, check_code_name(call->code),
                   asked_of(c, call->principal, call->code)->done, rows);
    }
}
