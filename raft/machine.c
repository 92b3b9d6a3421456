/* machine.c - the walk of the state machine through one entry of the log: time first, then the
 * operations, then the purge. The rules are in docs/semantics.md. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine_parts.h"
#include "mutant.h"
#include "recent.h"
#include "secret.h"
#include "snapshot_parts.h"

uint64_t machine_add_ms(uint64_t time_ms, uint64_t delay_ms)
{
    uint64_t sum;

    return __builtin_add_overflow(time_ms, delay_ms, &sum) ? UINT64_MAX : sum;
}

void *machine_must_have(void *memory)
{
    if (!memory) {
        fprintf(stderr, "orderschedd: out of memory in the state machine\n");
        abort();
    }
    return memory;
}

struct order *machine_walk_next(const struct machine *m, struct machine_walk *walk)
{
    for (; walk->shard < STORE_SHARDS; walk->shard++, walk->slot = 0) {
        const struct store_shard *shard = &m->store.shards[walk->shard];

        while (walk->slot < shard->cap) {
            struct order *o = shard->slots[walk->slot++];

            if (o) {
                return o;
            }
        }
    }
    return NULL;
}

/* What init and the hand-over of a restore have in common: indexes that hold nothing. */
static void reset_indexes(struct machine *m)
{
    wheel_init(&m->wheel, m->now_ms);
    link_head_init(&m->closing);
    link_head_init(&m->terminal);
    memset(&m->stored, 0, sizeof m->stored);
}

void machine_init(struct machine *m)
{
    memset(m, 0, sizeof *m);
    m->retention_ms = MACHINE_RETENTION_DEFAULT_MS;
    store_init(&m->store, 0);
    slab_init(&m->slab);
    m->memory = m->store.memory;
    /* All slots at once, so that a route never moves: its ready list has its head in it. */
    m->routes = machine_must_have(calloc(MACHINE_ROUTES_MAX, sizeof *m->routes));
    m->route_cells = machine_must_have(calloc(MACHINE_ROUTE_CELLS, sizeof *m->route_cells));
    m->recent = machine_must_have(recent_new());
    reset_indexes(m);
}

/* Free the state; the lists through it are void afterwards. */
static void free_state(struct machine *m)
{
    struct machine_walk walk = {0};
    struct order *o;

    while ((o = machine_walk_next(m, &walk))) {
        order_free(&m->slab, o);
    }
    store_close(&m->store);
    slab_close(&m->slab);
    for (uint32_t i = 0; i < m->n_routes; i++) {
        route_clear(&m->routes[i]);
    }
    free(m->routes);
    free(m->route_cells);
    recent_free(m->recent);
}

void machine_close(struct machine *m)
{
    snapshot_abort(m->image);
    free_state(m);
    memset(m, 0, sizeof *m);
}

void machine_adopt(struct machine *m, struct machine *fresh, struct machine_rebuild *rebuild)
{
    assert(m->image == NULL && fresh->image == NULL);
    recent_set_limit(fresh->recent, recent_limit(m->recent));
    m->purge_wait_ms = 0;
    free_state(m);
    m->image_mark = fresh->image_mark;
    m->digest = (struct machine_digest){.mark = fresh->digest.mark};
    m->now_ms = fresh->now_ms;
    m->applied = fresh->applied;
    m->epoch = fresh->epoch;
    m->seed = fresh->seed;
    m->retention_ms = fresh->retention_ms;
    memcpy(m->identity, fresh->identity, sizeof m->identity);
    memcpy(m->secret, fresh->secret, sizeof m->secret);
    m->secret_index = fresh->secret_index;
    m->request_floor_ms = fresh->request_floor_ms;
    m->store = fresh->store;
    slab_move(&m->slab, &fresh->slab);
    m->routes = fresh->routes;
    m->route_cells = fresh->route_cells;
    m->n_routes = fresh->n_routes;
    m->routes_index = fresh->applied;
    m->recent = fresh->recent;
    m->memory = fresh->memory;
    reset_indexes(m);
    machine_rebuild_commit(m, rebuild);
    memset(fresh, 0, sizeof *fresh);
    slab_init(&fresh->slab); /* empty, but to be closed */
}

/* "Time": now never decreases. */
static void advance_now(struct machine *m, uint64_t now_ms)
{
    if (m->now_ms >= now_ms) {
        return;
    }
    m->now_ms = now_ms;
    m->stamps[m->n_stamps++ % MACHINE_STAMPS] = (struct machine_stamp){now_ms, m->clock_us};
    if (m->wheel.n == 0) {
        /* An empty wheel follows at no cost, so that it measures from the present and not from
         * 1970. */
        struct link none;
        bool done;

        link_head_init(&none);
        done = wheel_advance(&m->wheel, now_ms, &none, 1);
        assert(done && link_empty(&none));
    }
}

/* "Epochs": whoever comes first gives the cluster its identity and its secret, for good. */
static void take_identity(struct machine *m, const struct operation *op)
{
    if (op->identity.len == sizeof m->identity && !identity_is_known(m->identity)) {
        memcpy(m->identity, op->identity.data, sizeof m->identity);
    }
}

