/* dead.h - what the commands about dead letters share: which orders are meant, and the
 * walk through their pages. */
#ifndef ORDERCTL_DEAD_H
#define ORDERCTL_DEAD_H

#include "../wire/list.h"
#include "orderctl.h"

/* Which dead letters are meant: of a route, or that died in a span of time. */
struct dead_filter {
    struct slice route; /* empty: all */
    uint64_t after_ms;  /* died at this time or later */
    uint64_t before_ms; /* died before this time */
};

/* Read --route, --after and --before. CTL_DONE, or CTL_USAGE after ctl_usage(). */
int dead_read_filter(struct ctl *ctl, struct dead_filter *filter);

struct dead_page {
    struct dead_letter letters[PROTOCOL_LIST_MAX];
    unsigned n;
    struct ask_reply reply; /* owns what the letters point into */
    uint8_t cursor[PROTOCOL_CURSOR_MAX];
    size_t cursor_len; /* 0: begin; after a page: it was the last */
};

/* Ask for the next page, and keep of it what the filter means (maybe nothing, though more
 * follows). Returns page->reply.error. Free the reply after each. */
int dead_next_page(struct ctl *ctl, const struct dead_filter *filter, struct dead_page *page);

/* dead_act.c */
extern const struct flag ctl_dead_act_flags[];
int ctl_dead_check_act(struct ctl *ctl);
int ctl_dead_redrive(struct ctl *ctl);
int ctl_dead_drop(struct ctl *ctl);

#endif
