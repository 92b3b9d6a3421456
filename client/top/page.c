/* page.c - see page.h. */
#include "page.h"

#include <stdlib.h>
#include <string.h>

#include "../text/units.h"
#include "columns.h"
#include "needs.h"

#define LINES_BESIDES 13 /* of a page: titles, pictures, keys, and what is empty */

typedef unsigned long long number;

/* ---- the title ---- */

static void draw_title(const struct page *page, struct screen *s)
{
    const struct look *look = page->look;
    uint64_t age_ms = look != NULL && page->now_ms > look->at_ms ? page->now_ms - look->at_ms : 0;
    enum screen_style style = SCREEN_TITLE;
    char state[96] = "live", time[32] = "";
    unsigned up = 0, members = 0, columns = screen_columns(s);

    if (look == NULL) {
        snprintf(state, sizeof state, "%s",
                 page->denied ? "nobody tells us"
                 : page->cut  ? "no node answers"
                              : "asking");
    } else if (page->cut || (age_ms > page->stale_ms && !page->paused)) {
        snprintf(state, sizeof state, "%s as of %llu s ago",
                 page->denied ? "DENIED:" : "NO ANSWER:", (number)(age_ms / 1000));
        style = SCREEN_BAD;
    } else if (page->paused) {
        snprintf(state, sizeof state, "paused, as of %llu s ago", (number)(age_ms / 1000));
    }
    for (unsigned i = 0; i < columns; i++) {
        screen_put(s, 0, i, style, " ", 1);
    }
    unsigned wide = screen_width(s, state, strlen(state));
    unsigned at = screen_printf(s, 0, 0, style, "%s  ", page->cluster);
    for (unsigned i = 0; look != NULL && i < look->survey.n; i++) {
        up += look->survey.nodes[i].up && !look->survey.nodes[i].stranger;
        members += !look->survey.nodes[i].stranger;
    }
    if (look != NULL && look->leader != NULL) {
        units_format_time(look->leader->status.time_ms, time, sizeof time);
        at = screen_printf(s, 0, at, style, "node %llu leads, term %llu  %u/%u up  %.19sZ",
                           (number)look->leader->id, (number)look->leader->status.term, up, members,
                           time);
    } else if (look != NULL) {
        at = screen_printf(s, 0, at, style, "NO LEADER  %u/%u up", up, members);
    }
    /* How old all of it is must be seen, whatever else is cut off. */
    if (wide < columns) {
        screen_put(s, 0, columns - wide - 1, style, " ", 1);
        screen_put(s, 0, columns - wide, style, state, strlen(state));
    } else {
        screen_put(s, 0, 0, style, state, strlen(state));
    }
}

/* ---- orders, and pictures of what was ---- */

/* One of a line's figures, or, when it has no room there, the first of the next line. */
static void draw_figure(struct screen *s, unsigned *row, unsigned *column, enum screen_style style,
                        const char *text)
{
    unsigned width = screen_width(s, text, strlen(text));

    if (*column > 0 && *column + width > screen_columns(s)) {
        ++*row;
        *column = 0;
    }
    *column = screen_put(s, *row, *column, style, text, strlen(text)) + 2;
}

static unsigned draw_orders(const struct page *page, struct screen *s, unsigned row)
{
    const struct node_status *st = &page->look->leader->status;
    const struct {
        const char *name;
        uint64_t n;
        bool warn;
    } counts[] = {{"pending", st->pending, false},     {"due", st->closing, false},
                  {"dead", st->dead, st->dead > 0},    {"paid", st->paid, false},
                  {"cancelled", st->cancelled, false}, {"expired", st->expired, false}};
    char text[96], overdue[32];
    unsigned at = 0;

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        snprintf(text, sizeof text, "%s %llu", counts[i].name, (number)counts[i].n);
        draw_figure(s, &row, &at, counts[i].warn ? SCREEN_WARN : SCREEN_PLAIN, text);
    }
    if (st->closing > 0) {
        units_format_duration(st->oldest_overdue_ms, overdue, sizeof overdue);
        snprintf(text, sizeof text, "oldest waits %s", overdue);
        draw_figure(s, &row, &at, st->oldest_overdue_ms > 5000 ? SCREEN_BAD : SCREEN_PLAIN, text);
    }
    return row + 1;
}

