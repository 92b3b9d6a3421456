/* reads.c - answers that hold more than the results of logged operations (reads,
 * refusals), composed in slices as reader.h has it.
 *
 * An answer is composed in its own memory, so that the largest is never copied: room for what
 * stands in front, then the results. Nor is it as it grows: past COMPOSE_SMALL it gets all the room
 * that it may ever need, of which the system gives only what is written to. Long lists of routes are written row by row, their number is
 * filled in at the end. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../raft/core/budget.h"
#include "internal.h"

/* What the results of a message that are not reads, refusals included, may need of the answer,
 * with its envelope. */
#define ANSWER_REST (256u * 1024)
#define COMPOSE_RESULTS_MAX (PROTOCOL_ANSWER_MAX - ANSWER_REST)
#define COMPOSE_SMALL (64u * 1024)
#define COMPOSE_TAIL 64    /* for what stands behind the results */
#define COMPOSE_ROWS 8     /* of routes at a time */
#define COMPOSE_RESTARTS 8 /* of a list of routes that change meanwhile; more: BUSY */

/* Nominal costs, in ns. */
#define COMPOSE_LOGGED_NS 100
#define COMPOSE_REFUSED_NS 1500
#define COMPOSE_BUSY_NS 50
#define COMPOSE_STATUS_NS 10000
#define COMPOSE_STATUS_ROW_NS 12000 /* five histograms */
#define COMPOSE_LOOK_NS 100         /* at a route */
#define COMPOSE_ROUTE_ROW_NS 2000
#define COMPOSE_MEMBERS_NS 5000
#define COMPOSE_DIGEST_NS 500
#define DIGEST_STEP_NS 25000
#define COMPOSE_BYTES_A_NS 2 /* of fresh memory */

/* One message and its answer so far. */
struct composition {
    struct reading reading;
    struct buffer out; /* behind SCHEDULER_HEADROOM bytes: the results so far */
    uint32_t item;     /* to be answered next */
    uint32_t used;     /* results of logged operations used up */
    uint64_t digest;   /* the first one that is of after the message; 0: it asks for none */
    /* the item under way */
    bool begun;
    size_t before; /* out.len in front of its result */
    int error;     /* of it, so far */
    struct machine_reading read;
    size_t count_at;       /* rows: where their number goes, */
    uint32_t slot, n;      /* the route to go on with, and how many there are so far, */
    uint64_t routes_index; /* of these routes, */
    unsigned restarts;     /* which changed so often meanwhile */
    struct result logged[];
};

static void answer_error(struct composition *c, int error)
{
    struct result result = {.error = error};

    c->error = error;
    result_encode(&c->out, &result);
}

static bool is_full(const struct composition *c)
{
    return c->out.len - SCHEDULER_HEADROOM > COMPOSE_RESULTS_MAX;
}

/* The result just written may be the one too much. */
static void end_item(struct composition *c, uint64_t *budget_ns)
{
    assert(c->out.len >= c->before && !c->begun);
    budget_spend(budget_ns, (c->out.len - c->before) / COMPOSE_BYTES_A_NS);
    if (is_full(c)) {
        c->out.len = c->before;
        answer_error(c, ORDERSCHED_BUSY);
    }
}

/* Room for a result, without copying much. */
static void reads_reserve(struct composition *c)
{
    size_t all = SCHEDULER_HEADROOM + PROTOCOL_ANSWER_MAX + ANSWER_REST;

    if (c->out.cap < all && c->out.len > COMPOSE_SMALL / 2) {
        uint8_t *grown = realloc(c->out.data, all);
        c->out.failed = c->out.failed || grown == NULL;
        c->out.data = grown != NULL ? grown : c->out.data;
        c->out.cap = grown != NULL ? all : c->out.cap;
    }
}

/* What was not needed of it goes back. */
static void give_back(struct composition *c)
{
    size_t len = c->out.len + COMPOSE_TAIL;

    if (c->out.cap / 2 > len) {
        uint8_t *shrunk = realloc(c->out.data, len);
        c->out.data = shrunk != NULL ? shrunk : c->out.data;
        c->out.cap = shrunk != NULL ? len : c->out.cap;
    }
}

/* --- lists of routes, row by row --- */

#define ARRAY_16 0xdc /* msgpack: the number of elements follows, 2 bytes, big-endian */

static_assert(MACHINE_ROUTES_MAX + 1 <= UINT16_MAX, "a row for each route, and one for all");

static void begin_rows(struct composition *c, const struct machine *m)
{
    static const uint8_t head[3] = {ARRAY_16, 0, 0};

    c->count_at = c->out.len + 1;
    buffer_append(&c->out, head, sizeof head);
    c->slot = c->n = 0;
    c->routes_index = m->routes_index;
    c->begun = true;
}

