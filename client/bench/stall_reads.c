/* stall_reads.c - see stall_reads.h.
 *
 * The node counts its loop's stalls itself (loop_stalls_us of its STATUS). Beside each load goes a
 * moderate one of schedules, whose failures and longest wait are told. */
#define XXH_INLINE_ALL
#include "stall_reads.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xxhash.h>

#include "../base/clocks.h"
#include "measure/flood.h"
#include "witness.h"

#define LARGE_ORDERS 900
#define ROUTES 1000
#define ROUTES_AT_ONCE 100
#define COLLIDING 60000
#define COLLIDING_BITS 12
#define REFUSED_A_MESSAGE 1000
#define LOAD_PER_S 1000.0
#define SLICE_MS 100
#define OTHERS_NICE 10
#define STEADY_US 4000 /* a processor was not away for longer */

struct stall_reads {
    struct measure *m;
    uint64_t over_ms;
    unsigned again;
    unsigned leader;
    uint8_t (*colliding)[ORDERSCHED_REQUEST_ID_SIZE];
    unsigned next_colliding;
    double max_ms;
    double processor_max_ms;
    uint64_t elections;
    json_t *loads;
};

/* ---- messages ---- */

static void begin_message(const struct stall_reads *s, struct buffer *out, uint32_t n)
{
    request_encode_head(out, s->m->cluster_config.name, 0, n);
}

static void one_operation(const struct stall_reads *s, struct buffer *out, uint32_t n,
                          enum operation_code code)
{
    struct operation op = {.code = code};

    begin_message(s, out, n);
    for (uint32_t i = 0; i < n; i++) {
        operation_encode(out, &op);
    }
}

static void digest_message(void *arg, struct buffer *out)
{
    one_operation(arg, out, 1, OPERATION_DIGEST);
}

static void many_digests_message(void *arg, struct buffer *out)
{
    one_operation(arg, out, PROTOCOL_OPERATIONS_MAX, OPERATION_DIGEST);
}

static void list_message(void *arg, struct buffer *out) /* nobody is DEAD */
{
    one_operation(arg, out, 1, OPERATION_DEAD_LIST);
}

static void many_lists_message(void *arg, struct buffer *out)
{
    one_operation(arg, out, 1000, OPERATION_DEAD_LIST);
}

static void route_list_message(void *arg, struct buffer *out)
{
    one_operation(arg, out, 1, OPERATION_ROUTE_LIST);
}

static void status_message(void *arg, struct buffer *out)
{
    one_operation(arg, out, 1, OPERATION_STATUS);
}

static void hello_message(void *arg, struct buffer *out)
{
    begin_message(arg, out, 0);
}

static void large_id(char *id, size_t len, unsigned i)
{
    snprintf(id, len, "large-%u", i);
}

static void gets_message(void *arg, struct buffer *out)
{
    begin_message(arg, out, LARGE_ORDERS);
    for (unsigned i = 0; i < LARGE_ORDERS; i++) {
        char id[32];
        large_id(id, sizeof id, i);
        operation_encode(out, &(struct operation){.code = OPERATION_GET,
                                                  .id = {(const uint8_t *)id, strlen(id)}});
    }
}

/* Pays of an order that nobody knows, with the next of the colliding ids; from the first on again
 * when they are used up, as repeated requests. */
static void refused_message(void *arg, struct buffer *out)
{
    struct stall_reads *s = arg;

    begin_message(s, out, REFUSED_A_MESSAGE);
    for (unsigned i = 0; i < REFUSED_A_MESSAGE; i++) {
        operation_encode(out, &(struct operation){
                                  .code = OPERATION_PAY,
                                  .request_id = s->colliding[s->next_colliding],
                                  .id = {(const uint8_t *)"nobody", 6},
                              });
        s->next_colliding = (s->next_colliding + 1) % COLLIDING;
    }
}

