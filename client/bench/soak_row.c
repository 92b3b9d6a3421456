/* soak_row.c - the figures of a soak. */
#include <string.h>

#include "soak.h"

static json_t *integers(const uint64_t *values, unsigned n)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < n; i++) {
        json_array_append_new(array, json_integer((json_int_t)values[i]));
    }
    return array;
}

static void set_count(struct soak *s, const char *name, uint64_t value)
{
    json_object_set_new(s->m.row.details, name, json_integer((json_int_t)value));
}

static void note_memory(struct soak *s)
{
    struct bench_row *row = &s->m.row;
    uint64_t each[CLUSTER_NODES_MAX];
    double most = 0;

    for (unsigned i = 0; i < s->m.cluster.n; i++) {
        double grown = (double)s->loaded[i].rss_bytes - (double)s->before[i].rss_bytes;
        double bytes = grown / (double)(s->m.orders + s->sampled);
        each[i] = bytes > 0 ? (uint64_t)bytes : 0;
        most = bytes > most ? bytes : most;
    }
    row->bytes_per_order = most;
    json_object_set_new(row->details, "bytes_per_order_each_node", integers(each, s->m.cluster.n));
    json_object_set_new(row->details, "rss_peak_bytes", integers(s->peak_bytes, s->m.cluster.n));
}

static void note_lateness(struct soak *s, const char *name, uint64_t from_us, uint64_t to_us,
                          uint64_t arrived_from_us, uint64_t arrived_to_us)
{
    static struct histogram late; /* too large for a stack */

    book_lateness(&s->fired.book, from_us, to_us, arrived_from_us, arrived_to_us, &late);
    json_object_set_new(s->m.row.details, name, fired_lateness_json(&late));
}

/* Before the kill is what arrived before it; in the gap, what was due when the next leader's first
 * delivery came, and had not arrived; after it the rest. */
static void note_all_lateness(struct soak *s)
{
    if (s->killed_us == 0 || s->resumed_us == 0) {
        note_lateness(s, "lateness_ms", 0, UINT64_MAX, 0, UINT64_MAX);
        return;
    }
    note_lateness(s, "lateness_before_ms", 0, UINT64_MAX, 0, s->killed_us);
    note_lateness(s, "lateness_gap_ms", 0, s->resumed_us, s->killed_us, UINT64_MAX);
    note_lateness(s, "lateness_after_ms", s->resumed_us, UINT64_MAX, s->killed_us, UINT64_MAX);
    bench_row_add(&s->m.row, "gap_ms", (double)(s->resumed_us - s->killed_us) / 1000);
    bench_row_add(&s->m.row, "restart_seconds", s->restart_s);
    bench_row_add(&s->m.row, "caught_up_seconds", s->caught_up_s);
}

/* From outside, and by the nodes' own count. */
static void note_stalls(struct soak *s)
{
    struct bench_row *row = &s->m.row;

    row->max_ms = s->stall_load_ms > s->stall_fire_ms ? s->stall_load_ms : s->stall_fire_ms;
    bench_row_add(row, "stall_load_ms", s->stall_load_ms);
    bench_row_add(row, "stall_fire_ms", s->stall_fire_ms);
    bench_row_add(row, "loop_stall_max_ms", (double)s->loop_stall_us / 1000);
}

void soak_note_row(struct soak *s)
{
    struct bench_row *row = &s->m.row;
    const struct book *b = &s->fired.book;
    json_t *settings = row->settings;

    row->seconds = (double)s->fired.plan.over_ms / 1000;
    bench_row_add(row, "load_per_s", (double)s->load.counts.ok / s->load.seconds);
    bench_row_add(row, "pay_per_s",
                  s->pay.seconds > 0 ? (double)s->pay.counts.ok / s->pay.seconds : 0);
    bench_row_add(row, "fire_per_s", (double)soak_fired(&s->fired.plan) / row->seconds);
    bench_row_add(row, "waited_for_first_deadline_s", s->waited_s);
    bench_row_take_usage(row, s->m.cluster.n, s->before, s->fired_all);
    note_memory(s);
    note_all_lateness(s);
    note_stalls(s);
    set_count(s, "paid", soak_paid(&s->fired.plan));
    set_count(s, "fired", b->delivered);
    set_count(s, "duplicates", b->duplicates);
    set_count(s, "duplicates_at_most", book_duplicates_max(b, FIRED_UNDER_WAY_MAX));
    set_count(s, "leaderships", b->leaderships);
    set_count(s, "wrong", book_faults(b));
    json_object_set_new(settings, "pay", json_real((double)s->pay_share / SOAK_SHARE_WHOLE));
    json_object_set_new(settings, "over_ms", json_integer((json_int_t)s->over_ms));
    json_object_set_new(settings, "lead_ms", json_integer((json_int_t)s->lead_ms));
    json_object_set_new(settings, "sample", json_integer((json_int_t)s->sampled));
    json_object_set_new(settings, "killed", json_string(s->kills ? "leader" : "none"));
    json_object_set_new(settings, "down_ms", json_integer((json_int_t)(s->kills ? s->down_ms : 0)));
    json_object_set_new(settings, "workers", json_integer(FIRED_WORKERS));
    json_object_set_new(settings, "batch", json_integer(FIRED_BATCH));
    json_object_set_new(settings, "clock",
                        json_string("CLOCK_REALTIME of this machine when a reservation's answer"
                                    " had arrived, against the deadline"));
}
