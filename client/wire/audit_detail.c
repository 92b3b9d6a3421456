/* audit_detail.c - what there is to say of an administrative operation besides its name: words for
 * people, and nothing secret. What is not named here says nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "route_check.h"

/* A text that is cut where its room ends. */
struct text {
    char *out;
    size_t len;
};

static void add(struct text *t, const void *data, size_t len)
{
    size_t room = AUDIT_DETAIL_MAX - t->len;

    len = len < room ? len : room;
    if (len > 0) {
        memcpy(t->out + t->len, data, len);
    }
    t->len += len;
}

static void add_slice(struct text *t, struct slice s)
{
    add(t, s.data, s.len);
}

static void begin_word(struct text *t)
{
    if (t->len > 0) {
        add(t, " ", 1);
    }
}

static void add_word(struct text *t, const char *word)
{
    begin_word(t);
    add(t, word, strlen(word));
}

static void add_number(struct text *t, uint64_t value)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%" PRIu64, value);
    add_word(t, digits);
}

static void tell_url(struct text *t, struct slice url)
{
    char shown[ROUTE_URL_SHOWN_MAX];

    if (url.len > 0 && url.len <= PROTOCOL_URL_MAX) {
        begin_word(t);
        add(t, shown, route_url_show(url, shown));
    }
}

/* Its kind, and where it goes: of a command the program alone. */
static void tell_route(struct text *t, const struct route_settings *s)
{
    if (s->kind != 0) {
        add_word(t, route_kind_name(s->kind));
    }
    tell_url(t, s->url);
    if (s->n_command > 0) {
        begin_word(t);
        add_slice(t, s->command[0]);
    }
}

/* The names of the settings, and the URL. */
static void tell_changes(struct text *t, const struct operation *op)
{
    struct cursor c;

    cursor_init(&c, op->changes.data, op->changes.len);
    uint32_t n = cursor_map(&c);
    for (uint32_t i = 0; i < n && cursor_ok(&c); i++) {
        struct slice key = cursor_bytes(&c);
        (void)cursor_skip(&c);
        if (cursor_ok(&c)) {
            begin_word(t);
            add_slice(t, key);
        }
    }
    tell_url(t, op->settings.url);
}

static void tell_quota(struct text *t, uint64_t quota, const char *unit)
{
    if (quota > 0) {
        add_number(t, quota);
        add(t, unit, strlen(unit));
    }
}

static void tell_grants(struct text *t, const struct operation *op)
{
    struct cursor c;

    cursor_init(&c, op->tokens.data, op->tokens.len);
    for (uint32_t i = 0; i < op->n_tokens; i++) {
        struct grant g;
        grant_read(&c, &g);
        if (i > 0) {
            add(t, ",", 1);
        }
        add_word(t, grant_role_name(g.role));
        begin_word(t);
        add_slice(t, g.routes);
        if (g.prefix.len > 0) {
            begin_word(t);
            add_slice(t, g.prefix);
        }
        tell_quota(t, g.quota.operations_per_s, "/s");
        tell_quota(t, g.quota.pending_orders, " orders");
        tell_quota(t, g.quota.bytes, " bytes");
    }
}

static void tell_node(struct text *t, uint64_t node_id)
{
    if (node_id == 0) {
        add_word(t, "none"); /* or any, to lead */
    } else {
        add_word(t, "node");
        add_number(t, node_id);
    }
}

size_t audit_detail(const struct operation *op, char out[AUDIT_DETAIL_MAX])
{
    struct text t = {.out = out};

    switch (op->code) {
        case OPERATION_ROUTE_PUT: tell_route(&t, &op->settings); break;
        case OPERATION_ROUTE_SET: tell_changes(&t, op); break;
        case OPERATION_ROUTE_PAUSE: add_word(&t, op->paused ? "paused" : "resumed"); break;
        case OPERATION_GRANT_PUT:
        case OPERATION_TOKEN_CREATE: tell_grants(&t, op); break;
        case OPERATION_AUTHORIZE: add_word(&t, op->on ? "on" : "off"); break;
        case OPERATION_MEMBER_ADD:
            tell_node(&t, op->node_id);
            begin_word(&t);
            add_slice(&t, op->address);
            break;
        case OPERATION_TRANSFER:
        case OPERATION_MEMBER_REMOVE:
        case OPERATION_CLOCK_TRUST: tell_node(&t, op->node_id); break;
        default: break;
    }
    return t.len;
}
