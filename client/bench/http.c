/* http.c - how fast the HTTP API is: the flags of the command. */
#include "http.h"

#include <math.h>
#include <stdlib.h>

#include "../base/descriptors.h"
#include "commands.h"
#include "http/http_load.h"
#include "http_crowds.h"

enum { HTTP_BATCH = MEASURE_FLAGS, HTTP_ROUNDS, HTTP_HOSTILE, HTTP_OVER, HTTP_ONLY };

static const struct flag http_flags[] = {
    {HTTP_BATCH, "batch", 0, "N", "orders of a request, by /v1/batch (each by a PUT of its own)"},
    {HTTP_ROUNDS, "rounds", 0, "N", "how often each has its turn; the medians are told (3)"},
    {HTTP_HOSTILE, "hostile", 0, NULL,
     "instead: what hostile HTTP clients do to lateness and to others"},
    {HTTP_OVER, "over", 0, "DURATION", "with --hostile: how long each turn is (5s)"},
    {HTTP_ONLY, "only", 0, "TEXT", "with --hostile: only kinds of clients with this in their name"},
    {0},
};

static const struct measure_command http_command = {
    .name = "http",
    .what =
        "http measures how fast orders are scheduled over HTTP: in turns by the client library,\n"
        "over HTTP at the leader, and over HTTP through a follower. Each turn has --orders, and\n"
        "as many calls under way as --outstanding says: over HTTP so many connections, which are\n"
        "kept open. With --rate requests begin at that rate, and their latency counts from "
        "then.\n\n"
        "With --hostile: orders fire, clients write, and an honest HTTP client reads and writes, "
        "in\n"
        "turns alone and beside hostile HTTP clients of one kind after the other, at the leader:\n"
        "idle ones, readers and writers that are slow, floods of headers, of refusals, of\n"
        "connections, of lists, of large bodies. Exit code 1 and a sentence when an order had a\n"
        "wrong fate.",
    .flags = http_flags,
    .orders = 50000,
    .outstanding = 64,
    .looks_at_nodes = true,
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double http_median(double *values, unsigned n)
{
    if (n == 0) {
        return NAN;
    }
    qsort(values, n, sizeof *values, by_value);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static int http_read(struct http_bench *b)
{
    struct measure *m = &b->m;
    uint64_t batch, rounds;

    if (!measure_count(m, HTTP_BATCH, "--batch", 0, 1, PROTOCOL_OPERATIONS_MAX, &batch) ||
        !measure_count(m, HTTP_ROUNDS, "--rounds", 3, 1, HTTP_ROUNDS_MAX, &rounds) ||
        !measure_duration(m, HTTP_OVER, "--over", 5000, 3600000, &b->over_ms)) {
        return 2;
    }
    b->batch = (unsigned)batch;
    b->rounds = (unsigned)rounds;
    if (m->cluster_config.tls) {
        return bench_usage("http speaks to its nodes in the clear: leave out --tls", NULL);
    }
    if (m->values[MEASURE_CLIENTS] != NULL) {
        return bench_usage("http has connections in place of clients: --outstanding says how many",
                           m->values[MEASURE_CLIENTS]);
    }
    if (m->outstanding > HTTP_LOAD_CONNECTIONS_MAX) {
        return bench_usage("--outstanding of http must be a number from 1 to 1000",
                           m->values[MEASURE_OUTSTANDING]);
    }
    if (m->values[HTTP_HOSTILE] != NULL &&
        (batch > 0 || m->rate > 0 || m->values[MEASURE_OUTSTANDING] != NULL)) {
        return bench_usage("--hostile has loads of its own: leave out --batch, --rate and"
                           " --outstanding",
                           NULL);
    }
    if (m->values[HTTP_HOSTILE] == NULL && m->values[HTTP_OVER] != NULL) {
        return bench_usage("--over is for --hostile; the others go by --orders", NULL);
    }
    b->only = m->values[HTTP_ONLY];
    if (b->only != NULL && m->values[HTTP_HOSTILE] == NULL) {
        return bench_usage("--only is for --hostile", b->only);
    }
    if (b->only != NULL && http_kind_next(0, b->only) == http_kinds_n) {
        return bench_usage("--only: no kind of hostile clients has this in its name", b->only);
    }
    return 0;
}

int bench_http(int argc, char **argv)
{
    static struct http_bench b;
    int rv = measure_read(&b.m, &http_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    /* A crowd has more connections than a shell gives descriptors to a process. */
    (void)descriptors_raise();
    rv = http_read(&b);
    rv = rv == 0 ? measure_open(&b.m) : rv;
    if (rv != 0) {
        return rv;
    }
    json_object_set_new(b.m.row.settings, "rounds", json_integer(b.rounds));
    return measure_close(&b.m, b.m.values[HTTP_HOSTILE] != NULL ? http_hostile_run(&b)
                                                                : http_turns_run(&b));
}
