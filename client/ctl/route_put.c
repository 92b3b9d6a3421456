/* route_put.c - orderctl route put and set: flags into the settings of a route. */
#include <stdlib.h>
#include <string.h>

#include "route.h"
#include "../wire/route_check.h"
#include "../text/units.h"

const struct flag ctl_route_put_flags[] = {
    {CTL_KIND, "kind", 0, "http|worker|exec", "how orders are delivered (http)"},
    {CTL_URL, "url", 0, "URL", "http:// or https:// address that gets the deliveries"},
    {CTL_SECRET, "secret", 0, "whsec_...|@FILE|-",
     "signs the deliveries; up to 4 of them; else one is made"},
    {CTL_SIGNING_KEY, "signing-key", 0, "new|whsk_...|@FILE|-",
     "an ed25519 key that signs them as well, or \"new\": one is made; up to 4"},
    {CTL_HEADER, "header", 0, "NAME:VALUE|@FILE|-", "sent with each delivery; up to 16 of them"},
    {CTL_CALLBACK_TIMEOUT, "timeout", 0, "DURATION",
     "of a delivery, a worker's lease, a program's run; 100ms to 1h (10s)"},
    {CTL_CONNECT_TIMEOUT, "connect-timeout", 0, "DURATION", "of its connection, 100ms to 1m (3s)"},
    {CTL_WINDOW, "window", 0, "N", "deliveries under way at the same time (64)"},
    {CTL_RATE, "rate", 0, "N", "deliveries a second, at most; 0: no limit (0)"},
    {CTL_BURST, "burst", 0, "N", "of these at once, after a pause (as many as a second's)"},
    {CTL_BATCH, "batch", 0, "N", "orders in a request, at most (1)"},
    {CTL_LINGER, "linger", 0, "DURATION", "how long a batch may wait to fill, to 1m (0ms)"},
    {CTL_RETRY, "retry", 0, "D,D,...", "waits before attempt 2, 3, ... (1s,2s,5s,15s,30s,...)"},
    {CTL_ATTEMPTS, "attempts", 0, "N",
     "failed ones in a row before an order is DEAD; 0: one more than retries (0)"},
    {CTL_CA_FILE, "ca-file", 0, "FILE", "PEM certificates to trust instead of the system's"},
    {CTL_CLIENT_CERT, "client-cert", 0, "FILE|none",
     "PEM certificate to show to a receiver that asks for one, and what signed it"},
    {CTL_CLIENT_KEY, "client-key", 0, "FILE|none", "its private key, without a passphrase"},
    {CTL_HTTP2, "http2", 0, "on|off", "whether HTTP/2 may be spoken (on)"},
    {CTL_TRACEPARENT, "traceparent", 0, "on|off",
     "carry the trace of who schedules an order into its webhooks; not before all nodes know it "
     "(off)"},
    {0},
};

/* "1s,2s,5s" into the retries. */
static bool parse_retries(const char *text, struct route_settings *s)
{
    while (*text != 0) {
        char one[64];
        uint64_t ms;
        size_t len = strcspn(text, ",");
        if (len == 0 || len >= sizeof one || s->n_retries == PROTOCOL_RETRIES_MAX) {
            return false;
        }
        memcpy(one, text, len);
        one[len] = 0;
        if (!units_parse_duration(one, &ms) || ms > UINT32_MAX) {
            return false;
        }
        s->retries_ms[s->n_retries++] = (uint32_t)ms;
        text += len;
        if (*text == ',' && *++text == 0) {
            return false;
        }
    }
    return s->n_retries > 0;
}

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static int read_kind(struct ctl *ctl, struct route_settings *s)
{
    const char *kind = ctl_value(ctl, CTL_KIND);

    s->kind = ROUTE_HTTP;
    if (kind != NULL && !route_kind_parse(slice_of(kind), &s->kind)) {
        return ctl_usage(ctl, "--kind must be http, worker or exec, not \"%s\"", kind);
    }
    if (s->kind == ROUTE_HTTP && ctl_value(ctl, CTL_URL) == NULL) {
        return ctl_usage(ctl, "--url URL is missing");
    }
    if (s->kind != ROUTE_HTTP && ctl_value(ctl, CTL_URL) != NULL) {
        return ctl_usage(ctl, "--url is for routes of kind http");
    }
    if (s->kind == ROUTE_EXEC && ctl->n_operands < 2) {
        return ctl_usage(ctl,
                         "the program is missing: route put NAME --kind exec -- /PATH [ARG...]");
    }
    if (s->kind != ROUTE_EXEC && ctl->n_operands > 1) {
        return ctl_usage(ctl, "\"%s\" is one argument too many", ctl->operands[1]);
    }
    return CTL_DONE;
}

