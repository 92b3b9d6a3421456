/* principals.c - who may do what: tokens, grants, authorisation (docs/roles.md). */
#include <openssl/crypto.h>
#include <string.h>
#include <sys/random.h>

#include "../text/units.h"
#include "../wire/token.h"
#include "principals.h"

#define OVERLAP_DEFAULT_MS (24ull * 3600 * 1000)

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* --- arguments --- */

static int check_name(struct ctl *ctl)
{
    if (!grant_name_is_good(slice_of(ctl->operands[0]))) {
        return ctl_usage(ctl,
                         "the name must be 1 to %d letters, digits, '-', '_' and '.', not \"%s\"",
                         GRANT_NAME_MAX, ctl->operands[0]);
    }
    return CTL_DONE;
}

/* One grant for each role of "producer,observer", all of them for the same routes and ids. */
static int read_roles(struct ctl *ctl, struct grant grants[GRANT_MAX], uint32_t *n)
{
    const char *roles = ctl_value(ctl, CTL_ROLE);

    if (roles == NULL) {
        return ctl_usage(ctl, "--role is missing");
    }
    for (*n = 0; *n < GRANT_MAX;) {
        struct slice word = {(const uint8_t *)roles, strcspn(roles, ",")};
        if (!grant_role_parse(word, &grants[*n].role)) {
            return ctl_usage(ctl,
                             "--role must be observer, producer, worker, operator or admin, or "
                             "some of them with commas, not \"%.*s\"",
                             (int)word.len, roles);
        }
        ++*n;
        roles += word.len;
        if (*roles++ == '\0') {
            return CTL_DONE;
        }
    }
    return ctl_usage(ctl, "--role has more than %d roles", GRANT_MAX);
}

/* "500/s", or "500". */
static bool parse_rate(const char *text, uint64_t *per_s)
{
    char digits[16];
    size_t len = strcspn(text, "/");

    if (len >= sizeof digits || (text[len] != '\0' && strcmp(text + len, "/s") != 0)) {
        return false;
    }
    memcpy(digits, text, len);
    digits[len] = '\0';
    return ctl_parse_number(digits, 1, GRANT_RATE_MAX, per_s);
}

static int read_quota(struct ctl *ctl, struct quota *q)
{
    const char *rate = ctl_value(ctl, CTL_MAX_RATE);
    const char *pending = ctl_value(ctl, CTL_MAX_PENDING);
    const char *bytes = ctl_value(ctl, CTL_MAX_BYTES);

    *q = (struct quota){0};
    if (rate != NULL && !parse_rate(rate, &q->operations_per_s)) {
        return ctl_usage(ctl,
                         "--max-rate must be operations a second, from 1/s to %u/s, not \"%s\"",
                         GRANT_RATE_MAX, rate);
    }
    if (pending != NULL && !ctl_parse_number(pending, 1, GRANT_ORDERS_MAX, &q->pending_orders)) {
        return ctl_usage(ctl, "--max-pending must be a number from 1 to %llu, not \"%s\"",
                         GRANT_ORDERS_MAX, pending);
    }
    if (bytes != NULL && (!units_parse_size(bytes, &q->bytes) || q->bytes == 0 ||
                          q->bytes > GRANT_ORDER_BYTES_MAX)) {
        return ctl_usage(ctl, "--max-bytes must be a size such as 64MiB, not \"%s\"", bytes);
    }
    return CTL_DONE;
}

/* Each grant whose role can have it gets the quota, as far as it can; one must. */
static int give_quota(struct ctl *ctl, const struct quota *q, struct grant *grants, uint32_t n)
{
    bool rate = false, orders = false;

    for (uint32_t i = 0; i < n; i++) {
        bool has_rate = grant_role_has_rate(grants[i].role);
        bool has_orders = grant_role_has_orders(grants[i].role);
        grants[i].quota = (struct quota){
            .operations_per_s = has_rate ? q->operations_per_s : 0,
            .pending_orders = has_orders ? q->pending_orders : 0,
            .bytes = has_orders ? q->bytes : 0,
        };
        rate = rate || has_rate;
        orders = orders || has_orders;
    }
    if (q->operations_per_s > 0 && !rate) {
        return ctl_usage(ctl, "--max-rate is for a producer, an operator or an admin");
    }
    if ((q->pending_orders > 0 || q->bytes > 0) && !orders) {
        return ctl_usage(ctl, "--max-pending and --max-bytes are for a producer or an admin");
    }
    return CTL_DONE;
}

