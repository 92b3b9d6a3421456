/* machine_read.c - reads: what is known at now, which excludes forgotten orders, and the secrets
 * of routes always. Bodies are described at `struct result` in client/wire/protocol.h. */
#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "../access/seal.h"
#include "../mutant.h"
#include "budget.h"
#include "machine_parts.h"
#include "secret.h"

#define LIST_SCAN_MAX 4096u /* orders looked at for one page: a page may be empty, not slow */
#define LIST_STEP PROTOCOL_LIST_MAX /* of them at a time, */
#define LIST_EMPTY_STEP 64u         /* or so many while none is listed: each may be in no cache */

/* Nominal costs, in ns. */
#define READ_NS 1000u
#define READ_HISTORY_NS 3000u
#define READ_LOOK_NS 250u
#define READ_PAGE_NS 5000u /* its cursors, opened and sealed */
#define READ_BYTES_A_NS 4u

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
    write_array(body, 7u + o->traced);
    write_route_name(body, &m->routes[o->route]);
    write_uint(body, extra ? extra->attempts : 0);
    write_uint(body, extra ? extra->next_ms : 0);
    write_bin(body, order_payload(o), o->payload_len);
    write_uint(body, o->version);
    write_uint(body, o->schedule_index);
    write_uint(body, order_decided_ms(o));
    if (o->traced) {
        write_bin(body, order_traceparent(o), PROTOCOL_TRACEPARENT_SIZE);
    }
    return ORDERSCHED_OK;
}

/* --- history --- */

struct telling { /* of a history, while it is written */
    struct buffer *body;
    uint32_t n;
};

static void read_tell(struct telling *t, const struct history_event *event)
{
    history_event_encode(t->body, event);
    t->n++;
}

/* When an order was due it was due before its first delivery, whatever is kept of those. */
static bool was_due(const struct machine *m, const struct order *o)
{
    return o->deadline_ms <= m->now_ms &&
           (!order_is_terminal(o) || order_decided_ms(o) >= o->deadline_ms);
}

static void tell_beginning(struct telling *t, const struct order *o)
{
    const struct order_extra *extra = o->extra;

    read_tell(t, &(struct history_event){
                     .kind = HISTORY_SCHEDULED,
                     .time_ms = request_id_time_ms(o->schedule_request),
                     .index = o->schedule_index,
                     .value = extra && extra->first_deadline_ms ? extra->first_deadline_ms
                                                                : o->deadline_ms,
                 });
}

/* The kept events, with the gap where some are missing, and in front of the first that is no
 * extend the moment at which the order was due. */
static void tell_events(struct telling *t, const struct machine *m, const struct order *o)
{
    const struct history *h = o->extra ? o->extra->history : NULL;
    struct history_event due = {.kind = HISTORY_DUE, .time_ms = o->deadline_ms};
    struct slice left = history_events(h);
    bool due_told = !was_due(m, o);
    struct history_event e;
    size_t used;

    for (uint32_t i = 0; left.len > 0; i++) {
        if (history_event_decode(left.data, left.len, &e, &used) != ORDERSCHED_OK) {
            return; /* cannot be: history.c wrote it */
        }
        if (i == HISTORY_HEAD && h->dropped > 0) {
            read_tell(t, &(struct history_event){.kind = HISTORY_GAP, .value = h->dropped});
        }
        if (!due_told && e.kind != HISTORY_EXTENDED) {
            read_tell(t, &due);
            due_told = true;
        }
        read_tell(t, &e);
        left.data += used;
        left.len -= used;
    }
    if (!due_told) {
        read_tell(t, &due);
    }
}

static void tell_ending(struct telling *t, const struct order *o)
{
    bool dropped = o->state == ORDERSCHED_CANCELLED && o->extra;

    if (order_is_terminal(o)) {
        read_tell(t, &(struct history_event){
                         .kind = HISTORY_DECIDED,
                         .time_ms = order_decided_ms(o),
                         .index = order_decision_index(o),
                         .outcome = o->state,
                         .reason = history_reason(dropped ? o->extra->history : NULL),
                     });
    }
}

static int read_history(const struct machine *m, const struct operation *op, struct buffer *body,
                        struct result *result)
{
    const struct order *o = machine_find(m, op->id);
    struct buffer events = {0};
    struct telling t = {.body = &events};
    struct slice reason;

