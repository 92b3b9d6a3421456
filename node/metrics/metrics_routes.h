/* metrics_routes.h - what is told of each route, in the text that is scraped: the only families that may be long, and
 * so written in slices. Pure. */
#ifndef METRICS_ROUTES_H
#define METRICS_ROUTES_H

#include "metrics_sample.h"
#include "metrics_text.h"

#define METRICS_ROUTES_FAMILIES 10u

/* Append this family, from route number `first` on; with its head where that is 0. Ends when `lines` have been
 * written, which becomes how many are left; the last route's may be more than that. Returns the number of the next
 * route; s->n_routes: it is whole. */
uint32_t metrics_routes_render(struct buffer *b, const struct metrics_sample *s, unsigned family,
                               uint32_t first, uint32_t *lines);

#endif
