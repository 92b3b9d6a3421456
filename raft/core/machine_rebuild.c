/* machine_rebuild.c - makes the derived indexes anew, for a state that came from a snapshot. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "machine_parts.h"

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Ties end with the schedule's index and the id, so that the order never depends on the sort. */
static int compare_identity(const struct order *a, const struct order *b)
{
    int c = compare(a->schedule_index, b->schedule_index);

    if (c == 0) {
        size_t len = a->id_len < b->id_len ? a->id_len : b->id_len;

        c = memcmp(order_id(a), order_id(b), len);
    }
    return c != 0 ? c : compare(a->id_len, b->id_len);
}

static int compare_since(const void *left, const void *right)
{
    const struct order *a = *(struct order *const *)left;
    const struct order *b = *(struct order *const *)right;
    int c = compare(order_since_ms(a), order_since_ms(b));

    return c != 0 ? c : compare_identity(a, b);
}

static int compare_decisions(const void *left, const void *right)
{
    const struct order *a = *(struct order *const *)left;
    const struct order *b = *(struct order *const *)right;
    int c = compare(order_decision_index(a), order_decision_index(b));

    return c != 0 ? c : compare_identity(a, b);
}

static bool is_closing(const struct machine *m, const struct order *o)
{
    return order_state(o, m->now_ms) == ORDERSCHED_CLOSING;
}

static void count(const struct machine *m, struct machine_rebuild *rebuild)
{
    struct machine_walk walk = {0};
    const struct order *o;

    while ((o = machine_walk_next(m, &walk))) {
        rebuild->n_due += is_closing(m, o);
        rebuild->n_terminal += order_is_terminal(o);
    }
}

bool machine_rebuild_prepare(struct machine *fresh, struct machine_rebuild *rebuild)
{
    struct machine_walk walk = {0};
    struct order *o;
    size_t n_due = 0;
    size_t n_terminal = 0;

    memset(rebuild, 0, sizeof *rebuild);
    count(fresh, rebuild);
    rebuild->due = malloc((rebuild->n_due + 1) * sizeof(struct order *));
    rebuild->terminal = malloc((rebuild->n_terminal + 1) * sizeof(struct order *));
    if (!rebuild->due || !rebuild->terminal) {
        machine_rebuild_free(rebuild);
        return false;
    }
    fresh->memory = fresh->store.memory;
    while ((o = machine_walk_next(fresh, &walk))) {
        if (is_closing(fresh, o)) {
            if (!order_extra(o)) { /* its place in the closing list */
                machine_rebuild_free(rebuild);
                return false;
            }
            rebuild->due[n_due++] = o;
        } else if (order_is_terminal(o)) {
            rebuild->terminal[n_terminal++] = o;
        }
        fresh->memory += order_memory(o);
    }
    assert(n_due == rebuild->n_due && n_terminal == rebuild->n_terminal);
    qsort(rebuild->due, n_due, sizeof *rebuild->due, compare_since);
    qsort(rebuild->terminal, n_terminal, sizeof *rebuild->terminal, compare_decisions);
    return true;
}

static void link_due(struct machine *m, struct order *o)
{
    assert(!o->due && !link_linked(&o->link));
    o->due = 1;
    o->extra->order = o;
    machine_index_stamp(m, o);
    link_append(&m->closing, &o->extra->closing);
    if (order_time_ms(o) > m->now_ms) {
        wheel_insert(&m->wheel, o);
    } else {
        machine_index_ready(m, o);
    }
}

void machine_rebuild_commit(struct machine *m, struct machine_rebuild *rebuild)
{
    struct machine_walk walk = {0};
    struct order *o;

    assert(m->wheel.n == 0 && link_empty(&m->closing) && link_empty(&m->terminal));
    for (size_t i = 0; i < rebuild->n_due; i++) {
        link_due(m, rebuild->due[i]);
    }
    for (size_t i = 0; i < rebuild->n_terminal; i++) {
        link_append(&m->terminal, &rebuild->terminal[i]->link);
    }
    while ((o = machine_walk_next(m, &walk))) {
        if (o->state == ORDERSCHED_PENDING && !o->due) {
            machine_index_await(m, o);
        }
        m->routes[o->route].orders++;
        m->routes[o->route].dead += o->state == ORDERSCHED_DEAD;
        ++*machine_count_of(m, o);
    }
    assert(m->stored.closing == rebuild->n_due);
    assert(m->stored.paid + m->stored.cancelled + m->stored.expired == rebuild->n_terminal);
    machine_rebuild_free(rebuild);
}

void machine_rebuild_free(struct machine_rebuild *rebuild)
{
    free(rebuild->due);
    free(rebuild->terminal);
    memset(rebuild, 0, sizeof *rebuild);
}
