/* resource_access.c - see resource_handlers.h. */
#include "resource_handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/json/json_in.h"
#include "../../client/json/json_out.h"
#include "../../client/json/json_rows.h"
#include "../../client/wire/token.h"
#include "made_secret.h"
#include "request_key.h"
#include "resource.h"

#define OVERLAP_DEFAULT_MS (24ull * 3600 * 1000)

/* --- reading --- */

/* [name to go on behind, or "", [row, ...]] */
static bool take_page(const struct ordersched_answer *answer, json_t *rows, struct slice *next)
{
    struct cursor c;
    bool ok = true;

    cursor_init(&c, answer->body, answer->body_len);
    (void)cursor_array(&c);
    *next = cursor_bytes(&c);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n && ok; i++) {
        struct principal_row row = {.tokens = json_array()};
        ok = principal_row_read(&c, &row);
        if (ok) {
            json_array_append_new(rows, json_principal_row(&row));
        }
        json_decref(row.tokens);
    }
    return ok && cursor_ok(&c);
}

static void answer_list_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    (void)n;
    resource_answer_page(x, &answers[0], "principals", take_page);
}

void resource_principal_list(struct exchange *x)
{
    struct operation op = {.code = OPERATION_GRANT_LIST};
    struct flaw flaw = {0};
    size_t len = 0;

    uint8_t *cursor = params_cursor(x, "cursor", GRANT_NAME_MAX, &flaw, &len);
    op.id = (struct slice){cursor, len};
    if (len > 0 && cursor != NULL && !grant_name_is_good(op.id)) {
        params_refuse(&flaw, "cursor", "must be a cursor that an earlier answer gave");
    }
    if (resource_sound(x, &flaw)) {
        resource_ask(x, &op, answer_list_cb);
    }
    free(cursor);
}

/* --- grants --- */

/* How much its holder may do, where that is bounded. */
static void read_quota(struct fields *f, struct grant *g)
{
    static const char *const names[] = {"operations_per_s", "pending_orders", "bytes", NULL};
    const json_t *quota = json_object_get(f->object, "quota");
    char at[sizeof f->at + sizeof "/quota"];

    if (quota == NULL) {
        return;
    }
    snprintf(at, sizeof at, "%s/quota", f->at);
    struct fields q = fields_of(quota, at, names, f->flaw);
    (void)fields_number(&q, names[0], 1, JSON_IN_INTEGER_MAX, &g->quota.operations_per_s);
    (void)fields_number(&q, names[1], 1, JSON_IN_INTEGER_MAX, &g->quota.pending_orders);
    (void)fields_number(&q, names[2], 1, JSON_IN_INTEGER_MAX, &g->quota.bytes);
    if (!quota_is_set(&g->quota)) {
        fields_refuse(f, "quota", "INVALID", "must name operations_per_s, pending_orders or bytes");
    } else if (g->quota.operations_per_s > 0 && !grant_role_has_rate(g->role)) {
        fields_refuse(f, "quota", "INVALID", "is not for this role");
    } else if ((g->quota.pending_orders > 0 || g->quota.bytes > 0) &&
               !grant_role_has_orders(g->role)) {
        fields_refuse(f, "quota", "INVALID", "of orders and their bytes is not for this role");
    }
}

static void read_grant(struct fields *f, struct grant *g)
{
    struct slice role;

    *g = (struct grant){.routes = {(const uint8_t *)"*", 1}};
    fields_need(f, "role");
    if (fields_text(f, "role", &role) && !grant_role_parse(role, &g->role)) {
        fields_refuse(f, "role", "INVALID",
                      "must be \"observer\", \"producer\", \"worker\", \"operator\" or \"admin\"");
    }
    if (fields_text(f, "routes", &g->routes) && !grant_pattern_is_good(g->routes)) {
        fields_refuse(f, "routes", "INVALID",
                      "must be a route's name, or the beginning of names and *, or * alone");
    }
    if (fields_text(f, "prefix", &g->prefix)) {
        if (g->prefix.len > ORDERSCHED_ID_MAX) {
            fields_refuse(f, "prefix", "INVALID", "must have at most %d bytes", ORDERSCHED_ID_MAX);
        } else if (g->role == ROLE_WORKER && g->prefix.len > 0) {
            fields_refuse(f, "prefix", "INVALID",
                          "is not for a worker, who is given whatever is due on its routes");
        }
    }
    read_quota(f, g);
}

