/* dead_pages.c - which dead letters are meant, and the walk through their pages. See dead.h. */
#include <string.h>

#include "../text/units.h"
#include "../wire/cursor.h"
#include "dead.h"

int dead_read_filter(struct ctl *ctl, struct dead_filter *filter)
{
    const char *route = ctl_value(ctl, CTL_ROUTE);
    const char *after = ctl_value(ctl, CTL_AFTER);
    const char *before = ctl_value(ctl, CTL_BEFORE);

    *filter = (struct dead_filter){.before_ms = UINT64_MAX};
    if (route != NULL) {
        filter->route = (struct slice){(const uint8_t *)route, strlen(route)};
        if (filter->route.len == 0 || filter->route.len > ORDERSCHED_ROUTE_NAME_MAX) {
            return ctl_usage(ctl, "--route: a name has 1 to %d bytes", ORDERSCHED_ROUTE_NAME_MAX);
        }
    }
    if (after != NULL && !units_parse_time(after, &filter->after_ms)) {
        return ctl_usage(
            ctl, "--after must be an RFC 3339 time such as 2026-11-23T12:00:00Z, not \"%s\"",
            after);
    }
    if (before != NULL && !units_parse_time(before, &filter->before_ms)) {
        return ctl_usage(
            ctl, "--before must be an RFC 3339 time such as 2026-11-23T12:00:00Z, not \"%s\"",
            before);
    }
    return CTL_DONE;
}

/* [cursor or "", [letter, ...]] */
static bool read_page(const struct dead_filter *filter, struct dead_page *page)
{
    struct cursor c;

    cursor_init(&c, page->reply.body, page->reply.body_len);
    cursor_array(&c);
    struct slice next = cursor_bytes(&c);
    uint32_t n = cursor_array(&c);
    page->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct dead_letter *letter = &page->letters[page->n];
        if (page->n == PROTOCOL_LIST_MAX || !list_read_letter(&c, letter)) {
            return false;
        }
        page->n += letter->died_ms >= filter->after_ms && letter->died_ms < filter->before_ms;
    }
    /* The same place again would never end. */
    bool stands = next.len > 0 && next.len == page->cursor_len &&
                  memcmp(next.data, page->cursor, next.len) == 0;
    if (!cursor_ok(&c) || next.len > sizeof page->cursor || stands) {
        return false;
    }
    page->cursor_len = next.len;
    if (next.len > 0) {
        memcpy(page->cursor, next.data, next.len);
    }
    return true;
}

int dead_next_page(struct ctl *ctl, const struct dead_filter *filter, struct dead_page *page)
{
    struct operation op = {.code = OPERATION_DEAD_LIST,
                           .route = filter->route,
                           .limit = PROTOCOL_LIST_MAX,
                           .cursor = {page->cursor, page->cursor_len}};

    ask_leader(ctl->client, &op, ctl->timeout_ms, &page->reply);
    if (page->reply.error == ORDERSCHED_OK && !read_page(filter, page)) {
        ctl_malformed(&page->reply);
    }
    return page->reply.error;
}