/* True when it is complete. */
static bool end_rows(struct composition *c, const struct machine *m)
{
    if (c->slot < m->n_routes && !is_full(c) && !c->out.failed) {
        return false;
    }
    if (!c->out.failed) {
        c->out.data[c->count_at] = (uint8_t)(c->n >> 8);
        c->out.data[c->count_at + 1] = (uint8_t)c->n;
    }
    c->begun = false;
    return true;
}

static bool compose_route_list(struct scheduler *s, struct composition *c, uint64_t *budget_ns)
{
    const struct machine *m = &s->machine;
    uint32_t n = c->n;
    size_t len = c->out.len;

    if (c->begun && c->routes_index != m->routes_index) { /* one moment or none */
        c->out.len = c->before;
        c->begun = false;
        if (++c->restarts > COMPOSE_RESTARTS) {
            c->restarts = 0;
            answer_error(c, ORDERSCHED_BUSY);
            return true;
        }
    }
    if (!c->begun) {
        n = 0;
        result_encode_head(&c->out, &(struct result){.error = ORDERSCHED_OK});
        begin_rows(c, m);
        len = c->out.len;
    }
    c->slot = machine_read_routes(m, c->slot, COMPOSE_ROWS, &c->out, &c->n);
    budget_spend(budget_ns, (uint64_t)(c->n - n + 1) * COMPOSE_ROUTE_ROW_NS +
                                (c->out.len - len) / COMPOSE_BYTES_A_NS);
    return end_rows(c, m);
}

static bool compose_status(struct scheduler *s, struct composition *c, uint64_t *budget_ns)
{
    uint32_t n = c->n;

    if (!c->begun) {
        result_encode_head(&c->out, &(struct result){.error = ORDERSCHED_OK});
        scheduler_write_status(s, &c->out);
        begin_rows(c, &s->machine);
        n = 0;
        budget_spend(budget_ns, COMPOSE_STATUS_NS);
    }
    uint32_t slot = c->slot;
    uint32_t looked = slot == 0 ? s->machine.n_routes : 0; /* for the row about all */
    c->slot = scheduler_write_routes(s, c->slot, COMPOSE_ROWS, &c->out, &c->n);
    looked += c->slot - slot;
    budget_spend(budget_ns,
                 (uint64_t)(c->n - n) * COMPOSE_STATUS_ROW_NS + (uint64_t)looked * COMPOSE_LOOK_NS);
    return end_rows(c, &s->machine);
}

/* --- one item --- */

static void compose_members(struct scheduler *s, struct composition *c, uint64_t *budget_ns)
{
    scheduler_write_members(s);
    struct result result = {.body = {s->body.data, s->body.len}};
    result_encode(&c->out, &result);
    budget_spend(budget_ns, COMPOSE_MEMBERS_NS);
}

static void compose_digest(struct scheduler *s, struct composition *c, uint64_t *budget_ns)
{
    assert(s->digests_made >= c->digest);
    result_encode_head(&c->out, &(struct result){.error = ORDERSCHED_OK});
    write_array(&c->out, 2);
    write_uint(&c->out, s->digest_applied);
    write_uint(&c->out, s->digest);
    budget_spend(budget_ns, COMPOSE_DIGEST_NS);
}

static bool compose_machine_read(struct scheduler *s, struct composition *c,
                                 const struct operation *op, uint64_t *budget_ns)
{
    struct result result;

    if (scheduler_hides(s, c->reading.in, op)) {
        answer_error(c, ORDERSCHED_NOT_FOUND);
        return true;
    }
    buffer_reset(&s->body);
    if (!machine_read_step(&s->machine, op, &c->read, &s->body, &result, budget_ns)) {
        return false;
    }
    result_encode(&c->out, &result);
    c->error = result.error;
    c->read = (struct machine_reading){0};
    return true;
}

/* Some of it. True when it is complete. */
static bool compose_read(struct scheduler *s, struct composition *c,
                         const struct inbound_item *item, uint64_t *budget_ns)
{
    const struct inbound *in = c->reading.in;
    struct operation op;

    switch (item->code) {
        case OPERATION_STATUS: return compose_status(s, c, budget_ns);
        case OPERATION_ROUTE_LIST: return compose_route_list(s, c, budget_ns);
        case OPERATION_MEMBER_LIST: compose_members(s, c, budget_ns); return true;
        case OPERATION_DIGEST: compose_digest(s, c, budget_ns); return true;
        default: break;
    }
    int error = operation_decode(in->message + item->offset, item->len, &op);
    assert(error == ORDERSCHED_OK); /* inbound_check decoded these very bytes */
    return compose_machine_read(s, c, &op, budget_ns);
}