static int read_url(struct ctl *ctl, struct route_settings *s)
{
    const char *url = ctl_value(ctl, CTL_URL);

    if (url == NULL) {
        return CTL_DONE;
    }
    const char *why = route_url_problem(slice_of(url));
    if (why != NULL) { /* and not repeated: it may hold a password */
        return ctl_usage(ctl, "--url %s", why);
    }
    s->url = slice_of(url);
    return CTL_DONE;
}

static int read_secrets(struct ctl *ctl, struct route_settings *s)
{
    for (unsigned i = 0; i < ctl->flags[CTL_SECRET].n; i++) {
        struct slice secret = slice_of(ctl->flags[CTL_SECRET].values[i]);
        if (!route_secret_is_good(secret)) { /* and never repeated on a terminal or in a log */
            return ctl_usage(ctl, "--secret number %u is not whsec_ and base64 of 24 to 64 bytes",
                             i + 1);
        }
        s->secrets[s->n_secrets++] = secret;
    }
    return CTL_DONE;
}

/* "NAME: VALUE" or "NAME:VALUE". The value may be a credential, so it is not repeated either. */
static int read_headers(struct ctl *ctl, struct route_settings *s)
{
    for (unsigned i = 0; i < ctl->flags[CTL_HEADER].n; i++) {
        const char *line = ctl->flags[CTL_HEADER].values[i];
        const char *colon = strchr(line, ':');
        if (colon == NULL) {
            return ctl_usage(ctl, "--header number %u must be NAME:VALUE", i + 1);
        }
        struct route_header *header = &s->headers[s->n_headers++];
        header->name = (struct slice){(const uint8_t *)line, (size_t)(colon - line)};
        header->value = slice_of(colon + 1 + strspn(colon + 1, " \t"));
        if (!route_header_name_is_good(header->name)) {
            return ctl_usage(ctl,
                             "--header \"%.*s\": the name must be a token of at most %d "
                             "characters that callbacks do not set themselves",
                             (int)header->name.len, line, PROTOCOL_HEADER_NAME_MAX);
        }
        if (!route_header_value_is_good(header->value)) {
            return ctl_usage(ctl,
                             "--header %.*s: the value is not 1 to %d characters of visible "
                             "ASCII",
                             (int)header->name.len, line, PROTOCOL_HEADER_VALUE_MAX);
        }
    }
    return CTL_DONE;
}

static int read_duration(struct ctl *ctl, enum ctl_flag flag, const char *what, uint32_t min,
                         uint32_t max, uint32_t *out)
{
    const char *text = ctl_value(ctl, flag);
    uint64_t ms;

    if (text == NULL) {
        return CTL_DONE;
    }
    if (!units_parse_duration(text, &ms) || ms < min || ms > max) {
        return ctl_usage(ctl, "%s, not \"%s\"", what, text);
    }
    *out = (uint32_t)ms;
    return CTL_DONE;
}

static int read_number(struct ctl *ctl, enum ctl_flag flag, const char *name, uint64_t min,
                       uint64_t max, uint32_t *out)
{
    const char *text = ctl_value(ctl, flag);
    uint64_t n;

    if (text == NULL) {
        return CTL_DONE;
    }
    if (!ctl_parse_number(text, min, max, &n)) {
        return ctl_usage(ctl, "%s must be a number from %llu to %llu, not \"%s\"", name,
                         (unsigned long long)min, (unsigned long long)max, text);
    }
    *out = (uint32_t)n;
    return CTL_DONE;
}