/* A line of a name, a figure, and as many bars as there is room for: of `n` values the newest, or the first. Returns where
 * it ends. */
static unsigned draw_bars(struct screen *s, unsigned row, unsigned at, const double *values,
                          unsigned n, bool newest)
{
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii[] = {".", ":", "-", "=", "+", "*", "#", "@"};
    const char *const *levels = screen_is_utf8(s) ? bars : ascii;
    unsigned columns = screen_columns(s);
    unsigned room = columns > at + 12 ? columns - at - 12 : 0;
    unsigned shown = n < room ? n : room;
    double most = 0;

    for (unsigned i = 0; i < n; i++) {
        most = values[i] > most ? values[i] : most;
    }
    for (unsigned i = 0; i < shown; i++) {
        double v = values[newest ? n - shown + i : i];
        unsigned level = most > 0 ? (unsigned)(v / most * 7.99) : 0;
        at = screen_put(s, row, at, SCREEN_PLAIN, levels[level], strlen(levels[level]));
    }
    if (most > 0 && n > 1 && room > 0) {
        at = screen_printf(s, row, at + 1, SCREEN_PLAIN, "max %.*f", most < 100 ? 1 : 0, most);
    }
    return at;
}

static void draw_series(const struct past *past, struct screen *s, unsigned row, const char *name,
                        size_t offset, const char *unit)
{
    double values[PAST_LOOKS_MAX];
    double last = 0;

    for (unsigned i = 0; i < past->n; i++) {
        last = values[i] = *(const double *)((const char *)&past->points[i] + offset);
    }
    unsigned at = screen_printf(s, row, 0, SCREEN_PLAIN, "%-10s %9.*f%-3s ", name,
                                last < 100 ? 1 : 0, last, unit);
    draw_bars(s, row, at, values, past->n, true);
}

static unsigned draw_past(const struct page *page, struct screen *s, unsigned row)
{
    draw_series(page->past, s, row, "entries/s", offsetof(struct past_point, entries_per_s), "");
    draw_series(page->past, s, row + 1, "fired/s", offsetof(struct past_point, fired_per_s), "");
    draw_series(page->past, s, row + 2, "late p90", offsetof(struct past_point, late_ms), " ms");
    return row + 3;
}

/* What will be due in the next hour, a bar a minute. */
static unsigned draw_forecast(const struct page *page, struct screen *s, unsigned row)
{
    const struct node_status *st = &page->look->leader->status;
    double minutes[PROTOCOL_FORECAST_MINUTES];
    uint64_t sum = 0;

    for (unsigned i = 0; i < st->n_forecast; i++) {
        minutes[i] = (double)st->forecast[i];
        sum += st->forecast[i];
    }
    if (st->n_forecast == 0) {
        return row;
    }
    unsigned at = screen_printf(s, row, 0, SCREEN_PLAIN, "%-10s %9llu    ", "next hour",
                                (number)sum);
    at = draw_bars(s, row, at, minutes, st->n_forecast, false);
    if (sum > 0) {
        screen_printf(s, row, at, SCREEN_PLAIN, "/min");
    }
    return row + 1;
}

static unsigned draw_needs(const struct page *page, struct screen *s, unsigned row, unsigned most)
{
    struct need needs[NEEDS_MAX];
    unsigned n = needs_find(page->look, needs);
    unsigned shown = n <= most ? n : most > 0 ? most - 1 : 0;

    for (unsigned i = 0; i < shown; i++) {
        screen_printf(s, row++, 0, needs[i].bad ? SCREEN_BAD : SCREEN_WARN, "! %s", needs[i].text);
    }
    if (shown < n && most > 0) {
        screen_printf(s, row++, 0, SCREEN_WARN, "! and %u more", n - shown);
    }
    return row;
}

/* ---- nodes ---- */

static const struct column node_columns[] = {{"NODE", 0, true},     {"ROLE", 1, false},
                                             {"ADDRESS", 5, false}, {"BEHIND", 2, true},
                                             {"CLOCK", 3, false},   {"DISK", 4, false},
                                             {"STALL", 6, true},    {"MEMORY", 7, true},
                                             {"VERSION", 8, false}};