static const struct load {
    const char *name;
    void (*message)(void *arg, struct buffer *out);
    unsigned connections;
    unsigned outstanding;
    bool deaf;
} loads[] = {
    {"none", hello_message, 0, 0, false}, /* what the machine itself does */
    {"digest", digest_message, 20, 1, false},
    {"digests, 1,024 a message", many_digests_message, 4, 4, false},
    {"gets of 4 KiB, 900 a message", gets_message, 20, 2, false},
    {"lists that match nothing", list_message, 8, 500, false},
    {"lists that match nothing, 1,000 a message", many_lists_message, 8, 4, false},
    {"lists of 1,001 routes", route_list_message, 40, 1, false},
    {"status", status_message, 40, 4, false},
    {"hellos", hello_message, 40, 100, false},
    {"refusals, ids that collide", refused_message, 8, 4, false},
    {"20 deaf readers of 4 KiB orders", gets_message, 20, 1, true},
    {"1,000 deaf readers of 4 KiB orders", gets_message, 1000, 1, true},
};

/* ---- what the loads need ---- */

static int put_large_orders(struct stall_reads *s)
{
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX];
    const char *route = measure_engine(s->m, ORDERSCHED_GET, 0, 0).route;

    memset(payload, '7', sizeof payload);
    for (unsigned i = 0; i < LARGE_ORDERS; i++) {
        struct ordersched_answer answer;
        char id[32];
        large_id(id, sizeof id, i);
        int rv = ordersched_schedule(s->m->client, id, 24ull * 3600 * 1000, route, payload,
                                     sizeof payload, &answer);
        if (rv != ORDERSCHED_OK) {
            return bench_explain(rv, NULL, "scheduling a large order");
        }
    }
    return 0;
}

static int put_routes(struct stall_reads *s)
{
    static const uint8_t made_by_the_client[ORDERSCHED_REQUEST_ID_SIZE];
    char names[ROUTES_AT_ONCE][32];
    struct operation ops[ROUTES_AT_ONCE];
    struct ask_reply replies[ROUTES_AT_ONCE];
    int rv = ORDERSCHED_OK;

    for (unsigned first = 0; first < ROUTES && rv == ORDERSCHED_OK; first += ROUTES_AT_ONCE) {
        for (unsigned i = 0; i < ROUTES_AT_ONCE; i++) {
            snprintf(names[i], sizeof names[i], "route-%u", first + i);
            ops[i] = (struct operation){
                .code = OPERATION_ROUTE_PUT,
                .request_id = made_by_the_client,
                .id = {(const uint8_t *)names[i], strlen(names[i])},
                .settings = {.kind = ROUTE_WORKER, .timeout_ms = 10000, .window = 64},
            };
        }
        ask_leader_each(s->m->client, ops, s->m->timeout_ms, replies, ROUTES_AT_ONCE);
        for (unsigned i = 0; i < ROUTES_AT_ONCE; i++) {
            rv = replies[i].error != ORDERSCHED_OK ? replies[i].error : rv;
            ask_reply_free(&replies[i]);
        }
    }
    return rv == ORDERSCHED_OK ? 0 : bench_explain(rv, NULL, "putting a route");
}

/* Ids of this moment that a hash without a secret puts into one place in COLLIDING_BITS bits. */
static int make_colliding_ids(struct stall_reads *s)
{
    struct node_status status;
    uint64_t tried = 0;

    s->colliding = malloc(COLLIDING * sizeof *s->colliding);
    if (s->colliding == NULL || measure_leader(s->m, 10000, &status) < 0) {
        return 3;
    }
    for (unsigned i = 0; i < COLLIDING; i++) {
        do {
            uint8_t random[10] = {0};
            tried++;
            memcpy(random, &tried, sizeof tried);
            request_id_make(s->colliding[i], status.now_ms, random);
        } while ((XXH3_64bits(s->colliding[i], ORDERSCHED_REQUEST_ID_SIZE) &
                  ((1u << COLLIDING_BITS) - 1)) != 0);
    }
    return 0;
}

/* ---- one load ---- */

/* Of the leader's loop; UINT64_MAX: it does not say. */
struct longest {
    uint64_t round_us;
    uint64_t processor_us;
};

/* What the leader says of the seconds since began_ms, and the newest term. False: it did not answer. */
static bool look(const struct stall_reads *s, uint64_t began_ms, uint64_t *term,
                 struct longest *most)
{
    struct node_status status[CLUSTER_NODES_MAX];
    bool up[CLUSTER_NODES_MAX];