static int read_numbers(struct ctl *ctl, struct route_settings *s)
{
    static const struct {
        enum ctl_flag flag;
        const char *name;
        size_t offset;
        uint64_t min, max;
    } numbers[] = {
        {CTL_WINDOW, "--window", offsetof(struct route_settings, window), 1, 65536},
        {CTL_RATE, "--rate", offsetof(struct route_settings, rate_per_s), 0, 1000000},
        {CTL_BURST, "--burst", offsetof(struct route_settings, burst), 1, 1000000},
        {CTL_BATCH, "--batch", offsetof(struct route_settings, batch), 1, 1000},
        {CTL_ATTEMPTS, "--attempts", offsetof(struct route_settings, attempts), 0,
         PROTOCOL_ATTEMPTS_MAX},
    };
    int rv = CTL_DONE;

    for (size_t i = 0; rv == CTL_DONE && i < sizeof numbers / sizeof *numbers; i++) {
        uint32_t *out = (uint32_t *)((char *)s + numbers[i].offset);
        rv = read_number(ctl, numbers[i].flag, numbers[i].name, numbers[i].min, numbers[i].max,
                         out);
    }
    return rv;
}

static int read_times(struct ctl *ctl, struct route_settings *s)
{
    const char *retry = ctl_value(ctl, CTL_RETRY);

    int rv = read_duration(ctl, CTL_CALLBACK_TIMEOUT,
                           "--timeout must be a duration from 100ms to 1h", 100, 3600000,
                           &s->timeout_ms);
    if (rv == CTL_DONE) {
        rv = read_duration(ctl, CTL_CONNECT_TIMEOUT,
                           "--connect-timeout must be a duration from 100ms to 1m", 100, 60000,
                           &s->connect_timeout_ms);
    }
    if (rv == CTL_DONE) {
        rv = read_duration(ctl, CTL_LINGER, "--linger must be a duration from 0ms to 1m", 0, 60000,
                           &s->linger_ms);
    }
    if (rv == CTL_DONE && retry != NULL && !parse_retries(retry, s)) {
        rv = ctl_usage(ctl,
                       "--retry must be a list of 1 to %d durations such as 1s,5s,1m, "
                       "not \"%s\"",
                       PROTOCOL_RETRIES_MAX, retry);
    }
    return rv;
}

/* What is not given stays as it is. */
static int read_switch(struct ctl *ctl, enum ctl_flag flag, const char *name, bool *on)
{
    const char *text = ctl_value(ctl, flag);

    if (text != NULL && strcmp(text, "on") != 0 && strcmp(text, "off") != 0) {
        return ctl_usage(ctl, "%s \"%s\" is neither on nor off", name, text);
    }
    *on = text != NULL ? strcmp(text, "on") == 0 : *on;
    return CTL_DONE;
}

static int read_switches(struct ctl *ctl, struct route_settings *s)
{
    bool http2 = true;

    int rv = read_switch(ctl, CTL_HTTP2, "--http2", &http2);
    s->http1_only = !http2;
    return rv == CTL_DONE ? read_switch(ctl, CTL_TRACEPARENT, "--traceparent", &s->traceparent)
                          : rv;
}

/* The operands behind the name. */
static int read_command(struct ctl *ctl, struct route_settings *s)
{
    size_t bytes = 0;

    for (unsigned i = 1; i < ctl->n_operands; i++) {
        s->command[s->n_command++] = slice_of(ctl->operands[i]);
        bytes += strlen(ctl->operands[i]);
    }
    if (s->n_command > 0 && ctl->operands[1][0] != '/') {
        return ctl_usage(ctl, "the program must be an absolute path, not \"%s\"", ctl->operands[1]);
    }
    if (bytes > PROTOCOL_COMMAND_BYTES_MAX) {
        return ctl_usage(ctl, "the program and its arguments have more than %d bytes",
                         PROTOCOL_COMMAND_BYTES_MAX);
    }
    return CTL_DONE;
}