static int read_grants(struct ctl *ctl, struct grant grants[GRANT_MAX], uint32_t *n)
{
    const char *routes = ctl_value(ctl, CTL_ROUTES);
    const char *prefix = ctl_value(ctl, CTL_PREFIX);
    struct quota quota;

    int rv = read_roles(ctl, grants, n);
    rv = rv == CTL_DONE ? read_quota(ctl, &quota) : rv;
    if (rv != CTL_DONE) {
        return rv;
    }
    for (uint32_t i = 0; i < *n; i++) {
        grants[i].routes = slice_of(routes != NULL ? routes : "*");
        grants[i].prefix = slice_of(prefix != NULL ? prefix : "");
        if (!grant_pattern_is_good(grants[i].routes)) {
            return ctl_usage(ctl,
                             "--routes must be a route's name, or the beginning of names and *, or "
                             "* alone, not \"%s\"",
                             routes);
        }
        if (grants[i].prefix.len > ORDERSCHED_ID_MAX) {
            return ctl_usage(ctl, "--prefix must have at most %d bytes", ORDERSCHED_ID_MAX);
        }
        if (grants[i].role == ROLE_WORKER && grants[i].prefix.len > 0) {
            return ctl_usage(ctl, "--prefix is not for a worker, who is given whatever is due on "
                                  "its routes");
        }
    }
    return give_quota(ctl, &quota, grants, *n);
}

static int read_duration(struct ctl *ctl, enum ctl_flag flag, const char *name, uint64_t *ms)
{
    const char *text = ctl_value(ctl, flag);

    if (text == NULL) {
        return CTL_DONE;
    }
    if (strcmp(text, "never") == 0 && flag == CTL_EXPIRES) {
        *ms = 0;
        return CTL_DONE;
    }
    if (!units_parse_duration(text, ms) || *ms > TOKEN_LIFETIME_MAX_MS ||
        (*ms == 0 && flag == CTL_EXPIRES)) {
        return ctl_usage(ctl, "--%s must be a duration of at most 3660d%s, not \"%s\"", name,
                         flag == CTL_EXPIRES ? ", or never" : "", text);
    }
    return CTL_DONE;
}

static int read_expires(struct ctl *ctl, uint64_t *ms)
{
    *ms = 0;
    if (ctl_value(ctl, CTL_EXPIRES) == NULL) {
        return ctl_usage(ctl, "--expires is missing: how long the token is good, such as 90d, or "
                              "never");
    }
    return read_duration(ctl, CTL_EXPIRES, "expires", ms);
}

static int check_create(struct ctl *ctl)
{
    struct grant grants[GRANT_MAX];
    uint64_t ms;
    uint32_t n;

    int rv = check_name(ctl);
    rv = rv == CTL_DONE ? read_grants(ctl, grants, &n) : rv;
    return rv == CTL_DONE ? read_expires(ctl, &ms) : rv;
}

static int check_rotate(struct ctl *ctl)
{
    uint64_t ms;

    int rv = check_name(ctl);
    rv = rv == CTL_DONE ? read_expires(ctl, &ms) : rv;
    return rv == CTL_DONE ? read_duration(ctl, CTL_OVERLAP, "overlap", &ms) : rv;
}

static int read_kind(struct ctl *ctl, enum principal_kind *kind)
{
    const char *text = ctl_value(ctl, CTL_KIND);

    *kind = PRINCIPAL_CERTIFICATE;
    return text == NULL || principal_kind_parse(slice_of(text), kind)
               ? CTL_DONE
               : ctl_usage(ctl, "--kind must be token or certificate, not \"%s\"", text);
}

static int check_put(struct ctl *ctl)
{
    struct grant grants[GRANT_MAX];
    enum principal_kind kind;
    uint32_t n;

    int rv = check_name(ctl);
    rv = rv == CTL_DONE ? read_kind(ctl, &kind) : rv;
    return rv == CTL_DONE ? read_grants(ctl, grants, &n) : rv;
}

