/* audit.c - the audit trail: who administered what, and what became of it. */
#include "../wire/audit.h"

#include <string.h>

#include "../json/json_rows.h"
#include "../text/table.h"
#include "../text/units.h"
#include "orderctl.h"
#include "rows.h"

static const struct flag audit_flags[] = {
    {CTL_SINCE, "since", 0, "TIME", "only what was asked for at this time or later"},
    {CTL_WHO, "who", 0, "NAME", "only of this principal; or nobody, owner, unknown"},
    {CTL_WHAT, "what", 0, "WORD",
     "only such operations (route, \"route put\"), or about this route, order or principal"},
    {CTL_LIMIT, "limit", 0, "N", "at most this many rows (all)"},
    {CTL_CURSOR, "cursor", 0, "N", "go on behind this row, as an earlier answer says"},
    {0},
};

struct trail {
    struct rows rows;
    uint64_t left; /* rows still wanted */
    uint64_t cursor;
    bool more;
};

static int check_audit(struct ctl *ctl)
{
    const char *since = ctl_value(ctl, CTL_SINCE);
    const char *who = ctl_value(ctl, CTL_WHO);
    const char *what = ctl_value(ctl, CTL_WHAT);
    const char *limit = ctl_value(ctl, CTL_LIMIT);
    const char *cursor = ctl_value(ctl, CTL_CURSOR);
    uint64_t n;

    if (since != NULL && !units_parse_time(since, &n)) {
        return ctl_usage(
            ctl, "--since must be an RFC 3339 time such as 2026-11-23T12:00:00Z, not \"%s\"",
            since);
    }
    if (who != NULL && !grant_name_is_good((struct slice){(const uint8_t *)who, strlen(who)})) {
        return ctl_usage(ctl, "--who must be 1 to 64 of A-Z a-z 0-9 . _ -, not \"%s\"", who);
    }
    if (what != NULL && (what[0] == '\0' || strlen(what) > AUDIT_WHAT_MAX)) {
        return ctl_usage(ctl, "--what must have 1 to %d bytes", AUDIT_WHAT_MAX);
    }
    if (limit != NULL && !ctl_parse_number(limit, 1, UINT32_MAX, &n)) {
        return ctl_usage(ctl, "--limit must be a number of 1 or more, not \"%s\"", limit);
    }
    if (cursor != NULL && !ctl_parse_number(cursor, 0, INT64_MAX, &n)) {
        return ctl_usage(ctl, "--cursor must be the number of a row, not \"%s\"", cursor);
    }
    return CTL_DONE;
}

static void cell(struct table *t, struct slice s)
{
    table_bytes(t, s.len > 0 ? s.data : (const uint8_t *)"-", s.len > 0 ? s.len : 1);
}

static void row_as_cells(const struct audit_row *r, struct table *t)
{
    char time[32];

    units_format_time(r->time_ms, time, sizeof time);
    table_text(t, time);
    cell(t, audit_who(r));
    cell(t, r->from);
    table_text(t, audit_name(r->code));
    cell(t, r->about);
    if (r->count > 1) {
        table_printf(t, "%s x%llu", ordersched_error_name(r->error), (unsigned long long)r->count);
    } else {
        table_text(t, ordersched_error_name(r->error));
    }
    table_printf(t, "%llu", (unsigned long long)r->index);
    cell(t, r->detail);
}

/* [number to go on behind, are there more, [row, ...]] */
static bool take_page(struct trail *t, const struct ask_reply *reply)
{
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t parts = cursor_array(&c);
    uint64_t cursor = cursor_uint(&c);
    t->more = cursor_bool(&c);
    uint32_t n = cursor_array(&c);
    if (!cursor_ok(&c) || parts != 3 || n > t->left || (t->more && cursor <= t->cursor)) {
        return false; /* the same place again would never end */
    }
    t->cursor = cursor;
    t->left -= n;
    for (uint32_t i = 0; i < n; i++) {
        struct audit_row r;
        if (!audit_row_read(&c, &r)) {
            return false;
        }
        if (rows_are_json(&t->rows)) {
            rows_add(&t->rows, json_audit_row(&r));
        } else {
            row_as_cells(&r, &t->rows.table);
        }
    }
    return true;
}

static int print_trail(struct trail *t)
{
    int rv = rows_print(&t->rows, "rows",
                        json_pack("{sIsb}", "cursor", (json_int_t)t->cursor, "more", t->more));

    if (rv == CTL_DONE && t->more && rows_want_hint(&t->rows)) {
        fprintf(stderr, "orderctl: audit: there may be more: --cursor %llu\n",
                (unsigned long long)t->cursor);
    }
    return rv;
}

static int read_trail(struct ctl *ctl, struct trail *t, struct operation *op)
{
    do {
        struct ask_reply reply;
        op->limit = t->left < PROTOCOL_LIST_MAX ? (uint32_t)t->left : PROTOCOL_LIST_MAX;
        op->since_ms = t->cursor;
        ask_leader(ctl->client, op, ctl->timeout_ms, &reply);
        if (reply.error == ORDERSCHED_OK && !take_page(t, &reply)) {
            ctl_malformed(&reply);
        }
        int rv = reply.error == ORDERSCHED_OK ? CTL_DONE : ctl_fail(ctl, NULL, NULL, &reply);
        ask_reply_free(&reply);
        if (rv != CTL_DONE) {
            return rv;
        }
    } while (rows_flush(&t->rows) && t->more && t->left > 0);
    return print_trail(t);
}

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

static int run_audit(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_AUDIT_LIST,
                           .id = slice_of(ctl_value(ctl, CTL_WHO)),
                           .route = slice_of(ctl_value(ctl, CTL_WHAT))};
    struct trail t = {.left = UINT64_MAX};

    /* check_audit() has read them */
    if (ctl_value(ctl, CTL_SINCE) != NULL) {
        units_parse_time(ctl_value(ctl, CTL_SINCE), &op.time_ms);
    }
    if (ctl_value(ctl, CTL_LIMIT) != NULL) {
        ctl_parse_number(ctl_value(ctl, CTL_LIMIT), 1, UINT32_MAX, &t.left);
    }
    if (ctl_value(ctl, CTL_CURSOR) != NULL) {
        ctl_parse_number(ctl_value(ctl, CTL_CURSOR), 0, INT64_MAX, &t.cursor);
    }
    rows_begin(&t.rows, ctl,
               (const char *const[]){"TIME", "WHO", "FROM", "OPERATION", "ABOUT", "RESULT", "INDEX",
                                     "DETAIL", NULL});
    int rv = read_trail(ctl, &t, &op);
    rows_free(&t.rows);
    return rv;
}

const struct ctl_command ctl_audit_commands[] = {
    {.name = "audit",
     .summary = "Show who administered the cluster, from where, and what became of it",
     .details = "The oldest first: routes, dead letters, clocks, members, tokens and grants, also\n"
                "what was denied. The last 10,000 operations are kept.",
     .flags = audit_flags,
     .lists = true,
     .check = check_audit,
     .run = run_audit},
    {0},
};
