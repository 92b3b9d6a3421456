/* machine_read.c - reads: what is known at now, which excludes forgotten orders, and the secrets
 * of routes always. Bodies are described at `struct result` in client/protocol.h. */
#include <string.h>

#include "machine_parts.h"

#define LIST_SCAN_MAX 4096u /* orders looked at for one page: a page may be empty, not slow */

static void write_route_name(struct buffer *body, const struct route *r)
{
    write_str(body, r->name, r->name_len);
}

static int read_get(const struct machine *m, const struct operation *op, struct buffer *body,
                    struct result *result)
{
    const struct order *o = machine_find(m, op->id);
    const struct order_extra *extra = o ? o->extra : NULL;

    machine_describe(m, o, o ? ORDERSCHED_OK : ORDERSCHED_NOT_FOUND, result);
    if (!o) {
        return ORDERSCHED_NOT_FOUND;
    }
    write_array(body, 7);
    write_route_name(body, &m->routes[o->route]);
    write_uint(body, extra ? extra->attempts : 0);
    write_uint(body, extra ? extra->next_ms : 0);
    write_bin(body, order_payload(o), o->payload_len);
    write_uint(body, o->version);
    write_uint(body, o->schedule_index);
    write_uint(body, o->decided_ms);
    return ORDERSCHED_OK;
}

/* One page of a list. */
struct page {
    const struct order *orders[PROTOCOL_LIST_MAX];
    uint32_t n;
    uint32_t limit;
    const struct order *last; /* looked at last, to go on behind it; NULL at the end */
};

static bool is_listed(const struct machine *m, const struct operation *op,
                      const struct route *route, const struct order *o)
{
    return !machine_is_forgotten(m, o) &&
           (op->state == 0 || (uint32_t)order_state(o, m->now_ms) == op->state) &&
           (!route || route == &m->routes[o->route]);
}

static void fill_page(const struct machine *m, const struct operation *op,
                      const struct route *route, struct page *page)
{
    uint64_t hash = 0;
    struct slice id = {NULL, 0};

    if (op->cursor.len >= 8) {
        for (unsigned i = 0; i < 8; i++) {
            hash = hash << 8 | op->cursor.data[i];
        }
        id = (struct slice){op->cursor.data + 8, op->cursor.len - 8};
    }
    for (uint32_t seen = 0;; seen++) {
        const struct order *o = store_next(&m->store, hash, id);

        if (!o) {
            page->last = NULL;
            return;
        }
        if (seen == LIST_SCAN_MAX || page->n == page->limit) {
            return;
        }
        if (is_listed(m, op, route, o)) {
            page->orders[page->n++] = o;
        }
        page->last = o;
        id = (struct slice){order_id(o), o->id_len};
        hash = store_hash(&m->store, id);
    }
}

static void write_cursor(const struct machine *m, const struct order *last, struct buffer *body)
{
    uint8_t cursor[PROTOCOL_CURSOR_MAX];
    uint64_t hash;

    if (!last) {
        write_bin(body, "", 0);
        return;
    }
    hash = store_hash(&m->store, (struct slice){order_id(last), last->id_len});
    for (unsigned i = 0; i < 8; i++) {
        cursor[i] = (uint8_t)(hash >> (56 - 8 * i));
    }
    memcpy(cursor + 8, order_id(last), last->id_len);
    write_bin(body, cursor, 8 + (size_t)last->id_len);
}

static int read_list(const struct machine *m, const struct operation *op, struct buffer *body)
{
    const struct route *route = op->route.len > 0 ? machine_find_route(m, op->route) : NULL;
    struct page page = {.limit = PROTOCOL_LIST_MAX};

    if (op->route.len > 0 && !route) {
        return ORDERSCHED_UNKNOWN_ROUTE;
    }
    if (op->cursor.len > 0 && op->cursor.len < 8) {
        return ORDERSCHED_INVALID;
    }
    if (op->limit > 0 && op->limit < page.limit) {
        page.limit = op->limit;
    }
    fill_page(m, op, route, &page);
    write_array(body, 2);
    write_cursor(m, page.last, body);
    write_array(body, page.n);
    for (uint32_t i = 0; i < page.n; i++) {
        const struct order *o = page.orders[i];

        write_array(body, 4);
        write_bin(body, order_id(o), o->id_len);
        write_uint(body, (uint64_t)order_state(o, m->now_ms));
        write_uint(body, o->deadline_ms);
        write_route_name(body, &m->routes[o->route]);
    }
    return ORDERSCHED_OK;
}

static void write_route(struct buffer *body, const struct route *r)
{
    write_array(body, 6);
    write_route_name(body, r);
    route_settings_encode_public(body, &r->settings);
    write_uint(body, r->settings.n_secrets);
    write_uint(body, r->paused);
    write_uint(body, r->orders);
    write_uint(body, r->revision);
}

static int read_routes(const struct machine *m, struct buffer *body)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n_routes; i++) {
        n += m->routes[i].used;
    }
    write_array(body, n);
    for (uint32_t i = 0; i < m->n_routes; i++) {
        if (m->routes[i].used) {
            write_route(body, &m->routes[i]);
        }
    }
    return ORDERSCHED_OK;
}

static int read_digest(const struct machine *m, struct buffer *body)
{
    write_array(body, 2);
    write_uint(body, m->applied);
    write_uint(body, machine_digest(m));
    return ORDERSCHED_OK;
}

void machine_read(const struct machine *m, const struct operation *op, struct buffer *body,
                  struct result *result)
{
    size_t start = body->len;

    memset(result, 0, sizeof *result);
    switch (op->code) {
        case OPERATION_GET:
            result->error = read_get(m, op, body, result);
            break;
        case OPERATION_LIST:
            result->error = read_list(m, op, body);
            break;
        case OPERATION_ROUTE_LIST:
            result->error = read_routes(m, body);
            break;
        case OPERATION_DIGEST:
            result->error = read_digest(m, body);
            break;
        default:
            result->error = ORDERSCHED_UNKNOWN_OPERATION;
    }
    if (body->failed) { /* no memory for the answer: the read did not happen */
        memset(result, 0, sizeof *result);
        result->error = ORDERSCHED_BUSY;
    } else if (result->error == ORDERSCHED_OK) {
        result->body = (struct slice){body->data + start, body->len - start};
    }
}
