/* cluster_faults.c - what happens to the nodes: crashes, pauses, partitions, steps of clocks,
 * transfers of the leadership, changes of members. Each kind has its own rhythm, drawn from the options. */
#include <stdlib.h>

#include "../../../client/wire/protocol.h"
#include "../../../node/scheduler/internal.h"
#include "cluster_internal.h"
#include "../forge.h"

enum fault {
    FAULT_CRASH,
    FAULT_PAUSE,
    FAULT_PARTITION,
    FAULT_STEP,
    FAULT_TRANSFER,
    FAULT_MEMBERS,
    FAULT_FOREIGN,
    FAULT_DISK,
    FAULT_FORGE,
    FAULT_RESTORE,
    FAULT_CLONE,
    FAULT_TOLD,
    FAULT_SET_BACK,
};

#define FAULTS_DRAIN_MS 1000
#define FAULTS_WAITS 2000 /* of a crash, for a write that it can tear */
#define FAULTS_WAIT_US 500
#define FAULTS_RESTORE_US 2000

/* From nothing to twice the mean. */
static uint64_t draw_us(struct sim_cluster *c, uint64_t mean_ms)
{
    return loop_below(c->loop, 2000 * mean_ms + 1);
}

/* Which nodes: most often one, and that one often the leader; sometimes several, or all. */
static void draw_nodes(struct sim_cluster *c, bool *chosen)
{
    unsigned n = c->options.slots;
    uint64_t kind = loop_below(c->loop, 20);
    unsigned count = kind < 13 ? 1 : kind < 16 ? n / 2 : kind < 18 ? n / 2 + 1 : n;
    unsigned left = count > 0 ? count : 1;

    for (unsigned i = 0; i < n; i++) {
        chosen[i] = false;
    }
    if (c->leader >= 0 && loop_random_bool(c->loop, 500)) {
        chosen[c->leader] = true;
        left--;
    }
    while (left > 0) {
        unsigned i = (unsigned)loop_below(c->loop, n);
        left -= !chosen[i];
        chosen[i] = true;
    }
}

/* --- crashes --- */

static void fault_crash_one(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    uint64_t lost = c->io_counters.lost_writes;

    node_end(n, "crashed");
    c->counters.crashes++;
    c->counters.crashes_with_lost_writes += c->io_counters.lost_writes > lost;
    node_restart_after(n, draw_us(c, c->options.crash_for_ms));
}

static void fault_crash_cb(void *arg);

/* Crashes look for trouble: half of them wait a moment for one of theirs to write several
 * entries. */
static bool fault_crash_waits(struct sim_cluster *c, const bool *chosen)
{
    if (c->crash_waits == 0) {
        c->crash_waits = loop_random_bool(c->loop, 500) ? FAULTS_WAITS : 1;
    }
    for (unsigned i = 0; i < c->options.slots; i++) {
        if (chosen[i] && c->nodes[i].scheduler != NULL && sim_io_writing(c->nodes[i].io) > 1) {
            c->crash_waits = 1;
        }
    }
    return --c->crash_waits > 0;
}

static void fault_crash(struct sim_cluster *c)
{
    bool chosen[SIM_NODES_MAX];

    draw_nodes(c, chosen);
    if (fault_crash_waits(c, chosen)) {
        loop_cancel(c->loop, c->faults[FAULT_CRASH]);
        c->faults[FAULT_CRASH] = loop_after(c->loop, FAULTS_WAIT_US, fault_crash_cb, c);
        return;
    }
    for (unsigned i = 0; i < c->options.slots; i++) {
        if (chosen[i] && c->nodes[i].scheduler != NULL) {
            fault_crash_one(&c->nodes[i]);
        }
    }
}

/* --- pauses --- */

static void fault_resume_cb(void *arg)
{
    struct sim_node *n = arg;

    n->resume = NULL;
    node_resume(n);
}

static void fault_pause(struct sim_cluster *c)
{
    bool chosen[SIM_NODES_MAX];

    draw_nodes(c, chosen);
    for (unsigned i = 0; i < c->options.slots; i++) {
        struct sim_node *n = &c->nodes[i];
        if (chosen[i] && n->scheduler != NULL && !n->paused) {
            node_pause(n);
            n->resume = loop_after(c->loop, draw_us(c, c->options.pause_for_ms), fault_resume_cb,
                                   n);
        }
    }
}

/* --- partitions --- */

static void fault_reconnect_cb(void *arg)
{
    struct sim_cluster *c = arg;

    c->heal_partition = NULL;
    loop_trace(c->loop, "partition ends");
    network_heal(c->network);
}

static void faults_unsplit(struct sim_cluster *c)
{
    if (c->heal_partition != NULL) {
        loop_cancel(c->loop, c->heal_partition);
        network_heal(c->network);
    }
}

