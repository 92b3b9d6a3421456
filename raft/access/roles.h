/* roles.h - may this principal do that? By its grants alone (docs/roles.md, "Words"); and what to say
 * when it may not. Pure. */
#ifndef ROLES_H
#define ROLES_H

#include "grants.h"

/* What is missing. Numbers are this process's own. */
enum lack {
    LACK_NOTHING,
    LACK_CALLER,  /* nobody asks, and authorisation is on */
    LACK_KNOWN,   /* no principal has this token, or is named by this certificate */
    LACK_EXPIRED, /* the token was good until a moment that is past */
    LACK_ROLE,    /* no grant of a role that may do it */
    LACK_ROUTE,   /* such a grant, but not for this route, or not for all of them */
    LACK_PREFIX,  /* nor for this order id, or not for all of them */
};

/* Why not; *role: the least role that may do it. Of an operation on an order that does not name a
 * route only the id is looked at here: roles_cover_order() says the rest. */
enum lack roles_decide(const struct principal *p, const struct operation *op, enum role *role);
/* Does a grant for this operation cover the order of this id, on this route? */
bool roles_cover_order(const struct principal *p, enum operation_code code, struct slice id,
                       struct slice route);
/* Does the grant at this place cover the operation, as far as roles_decide() looks? */
bool roles_grant_covers(const struct principal *p, uint32_t place, const struct operation *op);
/* One sentence about what is missing. */
void roles_explain(enum lack lack, enum role role, enum operation_code code, char *text,
                   size_t len);

#endif
