/* options.c - what a seed draws before its run begins. See options.h. */
#include "options.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#define SETTLE_MS 20000
#define SETTLE_SILENT_MS 60000 /* what was heard of clocks has been too old for long */
#define EPOCH_MS UINT64_C(1700000000000)
#define HOUR_MS UINT64_C(3600000)

/* Each kind of fault is on in about half of the runs. */
static bool wanted(struct sim_loop *l)
{
    return loop_random_bool(l, 500);
}

static uint64_t one_of(struct sim_loop *l, const uint64_t *values, unsigned n)
{
    return values[loop_below(l, n)];
}
#define ONE_OF(l, ...)                           \
    one_of((l), (const uint64_t[]){__VA_ARGS__}, \
           sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void draw_cluster(struct sim_options *o, struct sim_loop *l)
{
    o->nodes = (unsigned)ONE_OF(l, 1, 3, 3, 3, 3, 3, 5, 5);
    o->snapshot_threshold = (unsigned)ONE_OF(l, 8, 20, 50, 200, 1024);
    o->snapshot_trailing = (unsigned)ONE_OF(l, 4, 16, 64);
    o->snapshot_slice = (unsigned)ONE_OF(l, 1, 1, 3, 2000);
    o->retention_ms = ONE_OF(l, 500, 2000, 5000, 60000, 86400000);
    o->orders = (unsigned)loop_between(l, 2, 24);
    o->max_orders = loop_random_bool(l, 200) ? loop_between(l, 1, o->orders) : 1000000;
    o->max_deliveries = (unsigned)ONE_OF(l, 1, 4, 256, 4096);
    o->max_queued = (uint32_t)ONE_OF(l, 1, 4, 1024, 16384);
}

static void draw_network(struct sim_options *o, struct sim_loop *l)
{
    o->latency_min_us = ONE_OF(l, 20, 100, 1000);
    o->latency_max_us = o->latency_min_us + ONE_OF(l, 100, 2000, 20000, 60000);
    o->drop_per_mille = wanted(l) ? (unsigned)loop_between(l, 1, 300) : 0;
    o->duplicate_per_mille = wanted(l) ? (unsigned)loop_between(l, 1, 100) : 0;
    o->reorder_per_mille = wanted(l) ? (unsigned)loop_between(l, 1, 200) : 0;
    o->link_queue_max = (unsigned)ONE_OF(l, 4, 64, 1024);
    o->slow_link_per_mille = wanted(l) ? (unsigned)loop_between(l, 1, 200) : 0;
    o->partition_every_ms = wanted(l) ? loop_between(l, 500, 6000) : 0;
    o->partition_for_ms = loop_between(l, 100, 3000);
}

static void draw_machines(struct sim_options *o, struct sim_loop *l)
{
    o->write_min_us = ONE_OF(l, 20, 200, 2000);
    o->write_max_us = o->write_min_us + ONE_OF(l, 100, 3000, 30000);
    o->write_fail_per_million = wanted(l) ? (unsigned)loop_between(l, 100, 5000) : 0;
    o->disk_free_kib = (unsigned)ONE_OF(l, 0, 1000, 65535, 65535);
    o->crash_every_ms = wanted(l) ? loop_between(l, 500, 6000) : 0;
    o->crash_for_ms = loop_between(l, 50, 3000);
    o->pause_every_ms = wanted(l) ? loop_between(l, 500, 6000) : 0;
    o->pause_for_ms = loop_between(l, 50, 4000);
    o->transfer_every_ms = wanted(l) ? loop_between(l, 300, 6000) : 0;
    o->clock_offset_max_ms = wanted(l) ? (int64_t)ONE_OF(l, 5, 200, 5000, 3600000) : 0;
    o->clock_drift_max_ppm = wanted(l) ? (unsigned)ONE_OF(l, 50, 500, 20000) : 0;
    o->clock_step_every_ms = wanted(l) ? loop_between(l, 300, 6000) : 0;
    o->clock_step_max_ms = (int64_t)ONE_OF(l, 10, 500, 10000, 3600000);
}

static void draw_load(struct sim_options *o, struct sim_loop *l)
{
    o->clients = (unsigned)loop_between(l, 1, SIM_CLIENTS_MAX);
    o->operation_every_us = ONE_OF(l, 5000, 20000, 60000, 200000) * o->clients / 2 + 1000;
    o->delay_min_ms = ONE_OF(l, 1, 20, 300);
    o->delay_max_ms = o->delay_min_ms + ONE_OF(l, 50, 500, 2000, 6000);
    o->near_deadline_per_mille = (unsigned)ONE_OF(l, 0, 200, 500, 800);
    o->resend_per_mille = wanted(l) ? (unsigned)loop_between(l, 10, 300) : 0;
    o->client_delay_per_mille = wanted(l) ? (unsigned)loop_between(l, 1, 150) : 0;
    o->receiver_min_us = ONE_OF(l, 100, 1000, 10000);
    o->receiver_max_us = o->receiver_min_us + ONE_OF(l, 1000, 50000, 500000, 3000000);
    o->receiver_fail_per_mille = wanted(l) ? (unsigned)loop_between(l, 20, 900) : 0;
    o->receiver_veto_per_mille = wanted(l) ? (unsigned)loop_between(l, 20, 400) : 0;
    o->receiver_later_per_mille = wanted(l) ? (unsigned)loop_between(l, 20, 500) : 0;
    o->receiver_crash_per_mille = wanted(l) ? (unsigned)loop_between(l, 20, 400) : 0;
    o->routes = (unsigned)loop_between(l, 1, 4);
    o->route_change_per_mille = wanted(l) ? (unsigned)loop_between(l, 5, 80) : 0;
    o->receiver_busy_per_mille = wanted(l) ? (unsigned)loop_between(l, 20, 600) : 0;
    o->receiver_half_per_mille = wanted(l) ? (unsigned)loop_between(l, 50, 600) : 0;
    o->batch_max = wanted(l) ? ONE_OF(l, 2, 5, 20) : 1;
    o->linger_max_ms = wanted(l) ? ONE_OF(l, 5, 100, 1000) : 0;
    o->worker_per_mille = (unsigned)ONE_OF(l, 0, 0, 300, 700, 1000);
    o->rate_per_mille = wanted(l) ? (unsigned)loop_between(l, 100, 900) : 0;
}

/* --- extras --- */

/* Is this name in a list with commas? */
static bool list_has(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && (at[len] == '\0' || at[len] == ',')) {
            return true;
        }
    }
    return false;
}