/* --- asking --- */

static int ask(struct ctl *ctl, struct operation *op, struct ask_reply *reply)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];

    if (ctl_make_request_id(ctl, request_id, reply) != ORDERSCHED_OK) {
        return reply->error;
    }
    op->request_id = request_id;
    if (ctl->n_operands > 0) {
        op->id = slice_of(ctl->operands[0]);
    }
    return ask_leader(ctl->client, op, ctl->timeout_ms, reply);
}

static int say(struct ctl *ctl, struct operation *op, const char *done)
{
    const char *name = ctl->n_operands > 0 ? ctl->operands[0] : NULL;
    struct ask_reply reply;

    int rv = ask(ctl, op, &reply);
    if (rv != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, name, NULL, &reply);
    } else if (ctl->json) {
        rv = ctl_print_json(
            json_pack("{ss, ss?, ss}", "command", ctl->command->name, "name", name, "error", "OK"));
    } else {
        printf("%s%s%s\n", name != NULL ? name : "", name != NULL ? " " : "", done);
        rv = CTL_DONE;
    }
    ask_reply_free(&reply);
    return rv;
}

static void write_grants(struct buffer *b, const struct grant *grants, uint32_t n,
                         struct operation *op)
{
    for (uint32_t i = 0; i < n; i++) {
        grant_write(b, &grants[i]);
    }
    op->n_tokens = n;
    op->tokens = (struct slice){b->data, b->len};
}

/* --- tokens --- */

static int print_token(const struct ctl *ctl, const char *token)
{
    if (ctl->json) {
        return ctl_print_json(json_pack("{ss, ss, ss, ss}", "command", ctl->command->name, "name",
                                        ctl->operands[0], "error", "OK", "token", token));
    }
    printf("%s\n", token);
    fprintf(stderr,
            "The token of %s. It is shown this once; the cluster keeps no more than its hash.\n",
            ctl->operands[0]);
    return CTL_DONE;
}

/* Ask for a change that makes a token, and show it. */
static int make_token(struct ctl *ctl, struct operation *op)
{
    uint8_t random[TOKEN_RANDOM_SIZE], hash[TOKEN_HASH_SIZE];
    char token[TOKEN_TEXT_LEN + 1];
    struct ask_reply reply;

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        fprintf(stderr, "orderctl: %s: no random bytes for a token; nothing was done\n",
                ctl->command->name);
        return CTL_REFUSED;
    }
    token_make(random, token);
    token_hash(slice_of(token), hash);
    op->secret = (struct slice){hash, sizeof hash};
    int rv = ask(ctl, op, &reply);
    rv = rv == ORDERSCHED_OK ? print_token(ctl, token)
                             : ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    if (ordersched_error_class(reply.error) == ORDERSCHED_UNKNOWN) {
        fprintf(stderr, "orderctl: %s: it may be in place, and this is its token: %s\n",
                ctl->command->name, token);
    }
    ask_reply_free(&reply);
    OPENSSL_cleanse(random, sizeof random);
    OPENSSL_cleanse(token, sizeof token);
    return rv;
}

static int run_create(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_TOKEN_CREATE};
    struct grant grants[GRANT_MAX];
    struct buffer b = {0};
    uint32_t n;

    (void)read_grants(ctl, grants, &n); /* it was checked */
    (void)read_expires(ctl, &op.time_ms);
    write_grants(&b, grants, n, &op);
    int rv = make_token(ctl, &op);
    buffer_free(&b);
    return rv;
}

static int run_rotate(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_TOKEN_ROTATE, .delay_ms = OVERLAP_DEFAULT_MS};

    (void)read_expires(ctl, &op.time_ms); /* it was checked */
    (void)read_duration(ctl, CTL_OVERLAP, "overlap", &op.delay_ms);
    return make_token(ctl, &op);
}

static int run_revoke(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_GRANT_REVOKE};

    return say(ctl, &op, "is revoked: it may do nothing any more");
}

/* --- grants and authorisation --- */

