/* network.c - messages between simulated nodes. See network.h. */
#include "network.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "io.h"

#define NETWORK_SLOW_EXTRA_MAX_US 400000
#define NETWORK_SLOW_MAX_US 5000000
#define NETWORK_SLOW_DRAW_US 1000000 /* a link is drawn this often */
#define NETWORK_CALM_QUEUE 64        /* short queues are among the faults that end */

struct packet {
    struct packet *next, **at; /* in the network's list, or among the held */
    struct sim_network *network;
    struct sim_event *event;
    unsigned from, to;
    unsigned clusters[2]; /* the sender's and the receiver's, when it was sent */
    uint64_t seat;
    bool is_clock; /* `told` is in it, else `message` */
    uint8_t told[CLOCK_TOLD_SIZE];
    struct raft_message message;
};

struct lane {
    bool cut;
    unsigned queued;
    uint64_t last_us; /* when the last message in order arrives */
    uint64_t draw_us;
    uint64_t slow_until_us;
    uint64_t slow_extra_us;
};

struct held {
    bool on;
    struct packet *first, **last;
};

struct sim_network {
    struct sim_loop *loop;
    const struct sim_options *options;
    struct sim_counters *counters;
    struct sim_network_host host;
    bool calm;
    struct lane lanes[SIM_NODES_MAX][SIM_NODES_MAX];
    bool clients_cut[SIM_NODES_MAX];
    struct held held[SIM_NODES_MAX];
    struct packet *packets;
};

/* --- the wire: what is encoded and decoded, and nothing else --- */

static void *wire_alloc(size_t len)
{
    void *p = raft_malloc(len);

    if (p == NULL) {
        abort();
    }
    return p;
}

static void wire_copy_entries(const struct raft_append_entries *in, struct raft_append_entries *out)
{
    size_t size = 0;
    uint8_t *batch;

    *out = *in;
    out->entries = NULL;
    if (in->n_entries == 0) {
        return;
    }
    for (unsigned i = 0; i < in->n_entries; i++) {
        size += in->entries[i].buf.len;
    }
    out->entries = wire_alloc(in->n_entries * sizeof *out->entries);
    batch = wire_alloc(size);
    size = 0;
    for (unsigned i = 0; i < in->n_entries; i++) {
        const struct raft_entry *e = &in->entries[i];
        memcpy(batch + size, e->buf.base, e->buf.len);
        out->entries[i] = (struct raft_entry){
            .term = e->term,
            .type = e->type,
            .buf = {.base = batch + size, .len = e->buf.len},
            .batch = batch,
        };
        size += e->buf.len;
    }
}

static void wire_copy_snapshot(const struct raft_install_snapshot *in,
                               struct raft_install_snapshot *out)
{
    struct raft_buffer conf;

    *out = *in;
    raft_configuration_init(&out->conf);
    if (raft_configuration_encode(&in->conf, &conf) != 0 ||
        raft_configuration_decode(&conf, &out->conf) != 0) {
        abort();
    }
    raft_free(conf.base);
    out->data.base = wire_alloc(in->data.len);
    memcpy(out->data.base, in->data.base, in->data.len);
}

static void wire_copy(const struct raft_message *in, struct raft_message *out)
{
    *out = (struct raft_message){.type = in->type};
    switch (in->type) {
        case RAFT_REQUEST_VOTE: out->request_vote = in->request_vote; break;
        case RAFT_REQUEST_VOTE_RESULT: out->request_vote_result = in->request_vote_result; break;
        case RAFT_APPEND_ENTRIES:
            wire_copy_entries(&in->append_entries, &out->append_entries);
            break;
        case RAFT_APPEND_ENTRIES_RESULT:
            out->append_entries_result = in->append_entries_result;
            break;
        case RAFT_INSTALL_SNAPSHOT:
            wire_copy_snapshot(&in->install_snapshot, &out->install_snapshot);
            break;
        case RAFT_TIMEOUT_NOW: /* its version is not on the wire */
            out->timeout_now = (struct raft_timeout_now){
                .term = in->timeout_now.term,
                .last_log_index = in->timeout_now.last_log_index,
                .last_log_term = in->timeout_now.last_log_term,
            };
            break;
    }
}

/* --- packets --- */

static void packet_link(struct packet *p, struct packet **at)
{
    p->next = *at;
    p->at = at;
    if (p->next != NULL) {
        p->next->at = &p->next;
    }
    *at = p;
}

static void packet_unlink(struct packet *p)
{
    *p->at = p->next;
    if (p->next != NULL) {
        p->next->at = p->at;
    }
}

static void packet_discard(struct packet *p)
{
    if (!p->is_clock) {
        sim_message_discard(&p->message);
    }
}

