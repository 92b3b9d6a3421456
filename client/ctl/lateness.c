/* lateness.c - see lateness.h. */
#include "lateness.h"

#include <stdio.h>
#include <string.h>

#include "../survey/lateness_rows.h"
#include "../text/table.h"

static const char *const part_names[LATENESS_PARTS] = {"timer", "commit", "queue", "callback",
                                                       "total"};

/* ---- JSON ---- */

static json_t *parts_as_json(const struct lateness_row *row)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < LATENESS_PARTS; i++) {
        const struct lateness_figures *p = &row->parts[i];
        json_object_set_new(object, part_names[i],
                            json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "count",
                                      (json_int_t)p->count, "p50_us", (json_int_t)p->p50, "p90_us",
                                      (json_int_t)p->p90, "p99_us", (json_int_t)p->p99, "p999_us",
                                      (json_int_t)p->p999, "max_us", (json_int_t)p->max));
    }
    return object;
}

static json_t *row_as_json(const struct lateness_row *row)
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
    struct lateness_row row;
    uint32_t n = lateness_rows_begin(&c, status);
    json_t *routes = n > 0 ? json_array() : json_null();
    json_t *all = NULL;

    for (uint32_t i = 0; i < n && lateness_row_read(&c, &row); i++) {
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

static void cell_us(struct table *t, const struct lateness_figures *p, uint64_t us)
{
    if (p->count == 0) {
        table_text(t, "-");
    } else if (us < 100000) {
        table_printf(t, "%.1f ms", (double)us / 1e3);
    } else {
        table_printf(t, "%.2f s", (double)us / 1e6);
    }
}

static void row_print(struct table *t, const struct lateness_row *row)
{
    const struct lateness_figures *total = &row->parts[LATENESS_TOTAL];

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
    for (unsigned i = LATENESS_TIMER; i <= LATENESS_CALLBACK; i++) {
        cell_us(t, &row->parts[i], row->parts[i].p99);
    }
}

bool ctl_lateness_table(const struct ask_reply *status)
{
    struct cursor c;
    struct lateness_row row;
    struct table t;
    uint32_t n = lateness_rows_begin(&c, status);
    bool ok = true;

    if (n < 2) {
        return true;
    }
    table_init(&t, (const char *const[]){"ROUTE", "IN FLIGHT", "READY", "FIRED", "LATE P50", "P99",
                                         "P99.9", "MAX", "TIMER P99", "COMMIT", "QUEUE", "CALLBACK",
                                         NULL});
    for (uint32_t i = 0; i < n && lateness_row_read(&c, &row); i++) {
        row_print(&t, &row);
    }
    printf("\n");
    ok = table_print(&t, stdout) == 0;
    table_free(&t);
    return ok;
}
