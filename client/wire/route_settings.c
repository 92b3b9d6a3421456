/* route_settings.c - how a callback route delivers: its settings read from their bytes, their limits. */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "cursor.h"
#include "protocol.h"
#include "route_numbers.h"
#include "route_secrets.h"

/* The retries of a route that names none: dense first, as stock is waiting. */
static const uint32_t default_retries_ms[] = {
    1000,    2000,    5000,    15000,   30000,   60000,   300000,  900000,
    3600000, 3600000, 3600000, 3600000, 3600000, 3600000, 3600000,
};
_Static_assert(sizeof default_retries_ms / sizeof *default_retries_ms <= PROTOCOL_RETRIES_MAX,
               "the default is a list that a route can hold");

#define NUMBER(name, ...)                                         \
    {                                                             \
#name, offsetof(struct route_settings, name), __VA_ARGS__ \
    }
const struct route_number route_numbers[ROUTE_NUMBERS] = {
    NUMBER(connect_timeout_ms, 100, 60000, 3000, "must be a number from 100 to 60000"),
    NUMBER(timeout_ms, 100, 3600000, 10000, "must be a number from 100 to 3600000"),
    NUMBER(window, 1, 65536, 64, "must be a number from 1 to 65536"),
    NUMBER(rate_per_s, 0, 1000000, 0, "must be a number from 0 to 1000000"),
    NUMBER(burst, 1, 1000000, 0, "must be a number from 1 to 1000000"),
    NUMBER(batch, 1, 1000, 1, "must be a number from 1 to 1000"),
    NUMBER(linger_ms, 0, 60000, 0, "must be a number from 0 to 60000"),
    NUMBER(attempts, 0, PROTOCOL_ATTEMPTS_MAX, 0, "must be a number from 0 to 1000"),
};

static uint32_t *number_in(struct route_settings *s, const struct route_number *n)
{
    return (uint32_t *)((char *)s + n->offset);
}

static bool slice_is(struct slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static bool is_text_without_nul(struct slice s)
{
    return s.len == 0 || memchr(s.data, '\0', s.len) == NULL;
}

static bool is_visible(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] <= 0x20 || s.data[i] >= 0x7f) {
            return false;
        }
    }
    return true;
}

/* --- decoding --- */

static bool url_is_plausible(struct slice url)
{
    bool scheme = (url.len > 7 && strncasecmp((const char *)url.data, "http://", 7) == 0) ||
                  (url.len > 8 && strncasecmp((const char *)url.data, "https://", 8) == 0);

    return scheme && url.len <= PROTOCOL_URL_MAX && is_visible(url);
}

static const char *take_kind(struct cursor *c, struct route_settings *s)
{
    struct slice name = cursor_bytes(c);

    return cursor_ok(c) && route_kind_parse(name, &s->kind)
               ? NULL
               : "must be \"http\", \"worker\" or \"exec\"";
}

static const char *take_url(struct cursor *c, struct route_settings *s)
{
    s->url = cursor_bytes(c);
    return cursor_ok(c) && url_is_plausible(s->url)
               ? NULL
               : "must be http:// or https://, at most 2048 printable ASCII bytes without spaces";
}

static const char *take_secrets(struct cursor *c, struct route_settings *s)
{
    static const char why[] = "must be a list of at most 4 secrets whsec_<base64>";
    uint32_t n = cursor_array(c);

    if (!cursor_ok(c) || n > PROTOCOL_SECRETS_MAX) {
        return why;
    }
    for (uint32_t i = 0; i < n; i++) {
        s->secrets[i] = cursor_bytes(c);
        if (!cursor_ok(c) || !route_secret_is_plausible(s->secrets[i]) ||
            !is_visible(s->secrets[i])) {
            return why;
        }
    }
    s->n_secrets = n;
    return NULL;
}

static const char *take_signing_keys(struct cursor *c, struct route_settings *s)
{
    static const char why[] =
        "must be a list of at most 4 keys: whsk_ and the base64 of an ed25519 "
        "key pair, 64 bytes";
    uint32_t n = cursor_array(c);

    if (!cursor_ok(c) || n > PROTOCOL_SECRETS_MAX) {
        return why;
    }
    for (uint32_t i = 0; i < n; i++) {
        s->signing_keys[i] = cursor_bytes(c);
        if (!cursor_ok(c) || !route_signing_key_is_good(s->signing_keys[i])) {
            return why;
        }
    }
    s->n_signing_keys = n;
    return NULL;
}

