/* dead.c - dead letters: list and show, and the table of their commands. */
#include "dead.h"

#include <string.h>

#include "history.h"
#include "rows.h"
#include "../text/table.h"
#include "../text/units.h"

#define LIST_LIMIT_DEFAULT 1000

static const struct flag list_flags[] = {
    {CTL_ROUTE, "route", 0, "NAME", "only orders of this route"},
    {CTL_AFTER, "after", 0, "TIME", "that died at this time or later"},
    {CTL_BEFORE, "before", 0, "TIME", "that died before this time"},
    {CTL_LIMIT, "limit", 0, "N", "at most this many orders (1000; with -w jsonl all)"},
    {0},
};

/* ---- list ---- */

static int check_list(struct ctl *ctl)
{
    const char *limit = ctl_value(ctl, CTL_LIMIT);
    struct dead_filter filter;
    uint64_t n;

    if (limit != NULL && !ctl_parse_number(limit, 1, UINT32_MAX, &n)) {
        return ctl_usage(ctl, "--limit must be a number of 1 or more, not \"%s\"", limit);
    }
    return dead_read_filter(ctl, &filter);
}

static json_t *letter_as_json(const struct dead_letter *letter)
{
    json_t *object = json_object();

    ctl_json_bytes(object, "order_id", letter->id.data, letter->id.len);
    ctl_json_bytes(object, "route", letter->route.data, letter->route.len);
    ctl_json_time(object, "deadline_ms", "deadline", letter->deadline_ms);
    json_object_set_new(object, "attempts", json_integer((json_int_t)letter->attempts));
    ctl_json_time(object, "died_ms", "died", letter->died_ms);
    ctl_json_bytes(object, "reason", letter->reason.data, letter->reason.len);
    return object;
}

static void letter_as_row(const struct dead_letter *letter, struct rows *rows)
{
    struct table *t = &rows->table;
    char died[32] = "-";

    if (rows_are_json(rows)) {
        rows_add(rows, letter_as_json(letter));
        return;
    }
    if (letter->died_ms != 0) {
        units_format_time(letter->died_ms, died, sizeof died);
    }
    table_bytes(t, letter->id.data, letter->id.len);
    table_bytes(t, letter->route.data, letter->route.len);
    table_text(t, died);
    table_printf(t, "%llu", (unsigned long long)letter->attempts);
    table_bytes(t, letter->reason.data, letter->reason.len);
}

static int print_list(struct rows *rows, uint64_t n, bool more)
{
    int rv = rows_print(rows, "orders", json_pack("{sb}", "more", (int)more));

    if (rv == CTL_DONE && more && rows_want_hint(rows)) {
        fprintf(stderr, "orderctl: dead list: %llu orders shown; there may be more: --limit N\n",
                (unsigned long long)n);
    }
    return rv;
}

static int run_list(struct ctl *ctl)
{
    struct dead_page page = {.cursor_len = 0};
    struct dead_filter filter;
    struct rows rows;
    uint64_t left = ctl->lines ? UINT64_MAX : LIST_LIMIT_DEFAULT;
    uint64_t n = 0;
    bool cut = false;

    int rv = dead_read_filter(ctl, &filter);
    if (ctl_value(ctl, CTL_LIMIT) != NULL) {
        ctl_parse_number(ctl_value(ctl, CTL_LIMIT), 1, UINT32_MAX, &left);
    }
    rows_begin(&rows, ctl,
               (const char *const[]){"ORDER", "ROUTE", "DIED", "ATTEMPTS", "REASON", NULL});
    do {
        if (dead_next_page(ctl, &filter, &page) != ORDERSCHED_OK) {
            rv = ctl_fail(ctl, NULL, NULL, &page.reply);
        }
        for (unsigned i = 0; rv == CTL_DONE && i < page.n && !cut; i++) {
            cut = n == left;
            if (!cut) {
                letter_as_row(&page.letters[i], &rows);
                n++;
            }
        }
        ask_reply_free(&page.reply);
    } while (rv == CTL_DONE && rows_flush(&rows) && page.cursor_len > 0 && n < left);
    if (rv == CTL_DONE) {
        rv = print_list(&rows, n, cut || page.cursor_len > 0);
    }
    rows_free(&rows);
    return rv;
}

/* ---- show ---- */

static int print_letter(const struct ctl *ctl, const struct ask_reply *reply)
{
    const char *id = ctl->operands[0];

    if (ctl->json) {
        json_t *object = json_object();
        json_object_set_new(object, "command", json_string(ctl->command->name));
        ctl_json_bytes(object, "order_id", id, strlen(id));
        json_object_set_new(object, "error", json_string("OK"));
        json_object_set_new(object, "state", json_string(ordersched_state_name(reply->state)));
        ctl_json_time(object, "deadline_ms", "deadline", reply->deadline_ms);
        ctl_history_as_json(reply, object);
        return ctl_print_json(object);
    }
    return ctl_history_print(reply);
}

static int run_show(struct ctl *ctl)
{
    const char *id = ctl->operands[0];
    struct ask_reply reply;

    ctl_history_ask(ctl, id, NULL, &reply);
    if (reply.error == ORDERSCHED_OK && reply.state != ORDERSCHED_DEAD) {
        reply.error = ORDERSCHED_NOT_DEAD;
    }
    int rv = reply.error == ORDERSCHED_OK ? print_letter(ctl, &reply)
                                          : ctl_fail(ctl, id, NULL, &reply);
    ask_reply_free(&reply);
    return rv;
}

const struct ctl_command ctl_dead_commands[] = {
    {.name = "dead list",
     .summary = "Show the orders whose attempts are used up, and why",
     .flags = list_flags,
     .lists = true,
     .check = check_list,
     .run = run_list},
    {.name = "dead show",
     .operands = "ID",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Show what happened to a dead order",
     .run = run_show},
    {.name = "dead redrive",
     .operands = "[ID...]",
     .operands_max = CTL_OPERANDS_MAX,
     .summary = "Deliver dead orders again, from now on with all attempts of their route",
     .details =
         "Name the orders, or say which are meant with --route, --after, --before, or --all.",
     .flags = ctl_dead_act_flags,
     .check = ctl_dead_check_act,
     .run = ctl_dead_redrive},
    {.name = "dead drop",
     .operands = "[ID...]",
     .operands_max = CTL_OPERANDS_MAX,
     .summary = "Give dead orders up: they end CANCELLED, and nobody is told",
     .details =
         "Name the orders, or say which are meant with --route, --after, --before, or --all.\n"
         "This cannot be undone. A delivery that failed may have had its effect all the same.",
     .flags = ctl_dead_act_flags,
     .check = ctl_dead_check_act,
     .run = ctl_dead_drop},
    {0},
};