static void node_as_row(const struct page *page, const struct survey_node *node, struct columns *c)
{
    const struct node_status *st = &node->status;
    const struct survey_node *leader = page->look->leader;

    columns_style(c, node->up ? SCREEN_PLAIN : SCREEN_BAD);
    if (node->id != 0) {
        columns_printf(c, "%llu", (number)node->id);
    } else {
        columns_printf(c, "?");
    }
    if (!node->up) {
        columns_printf(c, "%s", node->error == ORDERSCHED_DENIED ? "denied" : "no answer");
        columns_printf(c, "%s", node->address[0] != 0 ? node->address : node->api);
        return;
    }
    columns_printf(c, "%s", st->role);
    columns_printf(c, "%s", node->address[0] != 0 ? node->address : node->api);
    if (leader != NULL) {
        columns_printf(c, "%llu",
                       (number)(leader->status.commit > st->applied
                                    ? leader->status.commit - st->applied
                                    : 0));
    } else {
        columns_printf(c, "-");
    }
    columns_printf(c, "%s", st->clock);
    columns_printf(c, "%s", st->disk);
    uint64_t stall_us = node_rounds_most_us(&st->loop_stalls, PROTOCOL_STALL_SECONDS);
    if (stall_us != UINT64_MAX) {
        columns_printf(c, "%.1f ms", (double)stall_us / 1e3);
    } else {
        columns_printf(c, "-");
    }
    columns_printf(c, "%llu MiB", (number)(st->memory_bytes >> 20));
    columns_printf(c, "%s", st->version);
}

static unsigned draw_nodes(const struct page *page, struct screen *s, unsigned row, unsigned most)
{
    const struct survey *survey = &page->look->survey;
    struct columns c;
    unsigned n = survey->n;

    if (most < 2) {
        return row;
    }
    n = n < most - 1 ? n : most - 1;
    if (!columns_begin(&c, node_columns, sizeof node_columns / sizeof *node_columns, n)) {
        return row;
    }
    for (unsigned i = 0; i < n; i++) {
        columns_next(&c);
        node_as_row(page, &survey->nodes[i], &c);
    }
    row = columns_draw(&c, s, row);
    columns_free(&c);
    return row;
}

/* ---- routes ---- */

static const struct column route_columns[] = {{"ROUTE", 0, false}, {"LATE p50", 4, true},
                                              {"p99", 2, true},    {"READY", 1, true},
                                              {"FLIGHT", 3, true}, {"FIRED/s", 5, true},
                                              {"AGAIN", 6, true},  {"RATE", 9, true},
                                              {"ORDERS", 7, true}, {"WHY IT IS LATE", 8, false}};

