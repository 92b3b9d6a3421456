/* grant.h - a grant: a role, the routes and the order ids that it is for; and the words and bytes
 * of all that is said about principals (docs/roles.md). Pure; never allocates. */
#ifndef GRANT_H
#define GRANT_H

#include "cursor.h"
#include "protocol.h"

#define GRANT_NAME_MAX 64                                 /* bytes of a principal's name */
#define GRANT_PATTERN_MAX (ORDERSCHED_ROUTE_NAME_MAX + 1) /* a route's name and '*' */
#define GRANT_MAX 8                                       /* grants of a principal */
#define GRANT_RATE_MAX 1000000u                           /* operations a second */
#define GRANT_ORDERS_MAX 1000000000ull                    /* pending orders */
#define GRANT_ORDER_BYTES_MAX (1ull << 50)                /* of pending orders */
#define CALLER_FROM_MAX 64                                /* bytes of a client's address */
#define TOKEN_HASH_SIZE 32                                /* SHA-256 */
#define TOKEN_PREFIX "osdt_"
#define TOKEN_TEXT_LEN 48 /* the prefix, and the base64url of 32 bytes */
#define TOKEN_LIFETIME_MAX_MS (3660ull * 24 * 3600 * 1000)

/* Numbers are part of the wire protocol, the log and snapshots. */
enum role {
    ROLE_OBSERVER = 1,
    ROLE_PRODUCER = 2,
    ROLE_WORKER = 3,
    ROLE_OPERATOR = 4,
    ROLE_ADMIN = 5,
};
enum principal_kind { PRINCIPAL_TOKEN = 1, PRINCIPAL_CERTIFICATE = 2 };

/* How much may be done by a grant; 0: as much as there is. */
struct quota {
    uint64_t operations_per_s; /* of the log; as many at once */
    uint64_t pending_orders;   /* scheduled by it, and not decided yet */
    uint64_t bytes;            /* of their ids and payloads */
};

/* Slices point into whatever it was decoded from. */
struct grant {
    enum role role;
    struct slice routes; /* a route's name; or the beginning of one, and '*' */
    struct slice prefix; /* of order ids; empty: all */
    struct quota quota;
};

/* Who asks, as a message and the log say it. A token's hash is 32 bytes, a certificate's name is a
 * principal's; nobody, and the owner of a node's directory, have neither. */
enum caller_kind { CALLER_NOBODY = 0, CALLER_TOKEN = 1, CALLER_CERTIFICATE = 2, CALLER_OWNER = 3 };
struct caller {
    enum caller_kind kind;
    struct slice who;
    /* Where it asks from (audit.h). data NULL: that is not told, and what it asks for is in no audit
     * trail. In the log it is told in front of administrative operations alone. */
    struct slice from;
};
bool caller_is(const struct caller *a, const struct caller *b); /* wherever it asks from */
/* And from the same place? */
bool caller_is_from(const struct caller *a, const struct caller *b);

const char *grant_role_name(enum role role);               /* "observer" and so on */
bool grant_role_parse(struct slice name, enum role *role); /* false: there is no such role */
const char *principal_kind_name(enum principal_kind kind); /* "token", "certificate" */
bool principal_kind_parse(struct slice name, enum principal_kind *kind);

/* 1 to GRANT_NAME_MAX of A-Z a-z 0-9 . _ - */
bool grant_name_is_good(struct slice name);
/* The same and at most one '*', which is its end; or '*' alone. */
bool grant_pattern_is_good(struct slice pattern);
bool grant_covers_route(const struct grant *g, struct slice route);
bool grant_covers_id(const struct grant *g, struct slice id);
/* Does it look like a token (token.h)? */
bool token_is_wellformed(struct slice text);
/* Is it for every route and every order? */
bool grant_is_for_all(const struct grant *g);
bool quota_is_set(const struct quota *q); /* is any of it? */
/* Can a grant of this role have a quota of operations; and of orders, and their bytes? */
bool grant_role_has_rate(enum role role);
bool grant_role_has_orders(enum role role);

/* Read an array of 1 to GRANT_MAX grants, each [role, routes, prefix], or with a quota [role, routes,
 * prefix, operations_per_s, pending_orders, bytes], and check them: *elements are their bytes, back to
 * back. ORDERSCHED_OK, or INVALID with what is wrong in *problem. */
int grants_decode(struct cursor *c, uint32_t *n, struct slice *elements,
                  struct problem *problem) ORDERSCHED_MUST_CHECK;
/* The next of elements that were checked. */
void grant_read(struct cursor *c, struct grant *g);
void grant_write(struct buffer *b, const struct grant *g);

#endif
