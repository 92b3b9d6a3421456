/* run_options.c - see run_options.h. */
#include "run_options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../client/text/flags.h"
#include "../client/text/units.h"
#include "nemesis/nemesis.h"
#include "workload/workload.h"

enum run_flag {
    RUN_WORKLOAD,
    RUN_NEMESIS,
    RUN_TIME,
    RUN_HOLD,
    RUN_SEED,
    RUN_RATE,
    RUN_CLIENTS,
    RUN_STORE,
    RUN_MUTANT,
    RUN_KEEP,
    RUN_PLAIN,
    RUN_HTTP,
    RUN_HELP,
};

static const struct flag run_flags[] = {
    {RUN_WORKLOAD, "workload", 'w', "NAME", "what the clients do (conserve)"},
    {RUN_NEMESIS, "nemesis", 'n', "NAME,NAME+NAME", "what is broken; A+B is both at once (mix)"},
    {RUN_TIME, "time", 't', "DURATION", "how long the load lasts (60s)"},
    {RUN_HOLD, "hold", 0, "DURATION", "the longest that a fault or a quiet period lasts (6s)"},
    {RUN_SEED, "seed", 0, "N", "seed of the run's random choices (drawn at random)"},
    {RUN_RATE, "rate", 0, "N", "steps a second by all clients together (the workload's)"},
    {RUN_CLIENTS, "clients", 0, "N", "client processes (10)"},
    {RUN_STORE, "store", 0, "DIR", "folder of the runs' folders (jepsen-store)"},
    {RUN_MUTANT, "mutant", 0, "NAME", "run orderschedd-mutants with this bug"},
    {RUN_KEEP, "keep", 0, NULL, "keep the nodes' data directories in the run's folder"},
    {RUN_PLAIN, "plain", 0, NULL, "plain TCP, and everybody may do everything"},
    {RUN_HTTP, "http", 0, NULL, "clients speak HTTP, to any node, and not the client protocol"},
    {RUN_HELP, "help", 'h', NULL, "this text"},
    {0},
};

static void options_help(void)
{
    puts("jepsen - break a real cluster of orderschedd nodes, and record what its clients see\n"
         "\n"
         "usage: jepsen [FLAG...]\n"
         "\n"
         "Starts five nodes in network namespaces of their own, each on a disk whose power can be\n"
         "cut, loads them, breaks them, heals them, and ends with what jepsen-check says of the\n"
         "history. Needs root. Leaves nothing behind but the run's folder.\n"
         "\n"
         "Nodes and clients speak TLS, with certificates made for the run, and authorisation is\n"
         "on, unless --plain is given.\n");
    flags_print(run_flags, NULL, stdout);
    printf("\nworkloads: ");
    workload_print_names(stdout);
    printf("\nnemeses: ");
    nemesis_print_names(stdout);
    puts("\n\nExit codes: jepsen-check's (0: valid); 2: the bed does not work, or wrong usage.");
}

__attribute__((format(printf, 1, 2))) static bool options_refuse(const char *format, ...)
{
    va_list args;

    fputs("jepsen: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("; see jepsen --help\n", stderr);
    return false;
}

static bool options_number(const char *flag, const char *value, uint64_t most, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || *out > most) {
        return options_refuse("--%s must be a number from 0 to %llu, not \"%s\"", flag,
                              (unsigned long long)most, value);
    }
    return true;
}

static bool options_duration(const char *flag, const char *value, uint64_t *ms)
{
    return (units_parse_duration(value, ms) && *ms >= 1000 && *ms <= 24 * 3600 * 1000) ||
           options_refuse("--%s must be a duration from 1s to 24h, not \"%s\"", flag, value);
}

static bool options_take(struct run_options *o, int key, const char *value)
{
    uint64_t number;

    switch ((enum run_flag)key) {
        case RUN_WORKLOAD: o->workload = value; return true;
        case RUN_NEMESIS: o->nemesis = value; return true;
        case RUN_TIME: return options_duration("time", value, &o->time_ms);
        case RUN_HOLD: return options_duration("hold", value, &o->hold_ms);
        case RUN_SEED: return options_number("seed", value, UINT64_MAX, &o->seed);
        case RUN_RATE:
            if (!options_number("rate", value, 10000, &number)) {
                return false;
            }
            o->rate = (unsigned)number;
            return true;
        case RUN_CLIENTS:
            if (!options_number("clients", value, 100, &number) || number == 0) {
                return options_refuse("--clients: 1 to 100");
            }
            o->clients = (unsigned)number;
            return true;
        case RUN_STORE: o->store = value; return true;
        case RUN_MUTANT: o->mutant = value; return true;
        case RUN_KEEP: o->keep = true; return true;
        case RUN_PLAIN: o->plain = true; return true;
        case RUN_HTTP: o->http = true; return true;
        case RUN_HELP: break;
    }
    return true;
}

static bool options_check(const struct run_options *o)
{
    char error[128];

    if (workload_find(o->workload) == NULL) {
        return options_refuse("--workload: there is no \"%s\"", o->workload);
    }
    if (!nemesis_check(o->nemesis, error, sizeof error)) {
        return options_refuse("--nemesis: %s", error);
    }
    if (o->plain && workload_find(o->workload)->needs_access) {
        return options_refuse("--plain: the workload \"%s\" is about who may do what", o->workload);
    }
    return true;
}

enum run_options_status run_options_parse(struct run_options *o, int argc, char **argv)
{
    struct flags flags;
    const char *value;
    int key;

    *o = (struct run_options){
        .workload = "conserve", .nemesis = "mix", .time_ms = 60000, .hold_ms = 6000, .clients = 10};
    if (getrandom(&o->seed, sizeof o->seed, 0) != sizeof o->seed) {
        options_refuse("no randomness: %s", strerror(errno));
        return RUN_OPTIONS_ERROR;
    }
    o->seed %= 1000000; /* to be typed again */
    flags_init(&flags, argc - 1, argv + 1, run_flags, NULL);
    while ((key = flags_next(&flags, &value)) != FLAGS_END) {
        if (key == FLAGS_ERROR) {
            options_refuse("%s", flags.error);
            return RUN_OPTIONS_ERROR;
        }
        if (key == FLAGS_OPERAND) {
            options_refuse("\"%s\" is not a flag", value);
            return RUN_OPTIONS_ERROR;
        }
        if (key == RUN_HELP) {
            options_help();
            return RUN_OPTIONS_HELP;
        }
        if (!options_take(o, key, value)) {
            return RUN_OPTIONS_ERROR;
        }
    }
    return options_check(o) ? RUN_OPTIONS_OK : RUN_OPTIONS_ERROR;
}
