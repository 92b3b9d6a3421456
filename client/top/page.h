/* page.h - the cluster at a glance: a look, drawn on a screen of any size. */
#ifndef PAGE_H
#define PAGE_H

#include "past.h"
#include "screen.h"

enum page_sort { PAGE_BY_LATENESS, PAGE_BY_READY, PAGE_BY_RATE, PAGE_BY_NAME, PAGE_SORTS };

struct page {
    const char *cluster;
    const struct look *look;   /* the newest that a node answered to; NULL: none did yet */
    const struct look *before; /* the one before it, or NULL */
    const struct past *past;
    uint64_t now_ms; /* by the clock that only runs */
    bool cut;        /* the look after it was not answered... */
    bool denied;     /* ...as nobody tells us */
    bool paused;
    bool keys; /* say which there are */
    enum page_sort sort;
    unsigned scroll;   /* the first route that is shown; kept within bounds */
    uint64_t stale_ms; /* older is not live any more */
};

void page_draw(struct page *page, struct screen *s);
/* The lines that all of it takes. */
unsigned page_height(const struct look *look);

#endif
