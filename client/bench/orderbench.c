/* orderbench.c - the load generator: replays real orders against a cluster and judges what came of
 * them; the other commands have files of their own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "drain.h"
#include "fire.h"
#include "measure/flags.h"
#include "replay/generate.h"
#include "replay/replay.h"
#include "../wire/protocol.h"
#include "../text/tls_flags.h"
#include "../text/units.h"

enum bench_flag {
    BENCH_ENDPOINTS,
    BENCH_CLUSTER,
    BENCH_TLS_CA,
    BENCH_TLS_CERT,
    BENCH_TLS_KEY,
    BENCH_TIMEOUT,
    BENCH_WRITE,
    BENCH_HELP,
    BENCH_ORDERS,
    BENCH_WINDOW,
    BENCH_SPEED,
    BENCH_RATE,
    BENCH_ROUTE,
    BENCH_JOURNAL,
    BENCH_PREFIX,
    BENCH_SETTLE,
    BENCH_QUIET,
    BENCH_REPORT,
    BENCH_COUNT,
    BENCH_SEED,
    BENCH_FLAGS
};

static const struct flag replay_flags[] = {
    {BENCH_ORDERS, "orders", 0, "FILE.csv", "order_id,purchased_at,paid_at in Unix seconds"},
    {BENCH_WINDOW, "window", 0, "DURATION", "the time to pay, such as 30.5m"},
    {BENCH_SPEED, "speed", 0, "N", "how many times faster than real time (1)"},
    {BENCH_RATE, "rate", 0, "N", "orders scheduled a second (100)"},
    {BENCH_ROUTE, "route", 0, "NAME", "callback route of the orders"},
    {BENCH_JOURNAL, "journal", 0, "FILE", "the journal that the receiver (ordersink) writes"},
    {BENCH_PREFIX, "prefix", 0, "TEXT", "put before each order id, to replay a file again"},
    {BENCH_SETTLE, "settle", 0, "DURATION", "how long to wait after the last deadline (60s)"},
    {BENCH_ENDPOINTS, "endpoints", 0, "HOST:PORT,...",
     "client API of any nodes (ORDERSCHED_ENDPOINTS; 127.0.0.1:7401)"},
    {BENCH_CLUSTER, "cluster", 0, "NAME", "the cluster's name (orderschedd)"},
    TLS_FLAGS(BENCH_TLS_CA, BENCH_TLS_CERT, BENCH_TLS_KEY),
    {BENCH_TIMEOUT, "timeout", 0, "DURATION", "how long to try each call (10s)"},
    {BENCH_WRITE, "write", 'w', "table|json", "how to print the verdict (table)"},
    {BENCH_REPORT, "report", 0, "FILE", "write the verdict there too, in JSON"},
    {BENCH_QUIET, "quiet", 'q', NULL, "no progress lines"},
    {BENCH_HELP, "help", 'h', NULL, "this text"},
    {0},
};

static const struct flag generate_flags[] = {
    {BENCH_COUNT, "count", 0, "N", "how many orders"},
    {BENCH_SEED, "seed", 0, "N", "the same seed makes the same orders (1)"},
    {BENCH_HELP, "help", 'h', NULL, "this text"},
    {0},
};

static int help(void)
{
    printf("Usage: orderbench replay --orders FILE.csv --window DURATION --route NAME [FLAGS]\n"
           "       orderbench generate --count N [--seed S] > FILE.csv\n"
           "       orderbench fire [--orders N] [--over DURATION] [--routes R --dead D] [FLAGS]\n"
           "       orderbench drain [--orders N] [--batch N] [FLAGS]\n\n"
           "replay schedules each order, pays it after its real delay, both divided by the speed,\n"
           "and then compares every answer, the orders' ends and the receiver's journal. A pay\n"
           "later than twice the window is not sent.\n\n"
           "Exit codes of replay: 0 every order had the one right end; 1 not so, or refused;\n"
           "2 wrong usage or a malformed file; 3 unreachable, nothing can be said.\n\n"
           "Flags of replay:\n");
    flags_print(replay_flags, NULL, stdout);
    printf("\ngenerate writes orders with a realistic spread of payment delays.\n\n"
           "Flags of generate:\n");
    flags_print(generate_flags, NULL, stdout);
    putchar('\n');
    fire_help();
    putchar('\n');
    drain_help();
    return 0;
}

/* NULL, or the flag that is wrong, which then is in *value. */
static const char *settle_durations(const char *values[BENCH_FLAGS], struct replay_config *c,
                                    const char **value)
{
    uint64_t timeout_ms = 10000;

    *value = values[BENCH_WINDOW];
    if (!units_parse_duration(*value, &c->window_ms) || c->window_ms == 0 ||
        c->window_ms > ORDERSCHED_DEADLINE_MAX_MS) {
        return "--window must be a duration from 1ms to 400d";
    }
    *value = values[BENCH_TIMEOUT];
    if (*value != NULL &&
        (!units_parse_duration(*value, &timeout_ms) || timeout_ms == 0 || timeout_ms > 3600000)) {
        return "--timeout must be a duration from 1ms to 1h";
    }
    c->timeout_ms = (unsigned)timeout_ms;
    c->settle_ms = 60000;
    *value = values[BENCH_SETTLE];
    if (*value != NULL &&
        (!units_parse_duration(*value, &c->settle_ms) || c->settle_ms > 24ull * 3600 * 1000)) {
        return "--settle must be a duration up to 24h";
    }
    *value = values[BENCH_SPEED];
    c->speed = 1;
    if (*value != NULL && !bench_parse_number(*value, 0.001, 1e6, &c->speed)) {
        return "--speed must be a number from 0.001 to 1000000";
    }
    if (replay_delay_ms(c) == 0) {
        return "--speed leaves less than a millisecond of the window";
    }
    *value = values[BENCH_RATE];
    c->rate = 100;
    if (*value != NULL && !bench_parse_number(*value, 0.001, 1e6, &c->rate)) {
        return "--rate must be a number from 0.001 to 1000000";
    }
    *value = values[BENCH_WRITE];
    if (*value != NULL && strcmp(*value, "json") != 0 && strcmp(*value, "table") != 0) {
        return "-w must be table or json";
    }
    return NULL;
}

