/* row.c - see row.h. */
#include "row.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../text/table.h"

void bench_row_init(struct bench_row *row, const char *bench)
{
    *row = (struct bench_row){.bench = bench,
                              .ops_per_s = NAN,
                              .p50_ms = NAN,
                              .p99_ms = NAN,
                              .p999_ms = NAN,
                              .max_ms = NAN,
                              .bytes_per_order = NAN,
                              .seconds = NAN,
                              .ratio = NAN,
                              .details = json_object(),
                              .settings = json_object()};
}

void bench_row_free(struct bench_row *row)
{
    json_decref(row->details);
    json_decref(row->settings);
}

static double rounded(double v)
{
    double scale = fabs(v) >= 1000 ? 10 : 1000;

    return round(v * scale) / scale;
}

void bench_row_add(struct bench_row *row, const char *name, double value)
{
    json_object_set_new(row->details, name, json_real(rounded(value)));
}

static double quantile_ms(const struct histogram *h, double q)
{
    return (double)histogram_quantile(h, q) / 1000;
}

void bench_row_take(struct bench_row *row, const struct engine_result *result)
{
    const struct histogram *h = &result->latency;

    row->seconds = result->seconds;
    row->ops_per_s = result->seconds > 0 ? (double)result->done / result->seconds : NAN;
    bench_row_add(row, "load_cpu_s", result->cpu_s);
    if (h->n > 0) {
        row->p50_ms = quantile_ms(h, 0.5);
        row->p99_ms = quantile_ms(h, 0.99);
        row->p999_ms = quantile_ms(h, 0.999);
        row->max_ms = (double)h->max / 1000;
    }
}

void bench_row_take_usage(struct bench_row *row, unsigned n, const struct bench_usage *before,
                          const struct bench_usage *after)
{
    row->n_used = n;
    for (unsigned i = 0; i < n; i++) {
        double used_s = after[i].cpu_s - before[i].cpu_s;
        row->cpu_s[i] = used_s > 0 ? used_s : after[i].cpu_s; /* it was started anew between */
        row->rss_bytes[i] = after[i].rss_bytes;
    }
}

/* ---- JSON ---- */

static void set_figure(json_t *object, const char *name, double v)
{
    if (!isnan(v)) {
        json_object_set_new(object, name, json_real(rounded(v)));
    }
}

static void set_usage(json_t *object, const struct bench_row *row)
{
    json_t *cpu = json_array();
    json_t *rss = json_array();

    for (unsigned i = 0; i < row->n_used; i++) {
        json_array_append_new(cpu, json_real(rounded(row->cpu_s[i])));
        json_array_append_new(rss, json_integer((json_int_t)row->rss_bytes[i]));
    }
    json_object_set_new(object, "cpu_s", cpu);
    json_object_set_new(object, "rss_bytes", rss);
}

json_t *bench_row_json(const struct bench_row *row)
{
    json_t *object = json_object();
    const char *commit = getenv("ORDERBENCH_COMMIT");

    json_object_set_new(object, "bench", json_string(row->bench));
    if (row->nodes > 0) {
        json_object_set_new(object, "nodes", json_integer(row->nodes));
    }
    json_object_set_new(object, "orders", json_integer((json_int_t)row->orders));
    set_figure(object, "ops_per_s", row->ops_per_s);
    set_figure(object, "p50_ms", row->p50_ms);
    set_figure(object, "p99_ms", row->p99_ms);
    set_figure(object, "p999_ms", row->p999_ms);
    set_figure(object, "max_ms", row->max_ms);
    set_figure(object, "bytes_per_order", row->bytes_per_order);
    set_figure(object, "seconds", row->seconds);
    set_figure(object, "ratio", row->ratio);
    json_object_update(object, row->details);
    if (row->n_used > 0) {
        set_usage(object, row);
    }
    json_object_set(object, "settings", row->settings);
    json_object_set_new(object, "version", json_string(ORDERSCHEDD_VERSION));
    if (commit != NULL && *commit != 0) {
        json_object_set_new(object, "commit", json_string(commit));
    }
    return object;
}

/* ---- the table ---- */

static void table_value(struct table *t, const json_t *value)
{
    char *text = json_is_string(value)
                     ? NULL
                     : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(10));

    table_text(t, text != NULL ? text : json_is_string(value) ? json_string_value(value) : "");
    free(text);
}

static int print_table(json_t *object)
{
    struct table t;
    const char *name;
    json_t *value;

    table_init(&t, (const char *const[]){"figure", "value", NULL});
    json_object_foreach (object, name, value) {
        table_text(&t, name);
        table_value(&t, value);
    }
    int rv = table_print(&t, stdout);
    table_free(&t);
    return rv;
}

int bench_row_print(const struct bench_row *row, bool json)
{
    json_t *object = bench_row_json(row);
    int rv = json ? json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10))
                  : print_table(object);

    if (json) {
        putchar('\n');
    }
    json_decref(object);
    if (rv != 0 || fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "orderbench: the figures could not be written\n");
        return 3;
    }
    return 0;
}
