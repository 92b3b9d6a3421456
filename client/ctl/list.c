/* list.c - orders, by state, route, id and deadline: the command list. */
#include <string.h>

#include "../text/table.h"
#include "../text/units.h"
#include "../wire/cursor.h"
#include "orderctl.h"
#include "rows.h"

#define LIST_LIMIT_DEFAULT 1000

static const struct flag list_flags[] = {
    {CTL_STATE, "state", 0, "STATE", "pending, closing, paid, cancelled, expired or dead"},
    {CTL_ROUTE, "route", 0, "NAME", "only orders of this route"},
    {CTL_PREFIX, "prefix", 0, "TEXT", "whose ids begin so"},
    {CTL_DUE_AFTER, "due-after", 0, "TIME", "whose deadline is this time or later"},
    {CTL_DUE_BEFORE, "due-before", 0, "TIME", "whose deadline is before this time"},
    {CTL_LIMIT, "limit", 0, "N", "at most this many orders (1000; with -w jsonl all)"},
    {0},
};

struct listing {
    struct rows rows;
    uint64_t left; /* orders still wanted */
    uint64_t n;
    uint8_t cursor[PROTOCOL_CURSOR_MAX];
    size_t cursor_len;
};

static bool parse_state(const char *text, uint32_t *state)
{
    for (uint32_t s = ORDERSCHED_PENDING; s <= ORDERSCHED_DEAD; s++) {
        if (strcasecmp(text, ordersched_state_name((int)s)) == 0) {
            *state = s;
            return true;
        }
    }
    return false;
}

static int read_bound(struct ctl *ctl, enum ctl_flag flag, const char *name, uint64_t *ms)
{
    const char *text = ctl_value(ctl, flag);

    if (text != NULL && (!units_parse_time(text, ms) || *ms == 0)) {
        return ctl_usage(ctl,
                         "--%s must be an RFC 3339 time such as 2026-11-23T12:00:00Z, not \"%s\"",
                         name, text);
    }
    return CTL_DONE;
}

/* What an older node does not know is asked for only where it is needed. */
static int read_filters(struct ctl *ctl, struct operation *op)
{
    const char *prefix = ctl_value(ctl, CTL_PREFIX);
    int rv = read_bound(ctl, CTL_DUE_AFTER, "due-after", &op->time_ms);

    if (rv == CTL_DONE) {
        rv = read_bound(ctl, CTL_DUE_BEFORE, "due-before", &op->since_ms);
    }
    if (prefix != NULL) {
        op->id = (struct slice){(const uint8_t *)prefix, strlen(prefix)};
    }
    if (rv == CTL_DONE && op->id.len > ORDERSCHED_ID_MAX) {
        return ctl_usage(ctl, "--prefix: an id has at most %d bytes", ORDERSCHED_ID_MAX);
    }
    op->code = op->id.len > 0 || op->time_ms > 0 || op->since_ms > 0 ? OPERATION_FILTERED_LIST
                                                                     : OPERATION_LIST;
    return rv;
}

static int check_list(struct ctl *ctl)
{
    struct operation op = {0};
    const char *state = ctl_value(ctl, CTL_STATE);
    const char *limit = ctl_value(ctl, CTL_LIMIT);
    const char *route = ctl_value(ctl, CTL_ROUTE);
    uint64_t n;
    uint32_t s;

    if (state != NULL && !parse_state(state, &s)) {
        return ctl_usage(
            ctl, "--state must be pending, closing, paid, cancelled, expired or dead, not \"%s\"",
            state);
    }
    if (limit != NULL && !ctl_parse_number(limit, 1, UINT32_MAX, &n)) {
        return ctl_usage(ctl, "--limit must be a number of 1 or more, not \"%s\"", limit);
    }
    if (route != NULL && strlen(route) > ORDERSCHED_ROUTE_NAME_MAX) {
        return ctl_usage(ctl, "--route: a name has at most %d bytes", ORDERSCHED_ROUTE_NAME_MAX);
    }
    return read_filters(ctl, &op);
}

static void list_add(struct listing *l, struct slice id, uint64_t state, uint64_t deadline_ms,
                     struct slice route)
{
    char deadline[32];