static void settle_names(const char *values[BENCH_FLAGS], struct replay_config *c)
{
    c->endpoints = bench_endpoints(values[BENCH_ENDPOINTS]);
    c->cluster = values[BENCH_CLUSTER] != NULL ? values[BENCH_CLUSTER] : "orderschedd";
    c->route = values[BENCH_ROUTE];
    c->journal = values[BENCH_JOURNAL];
    c->quiet = values[BENCH_QUIET] != NULL;
}

/* 0, or -1 when it could not be written whole. */
static int write_json(const struct replay_config *c, const struct verdict *v, FILE *out)
{
    json_t *object = verdict_as_json(v);

    json_object_set_new(object, "window_ms", json_integer((json_int_t)c->window_ms));
    json_object_set_new(object, "speed", json_real(c->speed));
    json_object_set_new(object, "rate", json_real(c->rate));
    int rv = json_dumpf(object, out, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    fputc('\n', out);
    json_decref(object);
    return rv;
}

static int write_report(const struct replay_config *c, const struct verdict *v, const char *path)
{
    FILE *out = fopen(path, "w");

    if (out == NULL) {
        return -1;
    }
    int rv = write_json(c, v, out);
    return fclose(out) != 0 ? -1 : rv;
}

static int print_verdict(const struct replay_config *c, const struct verdict *v, bool json,
                         const char *report)
{
    int rv = 0;

    if (json) {
        rv = write_json(c, v, stdout);
    } else {
        verdict_print(v, stdout);
    }
    if (rv != 0 || fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "orderbench: the verdict could not be written\n");
        return 3;
    }
    if (report != NULL && write_report(c, v, report) != 0) {
        fprintf(stderr, "orderbench: the report could not be written to %s: %s\n", report,
                strerror(errno));
        return 3;
    }
    return v->passed ? 0 : 1;
}

