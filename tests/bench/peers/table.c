/* table.c - the rows of build/bench-peers.json as one table: for each work and system ours, theirs,
 * and the ratio, each the median of the rounds; below it the settings of each system. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../../../client/text/table.h"

#define ROUNDS_MAX 16
#define PEERS_MAX 16

/* What counts of a work, where it stands in a row of ours, and how ours is called when its figure
 * is the better or the worse one. */
struct figure {
    const char *work;
    const char *title;
    const char *theirs;
    const char *ours;
    const char *ours_inside; /* NULL: at the top of the row */
    int digits;
    int more_is_better;
    const char *better, *worse;
};

static const struct figure figures[] = {
    {"schedule", "orders/s", "ops_per_s", "ops_per_s", NULL, 0, 1, "faster", "slower"},
    {"schedule-one", "orders/s", "ops_per_s", "ops_per_s", NULL, 0, 1, "faster", "slower"},
    {"schedule-one", "p50 ms", "p50_ms", "p50_ms", NULL, 2, 0, "shorter", "longer"},
    {"schedule-one", "p99 ms", "p99_ms", "p99_ms", NULL, 2, 0, "shorter", "longer"},
    {"pay", "orders/s", "ops_per_s", "ops_per_s", NULL, 0, 1, "faster", "slower"},
    {"fire", "late p50 ms", "p50_ms", "p50", "lateness_ms", 1, 0, "less late", "later"},
    {"fire", "late p99 ms", "p99_ms", "p99", "lateness_ms", 1, 0, "less late", "later"},
    {"fire", "late max ms", "max_ms", "max", "lateness_ms", 1, 0, "less late", "later"},
    {"drain", "orders/s", "ops_per_s", "fires_per_s", NULL, 0, 1, "faster", "slower"},
    {"memory", "bytes/order", "bytes_per_order", "bytes_per_order", NULL, 0, 0, "smaller",
     "larger"},
    {"serves", "s after kill -9", "seconds", "seconds", NULL, 2, 0, "sooner", "later"},
};
#define N_FIGURES (sizeof figures / sizeof *figures)

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static const char *text(const json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));

    return s != NULL ? s : "";
}

/* NAN: the row does not have it. */
static double our_value(const json_t *row, const struct figure *f)
{
    const json_t *ours = json_object_get(row, "ours");

    if (f->ours_inside != NULL) {
        ours = json_object_get(ours, f->ours_inside);
    }
    const json_t *v = json_object_get(ours, f->ours);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static double their_value(const json_t *row, const struct figure *f)
{
    const json_t *v = json_object_get(row, f->theirs);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* "2.1 x faster" */
static void add_ratio(struct table *t, const struct figure *f, double ours, double theirs)
{
    double ratio = f->more_is_better ? ours / theirs : theirs / ours;

    if (!(ours > 0) || !(theirs > 0)) {
        table_text(t, "");
    } else if (ratio >= 1) {
        table_printf(t, "%.*f x %s", ratio < 20 ? 1 : 0, ratio, f->better);
    } else {
        table_printf(t, "%.*f x %s", ratio > 0.05 ? 1 : 0, 1 / ratio, f->worse);
    }
}

/* -1 when a row lacks the figure. */
static int add_rows(struct table *t, const json_t *rows, const struct figure *f, const char *peer)
{
    double ours[ROUNDS_MAX];
    double theirs[ROUNDS_MAX];
    size_t n = 0;
    size_t i;
    const json_t *row;
    json_int_t orders = 0;

    json_array_foreach (rows, i, row) {
        if (n < ROUNDS_MAX && strcmp(text(row, "work"), f->work) == 0 &&
            strcmp(text(row, "peer"), peer) == 0) {
            ours[n] = our_value(row, f);
            theirs[n] = their_value(row, f);
            orders = json_integer_value(json_object_get(row, "orders"));
            if (isnan(ours[n]) || isnan(theirs[n])) {
                fprintf(stderr, "table: a row of %s, %s, has no %s\n", f->work, peer, f->title);
                return -1;
            }
            n++;
        }
    }
    if (n == 0) {
        return 0;
    }
    double our_median = median(ours, n);
    double their_median = median(theirs, n);
    table_text(t, strcmp(f->work, "serves") == 0 ? "restart" : f->work);
    table_text(t, peer);
    table_printf(t, "%lld", (long long)orders);
    table_text(t, f->title);
    table_printf(t, "%.*f", f->digits, our_median);
    table_printf(t, "%.*f", f->digits, their_median);
    add_ratio(t, f, our_median, their_median);
    return 0;
}

/* The systems in the order in which they come. */
static size_t peers_find(const json_t *rows, const json_t *found[PEERS_MAX])
{
    size_t n = 0;
    size_t i;
    const json_t *row;

    json_array_foreach (rows, i, row) {
        size_t k = 0;
        while (k < n && strcmp(text(found[k], "peer"), text(row, "peer")) != 0) {
            k++;
        }
        if (k == n && n < PEERS_MAX) {
            found[n++] = row;
        }
    }
    return n;
}

static int print(const json_t *rows)
{
    static const char *const headers[] = {"WORK", "SYSTEM", "ORDERS",  "FIGURE",
                                          "OURS", "THEIRS", "OURS IS", NULL};
    const json_t *found[PEERS_MAX];
    size_t n = peers_find(rows, found);
    struct table t;
    int rv = 0;

    table_init(&t, headers);
    for (size_t i = 0; rv == 0 && i < N_FIGURES; i++) {
        for (size_t k = 0; rv == 0 && k < n; k++) {
            rv = add_rows(&t, rows, &figures[i], text(found[k], "peer"));
        }
    }
    rv = rv != 0 ? rv : table_print(&t, stdout);
    table_free(&t);
    putchar('\n');
    for (size_t k = 0; k < n; k++) {
        const json_t *settings = json_object_get(found[k], "settings");
        printf("%s %s: %s.\n    Client: %s.\n", text(found[k], "peer"), text(found[k], "version"),
               text(settings, "durable"), text(settings, "client"));
    }
    return rv;
}

int main(int argc, char **argv)
{
    json_error_t error;

    if (argc != 2) {
        fprintf(stderr, "Usage: table build/bench-peers.json\n");
        return 2;
    }
    json_t *rows = json_load_file(argv[1], 0, &error);
    if (!json_is_array(rows)) {
        fprintf(stderr, "table: %s:%d: %s\n", argv[1], error.line,
                rows == NULL ? error.text : "no array of rows");
        json_decref(rows);
        return 2;
    }
    int rv = print(rows);
    json_decref(rows);
    return rv == 0 ? 0 : 1;
}
