/* workload.c - see workload.h. */
#include "workload.h"

#include <stdlib.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../bed/command.h"

#define IDLE_MS_MAX 20

struct workers {
    struct run *run;
    void *shared;
    unsigned n;
    struct worker workers[];
};

static const struct workload *const workloads[] = {&workload_register, &workload_set,
                                                   &workload_conserve, &workload_race,
                                                   &workload_delivery, &workload_stale,
                                                   &workload_grants};

const struct workload *workload_find(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(workloads[i]->name, name) == 0) {
            return workloads[i];
        }
    }
    return NULL;
}

void workload_print_names(FILE *out)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        fprintf(out, "%s%s", i > 0 ? " " : "", workloads[i]->name);
    }
}

/* --- the thread --- */

static struct planned *agenda_first(struct worker *w)
{
    struct planned *first = NULL;

    for (unsigned i = 0; i < WORKER_AGENDA_MAX; i++) {
        struct planned *p = &w->agenda[i];
        if (p->due_ns != 0 && (first == NULL || p->due_ns < first->due_ns)) {
            first = p;
        }
    }
    return first;
}

static uint64_t worker_interval_ns(struct worker *w)
{
    const struct run *r = w->run;
    unsigned rate = r->options.rate > 0 ? r->options.rate : r->workload->rate;
    uint64_t mean_ns = (uint64_t)1000000000 * r->options.clients / rate;

    return worker_between(w, 0, 2 * mean_ns);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    uint64_t next_ns = clocks_running_ns() + worker_interval_ns(w);

    while (atomic_load(&w->run->loading)) {
        struct planned *planned = agenda_first(w);
        uint64_t now_ns = clocks_running_ns();
        if (planned != NULL && planned->due_ns <= now_ns) {
            struct call call = planned->call;
            struct asked answer;
            planned->due_ns = 0;
            (void)worker_call(w, &call, &answer);
        } else if (next_ns <= now_ns) {
            w->run->workload->step(w);
            next_ns = clocks_running_ns() + worker_interval_ns(w);
        } else {
            uint64_t until_ns = planned != NULL && planned->due_ns < next_ns ? planned->due_ns
                                                                             : next_ns;
            uint64_t wait_ms = (until_ns - now_ns) / 1000000;
            sleep_ms(wait_ms < 1 ? 1 : wait_ms > IDLE_MS_MAX ? IDLE_MS_MAX : wait_ms);
        }
    }
    return NULL;
}

/* The endpoints, beginning with another one for each worker. */
static void worker_endpoints(const struct run *r, unsigned number, char *out, size_t len)
{
    char endpoint[64];
    size_t at = 0;

    for (unsigned i = 0; i < r->nodes.n; i++) {
        unsigned place = (number + i) % r->nodes.n + 1;
        at += (size_t)snprintf(out + at, len - at, "%s%s", i > 0 ? "," : "",
                               node_endpoint(place, endpoint, sizeof endpoint));
    }
}

struct workers *workload_start(struct run *r)
{
    struct workers *all = calloc(1, sizeof *all + r->options.clients * sizeof all->workers[0]);

    if (all == NULL) {
        bed_fail("out of memory");
    }
    all->run = r;
    all->n = r->options.clients;
    all->shared = r->workload->open != NULL ? r->workload->open(r) : NULL;
    for (unsigned i = 0; i < all->n; i++) {
        struct worker *w = &all->workers[i];
        w->run = r;
        w->number = i;
        w->shared = all->shared;
        w->random = (struct random){r->options.seed * 1000 + i};
        worker_endpoints(r, i, w->endpoints, sizeof w->endpoints);
        caller_open(&w->caller, r, w->endpoints, RUN_CALL_TIMEOUT_MS);
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
            bed_fail("no thread");
        }
    }
    return all;
}

void workload_join(struct workers *all)
{
    for (unsigned i = 0; i < all->n; i++) {
        pthread_join(all->workers[i].thread, NULL);
        caller_close(&all->workers[i].caller);
    }
    if (all->run->workload->close != NULL) {
        all->run->workload->close(all->shared);
    }
    free(all);
}