static const char *take_headers(struct cursor *c, struct route_settings *s)
{
    uint32_t n = cursor_array(c);

    if (!cursor_ok(c) || n > PROTOCOL_HEADERS_MAX) {
        return "must be a list of at most 16 pairs [name, value]";
    }
    for (uint32_t i = 0; i < n; i++) {
        struct route_header *header = &s->headers[i];
        uint32_t pair = cursor_array(c);
        header->name = cursor_bytes(c);
        header->value = cursor_bytes(c);
        if (!cursor_ok(c) || pair != 2) {
            return "must be a list of at most 16 pairs [name, value]";
        }
        if (!route_header_name_is_good(header->name)) {
            return "must have names that are tokens of at most 64 characters and that callbacks do "
                   "not set themselves";
        }
        if (!route_header_value_is_good(header->value)) {
            return "must have values of 1 to 512 characters of visible ASCII";
        }
    }
    s->n_headers = n;
    return NULL;
}

static const char *take_retries(struct cursor *c, struct route_settings *s)
{
    uint32_t n = cursor_array(c);

    for (uint32_t i = 0; cursor_ok(c) && i < n && n <= PROTOCOL_RETRIES_MAX; i++) {
        uint64_t ms = cursor_uint(c);
        c->failed = c->failed || ms > UINT32_MAX;
        s->retries_ms[i] = (uint32_t)ms;
    }
    s->n_retries = n;
    return cursor_ok(c) && n <= PROTOCOL_RETRIES_MAX
               ? NULL
               : "must be a list of at most 32 numbers of milliseconds";
}

static const char *take_ca(struct cursor *c, struct route_settings *s)
{
    s->ca_pem = cursor_bytes(c);
    return cursor_ok(c) && s->ca_pem.len <= PROTOCOL_CA_MAX && is_text_without_nul(s->ca_pem)
               ? NULL
               : "must be PEM text of at most 65536 bytes";
}

static const char *take_client_cert(struct cursor *c, struct route_settings *s)
{
    s->client_cert_pem = cursor_bytes(c);
    return cursor_ok(c) && s->client_cert_pem.len <= PROTOCOL_CLIENT_CERT_MAX &&
                   is_text_without_nul(s->client_cert_pem)
               ? NULL
               : "must be PEM text of at most 16384 bytes";
}

static const char *take_client_key(struct cursor *c, struct route_settings *s)
{
    s->client_key_pem = cursor_bytes(c);
    return cursor_ok(c) && s->client_key_pem.len <= PROTOCOL_CLIENT_KEY_MAX &&
                   is_text_without_nul(s->client_key_pem)
               ? NULL
               : "must be PEM text of at most 8192 bytes";
}

static const char *take_http2(struct cursor *c, struct route_settings *s)
{
    s->http1_only = !cursor_bool(c);
    return cursor_ok(c) ? NULL : "must be true or false";
}

static const char *take_traceparent(struct cursor *c, struct route_settings *s)
{
    s->traceparent = cursor_bool(c);
    return cursor_ok(c) ? NULL : "must be true or false";
}

static const char *take_command(struct cursor *c, struct route_settings *s)
{
    static const char why[] = "must be a list of 1 to 32 strings of together at most 4096 bytes, "
                              "the first an absolute path";
    uint32_t n = cursor_array(c);
    size_t bytes = 0;

    if (!cursor_ok(c) || n == 0 || n > PROTOCOL_COMMAND_MAX) {
        return why;
    }
    for (uint32_t i = 0; i < n; i++) {
        s->command[i] = cursor_bytes(c);
        bytes += s->command[i].len;
        if (!cursor_ok(c) || bytes > PROTOCOL_COMMAND_BYTES_MAX ||
            !is_text_without_nul(s->command[i])) {
            return why;
        }
    }
    s->n_command = n;
    return s->command[0].len > 0 && s->command[0].data[0] == '/' ? NULL : why;
}

static const struct {
    const char *key;
    const char *(*take)(struct cursor *c, struct route_settings *s); /* NULL, or why not */
} others[] = {
    {"kind", take_kind},
    {"url", take_url},
    {"secrets", take_secrets},
    {"headers", take_headers},
    {"http2", take_http2},
    {"retries_ms", take_retries},
    {"ca_pem", take_ca},
    {"command", take_command},
    {"signing_keys", take_signing_keys},
    {"traceparent", take_traceparent},
    {"client_cert_pem", take_client_cert},
    {"client_key_pem", take_client_key}, /* the last two */
};
#define OTHERS (sizeof others / sizeof *others)
_Static_assert(OTHERS + ROUTE_NUMBERS <= 32, "the keys that were seen are bits of a word");

static const char *take_number(struct cursor *c, const struct route_number *n,
                               struct route_settings *s)
{
    uint64_t v = cursor_uint(c);

    if (!cursor_ok(c) || v < n->min || v > n->max) {
        return n->why;
    }
    *number_in(s, n) = (uint32_t)v;
    return NULL;
}