    measure_look(s->m, status, up);
    for (unsigned i = 0; i < s->m->cluster.n; i++) {
        *term = up[i] && status[i].term > *term ? status[i].term : *term;
    }
    if (!up[s->leader]) {
        return false;
    }
    uint64_t seconds = (clocks_running_ms() - began_ms) / 1000;
    *most = (struct longest){node_rounds_most_us(&status[s->leader].loop_stalls, seconds),
                             node_rounds_most_us(&status[s->leader].loop_processor, seconds)};
    return true;
}

/* null: nobody knows. */
static json_t *stall_milliseconds(uint64_t us)
{
    return us == UINT64_MAX ? json_null() : json_real((double)(us / 10) / 100);
}

static void take_longer(double *ms, uint64_t us)
{
    if (us != UINT64_MAX && (double)us / 1000 > *ms) {
        *ms = (double)us / 1000;
    }
}

/* What was seen once under a load. */
struct seen {
    struct longest most;
    uint64_t machine_us; /* UINT64_MAX: nobody watched */
    uint64_t elections;
    uint64_t sent, answered, closed;
    struct engine_result writes;
};

/* The times that did not count. */
struct discarded {
    unsigned times;
    double max_ms;
};

static void note(struct stall_reads *s, const struct load *load, const struct seen *seen,
                 const struct discarded *d)
{
    json_t *row = json_object();

    json_object_set_new(row, "load", json_string(load->name));
    json_object_set_new(row, "connections", json_integer(load->connections));
    json_object_set_new(row, "max_ms", stall_milliseconds(seen->most.round_us));
    json_object_set_new(row, "processor_max_ms", stall_milliseconds(seen->most.processor_us));
    json_object_set_new(row, "machine_max_ms", stall_milliseconds(seen->machine_us));
    json_object_set_new(row, "elections", json_integer((json_int_t)seen->elections));
    json_object_set_new(row, "sent", json_integer((json_int_t)seen->sent));
    json_object_set_new(row, "answered", json_integer((json_int_t)seen->answered));
    json_object_set_new(row, "closed", json_integer((json_int_t)seen->closed));
    json_object_set_new(row, "writes", json_integer((json_int_t)seen->writes.done));
    json_object_set_new(row, "writes_failed", json_integer((json_int_t)seen->writes.failed));
    json_object_set_new(row, "writes_max_ms", json_real((double)seen->writes.latency.max / 1000));
    json_object_set_new(row, "discarded", json_integer(d->times));
    json_object_set_new(row, "discarded_max_ms", json_real(d->max_ms));
    json_array_append_new(s->loads, row);
    take_longer(&s->max_ms, seen->most.round_us);
    take_longer(&s->processor_max_ms, seen->most.processor_us);
}

static void set_nice(pid_t pid, int value)
{
    char path[64];
    struct dirent *thread;

    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *threads = opendir(path);
    while (threads != NULL && (thread = readdir(threads)) != NULL) {
        int id = atoi(thread->d_name);
        if (id > 0) {
            (void)setpriority(PRIO_PROCESS, (id_t)id, value);
        }
    }
    if (threads != NULL) {
        closedir(threads);
    }
}

/* Clients and the other nodes would be on machines of their own. On the leader's they take the
 * processor from its loop in the middle of a round, which is then as long as the kernel's time slice:
 * so all their threads, and those they start, give way to it. */
static void give_way(const struct stall_reads *s)
{
    const struct bench_cluster *c = &s->m->cluster;

    set_nice(getpid(), OTHERS_NICE);
    for (unsigned i = 0; i < c->n; i++) {
        if (c->nodes[i].pid > 0) {
            set_nice(c->nodes[i].pid, i == s->leader ? 0 : OTHERS_NICE);
        }
    }
}