bool options_extra(struct sim_options *o, const char *name, unsigned per_mille,
                   struct sim_loop *stream)
{
    size_t used = strlen(o->extras);
    bool drawn;

    *stream = (struct sim_loop){.random = XXH3_64bits_withSeed(name, strlen(name), o->seed)};
    drawn = loop_random_bool(stream, per_mille); /* always: the values that follow are the same */
    if (o->with != NULL ? !list_has(o->with, name) : !drawn) {
        return false;
    }
    snprintf(o->extras + used, sizeof o->extras - used, "%s%s", used > 0 ? "," : "", name);
    return true;
}

/* An hour of cluster time, in which all happens as often as else in some seconds: deadlines on higher
 * levels of the wheel, requests that grow old, clocks that drift far. */
static void stretch(struct sim_options *o, struct sim_loop *l)
{
    uint64_t factor = HOUR_MS / o->run_ms;

    o->run_ms = HOUR_MS;
    o->operation_every_us *= factor;
    o->delay_max_ms = o->delay_min_ms + loop_between(l, 1000, HOUR_MS / 2);
    o->partition_every_ms *= factor;
    o->crash_every_ms *= factor;
    o->pause_every_ms *= factor;
    o->transfer_every_ms *= factor;
    o->clock_step_every_ms *= factor;
    o->members_every_ms *= factor;
    o->write_fail_per_million /= (unsigned)factor;
}

