/* route_settings.c - how a callback route delivers: its settings, their bytes, their limits. */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "cursor.h"
#include "protocol.h"
#include "route_check.h"
#include "route_secrets.h"

/* The retries of a route that names none: dense first, as stock is waiting. */
static const uint32_t default_retries_ms[] = {
    1000,    2000,    5000,    15000,   30000,   60000,   300000,  900000,
    3600000, 3600000, 3600000, 3600000, 3600000, 3600000, 3600000,
};
_Static_assert(sizeof default_retries_ms / sizeof *default_retries_ms <= PROTOCOL_RETRIES_MAX,
               "the default is a list that a route can hold");

/* The settings that are plain numbers. A fallback of 0 stays 0. */
struct number {
    const char *key;
    size_t offset;
    uint32_t min;
    uint32_t max;
    uint32_t fallback;
    const char *why;
};
#define NUMBER(name, ...)                                         \
    {                                                             \
#name, offsetof(struct route_settings, name), __VA_ARGS__ \
    }
static const struct number numbers[] = {
    NUMBER(connect_timeout_ms, 100, 60000, 3000, "must be a number from 100 to 60000"),
    NUMBER(timeout_ms, 100, 3600000, 10000, "must be a number from 100 to 3600000"),
    NUMBER(window, 1, 65536, 64, "must be a number from 1 to 65536"),
    NUMBER(rate_per_s, 0, 1000000, 0, "must be a number from 0 to 1000000"),
    NUMBER(burst, 1, 1000000, 0, "must be a number from 1 to 1000000"),
    NUMBER(batch, 1, 1000, 1, "must be a number from 1 to 1000"),
    NUMBER(linger_ms, 0, 60000, 0, "must be a number from 0 to 60000"),
    NUMBER(attempts, 0, PROTOCOL_ATTEMPTS_MAX, 0, "must be a number from 0 to 1000"),
};
#define NUMBERS (sizeof numbers / sizeof *numbers)

static uint32_t *number_in(struct route_settings *s, const struct number *n)
{
    return (uint32_t *)((char *)s + n->offset);
}