/* All that the flags say, without a kind. */
static int read_settings(struct ctl *ctl, struct route_settings *s, struct route_pem *pem)
{
    int (*const readers[])(struct ctl *, struct route_settings *) = {
        read_url,     read_secrets, ctl_route_read_keys, read_headers,
        read_numbers, read_times,   read_switches,       read_command,
    };
    int rv = CTL_DONE;

    for (size_t i = 0; rv == CTL_DONE && i < sizeof readers / sizeof *readers; i++) {
        rv = readers[i](ctl, s);
    }
    return rv == CTL_DONE ? ctl_route_read_pem(ctl, s, pem) : rv;
}

/* Everything of route put but its secret's making and its request id. */
static int read_put(struct ctl *ctl, struct route_settings *s, struct route_pem *pem)
{
    memset(s, 0, sizeof *s);
    int rv = read_kind(ctl, s);
    return rv == CTL_DONE ? read_settings(ctl, s, pem) : rv;
}

/* The keys of the settings that the flags and operands name; returns how many. */
static uint32_t named_settings(const struct ctl *ctl, const char *names[])
{
    static const struct {
        enum ctl_flag flag;
        const char *name;
    } keys[] = {
        {CTL_KIND, "kind"},
        {CTL_URL, "url"},
        {CTL_SECRET, "secrets"},
        {CTL_SIGNING_KEY, "signing_keys"},
        {CTL_HEADER, "headers"},
        {CTL_CALLBACK_TIMEOUT, "timeout_ms"},
        {CTL_CONNECT_TIMEOUT, "connect_timeout_ms"},
        {CTL_WINDOW, "window"},
        {CTL_RATE, "rate_per_s"},
        {CTL_BURST, "burst"},
        {CTL_BATCH, "batch"},
        {CTL_LINGER, "linger_ms"},
        {CTL_RETRY, "retries_ms"},
        {CTL_ATTEMPTS, "attempts"},
        {CTL_CA_FILE, "ca_pem"},
        {CTL_CLIENT_CERT, "client_cert_pem"},
        {CTL_CLIENT_KEY, "client_key_pem"},
        {CTL_HTTP2, "http2"},
        {CTL_TRACEPARENT, "traceparent"},
    };
    uint32_t n = 0;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (ctl->flags[keys[i].flag].n > 0) {
            names[n++] = keys[i].name;
        }
    }
    if (ctl->n_operands > 1) {
        names[n++] = "command";
    }
    return n;
}
#define SETTINGS_MAX 20

int ctl_route_set_check(struct ctl *ctl)
{
    struct route_settings settings = {0};
    const char *names[SETTINGS_MAX];
    struct route_pem pem;

    int rv = ctl_route_check_name(ctl);
    if (rv == CTL_DONE && ctl_value(ctl, CTL_KIND) != NULL) {
        return ctl_usage(ctl, "the kind of a route stays as it is");
    }
    if (rv == CTL_DONE && named_settings(ctl, names) == 0) {
        return ctl_usage(ctl, "nothing to set: name a setting, such as --window 10");
    }
    return rv != CTL_DONE ? rv : read_settings(ctl, &settings, &pem);
}

/* Ask that what is named be changed, and nothing else. The reply is to be freed. */
static int ask_change(struct ctl *ctl, const struct route_settings *settings,
                      struct ask_reply *reply)
{
    struct operation op = {.code = OPERATION_ROUTE_SET};
    struct buffer changes = {0};
    const char *names[SETTINGS_MAX];

    uint32_t n = named_settings(ctl, names);
    route_settings_encode_some(&changes, settings, names, n);
    op.changes = (struct slice){changes.data, changes.len};
    int rv = ctl_route_ask(ctl, &op, reply);
    buffer_free(&changes);
    bool unexplained = reply->text[0] == '\0' ||
                       strcmp(reply->text, ordersched_error_text(ORDERSCHED_INVALID)) == 0;
    if (rv == ORDERSCHED_INVALID && unexplained) { /* decided where it was carried out */
        snprintf(reply->text, sizeof reply->text,
                 "a setting is not for routes of its kind, or the route is of another kind: "
                 "see route list");
    }
    return rv;
}