static int run_replay(int argc, char **argv)
{
    const char *values[BENCH_FLAGS] = {NULL};
    const char *value;
    struct replay_config config = {0};
    struct bench_orders orders;
    struct verdict verdict;
    char reason[512];

    int rv = bench_flags_read(replay_flags, NULL, argc, argv, values, BENCH_HELP);
    if (rv != 0) {
        return rv < 0 ? help() : rv;
    }
    if (values[BENCH_ORDERS] == NULL || values[BENCH_WINDOW] == NULL ||
        values[BENCH_ROUTE] == NULL) {
        return bench_usage("replay needs --orders, --window and --route", NULL);
    }
    const char *wrong = settle_durations(values, &config, &value);
    if (wrong != NULL) {
        return bench_usage(wrong, value);
    }
    settle_names(values, &config);
    if (strlen(config.cluster) > PROTOCOL_CLUSTER_MAX || *config.cluster == 0) {
        return bench_usage("--cluster must have 1 to 64 bytes", config.cluster);
    }
    rv = bench_tls_take(values[BENCH_TLS_CA], values[BENCH_TLS_CERT], values[BENCH_TLS_KEY]);
    if (rv != 0) {
        return rv;
    }
    rv = bench_orders_read(&orders, values[BENCH_ORDERS],
                           values[BENCH_PREFIX] != NULL ? values[BENCH_PREFIX] : "", reason,
                           sizeof reason);
    if (rv != 0) {
        fprintf(stderr, "orderbench: %s\n", reason);
        rv = 2;
    } else {
        rv = replay_run(&config, &orders, &verdict);
        if (rv == 0) {
            bool json = values[BENCH_WRITE] != NULL && strcmp(values[BENCH_WRITE], "json") == 0;
            rv = print_verdict(&config, &verdict, json, values[BENCH_REPORT]);
        }
    }
    bench_orders_free(&orders);
    return rv;
}

static int run_generate(int argc, char **argv)
{
    const char *values[BENCH_FLAGS] = {NULL};
    uint64_t count = 0;
    uint64_t seed = 1;

    int rv = bench_flags_read(generate_flags, NULL, argc, argv, values, BENCH_HELP);
    if (rv != 0) {
        return rv < 0 ? help() : rv;
    }
    if (values[BENCH_COUNT] == NULL ||
        !bench_parse_count(values[BENCH_COUNT], 1, UINT64_MAX, &count)) {
        return bench_usage("generate needs --count with a number of 1 or more",
                           values[BENCH_COUNT]);
    }
    if (values[BENCH_SEED] != NULL &&
        !bench_parse_count(values[BENCH_SEED], 0, UINT64_MAX, &seed)) {
        return bench_usage("--seed must be a number from 0 to 18446744073709551615",
                           values[BENCH_SEED]);
    }
    if (bench_generate(stdout, count, seed) != 0) {
        fprintf(stderr, "orderbench: the orders could not be written\n");
        return 3;
    }
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* one line; NULL: help() tells more of it */
} commands[] = {
    {"replay", run_replay, NULL},
    {"generate", run_generate, NULL},
    {"fire", bench_fire, NULL},
    {"drain", bench_drain, NULL},
    {"schedule", bench_schedule, "how many orders a second are scheduled"},
    {"pay", bench_pay, "how many are paid before their deadline"},
    {"memory", bench_memory, "how much memory a node takes for an order"},
    {"restart", bench_restart, "how long until it serves again after kill -9"},
    {"failover", bench_failover, "how long nothing is acknowledged when the leader goes"},
    {"growth", bench_growth, "what an order costs when many are pending"},
    {"stall", bench_stall, "how long the raft loop stands still during snapshots"},
    {"soak", bench_soak, "the life of very many orders, and a leader's death, judged exactly"},
    {"overload", bench_overload, "what becomes of twice the load that can be borne"},
    {"http", bench_http, "the same over HTTP, beside the client; and beside hostile HTTP clients"},
    {"with", bench_with, "runs a program beside a cluster that is started for it"},
    {"goals", bench_goals, "sets the figures of build/bench.json beside the goals"},
};

static void help_commands(void)
{
    printf(
        "\nThese are run with a cluster, which they start themselves by default; orderbench COMMAND"
        " --help\ntells more:\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (commands[i].help != NULL) {
            printf("  %-10s %s\n", commands[i].name, commands[i].help);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return bench_usage("a command is missing", NULL);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help();
        help_commands();
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("orderbench %s\n", ORDERSCHEDD_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    return bench_usage("unknown command", argv[1]);
}