/* Nobody could take it. */
static bool is_in_vain(const struct scheduler *s, const struct composition *c)
{
    return s->closing || is_full(c);
}

static void compose_denied(struct scheduler *s, struct composition *c, const struct actor *actor,
                           const struct inbound_item *item, uint64_t *budget_ns)
{
    c->out.len = c->before;
    c->begun = false;
    c->read = (struct machine_reading){0};
    scheduler_write_denied(s, actor, c->reading.in, item, &c->out);
    c->error = ORDERSCHED_DENIED;
    budget_spend(budget_ns, COMPOSE_REFUSED_NS);
}

/* Its result is written. What was refused with BUSY before it came here was counted then. */
static void count_item(struct scheduler *s, const struct composition *c,
                       const struct inbound_item *item)
{
    metrics_note_operation(s->config.metrics, item->code, c->error);
    if (c->error == ORDERSCHED_BUSY && item->error != ORDERSCHED_BUSY) {
        metrics_note_busy(s->config.metrics, METRICS_BUSY_ANSWER);
    }
}

static bool compose_item(struct scheduler *s, struct composition *c, uint64_t *budget_ns)
{
    const struct inbound_item *item = &c->reading.in->items[c->item];

    reads_reserve(c);
    if (!c->begun) {
        c->before = c->out.len;
        c->error = ORDERSCHED_OK;
    }
    if (item->error == ORDERSCHED_OK && operation_is_logged(item->code)) {
        assert(c->used < c->reading.in->n_logged);
        scheduler_write_logged(s, c->reading.in, item, &c->logged[c->used++], &c->out);
        budget_spend(budget_ns, COMPOSE_LOGGED_NS);
        return true;
    }
    if (is_in_vain(s, c)) {
        c->out.len = c->before;
        c->begun = false;
        answer_error(c, item->error != ORDERSCHED_OK ? item->error : ORDERSCHED_BUSY);
        budget_spend(budget_ns, COMPOSE_BUSY_NS);
        count_item(s, c, item);
        return true;
    }
    struct actor actor = machine_actor(&s->machine, c->reading.in->caller);
    if (scheduler_denies_now(s, &actor, c->reading.in, item)) {
        compose_denied(s, c, &actor, item, budget_ns);
    } else if (item->error == ORDERSCHED_DENIED) { /* it was when it came, and is not any more */
        answer_error(c, ORDERSCHED_BUSY);
    } else if (item->error == ORDERSCHED_QUOTA) {
        if (!scheduler_write_over_quota(s, &actor, c->reading.in, item, &c->out)) {
            answer_error(c, ORDERSCHED_BUSY); /* likewise */
        }
        budget_spend(budget_ns, COMPOSE_REFUSED_NS);
    } else if (item->error != ORDERSCHED_OK) {
        scheduler_refused_item(s, c->reading.in, item, &c->out);
        c->error = item->error;
        budget_spend(budget_ns, COMPOSE_REFUSED_NS);
    } else if (!compose_read(s, c, item, budget_ns)) {
        return false;
    }
    end_item(c, budget_ns);
    count_item(s, c, item);
    return true;
}

/* --- messages, as the reader has it --- */

static enum reader_step compose_step(void *arg, struct reading *reading, uint64_t *budget_ns)
{
    struct scheduler *s = arg;
    struct composition *c = (struct composition *)reading;

    if (inbound_is_gone(reading->in)) {
        return READER_IS_DONE;
    }
    if (s->digests_made < c->digest && !is_in_vain(s, c)) {
        return READER_WAITS;
    }
    while (c->item<reading->in->n_items && * budget_ns> 0 && !c->out.failed) {
        if (compose_item(s, c, budget_ns)) {
            c->item++;
        }
    }
    reading->bytes = c->out.len;
    return c->item < reading->in->n_items && !c->out.failed ? READER_GOES_ON : READER_IS_DONE;
}

/* No memory for the answer: what was logged was done, and cannot be told. */
static void refuse_for_memory(struct scheduler *s, struct inbound *in)
{
    scheduler_refuse(s, in, in->n_logged > 0 ? ORDERSCHED_UNKNOWN_OUTCOME : ORDERSCHED_BUSY,
                     "no memory for the answer");
}

static void compose_finish(void *arg, struct reading *reading)
{
    struct scheduler *s = arg;
    struct composition *c = (struct composition *)reading;

    if (c->out.failed) {
        refuse_for_memory(s, reading->in);
    } else if (c->item < reading->in->n_items) { /* nobody waits for it */
        scheduler_refuse(s, reading->in, ORDERSCHED_BUSY, NULL);
    } else {
        assert(c->used == reading->in->n_logged); /* each result of the log was told */
        give_back(c);
        scheduler_reply_composed(s, reading->in, &c->out);
    }
    buffer_free(&c->out);
    free(c);
}

