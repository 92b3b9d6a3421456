/* grant.c - see grant.h. */
#include "grant.h"

#include <string.h>

#define GRANT_ELEMENTS 3
#define GRANT_ELEMENTS_QUOTA 6

static const char *const role_names[] = {
    [ROLE_OBSERVER] = "observer", [ROLE_PRODUCER] = "producer", [ROLE_WORKER] = "worker",
    [ROLE_OPERATOR] = "operator", [ROLE_ADMIN] = "admin",
};
static const char *const kind_names[] = {
    [PRINCIPAL_TOKEN] = "token",
    [PRINCIPAL_CERTIFICATE] = "certificate",
};

#define ROLES (sizeof role_names / sizeof *role_names)
#define KINDS (sizeof kind_names / sizeof *kind_names)

static bool is_word(struct slice s, const char *word)
{
    return s.len == strlen(word) && memcmp(s.data, word, s.len) == 0;
}

bool caller_is(const struct caller *a, const struct caller *b)
{
    return a->kind == b->kind && a->who.len == b->who.len &&
           (a->who.len == 0 || memcmp(a->who.data, b->who.data, a->who.len) == 0);
}

bool caller_is_from(const struct caller *a, const struct caller *b)
{
    return (a->from.data == NULL) == (b->from.data == NULL) && a->from.len == b->from.len &&
           (a->from.len == 0 || memcmp(a->from.data, b->from.data, a->from.len) == 0);
}

const char *grant_role_name(enum role role)
{
    return role >= ROLE_OBSERVER && role < ROLES ? role_names[role] : "?";
}

bool grant_role_parse(struct slice name, enum role *role)
{
    for (size_t i = ROLE_OBSERVER; i < ROLES; i++) {
        if (is_word(name, role_names[i])) {
            *role = (enum role)i;
            return true;
        }
    }
    return false;
}

const char *principal_kind_name(enum principal_kind kind)
{
    return kind >= PRINCIPAL_TOKEN && kind < KINDS ? kind_names[kind] : "?";
}

bool principal_kind_parse(struct slice name, enum principal_kind *kind)
{
    for (size_t i = PRINCIPAL_TOKEN; i < KINDS; i++) {
        if (is_word(name, kind_names[i])) {
            *kind = (enum principal_kind)i;
            return true;
        }
    }
    return false;
}

