/* orderctl_routes.c - callback routes: put, list, delete. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cursor.h"
#include "orderctl.h"
#include "table.h"
#include "units.h"

#define ROUTE_TIMEOUT_DEFAULT_MS 10000
#define ROUTE_TIMEOUT_MIN_MS 10
#define ROUTE_TIMEOUT_MAX_MS 300000
#define ROUTE_WINDOW_DEFAULT 64
#define ROUTE_WINDOW_MAX 65535
#define SECRET_BYTES 32 /* Standard Webhooks: 24 to 64 */
#define SECRET_PREFIX "whsec_"

static const struct flag put_flags[] = {
    {CTL_URL, "url", 0, "URL", "http:// or https:// address that gets the deliveries"},
    {CTL_SECRET, "secret", 0, "whsec_...", "signs the deliveries; up to 4 of them; else one is made"},
    {CTL_CALLBACK_TIMEOUT, "timeout", 0, "DURATION", "of one delivery, 10ms to 5m (10s)"},
    {CTL_WINDOW, "window", 0, "N", "deliveries under way at the same time (64)"},
    {CTL_RETRY, "retry", 0, "D,D,...", "waits before attempt 2, 3, ... (1s,2s,5s,15s,30s,...)"},
    {0},
};

/* "1s,2s,5s" into op->retries_ms. */
static bool parse_retries(const char *text, struct operation *op)
{
    while (*text != 0) {
        char one[64];
        uint64_t ms;
        size_t len = strcspn(text, ",");
        if (len == 0 || len >= sizeof one || op->n_retries == PROTOCOL_RETRIES_MAX) {
            return false;
        }
        memcpy(one, text, len);
        one[len] = 0;
        if (!units_parse_duration(one, &ms) || ms > UINT32_MAX) {
            return false;
        }
        op->retries_ms[op->n_retries++] = (uint32_t)ms;
        text += len;
        if (*text == ',' && *++text == 0) {
            return false;
        }
    }
    return op->n_retries > 0;
}

/* "whsec_" and the base64 of 24 to 64 bytes. */
static bool secret_is_good(const char *secret)
{
    unsigned char decoded[PROTOCOL_SECRET_MAX];
    size_t len = strlen(secret);

    if (len > PROTOCOL_SECRET_MAX || strncmp(secret, SECRET_PREFIX, strlen(SECRET_PREFIX)) != 0) {
        return false;
    }
    const char *base64 = secret + strlen(SECRET_PREFIX);
    size_t n = strlen(base64);
    size_t padding = n >= 2 && base64[n - 1] == '=' ? 1 + (base64[n - 2] == '=') : 0;
    if (n == 0 || n % 4 != 0 || strcspn(base64, "=") != n - padding) {
        return false;
    }
    int bytes = EVP_DecodeBlock(decoded, (const unsigned char *)base64, (int)n);
    return bytes >= 0 && (size_t)bytes - padding >= 24 && (size_t)bytes - padding <= 64;
}

static int check_route_name(struct ctl *ctl)
{
    const char *name = ctl->operands[0];
    size_t len = strlen(name);

    if (len == 0 || len > ORDERSCHED_ROUTE_NAME_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != len) {
        return ctl_usage(ctl, "\"%s\" is no route name: 1 to %d letters, digits, '-', '_', '.'",
                         name, ORDERSCHED_ROUTE_NAME_MAX);
    }
    return CTL_DONE;
}

static int read_url(struct ctl *ctl, struct operation *op)
{
    const char *url = ctl_value(ctl, CTL_URL);

    if (url == NULL) {
        return ctl_usage(ctl, "--url URL is missing");
    }
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
        strlen(url) > PROTOCOL_URL_MAX || strchr(url, '/')[2] == 0) {
        return ctl_usage(ctl, "--url \"%s\" is no http:// or https:// URL of at most %d bytes", url,
                         PROTOCOL_URL_MAX);
    }
    for (const char *p = url; *p != 0; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f) {
            return ctl_usage(ctl, "--url must be printable ASCII without spaces: encode the rest");
        }
    }
    op->url = (struct slice){(const uint8_t *)url, strlen(url)};
    return CTL_DONE;
}