/* Members that lie or forget: extras, too. */
static void draw_lies(struct sim_options *o)
{
    struct sim_loop stream;

    if (o->run_ms >= HOUR_MS) {
        return; /* these do not stretch */
    }
    if (options_extra(o, "restore", 100, &stream)) {
        o->restore_every_ms = loop_between(&stream, 200, 2000);
        o->starts = options_extra(o, "starts", 700, &stream);
    }
    /* Many votes, and some arrive late: so few orders overflow. */
    if (o->nodes > 1 && o->extend_per_mille == 0 && options_extra(o, "votes", 80, &stream)) {
        o->vote_crash_per_mille = (unsigned)loop_between(&stream, 100, 700);
        o->partition_every_ms = loop_between(&stream, 500, 2000);
        o->partition_for_ms = loop_between(&stream, 100, 1000);
        o->slow_link_per_mille = (unsigned)loop_between(&stream, 100, 500);
    }
    if (o->nodes > 1 && o->slots < SIM_NODES_MAX && options_extra(o, "clones", 100, &stream)) {
        o->clones_every_ms = loop_between(&stream, 200, 3000);
        o->starts = true;
        o->clones_elsewhere = options_extra(o, "clones-elsewhere", 650, &stream);
    }
    if (options_extra(o, "forge", 150, &stream)) {
        o->forge_every_ms = ONE_OF(&stream, 20, 100, 500, 2000);
    }
    if (options_extra(o, "damage", 100, &stream)) {
        o->damage_per_mille = (unsigned)loop_between(&stream, 1, 100);
    }
}

/* Two voters that disagree. */
static void draw_two_clocks(struct sim_options *o)
{
    struct sim_loop stream;

    if (o->slots == o->nodes && o->restore_every_ms == 0 &&
        options_extra(o, "two-clocks", 150, &stream)) {
        o->two_clocks = true;
        o->nodes = o->slots = 2;
        o->clocks_wrong = 1;
    }
}

/* A strict minority of all configurations there will be. None where members may be shut out for good: of
 * three voters, a wrong one and a right one know no time. The clocks of any two run
 * apart by at most 500 ppm, as clock_samples.h has it; an hour of that would make right clocks wrong. What
 * a clone's clock shows would be taken for the member's. */
static void draw_clocks(struct sim_options *o)
{
    struct sim_loop stream;

    if (o->clones_every_ms != 0 || o->run_ms >= HOUR_MS ||
        !options_extra(o, "wrong-clocks", 150, &stream)) {
        return;
    }
    o->wrong_clocks = true;
    o->clocks_wrong = loop_random_bool(&stream, 300)
                          ? (unsigned)loop_between(&stream, 0, (o->nodes - 1) / 2)
                          : (o->nodes - 1) / 2;
    if (o->restore_every_ms != 0) {
        o->clocks_wrong = 0;
    }
    o->clock_drift_max_ppm = (unsigned)ONE_OF(&stream, 15, 100, 249);
    o->clock_step_every_ms = loop_random_bool(&stream, 600) ? loop_between(&stream, 300, 6000) : 0;
    o->clock_lost_per_mille = (unsigned)ONE_OF(&stream, 0, 0, 300, 900);
    draw_two_clocks(o);
    if (!o->two_clocks && options_extra(o, "clock-silence", 150, &stream)) {
        o->clock_silence = true;
        o->settle_ms = SETTLE_SILENT_MS;
    }
}

/* Options that came after the seeds in tests/sim/regress: they must not shift other runs, so none draws
 * from the loop's generator here. */