/* Out of the network, with its message or without. */
static void packet_end(struct packet *p, bool lost)
{
    p->network->lanes[p->from][p->to].queued--;
    if (lost) {
        p->network->counters->dropped++;
        packet_discard(p);
    }
    free(p);
}

static void packet_hear(struct packet *p)
{
    const struct sim_network_host *host = &p->network->host;
    unsigned from = p->from, to = p->to;
    uint8_t told[CLOCK_TOLD_SIZE];

    memcpy(told, p->told, sizeof told);
    packet_end(p, false);
    host->hear_clock(host->arg, from, to, told);
}

static void packet_deliver(struct packet *p)
{
    struct sim_network *w = p->network;
    struct raft_message message = p->message;
    unsigned to = p->to;

    /* Who stands in another's place has not its connections. */
    if (p->clusters[0] != w->host.cluster_of(w->host.arg, p->from) ||
        p->clusters[1] != w->host.cluster_of(w->host.arg, to) ||
        !w->host.fits(w->host.arg, p->from, to) ||
        !w->host.has_seat(w->host.arg, p->from, to, p->seat)) {
        packet_end(p, true);
        return;
    }
    if (p->clusters[0] != p->clusters[1]) {
        w->host.crossed(w->host.arg, p->from, to);
    }
    if (p->is_clock) {
        packet_hear(p);
        return;
    }
    message.server_id = w->host.id(w->host.arg, p->from);
    message.server_address = w->host.address(w->host.arg, p->from);
    packet_end(p, false);
    if (!w->calm && w->options->damage_per_mille > 0 &&
        loop_random_bool(w->loop, w->options->damage_per_mille)) {
        w->counters->damaged += forge_damage(w->loop, &message);
    }
    w->host.deliver(w->host.arg, to, &message);
}

static void packet_arrive_cb(void *arg)
{
    struct packet *p = arg;
    struct sim_network *w = p->network;
    struct held *held = &w->held[p->to];

    p->event = NULL;
    packet_unlink(p);
    if (w->lanes[p->from][p->to].cut) {
        packet_end(p, true);
    } else if (held->on) {
        p->next = NULL;
        *held->last = p;
        held->last = &p->next;
    } else {
        packet_deliver(p);
    }
}

/* --- sending --- */

static uint64_t lane_latency_us(struct sim_network *w, struct lane *lane)
{
    const struct sim_options *o = w->options;
    uint64_t us = loop_between(w->loop, o->latency_min_us, o->latency_max_us);

    if (!w->calm && w->loop->now_us >= lane->draw_us) {
        lane->draw_us = w->loop->now_us + NETWORK_SLOW_DRAW_US;
        if (loop_random_bool(w->loop, o->slow_link_per_mille)) {
            lane->slow_until_us = w->loop->now_us + loop_below(w->loop, NETWORK_SLOW_MAX_US);
            lane->slow_extra_us = loop_below(w->loop, NETWORK_SLOW_EXTRA_MAX_US);
        }
    }
    return w->loop->now_us < lane->slow_until_us ? us + lane->slow_extra_us : us;
}

/* What a packet is to hold: one of them. */
struct content {
    const struct raft_message *message;
    const uint8_t *told;
};

static void packet_fill(struct packet *p, const struct content *content)
{
    p->is_clock = content->told != NULL;
    if (p->is_clock) {
        memcpy(p->told, content->told, sizeof p->told);
    } else {
        wire_copy(content->message, &p->message);
    }
}

static void lane_put(struct sim_network *w, unsigned from, unsigned to, uint64_t seat,
                     const struct content *content, bool in_order)
{
    struct lane *lane = &w->lanes[from][to];
    struct packet *p = malloc(sizeof *p);
    uint64_t at_us = w->loop->now_us + lane_latency_us(w, lane);

    if (p == NULL) {
        abort();
    }
    if (in_order) {
        at_us = at_us > lane->last_us ? at_us : lane->last_us;
        lane->last_us = at_us;
    } else {
        at_us += loop_below(w->loop, 10 * w->options->latency_max_us + 1);
    }
    *p = (struct packet){.network = w,
                         .from = from,
                         .to = to,
                         .seat = seat,
                         .clusters = {w->host.cluster_of(w->host.arg, from),
                                      w->host.cluster_of(w->host.arg, to)}};
    packet_fill(p, content);
    packet_link(p, &w->packets);
    p->event = loop_after(w->loop, at_us - w->loop->now_us, packet_arrive_cb, p);
    lane->queued++;
}