static void faults_plan_reconnect(struct sim_cluster *c)
{
    c->heal_partition = loop_after(c->loop, draw_us(c, c->options.partition_for_ms),
                                   fault_reconnect_cb, c);
}

static void fault_partition(struct sim_cluster *c)
{
    if (c->options.slots < 2) {
        return;
    }
    faults_unsplit(c);
    partition_draw(c, c->leader);
    faults_plan_reconnect(c);
}

void faults_split(struct sim_cluster *c, const bool *side)
{
    faults_unsplit(c);
    for (unsigned i = 0; i < c->options.slots; i++) {
        loop_trace(c->loop, "partition: n%u is on side %u", i + 1, (unsigned)side[i]);
    }
    partition_split(c, side);
    faults_plan_reconnect(c);
}

/* --- clocks --- */

/* As often by milliseconds as by all that is allowed. */
static void fault_step(struct sim_cluster *c)
{
    if (c->options.wrong_clocks) {
        clocks_step(c);
        return;
    }
    struct sim_node *n = &c->nodes[loop_below(c->loop, c->options.slots)];
    uint64_t max_us = (uint64_t)c->options.clock_step_max_ms * 1000;
    int64_t step_us;

    max_us >>= loop_below(c->loop, 12);
    step_us = (int64_t)loop_between(c->loop, 0, 2 * max_us) - (int64_t)max_us;
    n->offset_us += step_us;
    c->counters.clock_steps++;
    loop_trace(c->loop, "n%u clock steps by %lld us", n->number + 1, (long long)step_us);
}

/* --- transfers --- */

static void fault_drained(void *arg)
{
    struct sim_node *n = arg;

    n->leaving = true;
}

static void fault_drain(void *arg)
{
    struct sim_node *n = arg;

    scheduler_drain(n->scheduler, FAULTS_DRAIN_MS, fault_drained, n);
}

