/* resource_routes.c - see resource_handlers.h; putting and changing settings is in resource_route_put.c. */
#include "resource_handlers.h"

#include <string.h>

#include "../../client/json/json_out.h"
#include "../../client/json/json_rows.h"
#include "../../client/wire/route_secrets.h"
#include "made_secret.h"
#include "request_key.h"
#include "resource.h"

static struct slice name_of(const struct exchange *x)
{
    return x->segments[2];
}

static json_t *named(const struct exchange *x)
{
    json_t *route = json_object();

    out_bytes(route, "name", name_of(x));
    return route;
}

/* --- reading --- */

/* All of them; NULL: malformed. */
static json_t *read_routes(const struct ordersched_answer *answer)
{
    struct cursor c;
    json_t *routes = json_array();

    cursor_init(&c, answer->body, answer->body_len);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n && cursor_ok(&c); i++) {
        if (json_array_append_new(routes, json_route_read(&c)) != 0) {
            c.failed = true;
        }
    }
    if (!cursor_ok(&c)) {
        json_decref(routes);
        return NULL;
    }
    return routes;
}

static void answer_list_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        return;
    }
    json_t *routes = read_routes(&answers[0]);
    if (routes == NULL) {
        resource_malformed(x);
        return;
    }
    json_t *body = json_object();
    json_object_set_new(body, "routes", routes);
    exchange_answer(x, 200, body);
}

void resource_route_list(struct exchange *x)
{
    resource_ask(x, &(struct operation){.code = OPERATION_ROUTE_LIST}, answer_list_cb);
}

static void answer_get_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    struct slice name = name_of(x);
    json_t *found = NULL;

    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        return;
    }
    json_t *routes = read_routes(&answers[0]);
    if (routes == NULL) {
        resource_malformed(x);
        return;
    }
    for (size_t i = 0; i < json_array_size(routes) && found == NULL; i++) {
        json_t *route = json_array_get(routes, i);
        const json_t *text = json_object_get(route, "name");
        if (json_string_length(text) == name.len &&
            memcmp(json_string_value(text), name.data, name.len) == 0) {
            found = json_incref(route);
        }
    }
    json_decref(routes);
    if (found != NULL) {
        exchange_answer(x, 200, found);
    } else {
        exchange_problem(x, ORDERSCHED_NOT_FOUND, NULL, NULL);
    }
}

void resource_route_get(struct exchange *x)
{
    struct slice name;

    if (resource_name(x, 2, &name)) {
        resource_ask(x, &(struct operation){.code = OPERATION_ROUTE_LIST}, answer_get_cb);
    }
}

/* --- changing --- */

static void answer_deleted_cb(struct exchange *x, const struct ordersched_answer *answers,
                              unsigned n)
{
    (void)n;
    if (resource_done_well(x, &answers[0], (struct slice){0})) {
        exchange_answer(x, 204, NULL);
    }
}

static void answer_paused_cb(struct exchange *x, const struct ordersched_answer *answers,
                             unsigned n)
{
    bool paused = x->segments[3].data[0] == 'p';

    (void)n;
    if (resource_done_well(x, &answers[0], (struct slice){0})) {
        json_t *route = named(x);
        json_object_set_new(route, "paused", json_boolean(paused));
        exchange_answer(x, 200, route);
    }
}

static void answer_named_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    (void)n;
    if (resource_done_well(x, &answers[0], (struct slice){0})) {
        exchange_answer(x, 200, named(x));
    }
}

static void change(struct exchange *x, struct operation op, resource_done on_done)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];

    if (resource_name(x, 2, &op.id) && resource_no_body(x)) {
        request_key_make(x, NULL, request_id);
        op.request_id = request_id;
        resource_ask(x, &op, on_done);
    }
}

void resource_route_delete(struct exchange *x)
{
    change(x, (struct operation){.code = OPERATION_ROUTE_DELETE}, answer_deleted_cb);
}

void resource_route_pause(struct exchange *x)
{
    change(x, (struct operation){.code = OPERATION_ROUTE_PAUSE, .paused = true}, answer_paused_cb);
}

void resource_route_resume(struct exchange *x)
{
    change(x, (struct operation){.code = OPERATION_ROUTE_PAUSE, .paused = false}, answer_paused_cb);
}

void resource_route_retry(struct exchange *x)
{
    change(x, (struct operation){.code = OPERATION_ROUTE_RETRY}, answer_named_cb);
}

/* --- rotating --- */

static void answer_rotated_cb(struct exchange *x, const struct ordersched_answer *answers,
                              unsigned n)
{
    const char *made = x->state;

    (void)n;
    if (!made_secret_taken(x, &answers[0], "secret", made)) {
        return;
    }
    json_t *route = named(x);
    made_secret_show(route, made);
    exchange_answer(x, 200, route);
}

/* Members "secret", "signing_key" (a key, or the public key of one that the route has), "keep". */
static void read_rotation(struct fields *f, struct operation *op)
{
    uint64_t keep = 1;

    (void)fields_number(f, "keep", 0, PROTOCOL_SECRETS_MAX - 1, &keep);
    op->keep = (uint32_t)keep;
    if (fields_has(f, "secret") && fields_has(f, "signing_key")) {
        fields_refuse(f, "signing_key", "INVALID", "\"secret\" is given as well");
    } else if (fields_text(f, "secret", &op->secret)) {
        if (!route_secret_is_good(op->secret)) {
            fields_refuse(f, "secret", "INVALID",
                          "must be whsec_ and the base64 of 24 to 64 bytes");
        }
    } else if (fields_text(f, "signing_key", &op->secret)) {
        if (!route_signing_key_is_good(op->secret) && !route_public_key_is_good(op->secret)) {
            fields_refuse(
                f, "signing_key", "INVALID",
                "must be whsk_ and the base64 of an ed25519 key pair, or whpk_ and that of "
                "the public key of one that the route has");
        }
    }
}

void resource_route_rotate(struct exchange *x)
{
    static const char *const names[] = {"secret", "signing_key", "keep", NULL};
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = {.code = OPERATION_ROUTE_ROTATE, .request_id = request_id};
    struct flaw flaw = {0};
    json_t *body = NULL;
    const char *made = NULL;

    if (!resource_name(x, 2, &op.id) || !resource_body_or_none(x, &body)) {
        return;
    }
    struct fields f = fields_of(body, "", names, &flaw);
    read_rotation(&f, &op);
    bool ok = resource_sound(x, &flaw);
    if (ok && op.secret.len == 0) {
        made = made_secret_route(x);
        ok = made != NULL;
        op.secret = (struct slice){(const uint8_t *)made, ok ? strlen(made) : 0};
    }
    if (ok) {
        request_key_make(x, NULL, request_id);
        resource_ask(x, &op, answer_rotated_cb);
    }
    json_decref(body);
}
