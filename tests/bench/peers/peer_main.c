/* peer_main.c - the command line of the clients of other systems: `peer_NAME WORK FLAGS` measures
 * one work and prints its row as a line of JSON. For peers.sh, which starts the servers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../client/text/flags.h"
#include "../../../client/base/clocks.h"
#include "../../../client/text/units.h"
#include "peer_work.h"

enum main_flag {
    MAIN_PEER,
    MAIN_PORTS,
    MAIN_ORDERS,
    MAIN_OVER,
    MAIN_LEAD,
    MAIN_PIDS,
    MAIN_SINCE,
    MAIN_WAIT_FOR,
    MAIN_DURABLE,
    MAIN_HELP,
    MAIN_FLAGS
};

static const struct flag main_flags[] = {
    {MAIN_PEER, "peer", 0, "NAME", "what the row calls the system"},
    {MAIN_PORTS, "ports", 0, "PORT,...", "of its servers on 127.0.0.1, the leading one first"},
    {MAIN_ORDERS, "orders", 0, "N", "how many"},
    {MAIN_OVER, "over", 0, "DURATION", "fire: the deadlines are spread over it (10s)"},
    {MAIN_LEAD, "lead", 0, "DURATION", "fire, drain: until the first deadline (5s)"},
    {MAIN_PIDS, "pids", 0, "PID,...", "memory: the servers' processes"},
    {MAIN_SINCE, "since", 0, "US", "serves: when the servers were started, µs since the epoch"},
    {MAIN_WAIT_FOR, "wait-for", 0, "N", "so many replicas must have each change (0)"},
    {MAIN_DURABLE, "durable", 0, "TEXT", "the servers' settings, for the row"},
    {MAIN_HELP, "help", 'h', NULL, "this text"},
    {0},
};

static const struct {
    const char *name;
    int (*run)(struct work *w);
    bool one_at_a_time;
} works[] = {
    {"schedule", work_schedule, false}, {"schedule-one", work_schedule, true},
    {"pay", work_pay, false},           {"fire", work_fire, false},
    {"drain", work_drain, false},       {"memory", work_memory, false},
    {"serves", work_serves, false},
};
#define N_WORKS (sizeof works / sizeof *works)

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "peer: %s: \"%s\"\n", what, value != NULL ? value : "");
    return 2;
}

static int help(void)
{
    printf("Usage: peer_NAME WORK --ports PORT,... --orders N [FLAGS]\n\nWorks:");
    for (size_t i = 0; i < N_WORKS; i++) {
        printf(" %s", works[i].name);
    }
    printf("\n\nFlags:\n");
    flags_print(main_flags, NULL, stdout);
    return 0;
}

static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;

    *out = text != NULL && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return text != NULL && *text >= '0' && *text <= '9' && *end == 0 && *out >= least &&
           *out <= most;
}

/* "1,2,3". The count, or 0 when it is malformed. */
static unsigned parse_list(const char *text, uint64_t largest, unsigned *out, unsigned max)
{
    char copy[256];
    char *rest = copy;
    unsigned n = 0;

    if (text == NULL || strlen(text) >= sizeof copy) {
        return 0;
    }
    strcpy(copy, text);
    for (char *item; (item = strsep(&rest, ",")) != NULL;) {
        uint64_t v;
        if (n == max || !parse_number(item, 1, largest, &v)) {
            return 0;
        }
        out[n++] = (unsigned)v;
    }
    return n;
}

