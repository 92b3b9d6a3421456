/* run_final.c - the final reads: what each node holds in its own state. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../client/base/clocks.h"
#include "bed/command.h"
#include "run.h"
#include "ask/ask.h"

#define DIGEST_TIMEOUT_MS 5000

struct listing {
    struct listed_order *orders;
    size_t n, cap;
};

static void listing_add_cb(void *arg, const struct listed_order *order)
{
    struct listing *l = arg;

    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 1024 : 2 * l->cap;
        l->orders = realloc(l->orders, l->cap * sizeof *l->orders);
        if (l->orders == NULL) {
            bed_fail("out of memory");
        }
    }
    l->orders[l->n++] = *order;
}

struct digests {
    int error[BED_PLACES];
    uint64_t applied[BED_PLACES], digest[BED_PLACES];
};

/* Barriers of new leaders move `applied`, so ask until all stand at the same index. */
static void digests_ask(struct run *r, struct digests *d)
{
    uint64_t until_ns = clocks_running_ns() + (uint64_t)RUN_RECOVERY_BOUND_MS * 1000000;
    char endpoint[64];
    bool equal;

    do {
        equal = true;
        for (unsigned place = 1; place <= r->nodes.n; place++) {
            d->error[place] = ask_digest(r->admin, node_endpoint(place, endpoint, sizeof endpoint),
                                         DIGEST_TIMEOUT_MS, &d->applied[place], &d->digest[place]);
            equal = equal && d->error[place] == ORDERSCHED_OK && d->applied[place] == d->applied[1];
        }
        if (!equal) {
            sleep_ms(100);
        }
    } while (!equal && clocks_running_ns() < until_ns);
}

static void final_fail(struct run *r, unsigned place, int error)
{
    record_line(r->record, RECORD_RUNNER, RECORD_INFO, "final", "{:node %u, :error \"%s\"}", place,
                ordersched_error_name(error));
}

static void final_node(struct run *r, const struct digests *d, unsigned place)
{
    struct listing l = {0};
    char endpoint[64], id[2 * ORDERSCHED_ID_MAX + 8];

    int error = d->error[place];
    if (error == ORDERSCHED_OK) {
        error = ask_list(r->admin, node_endpoint(place, endpoint, sizeof endpoint), listing_add_cb,
                         &l);
    }
    if (error != ORDERSCHED_OK) {
        final_fail(r, place, error);
        free(l.orders);
        return;
    }
    record_line(r->record, RECORD_RUNNER, RECORD_INFO, "final",
                "{:node %u, :applied %" PRIu64 ", :digest \"%016" PRIx64
                "\", :orders-file nil, :count %zu}",
                place, d->applied[place], d->digest[place], l.n);
    for (size_t i = 0; i < l.n; i++) {
        record_line(r->record, RECORD_RUNNER, RECORD_INFO, "final-order",
                    "[%u %s {:state :%s, :deadline-ms %" PRIu64 "}]", place,
                    record_string(id, sizeof id, l.orders[i].id),
                    ordersched_state_name(l.orders[i].state), l.orders[i].deadline_ms);
    }
    record_line(r->record, RECORD_RUNNER, RECORD_INFO, "final-end", "{:node %u}", place);
    free(l.orders);
}

void run_final(struct run *r)
{
    struct digests d = {0};

    digests_ask(r, &d);
    for (unsigned place = 1; place <= r->nodes.n; place++) {
        final_node(r, &d, place);
    }
}
