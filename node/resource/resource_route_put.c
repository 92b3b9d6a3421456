/* resource_route_put.c - PUT and PATCH of a route.
 *
 * A PATCH changes the settings that it names. A PUT gives a route exactly those that it names and defaults for the
 * others. Where it does not name them, two kinds stay: what nobody can read and so nobody can state again, its secrets and
 * private keys; and whether it carries traceparents, which nodes of older versions cannot read. So it is asked as a
 * change first; where there is no such route, it is made, and, where deliveries would not be signed, a secret for it. */
#include <stdlib.h>
#include <string.h>

#include "../../client/json/json_out.h"
#include "../../client/wire/route_check.h"
#include "../../client/wire/route_numbers.h"
#include "made_secret.h"
#include "request_key.h"
#include "resource.h"
#include "resource_handlers.h"
#include "route_request.h"

#define NAMES_MAX 24

/* --- the request --- */

/* [code, request_id, name, map], decoded, so that its settings are known; false: answered. What it points into
 * is in *bytes. */
static bool read_settings(struct exchange *x, enum operation_code code, const json_t *object,
                          struct buffer *bytes, struct operation *op)
{
    static const uint8_t no_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct flaw flaw = {0};

    write_array(bytes, 4);
    write_uint(bytes, code);
    write_bin(bytes, no_id, sizeof no_id);
    write_str(bytes, x->segments[2].data, x->segments[2].len);
    route_request_write(object, bytes, &flaw);
    if (flaw.name == NULL && bytes->failed) {
        exchange_problem(x, ORDERSCHED_BUSY, "the node is out of memory", NULL);
        return false;
    }
    if (flaw.name == NULL && (operation_decode(bytes->data, bytes->len, op) != ORDERSCHED_OK ||
                              operation_check_settings(op) != ORDERSCHED_OK)) {
        route_request_flaw(object, &op->problem, &flaw);
    }
    return resource_sound(x, &flaw);
}

/* Is it INVALID without a reason: decided where the route is known? */
static bool is_misfit(const struct ordersched_answer *answer)
{
    return answer->error == ORDERSCHED_INVALID &&
           (answer->text == NULL || answer->text[0] == '\0' ||
            strcmp(answer->text, ordersched_error_text(ORDERSCHED_INVALID)) == 0);
}

static void answer_changed_cb(struct exchange *x, const struct ordersched_answer *answers,
                              unsigned n)
{
    (void)n;
    if (is_misfit(&answers[0])) {
        exchange_problem(
            x, ORDERSCHED_INVALID,
            "the route is of another kind, which stays, or a setting is not for routes "
            "of its kind",
            NULL);
    } else if (resource_done_well(x, &answers[0], (struct slice){0})) {
        json_t *route = json_object();
        out_bytes(route, "name", x->segments[2]);
        exchange_answer(x, 200, route);
    }
}

/* --- PATCH --- */

void resource_route_patch(struct exchange *x)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct buffer bytes = {.wipes = true};
    struct operation op;
    struct slice name;
    json_t *body = NULL;

    if (resource_name(x, 2, &name) && resource_body(x, &body) &&
        read_settings(x, OPERATION_ROUTE_SET, body, &bytes, &op)) {
        request_key_make(x, NULL, request_id);
        op.request_id = request_id;
        resource_ask(x, &op, answer_changed_cb);
    }
    buffer_free(&bytes);
    json_decref(body);
}

/* --- PUT --- */

/* The settings that a change must name to leave nothing of what was. */
static uint32_t names_of(const json_t *object, const struct route_settings *s,
                         const char *names[NAMES_MAX])
{
    static const char *const always[] = {"kind", "headers", "retries_ms", "ca_pem", "http2"};
    static const char *const named[] = {"secrets", "signing_keys", "client_cert_pem",
                                        "client_key_pem",
                                        "traceparent"}; /* the last, as older nodes know none */
    uint32_t n = 0;

    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        names[n++] = always[i];
    }
    for (size_t i = 0; i < ROUTE_NUMBERS; i++) {
        names[n++] = route_numbers[i].key;
    }
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (json_object_get(object, named[i]) != NULL) {
            names[n++] = named[i];
        }
    }
    if (s->kind == ROUTE_HTTP) {
        names[n++] = "url";
    } else if (s->kind == ROUTE_EXEC) {
        names[n++] = "command";
    }
    return n;
}

static void answer_made_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    static const char *const parent[] = {"v1", "routes", NULL};
    const char *made = x->state;

    (void)n;
    if (!made_secret_taken(x, &answers[0], "secret", made)) {
        return;
    }
    json_t *route = json_object();
    out_bytes(route, "name", x->segments[2]);
    made_secret_show(route, made);
    resource_created(x, parent, x->segments[2], route);
}

/* There is no such route. */
static void make(struct exchange *x, const json_t *body)
{
    static const struct slice making = {(const uint8_t *)"make", 4};
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct buffer bytes = {.wipes = true};
    struct operation op;

    if (read_settings(x, OPERATION_ROUTE_PUT, body, &bytes, &op)) {
        const char *made = NULL;
        bool needs = op.settings.kind == ROUTE_HTTP && op.settings.n_secrets == 0;
        if (needs) {
            made = made_secret_route(x);
        }
        if (made != NULL) {
            op.settings.secrets[op.settings.n_secrets++] = (struct slice){(const uint8_t *)made,
                                                                          strlen(made)};
        }
        if (made != NULL || !needs) {
            request_key_make(x, &making, request_id);
            op.request_id = request_id;
            resource_ask(x, &op, answer_made_cb);
        }
    }
    buffer_free(&bytes);
}

static void answer_put_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    json_t *body;

    if (answers[0].error == ORDERSCHED_NOT_FOUND) {
        if (resource_body(x, &body)) { /* which was good before */
            make(x, body);
            json_decref(body);
        }
    } else {
        answer_changed_cb(x, answers, n);
    }
}

void resource_route_put(struct exchange *x)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct buffer bytes = {.wipes = true}, changes = {.wipes = true};
    const char *names[NAMES_MAX];
    struct operation op;
    struct slice name;
    json_t *body = NULL;

    if (resource_name(x, 2, &name) && resource_body(x, &body) &&
        read_settings(x, OPERATION_ROUTE_PUT, body, &bytes, &op)) {
        uint32_t n = names_of(body, &op.settings, names);
        route_settings_encode_some(&changes, &op.settings, names, n);
        struct operation change = {.code = OPERATION_ROUTE_SET,
                                   .request_id = request_id,
                                   .id = name,
                                   .changes = {changes.data, changes.len}};
        request_key_make(x, NULL, request_id);
        x->keeps_body = true;
        resource_ask(x, &change, answer_put_cb);
    }
    buffer_free(&bytes);
    buffer_free(&changes);
    json_decref(body);
}