static bool lane_is_full(const struct sim_network *w, const struct lane *lane)
{
    unsigned max = w->options->link_queue_max;

    return lane->queued >= (w->calm && max < NETWORK_CALM_QUEUE ? NETWORK_CALM_QUEUE : max);
}

static int network_put(struct sim_network *w, unsigned from, unsigned to,
                       const struct content *content)
{
    const struct sim_options *o = w->options;
    struct lane *lane = &w->lanes[from][to];
    uint64_t seat;

    assert(from != to);
    if (!w->host.fits(w->host.arg, from, to) || !w->host.take_seat(w->host.arg, from, to, &seat)) {
        w->counters->dropped++;
        return RAFT_NOCONNECTION;
    }
    if (lane->cut || lane_is_full(w, lane)) {
        w->counters->dropped++;
        /* Only sometimes does the sender learn of it. */
        return loop_random_bool(w->loop, 500) ? RAFT_NOCONNECTION : 0;
    }
    if (w->calm) {
        lane_put(w, from, to, seat, content, true);
        return 0;
    }
    if (loop_random_bool(w->loop, o->drop_per_mille)) {
        w->counters->dropped++;
        return 0;
    }
    if (loop_random_bool(w->loop, o->duplicate_per_mille)) {
        w->counters->duplicated++;
        lane_put(w, from, to, seat, content, false);
    }
    bool reordered = loop_random_bool(w->loop, o->reorder_per_mille);
    w->counters->reordered += reordered;
    lane_put(w, from, to, seat, content, !reordered);
    return 0;
}

int network_send(struct sim_network *w, unsigned from, unsigned to,
                 const struct raft_message *message)
{
    const struct content content = {.message = message};

    w->counters->messages++;
    return network_put(w, from, to, &content);
}

void network_send_clock(struct sim_network *w, unsigned from, unsigned to,
                        const uint8_t told[CLOCK_TOLD_SIZE])
{
    const struct content content = {.told = told};

    (void)network_put(w, from, to, &content);
}

/* --- nodes --- */

static void held_init(struct held *held)
{
    held->first = NULL;
    held->last = &held->first;
}

void network_hold(struct sim_network *w, unsigned node, bool on)
{
    struct held *held = &w->held[node];

    held->on = on;
    while (!held->on && held->first != NULL) { /* a delivery may hold it again */
        struct packet *p = held->first;
        held->first = p->next;
        if (held->first == NULL) {
            held->last = &held->first;
        }
        packet_deliver(p);
    }
}

void network_forget(struct sim_network *w, unsigned node)
{
    struct packet *p = w->held[node].first;

    held_init(&w->held[node]);
    w->held[node].on = false;
    while (p != NULL) {
        struct packet *next = p->next;
        packet_end(p, true);
        p = next;
    }
}

/* --- cuts --- */

void network_calm(struct sim_network *w)
{
    w->calm = true;
    for (unsigned i = 0; i < SIM_NODES_MAX; i++) {
        for (unsigned j = 0; j < SIM_NODES_MAX; j++) {
            w->lanes[i][j].slow_until_us = 0;
        }
    }
}

void network_cut(struct sim_network *w, unsigned from, unsigned to)
{
    w->lanes[from][to].cut = true;
}

bool network_passes(const struct sim_network *w, unsigned from, unsigned to)
{
    return !w->lanes[from][to].cut;
}

void network_cut_clients(struct sim_network *w, unsigned node)
{
    w->clients_cut[node] = true;
}

void network_heal(struct sim_network *w)
{
    for (unsigned i = 0; i < SIM_NODES_MAX; i++) {
        w->clients_cut[i] = false;
        for (unsigned j = 0; j < SIM_NODES_MAX; j++) {
            w->lanes[i][j].cut = false;
        }
    }
}

bool network_client_reaches(const struct sim_network *w, unsigned node)
{
    return !w->clients_cut[node];
}

struct sim_network *network_new(struct sim_loop *loop, const struct sim_options *options,
                                struct sim_counters *counters, const struct sim_network_host *host)
{
    struct sim_network *w = calloc(1, sizeof *w);

    if (w == NULL) {
        abort();
    }
    w->loop = loop;
    w->options = options;
    w->counters = counters;
    w->host = *host;
    for (unsigned i = 0; i < SIM_NODES_MAX; i++) {
        held_init(&w->held[i]);
    }
    return w;
}

void network_free(struct sim_network *w)
{
    for (unsigned i = 0; i < SIM_NODES_MAX; i++) {
        network_forget(w, i);
    }
    while (w->packets != NULL) {
        struct packet *p = w->packets;
        packet_unlink(p);
        loop_cancel(w->loop, p->event);
        packet_end(p, true);
    }
    free(w);
}
