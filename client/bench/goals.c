/* goals.c - see goals.h; and the command that prints them. */
#include "goals.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "measure/flags.h"
#include "../text/table.h"

#define MANY 1e12

const struct goal goals[] = {
    {"schedule, best client, orders/s", "schedule", "settings.outstanding", 2, MANY, "ops_per_s",
     200000, true},
    {"schedule, best client, p99 ms", "schedule", "settings.outstanding", 2, MANY, "p99_ms", 50,
     false},
    {"schedule, one at a time, orders/s", "schedule", "settings.outstanding", 1, 1, "ops_per_s",
     2500, true},
    /* Of what is asked for without: 80 %, and 90. */
    {"the same over TLS, best client, orders/s", "schedule_tls", "settings.outstanding", 2, MANY,
     "ops_per_s", 160000, true},
    {"over TLS, one at a time, orders/s", "schedule_tls", "settings.outstanding", 1, 1, "ops_per_s",
     2250, true},
    {"pay, best client, orders/s", "pay", NULL, 0, 0, "ops_per_s", 200000, true},
    {"lateness p50 ms", "fire", NULL, 0, 0, "lateness_ms.p50", 2, false},
    {"lateness p99 ms", "fire", NULL, 0, 0, "lateness_ms.p99", 5, false},
    {"lateness max ms", "fire", NULL, 0, 0, "lateness_ms.max", 20, false},
    {"due at one instant, batched, settled/s", "drain", "batch", 2, MANY, "fires_per_s", 100000,
     true},
    {"due at one instant, one a webhook, settled/s", "drain", "batch", 1, 1, "fires_per_s", 10000,
     true},
    {"memory, bytes an order a node", "memory", NULL, 0, 0, "bytes_per_order", 200, false},
    {"kill -9 of all nodes, serving again, s (1 M)", "restart", "orders", 0, 1e6, "seconds", 2,
     false},
    {"kill -9 of all nodes, serving again, s (10 M)", "restart", "orders", 9e6, MANY, "seconds", 20,
     false},
    {"leader killed, next commit, ms (median)", "failover", "settings.kills", 1, MANY,
     "gap_median_ms", 150, false},
    {"leader killed, next commit, ms (max)", "failover", "settings.kills", 1, MANY, "max_ms", 500,
     false},
    {"leader cut off, next commit, ms (median)", "failover", "settings.cut", 1, MANY,
     "gap_median_ms", 900, false},
    {"leader cut off, next commit, ms (max)", "failover", "settings.cut", 1, MANY, "max_ms", 1300,
     false},
    {"leader ended at 20,000/s, failed calls", "failover", "settings.term", 1, MANY, "failed_calls",
     0, false},
    {"leader ended at 20,000/s, longest gap ms", "failover", "settings.term", 1, MANY, "max_ms",
     100, false},
    {"leader ended, lateness p99 ms (worst)", "failover", "settings.term", 1, MANY,
     "lateness_p99_worst_ms", 100, false},
    {"orders/s at the large size over the small", "growth", NULL, 0, 0, "ratio", 1 / 1.3, true},
    {"longest stall of the raft loop, ms", "stall", NULL, 0, 0, "max_ms", 10, false},
    {"the same under loads of reads, ms", "stall_reads", NULL, 0, 0, "max_ms", 10, false},
    {"elections under loads of reads", "stall_reads", NULL, 0, 0, "elections", 0, false},
    {"soak: orders with a wrong fate", "soak", NULL, 0, 0, "wrong", 0, false},
    {"HTTP, one at a time, over the client's", "http_one", NULL, 0, 0, "ratio", 0.7, true},
    {"HTTP, many connections, orders/s", "http", NULL, 0, 0, "ops_per_s", 20000, true},
    {"HTTP, batches, orders/s", "http_batch", NULL, 0, 0, "ops_per_s", 100000, true},
    {"HTTP at 5,000/s, p99 ms", "http_paced", "settings.rate", 5000, 5000, "p99_ms", 20, false},
    /* 1 is no change; these are the worst of a dozen medians, each of which the machine moves. */
    {"hostile HTTP clients: lateness p99, times", "http_hostile", NULL, 0, 0, "lateness_p99_ratio",
     1.5, false},
    {"hostile HTTP clients: the client's p99, times", "http_hostile", NULL, 0, 0,
     "client_p99_ratio", 1.5, false},
    {"overload: orders/s over those at the peak", "overload", NULL, 0, 0, "goodput_ratio", 0.8,
     true},
};
const unsigned goals_n = sizeof goals / sizeof *goals;