    machine_describe(m, o, o ? ORDERSCHED_OK : ORDERSCHED_NOT_FOUND, result);
    if (!o) {
        return ORDERSCHED_NOT_FOUND;
    }
    tell_beginning(&t, o);
    tell_events(&t, m, o);
    tell_ending(&t, o);
    assert(t.n <= HISTORY_EVENTS_MAX + 4); /* and the beginning, the gap, due, the ending */
    reason = history_reason(o->extra ? o->extra->history : NULL);
    write_array(body, 2);
    write_str(body, reason.data, reason.len);
    write_array(body, t.n);
    buffer_append(body, events.data, events.len);
    body->failed = body->failed || events.failed;
    buffer_free(&events);
    return ORDERSCHED_OK;
}

/* --- lists --- */

/* One page of a list. */
struct page {
    const struct order *orders[PROTOCOL_LIST_MAX];
    uint32_t n;
    uint32_t limit;
    uint32_t seen;
    const struct order *last; /* looked at last, to go on behind it; NULL at the end */
};

/* How its id begins, and between which bounds its deadline is. */
static bool passes_filters(const struct operation *op, const struct order *o)
{
    return o->id_len >= op->id.len &&
           (op->id.len == 0 || memcmp(order_id(o), op->id.data, op->id.len) == 0) &&
           o->deadline_ms >= op->time_ms && (op->since_ms == 0 || o->deadline_ms < op->since_ms);
}

static bool is_listed(const struct machine *m, const struct operation *op,
                      const struct route *route, const struct order *o)
{
    if (op->code == OPERATION_DEAD_LIST && o->state != ORDERSCHED_DEAD) {
        return false;
    }
    if (op->code == OPERATION_FILTERED_LIST && !passes_filters(op, o)) {
        return false;
    }
    return !machine_is_forgotten(m, o) &&
           (op->state == 0 || (uint32_t)order_state(o, m->now_ms) == op->state) &&
           (!route || route == &m->routes[o->route]);
}

/* --- cursors: the table of the order looked at last, and its id ---
 *
 * What a client is given is sealed: the order may be one that it may not see. A cluster that has no secret
 * yet gives them out open, with a check; these are still good when it has one. */

enum { CURSOR_SEEDED = 's', CURSOR_KEYED = 'k' }; /* open */
enum { CURSOR_SEALED_SEEDED = 'S', CURSOR_SEALED_KEYED = 'K' };
#define CURSOR_HEAD 5u /* of an open one */
#define CURSOR_SEALED_HEAD (1 + SEAL_TAG_SIZE)
static_assert(CURSOR_SEALED_HEAD + ORDERSCHED_ID_MAX <= PROTOCOL_CURSOR_MAX,
              "every id has a cursor");
static_assert(CURSOR_HEAD <= CURSOR_SEALED_HEAD && ORDERSCHED_ID_MAX <= SEAL_TEXT_MAX,
              "an open one is no longer");

/* What tells cursors of ours from others, those of older versions above all. */
static uint32_t cursor_check(uint8_t table, struct slice id)
{
    return (uint32_t)XXH3_64bits_withSeed(id.data, id.len, table);
}

/* Under which clients keep them; the same on all replicas. */
static void cursor_key(const struct machine *m, uint8_t key[SEAL_KEY_SIZE])
{
    secret_derive(m->secret, "cursors", key, SEAL_KEY_SIZE);
}

static bool read_open(struct slice cursor, struct store_position *position)
{
    uint32_t check = 0;
    uint8_t table = cursor.data[0];

    for (unsigned i = 1; i < CURSOR_HEAD; i++) {
        check = check << 8 | cursor.data[i];
    }
    position->keyed = table == CURSOR_KEYED;
    position->id = (struct slice){cursor.data + CURSOR_HEAD, cursor.len - CURSOR_HEAD};
    return (table == CURSOR_KEYED || table == CURSOR_SEEDED) &&
           check == cursor_check(table, position->id);
}

/* The position points into `id`, or into the cursor. */
static bool read_position(const struct machine *m, struct slice cursor, uint8_t id[SEAL_TEXT_MAX],
                          struct store_position *position)
{
    uint8_t key[SEAL_KEY_SIZE];