/* The elements of op->tokens, in *b. */
static void read_grants(struct fields *f, struct buffer *b, struct operation *op)
{
    static const char *const names[] = {"role", "routes", "prefix", "quota", NULL};
    struct grant g;
    char at[32];

    fields_need(f, "grants");
    const json_t *grants = fields_array(f, "grants", 1, GRANT_MAX);
    for (size_t i = 0; grants != NULL && i < json_array_size(grants); i++) {
        snprintf(at, sizeof at, "/grants/%zu", i);
        struct fields of_grant = fields_of(json_array_get(grants, i), at, names, f->flaw);
        read_grant(&of_grant, &g);
        if (f->flaw->name != NULL) {
            return;
        }
        grant_write(b, &g);
        op->n_tokens++;
    }
    op->tokens = (struct slice){b->data, b->len};
}

static void answer_named_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    (void)n;
    if (answers[0].error == ORDERSCHED_EXISTS) {
        exchange_problem(x, ORDERSCHED_EXISTS, "the principal of this name is of the other kind",
                         NULL);
    } else if (resource_done_well(x, &answers[0], (struct slice){0})) {
        json_t *principal = json_object();
        out_bytes(principal, "name", x->segments[2]);
        exchange_answer(x, 200, principal);
    }
}

static void ask_keyed(struct exchange *x, struct operation *op, resource_done on_done)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];

    request_key_make(x, NULL, request_id);
    op->request_id = request_id;
    resource_ask(x, op, on_done);
}

void resource_principal_put(struct exchange *x)
{
    static const char *const names[] = {"kind", "grants", NULL};
    static const char *const kinds[] = {"token", "certificate", NULL};
    struct operation op = {.code = OPERATION_GRANT_PUT, .kind = PRINCIPAL_CERTIFICATE};
    struct flaw flaw = {0};
    struct buffer grants = {0};
    json_t *body = NULL;
    unsigned kind;

    if (resource_name(x, 2, &op.id) && resource_body(x, &body)) {
        struct fields f = fields_of(body, "", names, &flaw);
        if (fields_word(&f, "kind", kinds, &kind)) {
            op.kind = kind == 0 ? PRINCIPAL_TOKEN : PRINCIPAL_CERTIFICATE;
        }
        read_grants(&f, &grants, &op);
        if (resource_sound(x, &flaw)) {
            ask_keyed(x, &op, answer_named_cb);
        }
    }
    buffer_free(&grants);
    json_decref(body);
}

static void answer_deleted_cb(struct exchange *x, const struct ordersched_answer *answers,
                              unsigned n)
{
    (void)n;
    if (resource_done_well(x, &answers[0], (struct slice){0})) {
        exchange_answer(x, 204, NULL);
    }
}

void resource_principal_delete(struct exchange *x)
{
    struct operation op = {.code = OPERATION_GRANT_REVOKE};

    if (resource_name(x, 2, &op.id) && resource_no_body(x)) {
        ask_keyed(x, &op, answer_deleted_cb);
    }
}

/* --- tokens --- */

/* "90d", "never", or expires_ms; it must be said. */
static void read_expires(struct fields *f, uint64_t *ms)
{
    struct slice text;

    *ms = 0;
    if (!fields_has(f, "expires") && !fields_has(f, "expires_ms")) {
        fields_refuse(f, NULL, "INVALID",
                      "\"expires\" is missing: how long the token is good, such as \"90d\", or "
                      "\"never\"");
        return;
    }
    if (json_is_string(json_object_get(f->object, "expires")) && fields_text(f, "expires", &text) &&
        strcmp((const char *)text.data, "never") == 0 && !fields_has(f, "expires_ms")) {
        return;
    }
    if (fields_duration(f, "expires", ms) && (*ms == 0 || *ms > TOKEN_LIFETIME_MAX_MS)) {
        fields_refuse(f, fields_has(f, "expires") ? "expires" : "expires_ms", "INVALID",
                      "must be a duration of at most 3660d, or \"never\"");
    }
}

static void answer_token_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    static const char *const parent[] = {"v1", "principals", NULL};
    const char *token = x->state;

    (void)n;
    if (answers[0].error == ORDERSCHED_EXISTS) { /* of which the error's own text says "order" */
        exchange_problem(x, ORDERSCHED_EXISTS, "there is a principal of this name", NULL);
        return;
    }
    if (!made_secret_taken(x, &answers[0], "token", token)) {
        return;
    }
    /* Of a creation the name came in the body: it stands behind the token. */
    const char *created = token + TOKEN_TEXT_LEN + 1;
    struct slice name = x->n_segments > 2
                            ? x->segments[2]
                            : (struct slice){(const uint8_t *)created, strlen(created)};
    json_t *body = json_object();
    out_bytes(body, "name", name);
    out_text(body, "token", token);
    resource_created(x, parent, name, body);
}