static size_t clients_unread(void *arg)
{
    const struct scheduler *s = arg;
    struct client_load load;

    s->config.client_load(s->config.client_load_arg, &load);
    return load.unread;
}

static uint64_t reads_clock_us(void *arg)
{
    return scheduler_monotonic_us(arg);
}

void scheduler_init_reads(struct scheduler *s)
{
    struct reader_host host = {
        .arg = s,
        .step = compose_step,
        .finish = compose_finish,
        .unread = s->config.client_load != NULL ? clients_unread : NULL,
        .clock_us = reads_clock_us,
    };

    reader_init(&s->reader, &host);
    if (s->config.read_turn_ns != 0) {
        s->reader.turn_ns = s->config.read_turn_ns;
        reader_turn(&s->reader);
    }
}

static bool asks_for_digest(const struct inbound *in)
{
    for (uint32_t i = 0; i < in->n_items; i++) {
        if (in->items[i].error == ORDERSCHED_OK && in->items[i].code == OPERATION_DIGEST) {
            return true;
        }
    }
    return false;
}

static void scheduler_compose(struct scheduler *s, struct inbound *in, const struct result *logged)
{
    static const uint8_t room[SCHEDULER_HEADROOM];
    struct composition *c = calloc(1, sizeof *c + in->n_logged * sizeof *c->logged);

    if (c == NULL) {
        refuse_for_memory(s, in);
        return;
    }
    if (in->n_logged > 0) {
        memcpy(c->logged, logged, in->n_logged * sizeof *c->logged);
    }
    buffer_append(&c->out, room, sizeof room);
    if (asks_for_digest(in)) { /* of a moment after the message */
        c->digest = s->digests_wanted = s->digests_begun + 1;
    }
    reader_add(&s->reader, &c->reading, in);
    if (s->closing) {
        scheduler_end_reads(s);
    } else {
        reader_run(&s->reader);
    }
    s->again = true;
}

/* --- the digest: one at a time, for all that asked before it was begun --- */

/* In steps, for the clock to be looked at in between. Is it made? */
static bool digest_goes_on(struct scheduler *s, uint64_t budget_ns)
{
    bool goes_on = true, made = false;

    while (goes_on && !made && budget_ns > 0) {
        uint64_t since_us = reader_clock_us(&s->reader);
        uint64_t step_ns = budget_ns < DIGEST_STEP_NS ? budget_ns : DIGEST_STEP_NS;
        budget_ns -= step_ns;
        made = machine_digest_step(&s->machine, &step_ns);
        budget_ns += step_ns;
        goes_on = reader_spent(&s->reader, since_us) &&
                  (s->reader.first == NULL || s->reader.spent_us < READER_TURN_US / 2);
    }
    return made;
}

/* It takes half of the budget where others want to read. */
static void make_digest(struct scheduler *s)
{
    struct machine_digest *d = &s->machine.digest;
    uint64_t budget_ns = s->reader.budget_ns;

    assert(s->digests_made <= s->digests_begun && s->digests_begun <= s->digests_wanted);
    if (s->digests_made == s->digests_wanted) {
        return;
    }
    if (!d->running) { /* a new one, or one that was ended by a restore */
        s->digests_begun = s->digests_made + 1;
        machine_digest_begin(&s->machine);
    }
    budget_ns = s->reader.first != NULL ? budget_ns / 2 : budget_ns;
    s->reader.budget_ns -= budget_ns;
    if (!digest_goes_on(s, budget_ns)) {
        return;
    }
    s->digests_made = s->digests_begun;
    s->digest_applied = d->applied;
    s->digest = d->value;
    reader_wake(&s->reader);
}

void scheduler_read_on(struct scheduler *s)
{
    make_digest(s);
    reader_run(&s->reader);
}

bool scheduler_has_reads(const struct scheduler *s)
{
    return s->digests_made < s->digests_wanted || reader_has_work(&s->reader);
}

void scheduler_end_reads(struct scheduler *s)
{
    struct reading *reading;

    assert(s->closing);
    while ((reading = reader_take(&s->reader)) != NULL) {
        uint64_t budget_ns = UINT64_MAX;
        enum reader_step step = compose_step(s, reading, &budget_ns);
        assert(step == READER_IS_DONE);
        compose_finish(s, reading);
    }
}

void scheduler_answer(struct scheduler *s, struct inbound *in, const struct result *logged)
{
    if (in->n_logged == in->n_items) { /* all there is to tell, or nothing at all (a greeting) */
        scheduler_answer_logged(s, in, logged);
    } else {
        scheduler_compose(s, in, logged);
    }
}
