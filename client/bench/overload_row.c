/* overload_row.c - the figures of an overload. */
#include "overload.h"

#define RECOVERED_FACTOR 2.0 /* times the lateness before: in time again */
#define WINDOW_US 1000000
#define STEP_US 100000

static void set_count(struct overload *o, const char *name, uint64_t value)
{
    json_object_set_new(o->m.row.details, name, json_integer((json_int_t)value));
}

/* p99 of the orders whose deadline lies there, in ms. */
static double note_lateness(struct overload *o, const char *name, uint64_t from_us, uint64_t to_us)
{
    static struct histogram late; /* too large for a stack */

    book_lateness(&o->fired.book, from_us, to_us, 0, UINT64_MAX, &late);
    if (name != NULL) {
        json_object_set_new(o->m.row.details, name, fired_lateness_json(&late));
    }
    return (double)histogram_quantile(&late, 0.99) / 1000;
}

/* From the end of the load to the first second whose orders were no later than twice what they were
 * before; as far as deadlines go, else null. */
static void note_recovery(struct overload *o, double before_ms, uint64_t end_us)
{
    for (uint64_t at_us = o->to_us; at_us + WINDOW_US <= end_us; at_us += STEP_US) {
        if (note_lateness(o, NULL, at_us, at_us + WINDOW_US) <= RECOVERED_FACTOR * before_ms) {
            bench_row_add(&o->m.row, "recovery_seconds", (double)(at_us - o->to_us) / 1e6);
            return;
        }
    }
    json_object_set_new(o->m.row.details, "recovery_seconds", json_null());
}

/* p99 of each second after the load, in ms. */
static void note_seconds_after(struct overload *o)
{
    json_t *seconds = json_array();

    for (uint64_t at_us = 0; at_us + WINDOW_US <= o->after_ms * 1000; at_us += WINDOW_US) {
        double p99_ms = note_lateness(o, NULL, o->to_us + at_us, o->to_us + at_us + WINDOW_US);
        json_array_append_new(seconds, json_real((double)(int)(p99_ms * 10) / 10));
    }
    json_object_set_new(o->m.row.details, "p99_ms_of_each_second_after", seconds);
}

static void note_memory(struct overload *o)
{
    json_t *before = json_array();
    json_t *max = json_array();
    json_t *after = json_array();
    double most = 0;

    for (unsigned i = 0; i < o->m.cluster.n; i++) {
        double grown = (double)o->rss_max[i] - (double)o->rss_before[i].rss_bytes;
        most = grown > most ? grown : most;
        json_array_append_new(before, json_integer((json_int_t)o->rss_before[i].rss_bytes));
        json_array_append_new(max, json_integer((json_int_t)o->rss_max[i]));
        json_array_append_new(after, json_integer((json_int_t)o->rss_after[i].rss_bytes));
    }
    json_object_set_new(o->m.row.details, "rss_before", before);
    json_object_set_new(o->m.row.details, "rss_max", max);
    json_object_set_new(o->m.row.details, "rss_after", after);
    if (o->load.counts.ok > 0) { /* the orders that were taken stay: this is what one takes */
        o->m.row.bytes_per_order = most / (double)o->load.counts.ok;
    }
}

static void note_counts(struct overload *o)
{
    const struct engine_counts *c = &o->load.counts;

    set_count(o, "ok", c->ok);
    set_count(o, "busy", c->shed + c->refusals + c->busy);
    set_count(o, "busy_client_queue_full", c->shed);
    set_count(o, "busy_answers_of_nodes", c->refusals);
    set_count(o, "busy_until_given_up", c->busy);
    set_count(o, "unknown", c->unknown);
    set_count(o, "other", o->load.failed - c->busy - c->unknown);
    set_count(o, "peaks_failed", o->before_peak.load.failed + o->after_peak.load.failed);
}

void overload_note_row(struct overload *o)
{
    struct bench_row *row = &o->m.row;
    const struct soak_plan *plan = &o->fired.plan;
    uint64_t first_us = plan->first_ms * 1000;
    uint64_t last_us = o->to_us + o->after_ms * 1000;
    double wanted_per_s = o->factor * o->before_peak.per_s;
    double sustained_per_s = (o->before_peak.per_s + o->after_peak.per_s) / 2;

    bench_row_take(row, &o->load);
    row->orders = o->before_peak.load.counts.ok + o->load.counts.ok + o->after_peak.load.counts.ok +
                  plan->orders;
    row->ops_per_s = o->goodput_per_s;
    row->seconds = (double)o->over_ms / 1000;
    bench_row_add(row, "peak_per_s", o->before_peak.per_s);
    bench_row_add(row, "peak_after_per_s", o->after_peak.per_s);
    bench_row_add(row, "wanted_per_s", wanted_per_s);
    bench_row_add(row, "offered_per_s", o->offered_per_s);
    json_object_set_new(row->details, "load_was_the_limit",
                        json_boolean(o->offered_per_s < 0.95 * wanted_per_s));
    bench_row_add(row, "goodput_per_s", o->goodput_per_s);
    bench_row_add(row, "goodput_ratio", o->goodput_per_s / sustained_per_s);
    json_t *parts = json_array();
    for (unsigned i = 0; i < OVERLOAD_PARTS; i++) {
        json_array_append_new(parts, json_integer((json_int_t)o->parts_per_s[i]));
    }
    json_object_set_new(row->details, "goodput_of_each_tenth", parts);
    note_counts(o);
    bench_row_take_usage(row, o->m.cluster.n, o->rss_before, o->rss_after);
    note_memory(o);
    double before_ms = note_lateness(o, "lateness_before_ms", first_us,
                                     first_us + o->calm_ms * 1000);
    note_lateness(o, "lateness_during_ms", o->from_us, o->to_us);
    note_lateness(o, "lateness_after_ms", o->to_us, last_us);
    note_recovery(o, before_ms, last_us);
    note_seconds_after(o);
    set_count(o, "fired", o->fired.book.delivered);
    set_count(o, "duplicates", o->fired.book.duplicates);
    set_count(o, "leaderships", o->fired.book.leaderships);
    set_count(o, "wrong", book_faults(&o->fired.book));
    json_object_set_new(row->settings, "factor", json_real(o->factor));
    json_object_set_new(row->settings, "fire_per_s", json_integer((json_int_t)o->fire_per_s));
}
