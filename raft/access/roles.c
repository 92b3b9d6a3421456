/* roles.c - see roles.h. */
#include "roles.h"

#include <stdio.h>

#define BIT(role) (1u << ROLE_##role)

/* What an operation is about, and so what a grant must cover. */
enum reach {
    REACH_ALL,   /* every route and every order */
    REACH_ROUTE, /* the route that is its id, and all of its orders */
    REACH_NAMED, /* the same, of op->route; empty: all */
    REACH_BEGUN, /* of it those orders whose ids begin with op->id */
    REACH_NEW,   /* the order of its id, on op->route */
    REACH_ORDER, /* the order of its id */
    REACH_LEASE, /* what its own tokens name: who has them was given them */
};

struct rule {
    enum role least; /* named where it is missing */
    unsigned roles;
    enum reach reach;
};

#define READERS (BIT(OBSERVER) | BIT(OPERATOR) | BIT(ADMIN))
#define SHOPS (BIT(PRODUCER) | BIT(ADMIN))
#define WORKERS (BIT(WORKER) | BIT(ADMIN))
#define OPERATORS (BIT(OPERATOR) | BIT(ADMIN))

/* What is not named is an admin's. */
static struct rule rule_of(enum operation_code code)
{
    switch (code) {
        case OPERATION_SCHEDULE: return (struct rule){ROLE_PRODUCER, SHOPS, REACH_NEW};
        case OPERATION_PAY:
        case OPERATION_CANCEL:
        case OPERATION_EXTEND: return (struct rule){ROLE_PRODUCER, SHOPS, REACH_ORDER};
        case OPERATION_GET:
        case OPERATION_HISTORY:
            return (struct rule){ROLE_OBSERVER, READERS | BIT(PRODUCER), REACH_ORDER};
        case OPERATION_LIST:
        case OPERATION_DEAD_LIST: return (struct rule){ROLE_OBSERVER, READERS, REACH_NAMED};
        case OPERATION_FILTERED_LIST: return (struct rule){ROLE_OBSERVER, READERS, REACH_BEGUN};
        case OPERATION_STATUS:
        case OPERATION_ROUTE_LIST:
        case OPERATION_DIGEST:
        case OPERATION_MEMBER_LIST: return (struct rule){ROLE_OBSERVER, READERS, REACH_ALL};
        case OPERATION_RESERVE: return (struct rule){ROLE_WORKER, WORKERS, REACH_NAMED};
        case OPERATION_LEASE:
        case OPERATION_SETTLE: return (struct rule){ROLE_WORKER, WORKERS, REACH_LEASE};
        case OPERATION_DEAD_REDRIVE:
        case OPERATION_DEAD_DROP: return (struct rule){ROLE_OPERATOR, OPERATORS, REACH_ORDER};
        case OPERATION_ROUTE_PAUSE:
        case OPERATION_ROUTE_RETRY: return (struct rule){ROLE_OPERATOR, OPERATORS, REACH_ROUTE};
        case OPERATION_AUDIT_LIST:
        case OPERATION_CLOCK_TRUST:
        case OPERATION_CLOCK_SET_BACK:
        case OPERATION_MEMBER_ADD:
        case OPERATION_MEMBER_REMOVE:
        case OPERATION_TRANSFER: return (struct rule){ROLE_OPERATOR, OPERATORS, REACH_ALL};
        case OPERATION_ROUTE_PUT:
        case OPERATION_ROUTE_SET:
        case OPERATION_ROUTE_DELETE:
        case OPERATION_ROUTE_ROTATE: return (struct rule){ROLE_ADMIN, BIT(ADMIN), REACH_ROUTE};
        default: return (struct rule){ROLE_ADMIN, BIT(ADMIN), REACH_ALL};
    }
}

static bool covers_route(const struct grant *g, const struct rule *rule, const struct operation *op)
{
    switch (rule->reach) {
        case REACH_ROUTE: return grant_covers_route(g, op->id);
        case REACH_NEW: return grant_covers_route(g, op->route);
        case REACH_NAMED:
        case REACH_BEGUN:
            return op->route.len > 0 ? grant_covers_route(g, op->route)
                                     : g->routes.len == 1 && g->routes.data[0] == '*';
        case REACH_ALL: return g->routes.len == 1 && g->routes.data[0] == '*';
        case REACH_ORDER:
        case REACH_LEASE: break;
    }
    return true;
}

static bool covers_ids(const struct grant *g, const struct rule *rule, const struct operation *op)
{
    switch (rule->reach) {
        case REACH_NEW:
        case REACH_BEGUN:
        case REACH_ORDER: return grant_covers_id(g, op->id);
        case REACH_ALL:
        case REACH_ROUTE:
        case REACH_NAMED: return g->prefix.len == 0;
        case REACH_LEASE: break;
    }
    return true;
}

bool roles_grant_covers(const struct principal *p, uint32_t place, const struct operation *op)
{
    struct rule rule = rule_of(op->code);
    const struct grant *g = &p->grants[place];

    return (rule.roles & 1u << g->role) != 0 && covers_route(g, &rule, op) &&
           covers_ids(g, &rule, op);
}

enum lack roles_decide(const struct principal *p, const struct operation *op, enum role *role)
{
    struct rule rule = rule_of(op->code);
    enum lack lack = LACK_ROLE;

    *role = rule.least;
    for (uint32_t i = 0; i < p->n_grants; i++) {
        const struct grant *g = &p->grants[i];
        if ((rule.roles & 1u << g->role) == 0) {
            continue;
        }
        if (!covers_route(g, &rule, op)) {
            lack = lack == LACK_ROLE ? LACK_ROUTE : lack;
        } else if (!covers_ids(g, &rule, op)) {
            lack = LACK_PREFIX;
        } else {
            return LACK_NOTHING;
        }
    }
    return lack;
}

bool roles_cover_order(const struct principal *p, enum operation_code code, struct slice id,
                       struct slice route)
{
    struct rule rule = rule_of(code);

    for (uint32_t i = 0; i < p->n_grants; i++) {
        const struct grant *g = &p->grants[i];
        if ((rule.roles & 1u << g->role) != 0 && grant_covers_id(g, id) &&
            grant_covers_route(g, route)) {
            return true;
        }
    }
    return false;
}

void roles_explain(enum lack lack, enum role role, enum operation_code code, char *text, size_t len)
{
    enum reach reach = rule_of(code).reach;
    const char *name = grant_role_name(role);

    switch (lack) {
        case LACK_NOTHING: snprintf(text, len, "nothing is missing"); return;
        case LACK_CALLER:
            snprintf(text, len, "it needs a principal, and no token was stated");
            return;
        case LACK_KNOWN: snprintf(text, len, "the token is not known, or was revoked"); return;
        case LACK_EXPIRED: snprintf(text, len, "the token has expired"); return;
        case LACK_ROLE: snprintf(text, len, "it needs a grant of the role %s", name); return;
        case LACK_ROUTE:
            snprintf(text, len, "no grant of the role %s is for %s", name,
                     reach == REACH_ALL || reach == REACH_NAMED || reach == REACH_BEGUN
                         ? "all routes, or for the one named"
                         : "this route");
            return;
        case LACK_PREFIX:
            snprintf(text, len, "no grant of the role %s is for %s", name,
                     reach == REACH_ORDER || reach == REACH_NEW
                         ? "order ids that begin like this one"
                     : reach == REACH_BEGUN
                         ? "order ids that begin so: name its prefix, or a longer one"
                         : "orders of any id, which this needs");
            return;
    }
}
