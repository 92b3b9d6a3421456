/* lateness_rows.c - see lateness_rows.h. */
#include "lateness_rows.h"

#include <string.h>

uint32_t lateness_rows_begin(struct cursor *c, const struct ask_reply *status)
{
    cursor_init(c, status->body, status->body != NULL ? status->body_len : 0);
    uint32_t n = status->body != NULL ? cursor_map(c) : 0;
    for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
        struct slice key = cursor_bytes(c);
        if (cursor_ok(c) && key.len == 6 && memcmp(key.data, "routes", 6) == 0) {
            uint32_t rows = cursor_array(c);
            return cursor_ok(c) ? rows : 0;
        }
        cursor_skip(c);
    }
    return 0;
}

/* A newer node may say more in a row than is known here. */
static void skip_rest(struct cursor *c, uint32_t n, uint32_t known)
{
    for (uint32_t i = known; i < n && cursor_ok(c); i++) {
        cursor_skip(c);
    }
}

bool lateness_row_read(struct cursor *c, struct lateness_row *row)
{
    uint32_t fields = cursor_array(c);

    row->route = cursor_bytes(c);
    row->deliveries = cursor_uint(c);
    row->ready = cursor_uint(c);
    row->window = cursor_uint(c);
    row->silent_ms = cursor_uint(c);
    uint32_t parts = cursor_array(c);
    if (!cursor_ok(c) || fields < 6 || parts < LATENESS_PARTS) {
        return false;
    }
    for (unsigned i = 0; i < LATENESS_PARTS; i++) {
        struct lateness_figures *p = &row->parts[i];
        uint32_t numbers = cursor_array(c);
        p->count = cursor_uint(c);
        p->p50 = cursor_uint(c);
        p->p90 = cursor_uint(c);
        p->p99 = cursor_uint(c);
        p->p999 = cursor_uint(c);
        p->max = cursor_uint(c);
        if (numbers < 6) {
            return false;
        }
        skip_rest(c, numbers, 6);
    }
    skip_rest(c, parts, LATENESS_PARTS);
    skip_rest(c, fields, 6);
    return cursor_ok(c);
}
