/* cluster.c - the simulated cluster's life, and what the world sees of it. See cluster.h. */
#include "cluster.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_internal.h"

/* --- what the network asks for --- */

static raft_id network_id(void *arg, unsigned node)
{
    struct sim_cluster *c = arg;

    return c->nodes[node].id;
}

static const char *network_address(void *arg, unsigned node)
{
    struct sim_cluster *c = arg;

    return c->nodes[node].address;
}

static void network_deliver(void *arg, unsigned to, struct raft_message *message)
{
    struct sim_cluster *c = arg;

    node_receive(&c->nodes[to], message);
}

static void network_hear_clock(void *arg, unsigned from, unsigned to,
                               const uint8_t told[CLOCK_TOLD_SIZE])
{
    struct sim_cluster *c = arg;

    clocks_hear(&c->nodes[to], from, told);
}

static bool network_fits(void *arg, unsigned from, unsigned to)
{
    return cluster_shakes_hands(arg, from, to);
}

static bool network_take_seat(void *arg, unsigned from, unsigned to, uint64_t *seat)
{
    return clones_take_seat(arg, from, to, seat);
}

static bool network_has_seat(void *arg, unsigned from, unsigned to, uint64_t seat)
{
    return clones_has_seat(arg, from, to, seat);
}

static unsigned network_cluster_of(void *arg, unsigned node)
{
    struct sim_cluster *c = arg;

    return c->nodes[node].foreign;
}

static void network_crossed(void *arg, unsigned from, unsigned to)
{
    struct sim_cluster *c = arg;

    if (c->hooks.crossed != NULL) {
        c->hooks.crossed(c->hooks.arg, from, to);
    }
}

/* --- life --- */

struct sim_cluster *cluster_new(struct sim_loop *loop, const struct sim_options *options,
                                const struct sim_cluster_hooks *hooks)
{
    struct sim_cluster *c = calloc(1, sizeof *c);
    struct sim_network_host host = {
        .arg = c,
        .id = network_id,
        .address = network_address,
        .deliver = network_deliver,
        .hear_clock = network_hear_clock,
        .fits = network_fits,
        .take_seat = network_take_seat,
        .has_seat = network_has_seat,
        .cluster_of = network_cluster_of,
        .crossed = network_crossed,
    };

    if (c == NULL) {
        abort();
    }
    assert(options->slots > 0 && options->slots <= SIM_NODES_MAX);
    c->loop = loop;
    c->options = *options;
    c->hooks = *hooks;
    c->leader = -1;
    c->copy_of = -1;
    c->io_options = (struct sim_io_options){
        .write_min_us = options->write_min_us,
        .write_max_us = options->write_max_us,
        .write_fail_per_million = options->write_fail_per_million,
        .capacity = (unsigned short)options->disk_free_kib,
    };
    c->network = network_new(loop, &c->options, &c->counters, &host);
    for (unsigned i = 0; i < options->slots; i++) {
        node_init(&c->nodes[i], c, i);
    }
    clones_init(c);
    clocks_init(c);
    return c;
}

void cluster_begin(struct sim_cluster *c)
{
    for (unsigned i = 0; i < c->options.nodes; i++) {
        c->nodes[i].used = true;
        node_start(&c->nodes[i]);
    }
    faults_begin(c);
}

void cluster_heal(struct sim_cluster *c)
{
    c->healed = true;
    c->healed_us = c->loop->now_us;
    loop_trace(c->loop, "all faults end");
    faults_end(c);
    c->io_options.write_fail_per_million = 0;
    network_heal(c->network);
    network_calm(c->network);
    for (unsigned i = 0; i < c->options.slots; i++) {
        struct sim_node *n = &c->nodes[i];
        foreign_end(n);
        if (n->scheduler == NULL && n->used) {
            node_start(n);
        } else if (n->paused) {
            node_resume(n);
        }
        faults_free_disk(n);
    }
}

void cluster_free(struct sim_cluster *c)
{
    faults_end(c);
    for (unsigned i = 0; i < c->options.slots; i++) {
        struct sim_node *n = &c->nodes[i];
        foreign_end(n);
        if (n->scheduler != NULL) {
            node_end(n, "the run is over");
        }
        if (n->restart != NULL) {
            loop_cancel(c->loop, n->restart);
        }
        if (n->retire != NULL) {
            loop_cancel(c->loop, n->retire);
        }
        free(n->deferred);
        storage_free(&n->storage);
    }
    network_free(c->network);
    free(c);
}

/* --- what the world sees --- */

unsigned cluster_size(const struct sim_cluster *c)
{
    return c->options.slots;
}

bool cluster_is_up(const struct sim_cluster *c, unsigned node)
{
    return c->nodes[node].scheduler != NULL && c->nodes[node].foreign == 0;
}

bool cluster_is_serving(const struct sim_cluster *c, unsigned node)
{
    return cluster_is_up(c, node) && !c->nodes[node].paused;
}

struct scheduler *cluster_scheduler(struct sim_cluster *c, unsigned node)
{
    return c->nodes[node].scheduler;
}

const char *cluster_api_address(const struct sim_cluster *c, unsigned node)
{
    return c->nodes[node].api_address;
}

int cluster_node_at(const struct sim_cluster *c, const char *api_address)
{
    for (unsigned i = 0; i < SIM_NODES_MAX; i++) {
        if (strcmp(c->nodes[i].api_address, api_address) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool cluster_reachable(const struct sim_cluster *c, unsigned node)
{
    return cluster_is_up(c, node) && network_client_reaches(c->network, node);
}

uint64_t cluster_wall_us(const struct sim_cluster *c, unsigned node)
{
    return node_wall_us(&c->nodes[node]);
}

uint64_t cluster_leaders_clock_max_ms(const struct sim_cluster *c)
{
    uint64_t passed_us = c->loop->now_us - c->leaders_at_us;

    return (c->leaders_us + passed_us + passed_us * c->options.clock_drift_max_ppm / 1000000 + 1) /
           1000;
}

uint64_t cluster_true_ms(const struct sim_cluster *c)
{
    return clocks_true_us(c) / 1000;
}

uint64_t cluster_time_error_ms(const struct sim_cluster *c)
{
    return clocks_calm_error_us(c) / 1000;
}

const struct sim_counters *cluster_counters(const struct sim_cluster *c)
{
    return &c->counters;
}