static void draw_extras(struct sim_options *o)
{
    struct sim_loop stream;

    o->blames_requests = options_extra(o, "blame", 500, &stream);
    if (options_extra(o, "read-slices", 300, &stream)) { /* one order, or a few, at a time */
        o->read_turn_ns = ONE_OF(&stream, 1, 2000, 20000);
    }
    if (options_extra(o, "members", 100, &stream)) {
        /* An even number splits in halves. */
        o->nodes = (unsigned)ONE_OF(&stream, 1, 2, 3, 4, 4, 4);
        o->slots = (unsigned)loop_between(&stream, o->nodes + 1, SIM_NODES_MAX);
        o->members_every_ms = loop_between(&stream, 300, 4000);
        o->add_patience_ms = (unsigned)ONE_OF(&stream, 500, 2000, 10000);
    }
    if (options_extra(o, "recent", 200, &stream)) {
        o->max_recent = (uint32_t)ONE_OF(&stream, 4, 20, 70, 300);
        /* So that the requests are stale, and there is room again, before the run ends. */
        o->retention_ms = ONE_OF(&stream, 500, 2000, 4000);
    }
    if (options_extra(o, "foreign", 80, &stream) && o->nodes > 1) {
        o->foreign_every_ms = loop_between(&stream, 500, 5000);
    }
    /* Where two changes could each have a majority. */
    if (options_extra(o, "halves", 20, &stream)) {
        o->nodes = 4;
        o->slots = SIM_NODES_MAX;
        o->members_every_ms = loop_between(&stream, 300, 1500);
        o->add_patience_ms = 500;
        o->halves = true;
        o->partition_every_ms = o->crash_every_ms = o->transfer_every_ms = 0;
        o->partition_for_ms = loop_between(&stream, 1000, 3000);
        o->drop_per_mille = 0;
        o->link_queue_max = 1024;
    }
    if (options_extra(o, "requests-first", 50, &stream)) { /* pauses as long as an election */
        o->requests_first = true;
        o->pause_every_ms = loop_between(&stream, 300, 1500);
        o->pause_for_ms = loop_between(&stream, 500, 1000);
        o->clients_waiting = (unsigned)loop_between(&stream, 1, o->clients);
    }
    if (options_extra(o, "boundary", 100, &stream)) { /* the wheel's now crosses it in the run */
        uint64_t step_ms = UINT64_C(1) << ONE_OF(&stream, 16, 16, 24, 32);
        o->epoch_ms = (EPOCH_MS / step_ms + 1) * step_ms -
                      loop_between(&stream, o->run_ms / 2, o->run_ms + 16000);
    }
    if (options_extra(o, "local-reads", 100, &stream)) {
        o->local_per_mille = (unsigned)loop_between(&stream, 100, 900);
    }
    if (options_extra(o, "disk-gate", 50, &stream)) {
        o->disk_every_ms = loop_between(&stream, 200, 2000);
    }
    if (options_extra(o, "overflow", 50, &stream)) { /* of what an order remembers */
        o->orders = (unsigned)loop_between(&stream, 1, 2);
        o->max_orders = 1000000;
        o->operation_every_us = 3000 * o->clients + loop_below(&stream, 5000);
        o->delay_min_ms = 3000;
        o->delay_max_ms = 3500;
        o->extend_per_mille = (unsigned)loop_between(&stream, 960, 995);
        o->near_deadline_per_mille = 0;
    }
    o->take_turns = options_extra(o, "turns", 500, &stream);
    o->settings_differ = options_extra(o, "settings", 100, &stream);
    if (options_extra(o, "hour", 1, &stream)) {
        stretch(o, &stream);
    }
    if (options_extra(o, "many", 1, &stream)) { /* thousands are due in the same second */
        o->orders = (unsigned)loop_between(&stream, 5000, 10000);
        o->max_orders = 1000000;
        o->max_deliveries = 4096;
        o->max_queued = 16384;
        o->clients = SIM_CLIENTS_MAX;
        o->bulk = (unsigned)loop_between(&stream, 10, 60);
        o->snapshot_threshold = (unsigned)ONE_OF(&stream, 200, 1024);
        o->operation_every_us = loop_between(&stream, 4000, 20000);
        o->delay_min_ms = 1000;
        o->delay_max_ms = loop_between(&stream, 3000, 9000);
        o->retention_ms = ONE_OF(&stream, 5000, 86400000);
        o->receiver_min_us = 100;
        o->receiver_max_us = 3000; /* what is due is settled before the run is judged */
        o->worker_per_mille = o->rate_per_mille = o->receiver_busy_per_mille = 0;
        o->receiver_fail_per_mille = (unsigned)loop_below(&stream, 100);
        o->receiver_half_per_mille = (unsigned)loop_below(&stream, 100);
    }
    if (options_extra(o, "handover", 50, &stream)) {
        o->disk_every_ms = loop_between(&stream, 200, 2000);
        o->transfers = true;
    }
    if (options_extra(o, "lists", 250, &stream)) {
        o->lists_every_ms = loop_between(&stream, 50, 1000);
        o->history_per_mille = (unsigned)loop_between(&stream, 200, 900);
    }
    if (options_extra(o, "told", 500, &stream)) {
        o->told_per_mille = (unsigned)ONE_OF(&stream, 1000, 1000, 700, 300);
        o->told_wrongly_every_ms = o->run_ms < HOUR_MS ? ONE_OF(&stream, 0, 100, 1000, 5000) : 0;
    }
    if (options_extra(o, "trust", 200, &stream)) {
        o->trust_per_mille = (unsigned)loop_between(&stream, 5, 50);
    }
    if (options_extra(o, "access", 200, &stream)) {
        o->access = true;
        o->access_every_ms = loop_between(&stream, 20, 600);
        o->access_every_ms *= o->run_ms < HOUR_MS
                                  ? 1
                                  : 100; /* a trail of tens of thousands takes minutes */
        o->quotas = loop_random_bool(&stream, 600);
    }
    if (options_extra(o, "canary", 50, &stream)) {
        o->canary_ms = ONE_OF(&stream, 20, 200, 5000);
        o->canary_ms = o->run_ms < HOUR_MS ? o->canary_ms : 5000;
    }
    if (options_extra(o, "repeats", 100, &stream)) {
        o->repeat_per_mille = (unsigned)loop_between(&stream, 50, 500);
    }
}

