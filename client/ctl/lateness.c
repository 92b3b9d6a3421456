/* lateness.c - see lateness.h. The form of the rows is in protocol.h. */
#include "lateness.h"

#include <stdio.h>
#include <string.h>

#include "../wire/cursor.h"
#include "../text/table.h"

enum { TIMER, COMMIT, QUEUE, CALLBACK, TOTAL, PARTS };
static const char *const part_names[PARTS] = {"timer", "commit", "queue", "callback", "total"};

struct part {
    uint64_t count, p50, p90, p99, p999, max; /* in us */
};

struct row {
    struct slice route; /* empty: all together */
    uint64_t deliveries, ready, window, silent_ms;
    struct part parts[PARTS];
};

/* Move to the value of "routes". Returns the number of rows. */
static uint32_t rows_begin(struct cursor *c, const struct ask_reply *status)
{
    cursor_init(c, status->body, status->body != NULL ? status->body_len : 0);
    uint32_t n = status->body != NULL ? cursor_map(c) : 0;
    for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
        struct slice key = cursor_bytes(c);
        if (cursor_ok(c) && key.len == 6 && memcmp(key.data, "routes", 6) == 0) {
            uint32_t rows = cursor_array(c);
            return cursor_ok(c) ? rows : 0;
        }
        cursor_skip(c);
    }
    return 0;
}

/* A newer node may say more in a row than is known here. */
static void skip_rest(struct cursor *c, uint32_t n, uint32_t known)
{
    for (uint32_t i = known; i < n && cursor_ok(c); i++) {
        cursor_skip(c);
    }
}

static bool row_read(struct cursor *c, struct row *row)
{
    uint32_t fields = cursor_array(c);

    row->route = cursor_bytes(c);
    row->deliveries = cursor_uint(c);
    row->ready = cursor_uint(c);
    row->window = cursor_uint(c);
    row->silent_ms = cursor_uint(c);
    uint32_t parts = cursor_array(c);
    if (!cursor_ok(c) || fields < 6 || parts < PARTS) {
        return false;
    }
    for (unsigned i = 0; i < PARTS; i++) {
        struct part *p = &row->parts[i];
        uint32_t numbers = cursor_array(c);
        p->count = cursor_uint(c);
        p->p50 = cursor_uint(c);
        p->p90 = cursor_uint(c);
        p->p99 = cursor_uint(c);
        p->p999 = cursor_uint(c);
        p->max = cursor_uint(c);
        if (numbers < 6) {
            return false;
        }
        skip_rest(c, numbers, 6);
    }
    skip_rest(c, parts, PARTS);
    skip_rest(c, fields, 6);
    return cursor_ok(c);
}

/* ---- JSON ---- */

static json_t *parts_as_json(const struct row *row)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < PARTS; i++) {
        const struct part *p = &row->parts[i];
        json_object_set_new(object, part_names[i],
                            json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "count",
                                      (json_int_t)p->count, "p50_us", (json_int_t)p->p50, "p90_us",
                                      (json_int_t)p->p90, "p99_us", (json_int_t)p->p99, "p999_us",
                                      (json_int_t)p->p999, "max_us", (json_int_t)p->max));
    }
    return object;
}

static json_t *row_as_json(const struct row *row)
{
    json_t *object = json_object();

    ctl_json_bytes(object, "route", row->route.data, row->route.len);
    json_object_set_new(object, "deliveries", json_integer((json_int_t)row->deliveries));
    json_object_set_new(object, "ready", json_integer((json_int_t)row->ready));
    json_object_set_new(object, "window", json_integer((json_int_t)row->window));
    json_object_set_new(object, "silent_ms", json_integer((json_int_t)row->silent_ms));
    json_object_set_new(object, "lateness", parts_as_json(row));
    return object;
}

void ctl_lateness_json(json_t *object, const struct ask_reply *status)
{
    struct cursor c;
    struct row row;
    uint32_t n = rows_begin(&c, status);
    json_t *routes = n > 0 ? json_array() : json_null();
    json_t *all = NULL;

    for (uint32_t i = 0; i < n && row_read(&c, &row); i++) {
        if (i == 0) {
            all = parts_as_json(&row);
        } else {
            json_array_append_new(routes, row_as_json(&row));
        }
    }
    json_object_set_new(object, "lateness", all != NULL ? all : json_null());
    json_object_set_new(object, "routes", routes);
}

/* ---- for people ---- */

static void cell_us(struct table *t, const struct part *p, uint64_t us)
{
    if (p->count == 0) {
        table_text(t, "-");
    } else if (us < 100000) {
        table_printf(t, "%.1f ms", (double)us / 1e3);
    } else {
        table_printf(t, "%.2f s", (double)us / 1e6);
    }
}

static void row_print(struct table *t, const struct row *row)
{
    const struct part *total = &row->parts[TOTAL];

    table_bytes(t, row->route.len > 0 ? (const char *)row->route.data : "(all)",
                row->route.len > 0 ? row->route.len : 5);
    table_printf(t, "%llu/%llu", (unsigned long long)row->deliveries,
                 (unsigned long long)row->window);
    table_printf(t, "%llu", (unsigned long long)row->ready);
    table_printf(t, "%llu", (unsigned long long)total->count);
    cell_us(t, total, total->p50);
    cell_us(t, total, total->p99);
    cell_us(t, total, total->p999);
    cell_us(t, total, total->max);
    for (unsigned i = TIMER; i <= CALLBACK; i++) {
        cell_us(t, &row->parts[i], row->parts[i].p99);
    }
}

bool ctl_lateness_table(const struct ask_reply *status)
{
    struct cursor c;
    struct row row;
    struct table t;
    uint32_t n = rows_begin(&c, status);
    bool ok = true;

    if (n < 2) {
        return true;
    }
    table_init(&t, (const char *const[]){"ROUTE", "IN FLIGHT", "READY", "FIRED", "LATE P50", "P99",
                                         "P99.9", "MAX", "TIMER P99", "COMMIT", "QUEUE", "CALLBACK",
                                         NULL});
    for (uint32_t i = 0; i < n && row_read(&c, &row); i++) {
        row_print(&t, &row);
    }
    printf("\n");
    ok = table_print(&t, stdout) == 0;
    table_free(&t);
    return ok;
}
