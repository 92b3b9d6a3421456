/* json_rows.h - rows of lists that the cluster answers, as JSON: routes, principals, members, the audit trail. What
 * orderctl prints and the HTTP API says. No state, any thread. */
#ifndef JSON_ROWS_H
#define JSON_ROWS_H

#include <jansson.h>

#include "../wire/audit.h"
#include "../wire/cursor.h"
#include "../wire/grant.h"

/* The next route of a ROUTE_LIST: name, paused, its settings, the numbers of secrets and orders, revision. NULL:
 * malformed. */
json_t *json_route_read(struct cursor *c);

/* A principal as GRANT_LIST has it: [name, kind, index, [grant, ...], [[created_ms, expires_ms, and maybe used_ms,
 * from], ...]], and maybe [[orders, bytes], ...] */
struct principal_row {
    struct slice name;
    uint64_t kind, index;
    uint32_t n_grants, n_tokens;
    struct grant grants[GRANT_MAX];
    struct principal_usage {
        uint64_t orders, bytes;
    } used[GRANT_MAX];   /* of their quotas */
    uint64_t expires_ms; /* of the newest token */
    uint64_t used_ms;    /* of the one that was used last; 0: none was */
    struct slice from;
    json_t *tokens; /* an array of the caller's, to which they are appended */
};
/* False: malformed. */
bool principal_row_read(struct cursor *c, struct principal_row *r);
json_t *json_principal_row(const struct principal_row *r);

/* A member as MEMBER_LIST has it: [id, address, kind, leads, match] */
struct member_row {
    uint64_t id, match;
    struct slice address, kind;
    bool leads;
};
/* False: malformed. */
bool member_row_read(struct cursor *c, struct member_row *r);
json_t *json_member_row(const struct member_row *r);

json_t *json_audit_row(const struct audit_row *r);

#endif