static int run_put(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_GRANT_PUT};
    struct grant grants[GRANT_MAX];
    struct buffer b = {0};
    enum principal_kind kind;
    uint32_t n;

    (void)read_kind(ctl, &kind); /* it was checked */
    (void)read_grants(ctl, grants, &n);
    op.kind = kind;
    write_grants(&b, grants, n, &op);
    int rv = say(ctl, &op, "has these grants, and no others");
    buffer_free(&b);
    return rv;
}

static int run_on(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_AUTHORIZE, .on = true};

    return say(ctl, &op, "authorisation is on: who has no grant for something may not do it");
}

static int run_off(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_AUTHORIZE, .on = false};

    return say(ctl, &op, "authorisation is off: whoever reaches a client port may do everything");
}

#define GRANT_FLAGS                                                                              \
    {CTL_ROLE, "role", 0, "ROLE,...", "observer, producer, worker, operator or admin"},          \
        {CTL_ROUTES, "routes", 0, "PATTERN", "a route, or the beginning of its name and * (*)"}, \
        {CTL_PREFIX, "prefix", 0, "TEXT", "for order ids that begin so (all)"},                  \
        {CTL_MAX_RATE, "max-rate", 0, "N/s", "operations a second, at most (any number)"},       \
        {CTL_MAX_PENDING, "max-pending", 0, "N", "orders of its own that are pending (any)"},    \
    {                                                                                            \
        CTL_MAX_BYTES, "max-bytes", 0, "SIZE", "of these, ids and payloads (any)"                \
    }
#define EXPIRES_FLAG                                                                           \
    {                                                                                          \
        CTL_EXPIRES, "expires", 0, "DURATION|never", "how long the token is good, such as 90d" \
    }

static const struct flag create_flags[] = {GRANT_FLAGS, EXPIRES_FLAG, {0}};
static const struct flag rotate_flags[] = {
    EXPIRES_FLAG,
    {CTL_OVERLAP, "overlap", 0, "DURATION", "how long those before it are good, too (1d)"},
    {0},
};
static const struct flag put_flags[] = {
    {CTL_KIND, "kind", 0, "token|certificate", "how it is known (certificate)"},
    GRANT_FLAGS,
    {0},
};

#define NAMED .operands = "NAME", .operands_min = 1, .operands_max = 1

const struct ctl_command ctl_principal_commands[] = {
    {.name = "token create",
     NAMED,
     .summary = "Make a principal that is known by a token, and show the token once",
     .details =
         "Clients state it (ORDERSCHED_TOKEN). Roles: observer reads; producer schedules, "
         "pays,\ncancels, extends; worker takes due orders; operator reads, and sees to dead "
         "letters,\nmembers, clocks; admin does everything.",
     .flags = create_flags,
     .check = check_create,
     .run = run_create},
    {.name = "token rotate",
     NAMED,
     .summary = "Make another token for a principal, and let those before it expire",
     .flags = rotate_flags,
     .check = check_rotate,
     .run = run_rotate},
    {.name = "token revoke",
     NAMED,
     .summary = "Take a principal's tokens and grants away, at once",
     .check = check_name,
     .run = run_revoke},
    {.name = "token list",
     .summary =
         "Show the principals, their grants and quotas, when their tokens expire and were used",
     .lists = true,
     .run = ctl_principals_run_list},
    {.name = "grant put",
     NAMED,
     .summary = "Set what a principal may do: in place of what it might before",
     .details =
         "Of kind certificate, it is whoever comes with a certificate of that name; of kind\n"
         "token it must have been made with: token create",
     .flags = put_flags,
     .check = check_put,
     .run = run_put},
    {.name = "grant revoke",
     NAMED,
     .summary = "The same as token revoke",
     .hidden = true,
     .check = check_name,
     .run = run_revoke},
    {.name = "grant list",
     .summary = "The same as token list",
     .hidden = true,
     .lists = true,
     .run = ctl_principals_run_list},
    {.name = "auth on",
     .summary = "Let the grants count: only an admin may, and needs its token for it",
     .run = run_on},
    {.name = "auth off", .summary = "Let everybody do everything again", .run = run_off},
    {0},
};