    *position = (struct store_position){0};
    if (cursor.len == 0) {
        return true;
    }
    uint8_t table = cursor.data[0];
    if (table != CURSOR_SEALED_SEEDED && table != CURSOR_SEALED_KEYED) {
        return cursor.len > CURSOR_HEAD && read_open(cursor, position);
    }
    if (m->secret_index == 0 || cursor.len <= CURSOR_SEALED_HEAD) {
        return false;
    }
    cursor_key(m, key);
    position->keyed = table == CURSOR_SEALED_KEYED;
    position->id = (struct slice){id, cursor.len - CURSOR_SEALED_HEAD};
    return seal_open(key, table, cursor.data + 1, cursor.len - 1, id);
}

static void write_open_cursor(struct buffer *body, struct store_position position)
{
    uint8_t cursor[CURSOR_HEAD + ORDERSCHED_ID_MAX];
    uint8_t table = position.keyed ? CURSOR_KEYED : CURSOR_SEEDED;
    uint32_t check = cursor_check(table, position.id);

    cursor[0] = table;
    for (unsigned i = 1; i < CURSOR_HEAD; i++) {
        cursor[i] = (uint8_t)(check >> (32 - 8 * i));
    }
    memcpy(cursor + CURSOR_HEAD, position.id.data, position.id.len);
    write_bin(body, cursor, CURSOR_HEAD + position.id.len);
}

static void write_cursor(const struct machine *m, struct store_position position,
                         struct buffer *body)
{
    uint8_t cursor[PROTOCOL_CURSOR_MAX];
    uint8_t key[SEAL_KEY_SIZE];

    if (position.id.len == 0) { /* the end */
        write_bin(body, NULL, 0);
    } else if (m->secret_index == 0) {
        write_open_cursor(body, position);
    } else {
        cursor[0] = position.keyed ? CURSOR_SEALED_KEYED : CURSOR_SEALED_SEEDED;
        cursor_key(m, key);
        seal_make(key, cursor[0], position.id.data, position.id.len, cursor + 1);
        write_bin(body, cursor, CURSOR_SEALED_HEAD + position.id.len);
    }
}

/* Where it goes on between its steps. */
static void keep_position(const struct machine *m, const struct order *last,
                          struct machine_reading *reading)
{
    struct store_position position = last ? store_position_of(&m->store, last)
                                          : (struct store_position){0};

    reading->keyed = position.keyed;
    reading->id_len = (uint8_t)position.id.len;
    if (position.id.len > 0) {
        memcpy(reading->id, position.id.data, position.id.len);
    }
}

static struct store_position kept_position(const struct machine_reading *reading)
{
    return (struct store_position){.keyed = reading->keyed, .id = {reading->id, reading->id_len}};
}

static void fill_page(const struct machine *m, const struct operation *op,
                      const struct route *route, struct store_position position, struct page *page)
{
    assert(page->limit > 0 && page->limit <= sizeof page->orders / sizeof *page->orders);
    for (page->seen = 0;; page->seen++) {
        const struct order *o = store_next(&m->store, position);

        if (!o) {
            page->last = NULL;
            return;
        }
        if (page->seen == LIST_STEP || page->n == page->limit ||
            (page->n == 0 && page->seen == LIST_EMPTY_STEP)) {
            page->last = MUTANT(LIST_SKIPS_ORDER) ? o : page->last;
            return;
        }
        if (is_listed(m, op, route, o)) {
            page->orders[page->n++] = o;
        }
        page->last = o;
        position = store_position_of(&m->store, o);
    }
}

static void write_listed(const struct machine *m, const struct order *o, struct buffer *body)
{
    write_array(body, 4);
    write_bin(body, order_id(o), o->id_len);
    write_uint(body, (uint64_t)order_state(o, m->now_ms));
    write_uint(body, o->deadline_ms);
    write_route_name(body, &m->routes[o->route]);
}

static void write_dead(const struct machine *m, const struct order *o, struct buffer *body)
{
    const struct history *h = o->extra ? o->extra->history : NULL;
    struct slice reason = history_reason(h);

    write_array(body, 6);
    write_bin(body, order_id(o), o->id_len);
    write_uint(body, o->deadline_ms);
    write_route_name(body, &m->routes[o->route]);
    write_uint(body, o->extra ? o->extra->attempts : 0);
    write_uint(body, history_latest_ms(h)); /* the attempt that it died of */
    write_str(body, reason.data, reason.len);
}

/* Part of a page that may be empty: it is given out as soon as there is something in it, or when
 * enough has been looked at. So each page is of one moment. LIST_GOES_ON: there is nothing yet. */