/* Of the look before, the same route, or NULL. */
static const struct look_route *route_before(const struct page *page, const struct look_route *r)
{
    const struct look *b = page->before;
    unsigned low = 0, high = b != NULL ? b->n_routes : 0;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order = strcmp(b->routes[middle].name, r->name);
        if (order == 0) {
            return b->routes[middle].live ? &b->routes[middle] : NULL;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static double route_rate(const struct page *page, const struct look_route *r)
{
    const struct look_route *b = route_before(page, r);

    return r->live ? past_rate(page->before, page->look,
                               b != NULL ? b->row.parts[LATENESS_TOTAL].count : 0,
                               r->row.parts[LATENESS_TOTAL].count)
                   : 0;
}

static double sort_value(const struct page *page, const struct look_route *r)
{
    switch (page->sort) {
        case PAGE_BY_READY: return (double)r->row.ready;
        case PAGE_BY_RATE: return route_rate(page, r);
        default: return (double)r->row.parts[LATENESS_TOTAL].p99;
    }
}

struct sorted {
    double value;
    unsigned route;
};

static int by_value(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;

    if (x->value != y->value) {
        return x->value < y->value ? 1 : -1;
    }
    return x->route < y->route ? -1 : x->route > y->route; /* by name: nothing jumps about */
}

static void us_as_cell(struct columns *c, const struct lateness_figures *p, uint64_t us)
{
    if (p->count == 0) {
        columns_printf(c, "-");
    } else if (us < 1000000) {
        columns_printf(c, us < 100000 ? "%.1f ms" : "%.0f ms", (double)us / 1e3);
    } else {
        columns_printf(c, "%.1f s", (double)us / 1e6);
    }
}

static void route_as_row(const struct page *page, const struct look_route *r, struct columns *c)
{
    const struct lateness_figures *total = &r->row.parts[LATENESS_TOTAL];
    uint64_t deliveries = r->row.parts[LATENESS_CALLBACK].count;
    char why[128];

    columns_style(c, r->paused || r->row.silent_ms > 0                        ? SCREEN_WARN
                     : r->row.ready > 0 && r->row.deliveries >= r->row.window ? SCREEN_BAD
                                                                              : SCREEN_PLAIN);
    columns_printf(c, "%s", r->name);
    us_as_cell(c, total, total->p50);
    us_as_cell(c, total, total->p99);
    columns_printf(c, "%llu", (number)r->row.ready);
    columns_printf(c, "%llu/%llu", (number)r->row.deliveries,
                   (number)(r->live ? r->row.window : r->window));
    double rate = route_rate(page, r);
    columns_printf(c, "%.*f", rate < 100 ? 1 : 0, rate);
    columns_printf(c, "%llu", (number)(deliveries > total->count ? deliveries - total->count : 0));
    if (r->rate_per_s > 0) {
        columns_printf(c, "%llu/s", (number)r->rate_per_s);
    } else {
        columns_printf(c, "-");
    }
    if (r->set) {
        columns_printf(c, "%llu", (number)r->orders);
    } else {
        columns_printf(c, "-");
    }
    needs_why_late(r, why, sizeof why);
    columns_printf(c, "%s", why);
}

static void draw_routes(struct page *page, struct screen *s, unsigned row, unsigned most)
{
    const struct look *look = page->look;
    struct sorted *sorted = malloc((look->n_routes + 1) * sizeof *sorted);
    unsigned n = look->n_routes;
    struct columns c;

    if (sorted == NULL || most < 2 || n == 0) {
        free(sorted);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        sorted[i] = (struct sorted){page->sort == PAGE_BY_NAME ? 0
                                                               : sort_value(page, &look->routes[i]),
                                    i};
    }
    qsort(sorted, n, sizeof *sorted, by_value);
    unsigned room = n < most ? n : most - 2; /* one says how many more there are */
    page->scroll = page->scroll + room <= n ? page->scroll : n - room;
    if (columns_begin(&c, route_columns, sizeof route_columns / sizeof *route_columns, room)) {
        for (unsigned i = page->scroll; i < page->scroll + room; i++) {
            columns_next(&c);
            route_as_row(page, &look->routes[sorted[i].route], &c);
        }
        row = columns_draw(&c, s, row);
        columns_free(&c);
    }
    if (room < n) {
        screen_printf(s, row, 0, SCREEN_PLAIN, "%u to %u of %u routes", page->scroll + 1,
                      page->scroll + room, n);
    }
    free(sorted);
}

/* ---- all of it ---- */

static void draw_keys(const struct page *page, struct screen *s)
{
    static const char *const sorts[PAGE_SORTS] = {"lateness", "ready", "rate", "name"};
    unsigned row = screen_rows(s) - 1;

    screen_printf(s, row, 0, SCREEN_BOLD, "q quit  p %s  s sort: %s  j k scroll  r now",
                  page->paused ? "go on" : "pause", sorts[page->sort]);
}

unsigned page_height(const struct look *look)
{
    return LINES_BESIDES + NEEDS_MAX + look->survey.n + look->n_routes;
}

void page_draw(struct page *page, struct screen *s)
{
    unsigned rows = screen_rows(s) - (page->keys && screen_rows(s) > 4);
    unsigned row = 1;

    screen_clear(s);
    draw_title(page, s);
    if (page->keys && screen_rows(s) > 4) {
        draw_keys(page, s);
    }
    if (page->look == NULL) {
        return;
    }
    bool roomy = rows >= 16;
    if (page->look->leader != NULL && row < rows) {
        row = draw_orders(page, s, row);
    }
    if (roomy && page->past->n > 0) {
        row = draw_past(page, s, row);
    }
    if (roomy && page->look->leader != NULL) {
        row = draw_forecast(page, s, row);
    }
    row = draw_needs(page, s, row, row < rows ? (rows - row) / (roomy ? 4 : 2) : 0);
    row += roomy;
    unsigned left = row < rows ? rows - row : 0;
    row = draw_nodes(page, s, row, left > 8 ? (left > 24 ? left / 2 : left - 4) : left);
    row += roomy;
    if (row < rows) {
        draw_routes(page, s, row, rows - row);
    }
}