/* One key and its value. NULL, or why not. */
static const char *take_setting(struct cursor *c, struct slice key, struct route_settings *s,
                                uint32_t *seen)
{
    for (unsigned i = 0; i < OTHERS + ROUTE_NUMBERS; i++) {
        const struct route_number *n = i < OTHERS ? NULL : &route_numbers[i - OTHERS];
        if (!slice_is(key, n == NULL ? others[i].key : n->key)) {
            continue;
        }
        if ((*seen & 1u << i) != 0) {
            return "is given twice";
        }
        *seen |= 1u << i;
        return n == NULL ? others[i].take(c, s) : take_number(c, n, s);
    }
    return "is not a setting of a route";
}

static void settle_defaults(struct route_settings *s)
{
    if (s->kind == 0) {
        s->kind = ROUTE_HTTP;
    }
    for (size_t i = 0; i < ROUTE_NUMBERS; i++) {
        if (route_number_of(s, &route_numbers[i]) == 0) {
            *number_in(s, &route_numbers[i]) = route_numbers[i].fallback;
        }
    }
    if (s->burst == 0) {
        s->burst = s->rate_per_s > 0 ? s->rate_per_s : 1;
    }
    if (s->n_retries == 0) {
        s->n_retries = sizeof default_retries_ms / sizeof *default_retries_ms;
        memcpy(s->retries_ms, default_retries_ms, sizeof default_retries_ms);
    }
}

static int settings_refuse(struct problem *problem, const char *key, const char *why)
{
    problem->key = (struct slice){(const uint8_t *)key, strlen(key)};
    problem->why = why;
    return ORDERSCHED_INVALID;
}

/* The keys of a map that are given, each once. */
static int settings_take(const uint8_t *data, size_t len, struct route_settings *settings,
                         size_t *used, struct problem *problem)
{
    struct cursor c;
    uint32_t seen = 0;

    cursor_init(&c, data, len);
    uint32_t n = cursor_map(&c);
    for (uint32_t i = 0; i < n; i++) {
        struct slice key = cursor_bytes(&c);
        if (!cursor_ok(&c)) {
            return settings_refuse(problem, "settings", "must be a map with strings as keys");
        }
        const char *why = take_setting(&c, key, settings, &seen);
        if (why != NULL) {
            *problem = (struct problem){key, why};
            return ORDERSCHED_INVALID;
        }
    }
    if (!cursor_ok(&c)) {
        return settings_refuse(problem, "settings", "must be a map with strings as keys");
    }
    uint32_t pair = seen >> (OTHERS - 2) & 3;
    if ((pair != 0 && pair != 3) ||
        (settings->client_cert_pem.len > 0) != (settings->client_key_pem.len > 0)) {
        return settings_refuse(problem, pair == 2 ? "client_key_pem" : "client_cert_pem",
                               "must come with the other of client_cert_pem and client_key_pem");
    }
    *used = (size_t)(c.at - data);
    return ORDERSCHED_OK;
}

int route_settings_decode(const uint8_t *data, size_t len, struct route_settings *settings,
                          size_t *used, struct problem *problem)
{
    memset(settings, 0, sizeof *settings);
    int rv = settings_take(data, len, settings, used, problem);
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    settle_defaults(settings);
    if (settings->kind == ROUTE_HTTP && settings->url.len == 0) {
        return settings_refuse(problem, "url", "is missing: a route of kind http needs it");
    }
    if (settings->kind == ROUTE_EXEC && settings->n_command == 0) {
        return settings_refuse(problem, "command", "is missing: a route of kind exec needs it");
    }
    return ORDERSCHED_OK;
}

int route_settings_change(const uint8_t *data, size_t len, struct route_settings *settings,
                          size_t *used, struct problem *problem)
{
    bool whole = settings->kind != 0; /* of a route, not the changes alone */

    int rv = settings_take(data, len, settings, used, problem);
    if (rv == ORDERSCHED_OK && whole) {
        settle_defaults(settings);
    }
    return rv;
}

int route_settings_decode_old(const uint8_t *data, size_t len, struct route_settings *settings,
                              size_t *used)
{
    struct cursor c;

    memset(settings, 0, sizeof *settings);
    cursor_init(&c, data, len);
    if (take_url(&c, settings) != NULL || take_secrets(&c, settings) != NULL) {
        return ORDERSCHED_INVALID;
    }
    uint64_t timeout_ms = cursor_uint(&c);
    uint64_t window = cursor_uint(&c);
    if (take_retries(&c, settings) != NULL || timeout_ms < 10 || timeout_ms > 300000 ||
        window < 1 || window > 65535) {
        return ORDERSCHED_INVALID;
    }
    settings->timeout_ms = timeout_ms < 100 ? 100 : (uint32_t)timeout_ms; /* what it is today */
    settings->window = (uint32_t)window;
    settle_defaults(settings);
    *used = (size_t)(c.at - data);
    return ORDERSCHED_OK;
}

uint32_t route_settings_attempts(const struct route_settings *settings)
{
    return settings->attempts > 0 ? settings->attempts : settings->n_retries + 1;
}