/* Everything of route put but its secrets' making and its request id. */
static int read_put(struct ctl *ctl, struct operation *op)
{
    const char *timeout = ctl_value(ctl, CTL_CALLBACK_TIMEOUT);
    const char *window = ctl_value(ctl, CTL_WINDOW);
    const char *retry = ctl_value(ctl, CTL_RETRY);
    uint64_t timeout_ms = ROUTE_TIMEOUT_DEFAULT_MS;
    uint64_t deliveries = ROUTE_WINDOW_DEFAULT;

    int rv = read_url(ctl, op);
    if (rv != CTL_DONE) {
        return rv;
    }
    for (unsigned i = 0; i < ctl->flags[CTL_SECRET].n; i++) {
        const char *secret = ctl->flags[CTL_SECRET].values[i];
        if (!secret_is_good(secret)) { /* and never repeated on a terminal or in a log */
            return ctl_usage(ctl, "--secret number %u is not whsec_ and base64 of 24 to 64 bytes",
                             i + 1);
        }
        op->secrets[op->n_secrets++] = (struct slice){(const uint8_t *)secret, strlen(secret)};
    }
    if (timeout != NULL && (!units_parse_duration(timeout, &timeout_ms) ||
                            timeout_ms < ROUTE_TIMEOUT_MIN_MS || timeout_ms > ROUTE_TIMEOUT_MAX_MS)) {
        return ctl_usage(ctl, "--timeout \"%s\" is no duration from 10ms to 5m", timeout);
    }
    if (window != NULL && !ctl_parse_number(window, 1, ROUTE_WINDOW_MAX, &deliveries)) {
        return ctl_usage(ctl, "--window \"%s\" is no number from 1 to %d", window, ROUTE_WINDOW_MAX);
    }
    if (retry != NULL && !parse_retries(retry, op)) {
        return ctl_usage(ctl, "--retry \"%s\" is no list of 1 to %d durations, such as 1s,5s,1m",
                         retry, PROTOCOL_RETRIES_MAX);
    }
    op->timeout_ms = (uint32_t)timeout_ms;
    op->window = (uint32_t)deliveries;
    return CTL_DONE;
}

static int check_put(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_PUT};

    int rv = check_route_name(ctl);
    return rv != CTL_DONE ? rv : read_put(ctl, &op);
}

/* "whsec_" and the base64 of fresh random bytes; malloc'ed, NULL on failure. */
static char *make_secret(void)
{
    uint8_t bytes[SECRET_BYTES];
    char *secret = NULL;

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return NULL;
    }
    char *base64 = ctl_base64(bytes, sizeof bytes);
    if (base64 == NULL || asprintf(&secret, SECRET_PREFIX "%s", base64) < 0) {
        secret = NULL;
    }
    free(base64);
    return secret;
}

/* Routes are put and deleted with a request id like orders. Repeating a put or a delete by hand
 * is harmless, so the id is not shown. */
static int ask_with_request_id(struct ctl *ctl, struct operation *op, struct ask_reply *reply)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];

    if (ctl_make_request_id(ctl, request_id, reply) != ORDERSCHED_OK) {
        return reply->error;
    }
    op->request_id = request_id;
    op->id = (struct slice){(const uint8_t *)ctl->operands[0], strlen(ctl->operands[0])};
    return ask_leader(ctl->client, op, ctl->timeout_ms, reply);
}

static int print_put(const struct ctl *ctl, const char *made)
{
    if (ctl->json) {
        json_t *object = json_object();
        json_object_set_new(object, "command", json_string(ctl->command->name));
        json_object_set_new(object, "route", json_string(ctl->operands[0]));
        json_object_set_new(object, "error", json_string("OK"));
        json_object_set_new(object, "made_secret", made != NULL ? json_string(made) : json_null());
        return ctl_print_json(object);
    }
    printf("route %s is in place\n", ctl->operands[0]);
    if (made != NULL) {
        printf("A signing secret was made for it. It is shown this once: give it to the receiver.\n"
               "%s\n", made);
    }
    return CTL_DONE;
}

static int run_put(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_PUT};
    struct ask_reply reply;
    char *made = NULL;

    int rv = read_put(ctl, &op);
    if (rv != CTL_DONE) {
        return rv;
    }
    if (op.n_secrets == 0) {
        made = make_secret();
        if (made == NULL) {
            fprintf(stderr, "orderctl: route put: no random bytes for a secret; nothing was done\n");
            return CTL_REFUSED;
        }
        op.secrets[op.n_secrets++] = (struct slice){(const uint8_t *)made, strlen(made)};
    }
    rv = ask_with_request_id(ctl, &op, &reply);
    rv = rv == ORDERSCHED_OK ? print_put(ctl, made) : ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    if (ordersched_error_class(reply.error) == ORDERSCHED_UNKNOWN) {
        fprintf(stderr, "orderctl: see what holds with: orderctl route list. Repeating the command"
                        " does no harm%s.\n", made != NULL ? " and makes a new secret" : "");
    }
    ask_reply_free(&reply);
    free(made);
    return rv;
}

static int run_delete(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_DELETE};
    struct ask_reply reply;

    int rv = ask_with_request_id(ctl, &op, &reply);
    if (rv != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    } else if (ctl->json) {
        rv = ctl_print_json(json_pack("{ss, ss, ss}", "command", "route delete", "route",
                                      ctl->operands[0], "error", "OK"));
    } else {
        printf("route %s is deleted\n", ctl->operands[0]);
        rv = CTL_DONE;
    }
    ask_reply_free(&reply);
    return rv;
}

