/* forecast.c - see forecast.h. */
#include "forecast.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"

static uint64_t minute_of(uint64_t time_ms)
{
    return time_ms / FORECAST_MINUTE_MS;
}

static unsigned page_of(uint64_t minute)
{
    return (unsigned)(minute / FORECAST_PAGE % FORECAST_PAGES);
}

void forecast_clear(struct forecast *f)
{
    for (unsigned i = 0; i < FORECAST_PAGES; i++) {
        free(f->pages[i]);
    }
    memset(f, 0, sizeof *f);
}

void forecast_add(struct forecast *f, uint64_t deadline_ms)
{
    uint64_t minute = minute_of(deadline_ms);
    struct forecast_page **page = &f->pages[page_of(minute)];

    if (*page == NULL) {
        *page = must_have(calloc(1, sizeof **page));
    }
    (*page)->n++;
    (*page)->minutes[minute % FORECAST_PAGE]++;
}

void forecast_remove(struct forecast *f, uint64_t deadline_ms)
{
    uint64_t minute = minute_of(deadline_ms);
    struct forecast_page **page = &f->pages[page_of(minute)];

    assert(*page != NULL && (*page)->n > 0 && (*page)->minutes[minute % FORECAST_PAGE] > 0);
    (*page)->minutes[minute % FORECAST_PAGE]--;
    if (--(*page)->n == 0) {
        free(*page);
        *page = NULL;
    }
}

uint32_t forecast_minute(const struct forecast *f, uint64_t time_ms)
{
    uint64_t minute = minute_of(time_ms);
    const struct forecast_page *page = f->pages[page_of(minute)];

    return page != NULL ? page->minutes[minute % FORECAST_PAGE] : 0;
}