    l->n++;
    l->left--;
    if (rows_are_json(&l->rows)) {
        json_t *order = json_object();
        ctl_json_bytes(order, "order_id", id.data, id.len);
        json_object_set_new(order, "state", json_string(ordersched_state_name((int)state)));
        ctl_json_time(order, "deadline_ms", "deadline", deadline_ms);
        ctl_json_bytes(order, "route", route.data, route.len);
        rows_add(&l->rows, order);
        return;
    }
    units_format_time(deadline_ms, deadline, sizeof deadline);
    table_bytes(&l->rows.table, id.data, id.len);
    table_text(&l->rows.table, ordersched_state_name((int)state));
    table_text(&l->rows.table, deadline);
    table_bytes(&l->rows.table, route.data, route.len);
}

/* One page: [cursor or "", [[id, state, deadline_ms, route], ...]] */
static bool list_take_page(struct listing *l, const struct ask_reply *reply)
{
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    cursor_array(&c);
    struct slice next = cursor_bytes(&c);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n && l->left > 0; i++) {
        uint32_t fields = cursor_array(&c);
        struct slice id = cursor_bytes(&c);
        uint64_t state = cursor_uint(&c);
        uint64_t deadline_ms = cursor_uint(&c);
        struct slice route = cursor_bytes(&c);
        if (!cursor_ok(&c) || fields != 4) {
            return false;
        }
        list_add(l, id, state, deadline_ms, route);
    }
    if (!cursor_ok(&c) || next.len > sizeof l->cursor) {
        return false;
    }
    /* The same place again would never end. */
    if (next.len > 0 && next.len == l->cursor_len && memcmp(next.data, l->cursor, next.len) == 0) {
        return false;
    }
    l->cursor_len = next.len;
    if (next.len > 0) {
        memcpy(l->cursor, next.data, next.len);
    }
    return true;
}

static int list_print(struct listing *l)
{
    int rv = rows_print(&l->rows, "orders", json_pack("{sb}", "more", l->cursor_len > 0));

    if (rv == CTL_DONE && l->cursor_len > 0 && rows_want_hint(&l->rows)) {
        fprintf(stderr, "orderctl: list: %llu orders shown; there may be more: --limit N\n",
                (unsigned long long)l->n);
    }
    return rv;
}

static int list_pages(struct ctl *ctl, struct listing *l, struct operation *op)
{
    do {
        struct ask_reply reply;
        op->limit = l->left < PROTOCOL_LIST_MAX ? (uint32_t)l->left : PROTOCOL_LIST_MAX;
        op->cursor = (struct slice){l->cursor, l->cursor_len};
        ask_leader(ctl->client, op, ctl->timeout_ms, &reply);
        if (reply.error == ORDERSCHED_OK && !list_take_page(l, &reply)) {
            ctl_malformed(&reply);
        }
        int rv = reply.error == ORDERSCHED_OK ? CTL_DONE : ctl_fail(ctl, NULL, NULL, &reply);
        ask_reply_free(&reply);
        if (rv != CTL_DONE) {
            return rv;
        }
    } while (rows_flush(&l->rows) && l->cursor_len > 0 && l->left > 0);
    return list_print(l);
}

static int run_list(struct ctl *ctl)
{
    struct operation op = {0};
    struct listing l = {.left = ctl->lines ? UINT64_MAX : LIST_LIMIT_DEFAULT};
    const char *route = ctl_value(ctl, CTL_ROUTE);

    if (ctl_value(ctl, CTL_LIMIT) != NULL) {
        ctl_parse_number(ctl_value(ctl, CTL_LIMIT), 1, UINT32_MAX, &l.left);
    }
    if (ctl_value(ctl, CTL_STATE) != NULL) {
        parse_state(ctl_value(ctl, CTL_STATE), &op.state);
    }
    if (route != NULL) {
        op.route = (struct slice){(const uint8_t *)route, strlen(route)};
    }
    (void)read_filters(ctl, &op); /* it was checked */
    rows_begin(&l.rows, ctl, (const char *const[]){"ORDER", "STATE", "DEADLINE", "ROUTE", NULL});
    int rv = list_pages(ctl, &l, &op);
    rows_free(&l.rows);
    return rv;
}

const struct ctl_command ctl_list_commands[] = {
    {.name = "list",
     .summary = "Show orders, by state, route, id and deadline",
     .flags = list_flags,
     .lists = true,
     .check = check_list,
     .run = run_list},
    {0},
};