/* Ask for a change that makes a token. */
static void ask_token(struct exchange *x, struct operation *op)
{
    uint8_t hash[TOKEN_HASH_SIZE];
    char *token = made_secret_token(x);

    if (token != NULL) {
        memcpy(token + TOKEN_TEXT_LEN + 1, op->id.data, op->id.len);
        token_hash((struct slice){(const uint8_t *)token, TOKEN_TEXT_LEN}, hash);
        op->secret = (struct slice){hash, sizeof hash};
        ask_keyed(x, op, answer_token_cb);
    }
}

void resource_principal_token(struct exchange *x)
{
    static const char *const names[] = {"expires", "expires_ms", "overlap", "overlap_ms", NULL};
    struct operation op = {.code = OPERATION_TOKEN_ROTATE, .delay_ms = OVERLAP_DEFAULT_MS};
    struct flaw flaw = {0};
    json_t *body = NULL;

    if (resource_name(x, 2, &op.id) && resource_body(x, &body)) {
        struct fields f = fields_of(body, "", names, &flaw);
        read_expires(&f, &op.time_ms);
        if (fields_duration(&f, "overlap", &op.delay_ms) && op.delay_ms > TOKEN_LIFETIME_MAX_MS) {
            fields_refuse(&f, NULL, "INVALID", "\"overlap\" must be at most 3660d");
        }
        if (resource_sound(x, &flaw)) {
            ask_token(x, &op);
        }
    }
    json_decref(body);
}

void resource_token_create(struct exchange *x)
{
    static const char *const names[] = {"name", "grants", "expires", "expires_ms", NULL};
    struct operation op = {.code = OPERATION_TOKEN_CREATE};
    struct flaw flaw = {0};
    struct buffer grants = {0};
    json_t *body = NULL;

    if (resource_body(x, &body)) {
        struct fields f = fields_of(body, "", names, &flaw);
        fields_need(&f, "name");
        if (fields_text(&f, "name", &op.id) && !grant_name_is_good(op.id)) {
            fields_refuse(&f, "name", "INVALID", "must be 1 to 64 of A-Z a-z 0-9 . _ -");
        }
        read_grants(&f, &grants, &op);
        read_expires(&f, &op.time_ms);
        if (resource_sound(x, &flaw)) {
            ask_token(x, &op);
        }
    }
    buffer_free(&grants);
    json_decref(body);
}

/* --- authorisation --- */

static void answer_authorisation_cb(struct exchange *x, const struct ordersched_answer *answers,
                                    unsigned n)
{
    struct cursor c;
    struct slice on = {0};

    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        return;
    }
    cursor_init(&c, answers[0].body, answers[0].body_len);
    uint32_t keys = cursor_map(&c);
    for (uint32_t i = 0; i < keys && cursor_ok(&c); i++) {
        struct slice key = cursor_bytes(&c);
        if (cursor_ok(&c) && key.len == 13 && memcmp(key.data, "authorisation", 13) == 0) {
            on = cursor_bytes(&c);
        } else {
            (void)cursor_skip(&c);
        }
    }
    if (!cursor_ok(&c) || on.len == 0) {
        resource_malformed(x);
        return;
    }
    json_t *body = json_object();
    json_object_set_new(body, "on", json_boolean(on.len == 2));
    exchange_answer(x, 200, body);
}

void resource_authorisation_get(struct exchange *x)
{
    resource_ask(x, &(struct operation){.code = OPERATION_STATUS}, answer_authorisation_cb);
}

static void answer_switched_cb(struct exchange *x, const struct ordersched_answer *answers,
                               unsigned n)
{
    (void)n;
    if (resource_done_well(x, &answers[0], (struct slice){0})) {
        json_t *body = json_object();
        json_object_set_new(body, "on", json_boolean(x->state != NULL));
        exchange_answer(x, 200, body);
    }
}

void resource_authorisation_put(struct exchange *x)
{
    static const char *const names[] = {"on", NULL};
    struct operation op = {.code = OPERATION_AUTHORIZE};
    struct flaw flaw = {0};
    json_t *body = NULL;

    if (resource_body(x, &body)) {
        struct fields f = fields_of(body, "", names, &flaw);
        fields_need(&f, "on");
        (void)fields_flag(&f, "on", &op.on);
        if (resource_sound(x, &flaw)) {
            x->state = op.on ? x : NULL; /* not freed: it says what was asked */
            ask_keyed(x, &op, answer_switched_cb);
        }
    }
    json_decref(body);
}