/* Leaders go by their own clocks, which differ, so that the time is ahead of one that is behind. */
static void draw_set_back(struct sim_options *o)
{
    struct sim_loop stream;

    if (!o->wrong_clocks && o->run_ms < HOUR_MS && options_extra(o, "set-back", 100, &stream)) {
        o->set_back_every_ms = loop_between(&stream, 300, 4000);
        o->clock_offset_max_ms = (int64_t)ONE_OF(&stream, 5000, 60000, 3600000);
    }
}

/* As long as nothing is forgotten, and time does not leap: a keyed request that nobody remembers is another
 * one. */
static void draw_keyed(struct sim_options *o)
{
    struct sim_loop stream;

    if (o->set_back_every_ms != 0 || o->wrong_clocks || o->run_ms >= HOUR_MS ||
        o->max_recent != 0 || o->settings_differ || !options_extra(o, "keyed", 250, &stream)) {
        return;
    }
    o->keyed_per_mille = (unsigned)loop_between(&stream, 100, 900);
    o->resend_per_mille = (unsigned)loop_between(&stream, 50, 300);
    o->retention_ms = 24 * HOUR_MS;
    o->clock_offset_max_ms = o->clock_offset_max_ms < 5000 ? o->clock_offset_max_ms : 5000;
    o->clock_step_max_ms = o->clock_step_max_ms < 10000 ? o->clock_step_max_ms : 10000;
}

static void draw_traces(struct sim_options *o)
{
    struct sim_loop stream;

    if (options_extra(o, "traces", 250, &stream)) {
        o->trace_per_mille = (unsigned)loop_between(&stream, 300, 1000);
        o->carry_per_mille = (unsigned)ONE_OF(&stream, 500, 800, 1000);
    }
}

void options_draw(struct sim_options *o, struct sim_loop *l, uint64_t seed, const char *with)
{
    memset(o, 0, sizeof *o);
    o->seed = seed;
    o->with = with;
    draw_cluster(o, l);
    draw_network(o, l);
    draw_machines(o, l);
    draw_load(o, l);
    o->run_ms = loop_between(l, 4000, 14000);
    o->settle_ms = SETTLE_MS;
    o->slots = o->nodes;
    o->epoch_ms = EPOCH_MS;
    o->starts = true;
    draw_extras(o);
    draw_lies(o);
    draw_clocks(o);
    draw_set_back(o);
    draw_keyed(o);
    draw_traces(o);
}