/* ---- list ---- */

/* [name, url, number of secrets, timeout_ms, window, [retry_ms...], orders, revision] */
struct route_row {
    struct slice name;
    struct slice url;
    uint64_t secrets;
    uint64_t timeout_ms;
    uint64_t window;
    uint32_t n_retries;
    uint64_t retries_ms[PROTOCOL_RETRIES_MAX];
    uint64_t orders;
    uint64_t revision;
};

static bool decode_route(struct cursor *c, struct route_row *r)
{
    uint32_t fields = cursor_array(c);

    r->name = cursor_bytes(c);
    r->url = cursor_bytes(c);
    r->secrets = cursor_uint(c);
    r->timeout_ms = cursor_uint(c);
    r->window = cursor_uint(c);
    r->n_retries = cursor_array(c);
    if (!cursor_ok(c) || fields != 8 || r->n_retries > PROTOCOL_RETRIES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < r->n_retries; i++) {
        r->retries_ms[i] = cursor_uint(c);
    }
    r->orders = cursor_uint(c);
    r->revision = cursor_uint(c);
    return cursor_ok(c);
}

static json_t *route_as_json(const struct route_row *r)
{
    json_t *object = json_object();
    json_t *retries = json_array();

    for (uint32_t i = 0; i < r->n_retries; i++) {
        json_array_append_new(retries, json_integer((json_int_t)r->retries_ms[i]));
    }
    ctl_json_bytes(object, "name", r->name.data, r->name.len);
    ctl_json_bytes(object, "url", r->url.data, r->url.len);
    json_object_set_new(object, "secrets", json_integer((json_int_t)r->secrets));
    json_object_set_new(object, "timeout_ms", json_integer((json_int_t)r->timeout_ms));
    json_object_set_new(object, "window", json_integer((json_int_t)r->window));
    json_object_set_new(object, "retries_ms", retries);
    json_object_set_new(object, "orders", json_integer((json_int_t)r->orders));
    json_object_set_new(object, "revision", json_integer((json_int_t)r->revision));
    return object;
}

static void route_as_row(const struct route_row *r, struct table *t)
{
    char timeout[32];

    units_format_duration(r->timeout_ms, timeout, sizeof timeout);
    table_bytes(t, r->name.data, r->name.len);
    table_bytes(t, r->url.data, r->url.len);
    table_printf(t, "%llu", (unsigned long long)r->secrets);
    table_text(t, timeout);
    table_printf(t, "%llu", (unsigned long long)r->window);
    table_printf(t, "%u", (unsigned)r->n_retries);
    table_printf(t, "%llu", (unsigned long long)r->orders);
}

static bool take_routes(const struct ask_reply *reply, json_t *routes, struct table *t)
{
    struct cursor c;
    struct route_row r;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n; i++) {
        if (!decode_route(&c, &r)) {
            return false;
        }
        json_array_append_new(routes, route_as_json(&r));
        route_as_row(&r, t);
    }
    return cursor_ok(&c);
}

static int run_routes(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_LIST};
    struct ask_reply reply;
    struct table t;
    json_t *routes = json_array();
    int rv;

    table_init(&t, (const char *const[]){"ROUTE", "URL", "SECRETS", "TIMEOUT", "WINDOW", "RETRIES",
                                         "ORDERS", NULL});
    ask_leader(ctl->client, &op, ctl->timeout_ms, &reply);
    if (reply.error == ORDERSCHED_OK && !take_routes(&reply, routes, &t)) {
        reply.error = ORDERSCHED_INVALID;
        snprintf(reply.text, sizeof reply.text, "the node's answer is malformed");
    }
    if (reply.error != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, NULL, NULL, &reply);
    } else if (ctl->json) {
        rv = ctl_print_json(json_pack("{sO}", "routes", routes));
    } else {
        rv = table_print(&t, stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
    }
    ask_reply_free(&reply);
    table_free(&t);
    json_decref(routes);
    return rv;
}

const struct ctl_command ctl_route_commands[] = {
    {.name = "route put", .operands = "NAME", .operands_min = 1, .operands_max = 1,
     .summary = "Create a callback route, or replace all its settings",
     .details = "Orders of the route are told to its URL when they expire, signed with every one\n"
                "of its secrets (Standard Webhooks). Without --secret one is made and shown once.\n"
                "Behind \"route put\" --timeout is that of a delivery; before it, of the command.",
     .flags = put_flags, .check = check_put, .run = run_put},
    {.name = "route list", .summary = "Show the callback routes, without their secrets",
     .run = run_routes},
    {.name = "route delete", .operands = "NAME", .operands_min = 1, .operands_max = 1,
     .summary = "Delete a callback route that no known order points to",
     .check = check_route_name, .run = run_delete},
    {0},
};