static uint32_t number_of(const struct route_settings *s, const struct number *n)
{
    return *(const uint32_t *)((const char *)s + n->offset);
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

/* --- kinds --- */

static const char *const kind_names[] = {
    [ROUTE_HTTP] = "http", [ROUTE_WORKER] = "worker", [ROUTE_EXEC] = "exec"};

const char *route_kind_name(enum route_kind kind)
{
    return kind >= ROUTE_HTTP && kind <= ROUTE_EXEC ? kind_names[kind] : "http";
}

bool route_kind_parse(struct slice name, enum route_kind *kind)
{
    for (int k = ROUTE_HTTP; k <= ROUTE_EXEC; k++) {
        if (slice_is(name, kind_names[k])) {
            *kind = (enum route_kind)k;
            return true;
        }
    }
    return false;
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

static const char *take_http2(struct cursor *c, struct route_settings *s)
{
    s->http1_only = !cursor_bool(c);
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
    {"kind", take_kind},       {"url", take_url},         {"secrets", take_secrets},
    {"headers", take_headers}, {"http2", take_http2},     {"retries_ms", take_retries},
    {"ca_pem", take_ca},       {"command", take_command}, {"signing_keys", take_signing_keys},
};
#define OTHERS (sizeof others / sizeof *others)
_Static_assert(OTHERS + NUMBERS <= 32, "the keys that were seen are bits of a word");

static const char *take_number(struct cursor *c, const struct number *n, struct route_settings *s)
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
    for (unsigned i = 0; i < OTHERS + NUMBERS; i++) {
        const struct number *n = i < OTHERS ? NULL : &numbers[i - OTHERS];
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
    for (size_t i = 0; i < NUMBERS; i++) {
        if (number_of(s, &numbers[i]) == 0) {
            *number_in(s, &numbers[i]) = numbers[i].fallback;
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

/* --- encoding --- */

static void write_text(struct buffer *b, const char *text)
{
    write_str(b, text, strlen(text));
}

static void write_slice(struct buffer *b, struct slice s)
{
    write_str(b, s.data, s.len);
}

static void write_list(struct buffer *b, const struct slice *slices, uint32_t n)
{
    write_array(b, n);
    for (uint32_t i = 0; i < n; i++) {
        write_slice(b, slices[i]);
    }
}

static void write_slices(struct buffer *b, const char *key, const struct slice *slices, uint32_t n)
{
    if (n == 0) {
        return;
    }
    write_text(b, key);
    write_list(b, slices, n);
}

static void write_public_keys(struct buffer *b, const struct route_settings *s)
{
    char key[ROUTE_PUBLIC_KEY_SIZE];

    write_text(b, "public_keys");
    write_array(b, s->n_signing_keys);
    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        route_signing_key_public(s->signing_keys[i], key);
        write_text(b, key);
    }
}

static void write_url(struct buffer *b, struct slice url, bool public)
{
    char shown[ROUTE_URL_SHOWN_MAX];

    if (public) {
        url = (struct slice){(const uint8_t *)shown, route_url_show(url, shown)};
    }
    write_slice(b, url);
}

static void write_header_list(struct buffer *b, const struct route_settings *s, bool public)
{
    write_array(b, s->n_headers);
    for (uint32_t i = 0; i < s->n_headers; i++) {
        if (!public) {
            write_array(b, 2);
        }
        write_slice(b, s->headers[i].name);
        if (!public) {
            write_slice(b, s->headers[i].value);
        }
    }
}

static void write_headers(struct buffer *b, const struct route_settings *s, bool public)
{
    if (s->n_headers > 0) {
        write_text(b, "headers");
        write_header_list(b, s, public);
    }
}

static void write_retries(struct buffer *b, const struct route_settings *s)
{
    write_array(b, s->n_retries);
    for (uint32_t i = 0; i < s->n_retries; i++) {
        write_uint(b, s->retries_ms[i]);
    }
}

static void write_numbers(struct buffer *b, const struct route_settings *s)
{
    for (size_t i = 0; i < NUMBERS; i++) {
        uint32_t v = number_of(s, &numbers[i]);
        if (v > 0) {
            write_text(b, numbers[i].key);
            write_uint(b, v);
        }
    }
    if (s->n_retries > 0) {
        write_text(b, "retries_ms");
        write_retries(b, s);
    }
}

static uint32_t keys_of(const struct route_settings *s, bool public)
{
    uint32_t n = 1; /* http2 is always said */

    for (size_t i = 0; i < NUMBERS; i++) {
        n += number_of(s, &numbers[i]) > 0;
    }
    return n + (s->kind != 0) + (s->url.len > 0) + (s->n_secrets > 0 && !public) +
           (s->n_headers > 0) + (s->n_retries > 0) + (s->ca_pem.len > 0) + (s->n_command > 0) +
           (s->n_signing_keys > 0);
}

static void settings_write(struct buffer *b, const struct route_settings *s, bool public)
{
    write_map(b, keys_of(s, public));
    if (s->kind != 0) {
        write_text(b, "kind");
        write_text(b, route_kind_name(s->kind));
    }
    if (s->url.len > 0) {
        write_text(b, "url");
        write_url(b, s->url, public);
    }
    if (!public) {
        write_slices(b, "secrets", s->secrets, s->n_secrets);
    }
    write_headers(b, s, public);
    write_numbers(b, s);
    if (s->ca_pem.len > 0 && public) {
        write_text(b, "ca_pem_bytes");
        write_uint(b, s->ca_pem.len);
    } else if (s->ca_pem.len > 0) {
        write_text(b, "ca_pem");
        write_slice(b, s->ca_pem);
    }
    write_text(b, "http2");
    write_uint(b, !s->http1_only);
    write_slices(b, "command", s->command, public && s->n_command > 0 ? 1 : s->n_command);
    if (!public) {
        write_slices(b, "signing_keys", s->signing_keys, s->n_signing_keys);
    } else if (s->n_signing_keys > 0) {
        write_public_keys(b, s);
    }
}

void route_settings_encode(struct buffer *b, const struct route_settings *settings)
{
    settings_write(b, settings, false);
}

/* The value of a key that is not a number. */
static void write_other(struct buffer *b, const struct route_settings *s, const char *name)
{
    if (strcmp(name, "kind") == 0) {
        write_text(b, route_kind_name(s->kind));
    } else if (strcmp(name, "url") == 0) {
        write_slice(b, s->url);
    } else if (strcmp(name, "ca_pem") == 0) {
        write_slice(b, s->ca_pem);
    } else if (strcmp(name, "http2") == 0) {
        write_uint(b, !s->http1_only);
    } else if (strcmp(name, "secrets") == 0) {
        write_list(b, s->secrets, s->n_secrets);
    } else if (strcmp(name, "signing_keys") == 0) {
        write_list(b, s->signing_keys, s->n_signing_keys);
    } else if (strcmp(name, "command") == 0) {
        write_list(b, s->command, s->n_command);
    } else if (strcmp(name, "headers") == 0) {
        write_header_list(b, s, false);
    } else {
        assert(strcmp(name, "retries_ms") == 0);
        write_retries(b, s);
    }
}

void route_settings_encode_some(struct buffer *b, const struct route_settings *settings,
                                const char *const *names, uint32_t n)
{
    write_map(b, n);
    for (uint32_t i = 0; i < n; i++) {
        size_t k = 0;
        write_text(b, names[i]);
        while (k < NUMBERS && strcmp(numbers[k].key, names[i]) != 0) {
            k++;
        }
        if (k < NUMBERS) {
            write_uint(b, number_of(settings, &numbers[k]));
        } else {
            write_other(b, settings, names[i]);
        }
    }
}

void route_settings_encode_public(struct buffer *b, const struct route_settings *settings)
{
    settings_write(b, settings, true);
}