static int read_values(const char *const *v, struct work *w)
{
    uint64_t wait_for = 0;

    w->over_ms = 10000;
    w->lead_ms = 5000;
    w->patience_ms = 30000;
    w->target.n_ports = parse_list(v[MAIN_PORTS], 65535, w->target.ports, PEER_PORTS_MAX);
    if (w->target.n_ports == 0) {
        return usage("--ports must be a list of ports", v[MAIN_PORTS]);
    }
    if (!parse_number(v[MAIN_ORDERS], 1, 100000000, &w->orders)) {
        return usage("--orders must be a number from 1 to 100000000", v[MAIN_ORDERS]);
    }
    if (v[MAIN_OVER] != NULL && !units_parse_duration(v[MAIN_OVER], &w->over_ms)) {
        return usage("--over must be a duration such as 30s", v[MAIN_OVER]);
    }
    if (v[MAIN_LEAD] != NULL && !units_parse_duration(v[MAIN_LEAD], &w->lead_ms)) {
        return usage("--lead must be a duration such as 30s", v[MAIN_LEAD]);
    }
    w->n_pids = parse_list(v[MAIN_PIDS], INT32_MAX, (unsigned *)w->pids, WORK_PIDS_MAX);
    if (v[MAIN_PIDS] != NULL && w->n_pids == 0) {
        return usage("--pids must be a list of process ids", v[MAIN_PIDS]);
    }
    if (v[MAIN_SINCE] != NULL && !parse_number(v[MAIN_SINCE], 1, UINT64_MAX, &w->since_us)) {
        return usage("--since must be a time", v[MAIN_SINCE]);
    }
    if (v[MAIN_WAIT_FOR] != NULL && !parse_number(v[MAIN_WAIT_FOR], 0, 9, &wait_for)) {
        return usage("--wait-for must be a number from 0 to 9", v[MAIN_WAIT_FOR]);
    }
    w->target.wait_for = (unsigned)wait_for;
    w->target.answer_ms = 30000;
    return 0;
}

static void describe_work(const struct work *w, const char *name, const char *const *v)
{
    double load[1] = {0};

    json_object_set_new(w->row, "peer", json_string(v[MAIN_PEER] != NULL ? v[MAIN_PEER] : "peer"));
    json_object_set_new(w->row, "work", json_string(name));
    json_object_set_new(w->row, "orders", json_integer((json_int_t)w->orders));
    json_object_set_new(w->settings, "durable",
                        json_string(v[MAIN_DURABLE] != NULL ? v[MAIN_DURABLE] : ""));
    json_object_set_new(w->settings, "client", json_string(peer.client));
    json_object_set_new(w->settings, "connections", json_integer(w->threads));
    json_object_set_new(w->settings, "batch", json_integer(w->batch));
    if (getloadavg(load, 1) == 1) {
        json_object_set_new(w->settings, "load_before", json_real(load[0]));
    }
}

static int run_work(size_t which, struct work *w, const char *const *v)
{
    w->threads = works[which].one_at_a_time ? 1 : peer.threads;
    w->batch = works[which].one_at_a_time ? 1 : peer.batch;
    w->run = (uint32_t)clocks_wall_us() ^ (uint32_t)getpid() << 16;
    w->row = json_object();
    w->settings = json_object();
    describe_work(w, works[which].name, v);
    json_object_set(w->row, "settings", w->settings);
    int rv = works[which].run(w);
    if (rv == 0 && (json_dumpf(w->row, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10)) != 0 ||
                    putchar('\n') == EOF || fflush(stdout) != 0)) {
        fprintf(stderr, "peer: the row could not be written\n");
        rv = 3;
    }
    json_decref(w->settings);
    json_decref(w->row);
    return rv;
}

int main(int argc, char **argv)
{
    const char *values[MAIN_FLAGS] = {NULL};
    struct work w = {0};
    struct flags f;
    const char *value;
    size_t which = 0;

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return argc < 2 ? usage("a work is missing", NULL) : help();
    }
    while (which < N_WORKS && strcmp(argv[1], works[which].name) != 0) {
        which++;
    }
    if (which == N_WORKS) {
        return usage("unknown work", argv[1]);
    }
    flags_init(&f, argc - 2, argv + 2, main_flags, NULL);
    for (int key; (key = flags_next(&f, &value)) != FLAGS_END;) {
        if (key == MAIN_HELP) {
            return help();
        }
        if (key < 0) {
            return usage(key == FLAGS_ERROR ? f.error : "one argument too many", value);
        }
        values[key] = value;
    }
    int rv = read_values(values, &w);
    return rv != 0 ? rv : run_work(which, &w, values);
}