static void fault_transferred(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

/* An operator's request, to whom it pleases the leader or to one node. */
static void fault_ask_transfer(struct sim_cluster *c, unsigned node)
{
    struct buffer message = {0};
    struct operation op = {
        .code = OPERATION_TRANSFER,
        .node_id = loop_random_bool(c->loop, 500) ? 0 : loop_between(c->loop, 1, c->options.slots),
    };

    request_encode_head(&message, SIM_CLUSTER_NAME, 0, 1);
    operation_encode(&message, &op);
    if (message.failed) {
        abort();
    }
    cluster_request(c, node, message.data, message.len, fault_transferred, NULL);
    buffer_free(&message);
}

static void fault_transfer(struct sim_cluster *c)
{
    struct sim_node *n = c->leader >= 0 ? &c->nodes[c->leader] : NULL;

    if (n == NULL || n->scheduler == NULL || n->paused || n->draining) {
        return;
    }
    c->counters.transfers++;
    loop_trace(c->loop, "n%u is to hand over", n->number + 1);
    if (loop_random_bool(c->loop, 300)) {
        n->draining = true;
        node_enter(n, fault_drain, n); /* stopped in good order, and started again */
    } else {
        fault_ask_transfer(c, n->number);
    }
}

/* --- forged messages --- */

static void fault_forge(struct sim_cluster *c)
{
    struct sim_node *n = &c->nodes[loop_below(c->loop, c->options.nodes)];
    struct forge_view view = {.id = n->number + 1, .nodes = c->options.nodes};
    struct raft_message message;

    if (n->scheduler == NULL || n->paused) {
        return;
    }
    view.term = n->storage.term;
    view.last = storage_last(&n->storage);
    view.last_term = n->storage.n > 0 ? n->storage.entries[n->storage.n - 1].term
                                      : n->storage.snapshot.term;
    forge_message(c->loop, &view, &message);
    c->counters.forged++;
    loop_trace(c->loop, "n%u hears a forged message of %llu", n->number + 1, message.server_id);
    node_receive(n, &message);
}

/* --- rhythm --- */

static void fault_schedule(struct sim_cluster *c, enum fault fault);

static void fault_due(struct sim_cluster *c, enum fault fault, void (*happen)(struct sim_cluster *))
{
    c->faults[fault] = NULL;
    fault_schedule(c, fault);
    happen(c);
}

static void fault_crash_cb(void *arg)
{
    fault_due(arg, FAULT_CRASH, fault_crash);
}

static void fault_pause_cb(void *arg)
{
    fault_due(arg, FAULT_PAUSE, fault_pause);
}

static void fault_partition_cb(void *arg)
{
    fault_due(arg, FAULT_PARTITION, fault_partition);
}

static void fault_step_cb(void *arg)
{
    fault_due(arg, FAULT_STEP, fault_step);
}

static void fault_transfer_cb(void *arg)
{
    fault_due(arg, FAULT_TRANSFER, fault_transfer);
}

/* --- free space --- */

static void disk_told(void *arg)
{
    struct sim_node *n = arg;

    scheduler_set_disk(n->scheduler, n->disk);
}

static void fault_disk(struct sim_cluster *c)
{
    struct sim_node *n = &c->nodes[loop_below(c->loop, c->options.slots)];

    if (n->scheduler == NULL || n->paused) {
        return;
    }
    n->disk = (enum scheduler_disk)loop_below(c->loop, SCHEDULER_DISK_FULL + 1);
    c->counters.disks_low += n->disk != SCHEDULER_DISK_OK;
    loop_trace(c->loop, "n%u finds its disk %s", n->number + 1,
               n->disk == SCHEDULER_DISK_OK    ? "roomy"
               : n->disk == SCHEDULER_DISK_LOW ? "nearly full"
                                               : "full");
    node_enter(n, disk_told, n);
}

void faults_free_disk(struct sim_node *n)
{
    if (n->disk != SCHEDULER_DISK_OK && n->scheduler != NULL) {
        n->disk = SCHEDULER_DISK_OK;
        node_enter(n, disk_told, n);
    }
}

static void fault_disk_cb(void *arg)
{
    fault_due(arg, FAULT_DISK, fault_disk);
}

/* --- an operator --- */

static void set_back_done(void *arg, int error, const char *text)
{
    (void)text;
    ((struct sim_cluster *)arg)->counters.set_backs_busy += error == ORDERSCHED_BUSY;
}

static void set_back_asked(void *arg)
{
    struct sim_node *n = arg;

    scheduler_set_back(n->scheduler, true, NULL, set_back_done, n->cluster);
}

static void fault_set_back(struct sim_cluster *c)
{
    if (c->leader >= 0 && c->nodes[c->leader].scheduler != NULL && !c->nodes[c->leader].paused) {
        node_enter(&c->nodes[c->leader], set_back_asked, &c->nodes[c->leader]);
    }
}

static void fault_set_back_cb(void *arg)
{
    fault_due(arg, FAULT_SET_BACK, fault_set_back);
}

static void fault_members_cb(void *arg)
{
    fault_due(arg, FAULT_MEMBERS, members_change);
}

static void fault_foreign_cb(void *arg)
{
    fault_due(arg, FAULT_FOREIGN, cluster_send_foreigner);
}

static void fault_forge_cb(void *arg)
{
    fault_due(arg, FAULT_FORGE, fault_forge);
}

static void fault_restore_cb(void *arg)
{
    struct sim_cluster *c = arg;

    c->faults[FAULT_RESTORE] = NULL;
    if (restore_one(c)) {
        fault_schedule(c, FAULT_RESTORE);
    } else { /* a moment later it may do no more harm than a disk may do */
        c->faults[FAULT_RESTORE] = loop_after(c->loop, FAULTS_RESTORE_US, fault_restore_cb, c);
    }
}

static void fault_clone_cb(void *arg)
{
    fault_due(arg, FAULT_CLONE, clones_change);
}

static void fault_told_cb(void *arg)
{
    fault_due(arg, FAULT_TOLD, told_lie);
}

static void fault_schedule(struct sim_cluster *c, enum fault fault)
{
    const struct sim_options *o = &c->options;
    const uint64_t every_ms[SIM_FAULTS] = {
        o->crash_every_ms,    o->pause_every_ms,   o->partition_every_ms, o->clock_step_every_ms,
        o->transfer_every_ms, o->members_every_ms, o->foreign_every_ms,   o->disk_every_ms,
        o->forge_every_ms,    o->restore_every_ms, o->clones_every_ms,    o->told_wrongly_every_ms,
        o->set_back_every_ms,
    };
    static const sim_event_cb cbs[SIM_FAULTS] = {
        fault_crash_cb,   fault_pause_cb,   fault_partition_cb, fault_step_cb,  fault_transfer_cb,
        fault_members_cb, fault_foreign_cb, fault_disk_cb,      fault_forge_cb, fault_restore_cb,
        fault_clone_cb,   fault_told_cb,    fault_set_back_cb,
    };

    if (every_ms[fault] != 0) {
        c->faults[fault] = loop_after(c->loop, draw_us(c, every_ms[fault]), cbs[fault], c);
    }
}

void faults_begin(struct sim_cluster *c)
{
    for (unsigned i = 0; i < SIM_FAULTS; i++) {
        fault_schedule(c, (enum fault)i);
    }
}

void faults_end(struct sim_cluster *c)
{
    for (unsigned i = 0; i < SIM_FAULTS; i++) {
        if (c->faults[i] != NULL) {
            loop_cancel(c->loop, c->faults[i]);
            c->faults[i] = NULL;
        }
    }
    members_end(c);
    if (c->heal_partition != NULL) {
        loop_cancel(c->loop, c->heal_partition);
        c->heal_partition = NULL;
    }
    restore_end(c);
    clones_end(c);
}