void options_print(const struct sim_options *o, uint64_t seed, FILE *out)
{
    fprintf(out,
            "seed=%" PRIu64 " version=%s nodes=%u snapshot=%u+%u/%u retention=%" PRIu64
            "ms max_orders=%" PRIu64 " max_deliveries=%u max_queued=%u latency=%" PRIu64
            "..%" PRIu64 "us drop=%u duplicate=%u reorder=%u link_queue=%u slow_link=%u "
            "partition=%" PRIu64 "/%" PRIu64 "ms ",
            seed, ORDERSCHEDD_VERSION, o->nodes, o->snapshot_threshold, o->snapshot_trailing,
            o->snapshot_slice, o->retention_ms, o->max_orders, o->max_deliveries, o->max_queued,
            o->latency_min_us, o->latency_max_us, o->drop_per_mille, o->duplicate_per_mille,
            o->reorder_per_mille, o->link_queue_max, o->slow_link_per_mille, o->partition_every_ms,
            o->partition_for_ms);
    fprintf(out,
            "write=%" PRIu64 "..%" PRIu64 "us write_fail=%uppm disk_free=%uKiB crash=%" PRIu64
            "/%" PRIu64 "ms pause=%" PRIu64 "/%" PRIu64 "ms transfer=%" PRIu64
            "ms clock_offset=%" PRId64 "ms clock_drift=%uppm clock_step=%" PRIu64 "/%" PRId64 "ms ",
            o->write_min_us, o->write_max_us, o->write_fail_per_million, o->disk_free_kib,
            o->crash_every_ms, o->crash_for_ms, o->pause_every_ms, o->pause_for_ms,
            o->transfer_every_ms, o->clock_offset_max_ms, o->clock_drift_max_ppm,
            o->clock_step_every_ms, o->clock_step_max_ms);
    fprintf(out,
            "clients=%u orders=%u operation=%" PRIu64 "us delay=%" PRIu64 "..%" PRIu64
            "ms near_deadline=%u resend=%u client_delay=%u receiver=%" PRIu64 "..%" PRIu64
            "us fail=%u veto=%u later=%u receiver_crash=%u busy=%u half=%u routes=%u "
            "route_change=%u batch=%" PRIu64 " linger=%" PRIu64 "ms rate=%u workers=%u "
            "bulk=%u run=%" PRIu64 "ms settle=%" PRIu64 "ms members=%" PRIu64 "ms/%u/%ums/%u "
            "foreign=%" PRIu64 "ms lists=%" PRIu64 "ms/%u votes=%u clones=%" PRIu64
            "ms/%u starts=%u repeat=%u local=%u told=%u/%" PRIu64 "ms epoch=%" PRIu64
            " wrong_clocks=%u/%u/%u two=%u silence=%u set_back=%" PRIu64
            "ms turns=%u clients_waiting=%u access=%" PRIu64
            "ms/%u keyed=%u traces=%u/%u with=%s\n",
            o->clients, o->orders, o->operation_every_us, o->delay_min_ms, o->delay_max_ms,
            o->near_deadline_per_mille, o->resend_per_mille, o->client_delay_per_mille,
            o->receiver_min_us, o->receiver_max_us, o->receiver_fail_per_mille,
            o->receiver_veto_per_mille, o->receiver_later_per_mille, o->receiver_crash_per_mille,
            o->receiver_busy_per_mille, o->receiver_half_per_mille, o->routes,
            o->route_change_per_mille, o->batch_max, o->linger_max_ms, o->rate_per_mille,
            o->worker_per_mille, o->bulk, o->run_ms, o->settle_ms, o->members_every_ms, o->slots,
            o->add_patience_ms, o->halves, o->foreign_every_ms, o->lists_every_ms,
            o->history_per_mille, o->vote_crash_per_mille, o->clones_every_ms, o->clones_elsewhere,
            o->starts, o->repeat_per_mille, o->local_per_mille, o->told_per_mille,
            o->told_wrongly_every_ms, o->epoch_ms, o->wrong_clocks, o->clocks_wrong,
            o->clock_lost_per_mille, o->two_clocks, o->clock_silence, o->set_back_every_ms,
            o->take_turns, o->clients_waiting, o->access_every_ms, o->quotas, o->keyed_per_mille,
            o->trace_per_mille, o->carry_per_mille, o->extras[0] != '\0' ? o->extras : "none");
}