static int print_changed(const struct ctl *ctl, const struct route_settings *settings)
{
    if (ctl->json) {
        return ctl_print_json(json_pack("{ss, ss, ss, sb, sn, so}", "command", ctl->command->name,
                                        "route", ctl->operands[0], "error", "OK", "changed", 1,
                                        "made_secret", "public_keys",
                                        ctl_route_keys_json(settings)));
    }
    printf("route %s is changed: what was not named stays as it was\n", ctl->operands[0]);
    ctl_route_show_keys(settings);
    return CTL_DONE;
}

int ctl_route_set_run(struct ctl *ctl)
{
    struct route_settings settings = {0};
    struct ask_reply reply;
    struct route_pem pem;

    int rv = read_settings(ctl, &settings, &pem);
    if (rv != CTL_DONE) {
        return rv;
    }
    rv = ask_change(ctl, &settings, &reply);
    rv = rv == ORDERSCHED_OK ? print_changed(ctl, &settings)
                             : ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    ask_reply_free(&reply);
    return rv;
}

int ctl_route_put_check(struct ctl *ctl)
{
    struct route_settings settings;
    struct route_pem pem;

    int rv = ctl_route_check_name(ctl);
    return rv != CTL_DONE ? rv : read_put(ctl, &settings, &pem);
}

static int print_put(const struct ctl *ctl, const char *made, const struct route_settings *settings)
{
    if (ctl->json) {
        json_t *object = json_object();
        json_object_set_new(object, "command", json_string(ctl->command->name));
        json_object_set_new(object, "route", json_string(ctl->operands[0]));
        json_object_set_new(object, "error", json_string("OK"));
        json_object_set_new(object, "made_secret", made != NULL ? json_string(made) : json_null());
        json_object_set_new(object, "public_keys", ctl_route_keys_json(settings));
        return ctl_print_json(object);
    }
    printf("route %s is in place\n", ctl->operands[0]);
    if (made != NULL) {
        ctl_route_show_secret(made);
    }
    ctl_route_show_keys(settings);
    return CTL_DONE;
}

/* There is no such route yet. */
static int route_create(struct ctl *ctl, struct operation *op)
{
    struct ask_reply reply;
    char *made = NULL;
    int rv;

    if (op->settings.kind == ROUTE_HTTP && op->settings.n_secrets == 0) {
        made = ctl_route_make_secret();
        if (made == NULL) {
            fprintf(stderr,
                    "orderctl: route put: no random bytes for a secret; nothing was done\n");
            return CTL_REFUSED;
        }
        op->settings.secrets[op->settings.n_secrets++] = slice_of(made);
    }
    rv = ctl_route_ask(ctl, op, &reply);
    rv = rv == ORDERSCHED_OK ? print_put(ctl, made, &op->settings)
                             : ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    if (ordersched_error_class(reply.error) == ORDERSCHED_UNKNOWN) {
        fprintf(stderr,
                "orderctl: see whether it was done: orderctl route list. Repeating the command"
                " does no harm%s.\n",
                made != NULL ? " and makes a new secret" : "");
    }
    ask_reply_free(&reply);
    free(made);
    return rv;
}

int ctl_route_put_run(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_PUT};
    struct ask_reply reply;
    struct route_pem pem;

    int rv = read_put(ctl, &op.settings, &pem);
    if (rv != CTL_DONE) {
        return rv;
    }
    rv = ask_change(ctl, &op.settings, &reply);
    if (rv == ORDERSCHED_NOT_FOUND) {
        rv = route_create(ctl, &op);
    } else {
        rv = rv == ORDERSCHED_OK ? print_changed(ctl, &op.settings)
                                 : ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    }
    ask_reply_free(&reply);
    return rv;
}