#define LIST_GOES_ON (-1)

static int read_list(const struct machine *m, const struct operation *op,
                     struct machine_reading *reading, struct buffer *body)
{
    const struct route *route = op->route.len > 0 ? machine_find_route(m, op->route) : NULL;
    struct page page = {.limit = PROTOCOL_LIST_MAX};
    struct store_position position = kept_position(reading);
    uint8_t id[SEAL_TEXT_MAX];

    if (op->route.len > 0 && !route) {
        return ORDERSCHED_UNKNOWN_ROUTE;
    }
    if (reading->looked == 0 && !read_position(m, op->cursor, id, &position)) {
        return ORDERSCHED_INVALID;
    }
    if (op->limit > 0 && op->limit < page.limit) {
        page.limit = op->limit;
    }
    fill_page(m, op, route, position, &page);
    reading->looked += page.seen;
    keep_position(m, page.last, reading);
    if (page.n == 0 && page.last && reading->looked < LIST_SCAN_MAX) {
        return LIST_GOES_ON;
    }
    write_array(body, 2);
    write_cursor(m, kept_position(reading), body);
    write_array(body, page.n);
    for (uint32_t i = 0; i < page.n; i++) {
        if (op->code == OPERATION_DEAD_LIST) {
            write_dead(m, page.orders[i], body);
        } else {
            write_listed(m, page.orders[i], body);
        }
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

uint32_t machine_read_routes(const struct machine *m, uint32_t slot, uint32_t max,
                             struct buffer *body, uint32_t *n)
{
    for (uint32_t until = *n + max; slot < m->n_routes && *n < until; slot++) {
        if (m->routes[slot].used) {
            write_route(body, &m->routes[slot]);
            ++*n;
        }
    }
    return slot;
}

static int read_routes(const struct machine *m, struct buffer *body)
{
    uint32_t n = 0;
    uint32_t written = 0;

    for (uint32_t i = 0; i < m->n_routes; i++) {
        n += m->routes[i].used;
    }
    write_array(body, n);
    (void)machine_read_routes(m, 0, n, body, &written);
    assert(written == n);
    return ORDERSCHED_OK;
}

static int read_digest(const struct machine *m, struct buffer *body)
{
    write_array(body, 2);
    write_uint(body, m->applied);
    write_uint(body, machine_digest(m));
    return ORDERSCHED_OK;
}

/* So many principals at a time that a page is not slow. */
#define GRANTS_PAGE 64u

/* What is used of the quotas of each grant. */
static void write_usage(struct buffer *body, const struct principal *p,
                        const struct quota_account *accounts)
{
    write_array(body, p->n_grants);
    for (uint32_t i = 0; i < p->n_grants; i++) {
        write_array(body, 2);
        write_uint(body, accounts[i].orders);
        write_uint(body, accounts[i].bytes);
    }
}

static void write_principal(struct buffer *body, const struct grants *g, const struct principal *p)
{
    const struct quota_account *accounts = grants_accounts(g, p);

    write_array(body, accounts != NULL ? 6 : 5);
    write_str(body, p->name, p->name_len);
    write_uint(body, p->kind);
    write_uint(body, p->index);
    write_array(body, p->n_grants);
    buffer_append(body, p->bytes, p->len);
    write_array(body, p->n_tokens);
    for (uint32_t i = 0; i < p->n_tokens; i++) {
        const struct token *t = &p->tokens[i];
        write_array(body, t->used_ms != 0 ? 4 : 2);
        write_uint(body, t->created_ms);
        write_uint(body, t->expires_ms);
        if (t->used_ms != 0) {
            write_uint(body, t->used_ms);
            write_str(body, t->from, t->from_len);
        }
    }
    if (accounts != NULL) {
        write_usage(body, p, accounts);
    }
}

/* The principals behind a name, whether or not it is there any more. Nothing of their tokens but when
 * they were made, expire and were used. */
static int read_grants(const struct machine *m, const struct operation *op, struct buffer *body)
{
    const struct grants *g = &m->grants;
    uint32_t at;

    (void)grants_after(g, op->id, &at);
    uint32_t n = g->n - at < GRANTS_PAGE ? g->n - at : GRANTS_PAGE;
    const struct principal *last = at + n < g->n ? g->principals[at + n - 1] : NULL;
    write_array(body, 2);
    write_str(body, last ? last->name : "", last ? last->name_len : 0);
    write_array(body, n);
    for (uint32_t i = 0; i < n; i++) {
        write_principal(body, g, g->principals[at + i]);
    }
    return ORDERSCHED_OK;
}

/* --- the audit trail --- */

#define AUDIT_SCAN_MAX 2048u /* rows looked at for one page: as with orders, it may be empty */

static bool is_meant(const struct audit_row *row, const struct operation *op)
{
    struct slice who = audit_who(row);

    return row->time_ms >= op->time_ms &&
           (op->id.len == 0 ||
            (op->id.len == who.len && memcmp(op->id.data, who.data, who.len) == 0)) &&
           audit_row_is(row, op->route);
}

/* Its cursor is the number of the row that was looked at last, so that it is good for ever: rows that
 * come later have higher ones. */
static int read_audit(const struct machine *m, const struct operation *op,
                      struct machine_reading *reading, struct buffer *body)
{
    uint32_t limit = op->limit > 0 && op->limit < PROTOCOL_LIST_MAX ? op->limit : PROTOCOL_LIST_MAX;
    const struct audit_row *rows[PROTOCOL_LIST_MAX];
    const struct audit_row *row;
    uint64_t number = op->since_ms;
    uint32_t n = 0;

    while ((row = audit_after(&m->audit, number)) != NULL && n < limit &&
           reading->looked < AUDIT_SCAN_MAX) {
        number = row->number;
        reading->looked++;
        if (is_meant(row, op)) {
            rows[n++] = row;
        }
    }
    write_array(body, 3);
    write_uint(body, number);
    write_uint(body, row != NULL);
    write_array(body, n);
    for (uint32_t i = 0; i < n; i++) {
        audit_row_write(body, rows[i]);
    }
    return ORDERSCHED_OK;
}

/* What a step took: the orders it looked at, the bytes it wrote. */
static uint64_t cost_of(const struct operation *op, uint32_t looked, size_t written)
{
    bool page = op->code == OPERATION_LIST || op->code == OPERATION_FILTERED_LIST ||
                op->code == OPERATION_DEAD_LIST;
    uint64_t ns = op->code == OPERATION_HISTORY ? READ_HISTORY_NS
                  : page && written > 0         ? READ_PAGE_NS
                                                : READ_NS;

    return ns + (uint64_t)looked * READ_LOOK_NS + written / READ_BYTES_A_NS;
}

bool machine_read_step(const struct machine *m, const struct operation *op,
                       struct machine_reading *reading, struct buffer *body, struct result *result,
                       uint64_t *budget_ns)
{
    size_t start = body->len;
    uint32_t looked = reading->looked;

    memset(result, 0, sizeof *result);
    switch (op->code) {
        case OPERATION_GET: result->error = read_get(m, op, body, result); break;
        case OPERATION_HISTORY: result->error = read_history(m, op, body, result); break;
        case OPERATION_LIST:
        case OPERATION_FILTERED_LIST:
        case OPERATION_DEAD_LIST: result->error = read_list(m, op, reading, body); break;
        case OPERATION_ROUTE_LIST: result->error = read_routes(m, body); break;
        case OPERATION_DIGEST: result->error = read_digest(m, body); break;
        case OPERATION_AUDIT_LIST: result->error = read_audit(m, op, reading, body); break;
        case OPERATION_GRANT_LIST: result->error = read_grants(m, op, body); break;
        default: result->error = ORDERSCHED_UNKNOWN_OPERATION;
    }
    uint64_t cost_ns = cost_of(op, reading->looked - looked, body->len - start);
    budget_spend(budget_ns, cost_ns);
    if (result->error == LIST_GOES_ON) {
        return false;
    }
    if (body->failed) { /* no memory for the answer: the read did not happen */
        memset(result, 0, sizeof *result);
        result->error = ORDERSCHED_BUSY;
    } else if (result->error == ORDERSCHED_OK) {
        result->body = (struct slice){body->data + start, body->len - start};
    }
    return true;
}

void machine_read(const struct machine *m, const struct operation *op, struct buffer *body,
                  struct result *result)
{
    struct machine_reading reading = {0};
    uint64_t budget_ns = UINT64_MAX;

    while (!machine_read_step(m, op, &reading, body, result, &budget_ns)) {
    }
}
