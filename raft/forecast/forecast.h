/* forecast.h - how many orders become due in each minute, for whoever plans ahead.
 *
 * Counts by the minute of the deadline, kept as orders come and go: each change is O(1), and so is
 * reading a minute, however many orders there are. Minutes stand in a ring of FORECAST_MINUTES, in
 * pages that are there only while an order is counted in them: 4 KiB for 17 hours, 4 MiB in all at
 * most. No deadline lies further ahead than 400 days, so that the counts are exact, with one
 * exception: where the time was set back by most of a year, an order that lies 728 days ahead or more
 * is counted that much too early.
 *
 * Derived, as the wheel is: not replicated, not in snapshots, and nothing is decided by it. Zero it
 * to start. Not thread-safe. */
#ifndef FORECAST_H
#define FORECAST_H

#include <stdint.h>

#define FORECAST_MINUTE_MS 60000u
#define FORECAST_PAGE 1024u  /* minutes */
#define FORECAST_PAGES 1024u /* a power of 2, as FORECAST_PAGE is */
#define FORECAST_MINUTES (FORECAST_PAGES * FORECAST_PAGE)

struct forecast_page {
    uint32_t n; /* orders in all of it */
    uint32_t minutes[FORECAST_PAGE];
};

struct forecast {
    struct forecast_page *pages[FORECAST_PAGES]; /* NULL: no order is in it */
};

void forecast_clear(struct forecast *f);
/* Aborts on lack of memory, as an apply does. */
void forecast_add(struct forecast *f, uint64_t deadline_ms);
/* The very deadline must have been added. */
void forecast_remove(struct forecast *f, uint64_t deadline_ms);
/* Orders with a deadline in the minute that time_ms is in. */
uint32_t forecast_minute(const struct forecast *f, uint64_t time_ms);

#endif