static bool is_of_names(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

bool grant_name_is_good(struct slice name)
{
    return name.len >= 1 && name.len <= GRANT_NAME_MAX && is_of_names(name);
}

static bool is_open(struct slice pattern)
{
    return pattern.len > 0 && pattern.data[pattern.len - 1] == '*';
}

static struct slice beginning_of(struct slice pattern)
{
    return (struct slice){pattern.data, pattern.len - is_open(pattern)};
}

bool grant_pattern_is_good(struct slice pattern)
{
    return pattern.len >= 1 && beginning_of(pattern).len <= ORDERSCHED_ROUTE_NAME_MAX &&
           is_of_names(beginning_of(pattern));
}

static bool begins_with(struct slice s, struct slice beginning)
{
    return s.len >= beginning.len &&
           (beginning.len == 0 || memcmp(s.data, beginning.data, beginning.len) == 0);
}

bool grant_covers_route(const struct grant *g, struct slice route)
{
    struct slice beginning = beginning_of(g->routes);

    return begins_with(route, beginning) && (is_open(g->routes) || route.len == beginning.len);
}

bool grant_covers_id(const struct grant *g, struct slice id)
{
    return begins_with(id, g->prefix);
}

bool token_is_wellformed(struct slice text)
{
    size_t prefix_len = strlen(TOKEN_PREFIX);

    if (text.len != TOKEN_TEXT_LEN || memcmp(text.data, TOKEN_PREFIX, prefix_len) != 0) {
        return false;
    }
    for (size_t i = prefix_len; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return true;
}

bool grant_is_for_all(const struct grant *g)
{
    return g->routes.len == 1 && is_open(g->routes) && g->prefix.len == 0;
}

bool quota_is_set(const struct quota *q)
{
    return q->operations_per_s > 0 || q->pending_orders > 0 || q->bytes > 0;
}

/* Reads, and what workers do, are no operations of the log. */
bool grant_role_has_rate(enum role role)
{
    return role == ROLE_PRODUCER || role == ROLE_OPERATOR || role == ROLE_ADMIN;
}

bool grant_role_has_orders(enum role role)
{
    return role == ROLE_PRODUCER || role == ROLE_ADMIN;
}

static int refuse(struct problem *problem, const char *key, const char *why)
{
    problem->key = (struct slice){(const uint8_t *)key, strlen(key)};
    problem->why = why;
    return ORDERSCHED_INVALID;
}

static int check_quota(const struct grant *g, struct problem *problem)
{
    const struct quota *q = &g->quota;

    if (!quota_is_set(q)) { /* a grant without one has one form */
        return refuse(problem, "quota", "must not be 0 throughout: it is left out then");
    }
    if (q->operations_per_s > GRANT_RATE_MAX) {
        return refuse(problem, "operations_per_s", "must be at most 1000000");
    }
    if (q->pending_orders > GRANT_ORDERS_MAX) {
        return refuse(problem, "pending_orders", "must be at most 1000000000");
    }
    if (q->bytes > GRANT_ORDER_BYTES_MAX) {
        return refuse(problem, "bytes", "must be at most 1 PiB");
    }
    if (!grant_role_has_rate(g->role)) {
        return refuse(problem, "quota", "is not for an observer or a worker");
    }
    if (!grant_role_has_orders(g->role) && (q->pending_orders > 0 || q->bytes > 0)) {
        return refuse(problem, "quota", "of orders or bytes is not for an operator");
    }
    return ORDERSCHED_OK;
}

static int check_grant(const struct grant *g, uint64_t role, struct problem *problem)
{
    if (role < ROLE_OBSERVER || role >= ROLES) {
        return refuse(problem, "role", "must be observer, producer, worker, operator or admin");
    }
    if (!grant_pattern_is_good(g->routes)) {
        return refuse(problem, "routes",
                      "must be a route's name, or the beginning of names and *, or * alone");
    }
    if (g->prefix.len > ORDERSCHED_ID_MAX) {
        return refuse(problem, "prefix", "must have at most 128 bytes");
    }
    if (g->role == ROLE_WORKER && g->prefix.len > 0) {
        return refuse(problem, "prefix",
                      "must be empty for a worker, who is given whatever is due on its routes");
    }
    return ORDERSCHED_OK;
}

/* Returns how many fields it has. */
static uint32_t read_grant(struct cursor *c, struct grant *g, uint64_t *role)
{
    uint32_t fields = cursor_array(c);

    *role = cursor_uint(c);
    g->role = (enum role) * role;
    g->routes = cursor_bytes(c);
    g->prefix = cursor_bytes(c);
    g->quota = (struct quota){0};
    if (fields == GRANT_ELEMENTS_QUOTA) {
        g->quota.operations_per_s = cursor_uint(c);
        g->quota.pending_orders = cursor_uint(c);
        g->quota.bytes = cursor_uint(c);
    }
    return fields;
}

int grants_decode(struct cursor *c, uint32_t *n, struct slice *elements, struct problem *problem)
{
    *n = cursor_array(c);
    if (!cursor_ok(c) || *n < 1 || *n > GRANT_MAX) {
        return refuse(problem, "grants", "must be 1 to 8");
    }
    elements->data = c->at;
    for (uint32_t i = 0; i < *n; i++) {
        struct grant g;
        uint64_t role;
        uint32_t fields = read_grant(c, &g, &role);
        if (!cursor_ok(c) || (fields != GRANT_ELEMENTS && fields != GRANT_ELEMENTS_QUOTA)) {
            return ORDERSCHED_INVALID;
        }
        int rv = check_grant(&g, role, problem);
        if (rv == ORDERSCHED_OK && fields == GRANT_ELEMENTS_QUOTA) {
            rv = check_quota(&g, problem);
        }
        if (rv != ORDERSCHED_OK) {
            return rv;
        }
    }
    elements->len = (size_t)(c->at - elements->data);
    return ORDERSCHED_OK;
}

void grant_read(struct cursor *c, struct grant *g)
{
    uint64_t role;

    (void)read_grant(c, g, &role);
}

void grant_write(struct buffer *b, const struct grant *g)
{
    bool has_quota = quota_is_set(&g->quota);

    write_array(b, has_quota ? GRANT_ELEMENTS_QUOTA : GRANT_ELEMENTS);
    write_uint(b, g->role);
    write_str(b, g->routes.data, g->routes.len);
    write_bin(b, g->prefix.data, g->prefix.len);
    if (has_quota) {
        write_uint(b, g->quota.operations_per_s);
        write_uint(b, g->quota.pending_orders);
        write_uint(b, g->quota.bytes);
    }
}
