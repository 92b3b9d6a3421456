/* meter.c - what the scheduler counts for the metrics. Nothing follows from it. */
#include "internal.h"

void scheduler_count_proposal(struct scheduler *s, uint64_t began_us, bool committed)
{
    struct metrics *m = s->config.metrics;

    if (m == NULL) {
        return;
    }
    if (!committed) {
        m->proposals_failed++;
        return;
    }
    m->proposals_committed++;
    metrics_histogram_add(&m->commit, &metrics_scale_fine, scheduler_monotonic_us(s) - began_us);
}

void scheduler_watch_leader(struct scheduler *s)
{
    const char *address;

    if (s->config.metrics != NULL) {
        metrics_note_leader(s->config.metrics, replica_leader(s->replica, &address), s->term);
    }
}

void scheduler_count_refused(struct scheduler *s, const struct inbound *in, int error)
{
    if (in->n_items == 0 || in->items == NULL) {
        metrics_note_operation(s->config.metrics, 0, error);
    }
    for (uint32_t i = 0; i < in->n_items && in->items != NULL; i++) {
        metrics_note_operation(s->config.metrics, in->items[i].code, error);
    }
}

static uint64_t meter_now_us(void *arg)
{
    return scheduler_monotonic_us(arg);
}

static void meter_log_written(void *arg, uint64_t us)
{
    struct scheduler *s = arg;

    metrics_histogram_add(&s->config.metrics->log_write, &metrics_scale_fine, us);
}

static void meter_snapshot_stored(void *arg, uint64_t bytes)
{
    struct scheduler *s = arg;

    metrics_note_snapshot_stored(s->config.metrics, bytes, scheduler_monotonic_us(s));
}

struct replica_meter scheduler_meter(struct scheduler *s)
{
    if (s->config.metrics == NULL) {
        return (struct replica_meter){0};
    }
    return (struct replica_meter){.arg = s,
                                  .now_us = meter_now_us,
                                  .log_written = meter_log_written,
                                  .snapshot_stored = meter_snapshot_stored};
}