static int look_at_load(struct stall_reads *s, const struct load *load, struct seen *seen)
{
    struct measure *m = s->m;
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, UINT64_MAX / 2);
    struct flood_config flood_config = {.api = m->cluster.nodes[s->leader].api,
                                        .connections = load->connections,
                                        .outstanding = load->outstanding,
                                        .deaf = load->deaf,
                                        .message = load->message,
                                        .arg = s};
    struct node_status status;
    struct engine writes;
    struct flood f;
    uint64_t term = 0;

    int leader = measure_leader(m, 30000, &status); /* it may have changed */
    if (leader < 0) {
        return 3;
    }
    s->leader = (unsigned)leader;
    give_way(s);
    flood_config.api = m->cluster.nodes[leader].api;
    config.rate = m->rate > 0 ? m->rate : LOAD_PER_S;
    config.outstanding = 1000;
    config.go_on = true;
    int rv = measure_begin(&writes, &config, load->name);
    if (rv != 0) {
        return rv;
    }
    clocks_sleep_ms(1000); /* what came before is over */
    uint64_t began_ms = clocks_running_ms();
    struct witness witness;
    bool watched = witness_start(&witness);
    if (flood_start(&f, &flood_config) != 0) {
        rv = 3;
    } else {
        measure_watch(m, &writes, load->name, s->over_ms);
        flood_stop(&f);
        seen->sent = atomic_load(&f.sent);
        seen->answered = atomic_load(&f.answered);
        seen->closed = atomic_load(&f.closed);
        seen->most = (struct longest){UINT64_MAX, UINT64_MAX};
        for (unsigned i = 0; i < 50 && !look(s, began_ms, &term, &seen->most); i++) {
            clocks_sleep_ms(SLICE_MS);
        }
        /* Until here: the seconds that were looked at end with it. */
        seen->machine_us = watched ? witness_stop(&witness) : UINT64_MAX;
        watched = false;
        seen->elections = term > status.term ? term - status.term : 0;
    }
    if (watched) {
        (void)witness_stop(&witness);
    }
    engine_stop(&writes);
    engine_finish(&writes, &seen->writes);
    m->next += seen->writes.counts.ended;
    return rv;
}

/* Where a processor was taken from the whole machine meanwhile, that is seen and not the node: such a
 * time does not count, but for its elections, and the load comes again. The last time counts anyway. */
static int run_load(struct stall_reads *s, const struct load *load)
{
    struct discarded d = {0};

    for (;;) {
        struct seen seen = {0};
        int rv = look_at_load(s, load, &seen);
        if (rv != 0) {
            return rv;
        }
        s->elections += seen.elections;
        if (d.times == s->again || seen.machine_us == UINT64_MAX || seen.machine_us <= STEADY_US) {
            note(s, load, &seen, &d);
            return 0;
        }
        d.times++;
        take_longer(&d.max_ms, seen.most.round_us);
    }
}

int stall_reads_run(struct measure *m, uint64_t over_ms, unsigned again)
{
    struct stall_reads s = {.m = m, .over_ms = over_ms, .again = again, .loads = json_array()};
    struct bench_usage before[CLUSTER_NODES_MAX], after[CLUSTER_NODES_MAX];

    m->row.bench = "stall_reads";
    int rv = measure_load(m, m->orders);
    rv = rv == 0 ? put_large_orders(&s) : rv;
    rv = rv == 0 ? put_routes(&s) : rv;
    rv = rv == 0 ? measure_wait_caught_up(m, 120000) : rv;
    rv = rv == 0 ? make_colliding_ids(&s) : rv;
    json_object_set_new(m->row.settings, "others_nice", json_integer(OTHERS_NICE));
    json_object_set_new(m->row.settings, "steady_ms", json_real(STEADY_US / 1000.0));
    json_object_set_new(m->row.settings, "again", json_integer(again));
    bench_cluster_usage(&m->cluster, before);
    for (unsigned i = 0; i < sizeof loads / sizeof *loads && rv == 0; i++) {
        rv = run_load(&s, &loads[i]);
    }
    bench_cluster_usage(&m->cluster, after);
    bench_row_take_usage(&m->row, m->cluster.n, before, after);
    m->row.max_ms = s.max_ms;
    bench_row_add(&m->row, "processor_max_ms", s.processor_max_ms);
    json_object_set_new(m->row.details, "loads", s.loads);
    json_object_set_new(m->row.details, "elections", json_integer((json_int_t)s.elections));
    free(s.colliding);
    return rv;
}
