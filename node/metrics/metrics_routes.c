/* metrics_routes.c - see metrics_routes.h. */
#include "metrics_routes.h"

#include <assert.h>

/* Of a route: for each part its buckets, the sum, and the count. */
#define LATENESS_LINES (METRICS_LATENESS_PARTS * (METRICS_BOUNDS + 3))

/* Which routes have a family. */
enum { OF_ALL, OF_LEADER, OF_MEASURED };

struct route_family {
    struct metrics_family family;
    int which;
    uint32_t lines; /* of a route */
    void (*append)(struct buffer *b, const struct metrics_family *family,
                   const struct metrics_sample_route *r);
};

static void append_number(struct buffer *b, const struct metrics_family *family,
                          const struct metrics_sample_route *r, uint64_t value)
{
    const struct metrics_labels labels = {{{"route", r->name}}};

    metrics_text_number(b, family, &labels, value);
}

static void append_orders(struct buffer *b, const struct metrics_family *family,
                          const struct metrics_sample_route *r)
{
    append_number(b, family, r, r->orders);
}

static void append_ready(struct buffer *b, const struct metrics_family *family,
                         const struct metrics_sample_route *r)
{
    append_number(b, family, r, r->ready);
}

static void append_dead(struct buffer *b, const struct metrics_family *family,
                        const struct metrics_sample_route *r)
{
    append_number(b, family, r, r->dead);
}

static void append_paused(struct buffer *b, const struct metrics_family *family,
                          const struct metrics_sample_route *r)
{
    append_number(b, family, r, r->paused);
}

static void append_in_flight(struct buffer *b, const struct metrics_family *family,
                             const struct metrics_sample_route *r)
{
    append_number(b, family, r, r->in_flight);
}

static void append_window(struct buffer *b, const struct metrics_family *family,
                          const struct metrics_sample_route *r)
{
    append_number(b, family, r, r->window);
}

static void append_window_limit(struct buffer *b, const struct metrics_family *family,
                                const struct metrics_sample_route *r)
{
    append_number(b, family, r, r->window_limit);
}

static void append_silence(struct buffer *b, const struct metrics_family *family,
                           const struct metrics_sample_route *r)
{
    const struct metrics_labels labels = {{{"route", r->name}}};

    metrics_text_seconds(b, family, &labels, (int64_t)r->silence_us);
}

static void append_deliveries(struct buffer *b, const struct metrics_family *family,
                              const struct metrics_sample_route *r)
{
    for (unsigned k = 1; k < METRICS_OUTCOMES; k++) {
        const struct metrics_labels labels = {
            {{"route", r->name}, {"outcome", metrics_outcome_name(k)}}};
        metrics_text_number(b, family, &labels, r->outcomes[k]);
    }
}

static void append_lateness(struct buffer *b, const struct metrics_family *family,
                            const struct metrics_sample_route *r)
{
    for (unsigned k = 0; k < METRICS_LATENESS_PARTS; k++) {
        const struct metrics_labels labels = {{{"route", r->name}, {"part", metrics_part_name(k)}}};
        metrics_text_histogram(b, family, &labels, &metrics_scale_coarse, &r->lateness[k]);
    }
}

static const struct route_family families[] = {
    {{"orderschedd_route_orders", METRICS_GAUGE, "Orders of this route that are known."},
     OF_ALL,
     1,
     append_orders},
    {{"orderschedd_ready", METRICS_GAUGE, "Due orders that wait to be delivered."},
     OF_ALL,
     1,
     append_ready},
    {{"orderschedd_dead", METRICS_GAUGE, "Dead letters."}, OF_ALL, 1, append_dead},
    {{"orderschedd_route_paused", METRICS_GAUGE, "1 if the route is paused."},
     OF_ALL,
     1,
     append_paused},
    {{"orderschedd_deliveries_in_flight", METRICS_GAUGE, "Of the leader: deliveries under way."},
     OF_LEADER,
     1,
     append_in_flight},
    {{"orderschedd_window", METRICS_GAUGE,
      "Of the leader: how many deliveries may be under way now."},
     OF_LEADER,
     1,
     append_window},
    {{"orderschedd_window_limit", METRICS_GAUGE,
      "Of the leader: how many there may be while the receiver is well (window)."},
     OF_LEADER,
     1,
     append_window_limit},
    {{"orderschedd_silence_seconds", METRICS_GAUGE,
      "Of the leader: what is left of a pause of the route, or that its receiver asked for."},
     OF_LEADER,
     1,
     append_silence},
    {{"orderschedd_deliveries_total", METRICS_COUNTER,
      "Deliveries of this node that ended, by outcome."},
     OF_MEASURED,
     METRICS_OUTCOMES - 1,
     append_deliveries},
    {{"orderschedd_lateness_seconds", METRICS_HISTOGRAM,
      "From the deadline to the receiver's answer, and where the time went."},
     OF_MEASURED,
     LATENESS_LINES,
     append_lateness},
};
_Static_assert(sizeof families / sizeof *families == METRICS_ROUTES_FAMILIES, "all of them");

static bool has_family(const struct metrics_sample_route *r, int which)
{
    return which == OF_ALL || (which == OF_LEADER ? r->active : r->measured);
}

uint32_t metrics_routes_render(struct buffer *b, const struct metrics_sample *s, unsigned family,
                               uint32_t first, uint32_t *lines)
{
    assert(family < METRICS_ROUTES_FAMILIES && first <= s->n_routes);
    const struct route_family *f = &families[family];
    uint32_t i = first;

    if (first == 0) {
        metrics_text_begin(b, &f->family);
    }
    while (*lines > 0 && i < s->n_routes) {
        const struct metrics_sample_route *r = &s->routes[i++];
        if (has_family(r, f->which)) {
            f->append(b, &f->family, r);
        }
        *lines -= f->lines < *lines ? f->lines : *lines;
    }
    return i;
}