void machine_use_secret(struct machine *m)
{
    uint8_t key[SIPHASH_KEY_SIZE];

    secret_derive(m->secret, "orders", key, sizeof key);
    store_set_key(&m->store, siphash_key_of(key), m->secret_index);
    secret_derive(m->secret, "requests", key, sizeof key);
    recent_set_key(m->recent, siphash_key_of(key));
}

static void take_secret(struct machine *m, bool first, const struct operation *op)
{
    if (op->secret.len == sizeof m->secret && m->secret_index == 0 && first) {
        memcpy(m->secret, op->secret.data, sizeof m->secret);
        m->secret_index = m->applied;
        machine_use_secret(m);
    }
}

void machine_apply_epoch(struct machine *m, uint64_t epoch, bool first, const struct operation *op,
                         struct result *result)
{
    if (epoch <= m->epoch) {
        result->error = ORDERSCHED_DECIDED;
        return;
    }
    m->epoch = MUTANT(FENCE_RESET_ON_RESTORE) ? m->epoch + 1 : epoch;
    m->retention_ms = op->retention_ms;
    if (m->seed == 0 && m->store.n == 0) {
        m->store.seed = op->seed; /* which is empty */
        m->seed = op->seed;
    }
    take_identity(m, op);
    take_secret(m, first, op);
    result->error = ORDERSCHED_OK;
}

/* Operation number `i` of the entry. 0, or -1 for one that no log of ours holds. */
static int apply_operation(struct machine *m, const struct entry *e, uint32_t i,
                           const struct operation *op, struct result *result)
{
    memset(result, 0, sizeof *result);
    switch (op->code) {
        case OPERATION_SCHEDULE:
        case OPERATION_PAY:
        case OPERATION_CANCEL:
        case OPERATION_EXTEND:
        case OPERATION_DEAD_REDRIVE:
        case OPERATION_DEAD_DROP:
            machine_apply_order(m, op, result);
            return 0;
        case OPERATION_ROUTE_PUT:
        case OPERATION_ROUTE_DELETE:
        case OPERATION_ROUTE_PAUSE:
        case OPERATION_ROUTE_ROTATE:
        case OPERATION_ROUTE_SET:
        case OPERATION_ROUTE_RETRY:
            machine_apply_route(m, op, result);
            return 0;
        case OPERATION_EPOCH:
            machine_apply_epoch(m, e->epoch, i == 0, op, result);
            return 0;
        case OPERATION_OUTCOME:
            machine_apply_outcome(m, op, result);
            return 0;
        case OPERATION_HURRY:
            machine_apply_hurry(m, op, result);
            return 0;
        default:
            return -1;
    }
}

bool machine_can_apply(const uint8_t *data, size_t len)
{
    struct entry e;
    struct operation op;
    size_t at = 0;

    if (entry_decode(data, len, &e) != 0 || e.n_operations > e.operations.len) {
        return false;
    }
    for (uint32_t i = 0; i < e.n_operations; i++, at += op.bytes.len) {
        if (operation_decode(e.operations.data + at, e.operations.len - at, &op) !=
                ORDERSCHED_OK ||
            !operation_is_logged(op.code)) {
            return false;
        }
    }
    return at == e.operations.len;
}

static void results_reserve(struct machine_results *results, uint32_t n)
{
    results->n = 0;
    if (results->cap < n) {
        results->results =
            machine_must_have(realloc(results->results, n * sizeof *results->results));
        results->cap = n;
    }
}

/* The deliberate bug: what is relative is so to the proposer's clock. */
static const struct operation *mutant_take_clock(const struct entry *e, struct operation *op)
{
    if (MUTANT(DEADLINE_BY_PROPOSER) && op->relative) {
        op->relative = false;
        op->time_ms += e->now_ms;
    }
    return op;
}

int machine_apply(struct machine *m, uint64_t index, const uint8_t *data, size_t len,
                  struct machine_results *results)
{
    struct entry e;
    const uint8_t *at;
    const uint8_t *end;

    assert(index > m->applied);
    if (entry_decode(data, len, &e) != 0 || e.n_operations > e.operations.len) {
        return -1;
    }
    m->applied = index;
    advance_now(m, e.now_ms);
    if (e.n_operations > 0) {
        machine_follow_now(m, e.n_operations);
    }
    if (results) {
        results_reserve(results, e.n_operations);
    }
    at = e.operations.data;
    end = at + e.operations.len;
    for (uint32_t i = 0; i < e.n_operations; i++) {
        struct operation op;
        struct result unheard;
        struct result *result = results ? &results->results[i] : &unheard;

        if (operation_decode(at, (size_t)(end - at), &op) != ORDERSCHED_OK ||
            apply_operation(m, &e, i, mutant_take_clock(&e, &op), result) != 0) {
            return -1;
        }
        at += op.bytes.len;
        if (results) {
            results->n++;
        }
    }
    if (at != end) {
        return -1;
    }
    machine_purge_forgotten(m);
    if (m->image != NULL) {
        snapshot_note_entry(m->image, index, data, len);
    }
    return 0;
}