/* The number at a path such as "settings.outstanding", or NAN. */
static double number_at(const json_t *row, const char *path)
{
    char name[64];

    while (row != NULL && *path != 0) {
        size_t len = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)len, path);
        row = json_object_get(row, name);
        path += len + (path[len] == '.');
    }
    return json_is_number(row) ? json_number_value(row) : NAN;
}

static bool goal_fits(const struct goal *goal, const json_t *row)
{
    const char *bench = json_string_value(json_object_get(row, "bench"));

    if (bench == NULL || strcmp(bench, goal->bench) != 0) {
        return false;
    }
    double key = goal->key != NULL ? number_at(row, goal->key) : 0;
    return (goal->key == NULL || (key >= goal->key_min && key <= goal->key_max)) &&
           !isnan(number_at(row, goal->figure));
}

struct goal_result goal_judge(const struct goal *goal, const json_t *rows)
{
    struct goal_result r = {0};
    size_t i;
    json_t *row;

    json_array_foreach ((json_t *)rows, i, row) { /* the macro only reads */
        if (!goal_fits(goal, row)) {
            continue;
        }
        r.found = true;
        r.orders = number_at(row, "orders");
        r.measured = number_at(row, goal->figure);
        r.met = goal->at_least ? r.measured >= goal->value : r.measured <= goal->value;
        r.away = goal->at_least ? goal->value / r.measured : r.measured / goal->value;
    }
    return r;
}

/* ---- the command ---- */

static void cell_number(struct table *t, double v)
{
    table_printf(t, v >= 1000 ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v);
}

static void goal_row(struct table *t, const struct goal *goal, const json_t *rows)
{
    struct goal_result r = goal_judge(goal, rows);

    table_text(t, goal->name);
    if (!r.found) {
        table_text(t, "");
        cell_number(t, goal->value);
        table_text(t, "");
        table_text(t, "not measured");
        return;
    }
    if (isnan(r.orders)) {
        table_text(t, "");
    } else {
        table_printf(t, "%.0f", r.orders);
    }
    cell_number(t, goal->value);
    cell_number(t, r.measured);
    if (r.met) {
        table_text(t, "met");
    } else if (isinf(r.away)) {
        table_text(t, "not met");
    } else {
        table_printf(t, "not met: off by a factor of %.2f", r.away);
    }
}

int bench_goals(int argc, char **argv)
{
    struct table t;
    json_error_t error;

    if (argc != 1 || argv[0][0] == '-') {
        printf("Usage: orderbench goals FILE.json\n\n"
               "goals prints the goals beside the figures of a file of rows, such as "
               "build/bench.json.\n");
        return argc == 1 && strcmp(argv[0], "--help") == 0 ? 0 : 2;
    }
    json_t *rows = json_load_file(argv[0], 0, &error);
    if (rows == NULL || !json_is_array(rows)) {
        fprintf(stderr, "orderbench: %s:%d: %s\n", argv[0], rows == NULL ? error.line : 1,
                rows == NULL ? error.text : "not an array of rows");
        json_decref(rows);
        return 2;
    }
    table_init(&t, (const char *const[]){"what", "orders", "goal", "measured", "", NULL});
    for (unsigned i = 0; i < goals_n; i++) {
        goal_row(&t, &goals[i], rows);
    }
    int rv = table_print(&t, stdout);
    table_free(&t);
    json_decref(rows);
    if (rv != 0 || fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "orderbench: the table could not be written\n");
        return 3;
    }
    return 0;
}
