/* run_leaderships.c - who leads when, as each node says of itself several times a second. See run.h. */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "../client/base/clocks.h"
#include "bed/command.h"
#include "run.h"
#include "ask/ask.h"

#define LOOK_MS 100
#define LOOK_TIMEOUT_MS 1000

struct leadership {
    bool is;
    uint64_t term;
    uint64_t from_ns, to_ns; /* of the record's time */
};

struct looker {
    struct run_leaderships *all;
    unsigned place;
    pthread_t thread;
    struct leadership leadership; /* at the moment */
};

struct run_leaderships {
    struct run *run;
    atomic_bool looking;
    struct looker lookers[BED_PLACES];
};

static void leadership_end(struct looker *l)
{
    if (l->leadership.is) {
        record_line(l->all->run->record, RECORD_RUNNER, RECORD_INFO, "leadership",
                    "{:node %u, :term %" PRIu64 ", :from-ns %" PRIu64 ", :to-ns %" PRIu64 "}",
                    l->place, l->leadership.term, l->leadership.from_ns, l->leadership.to_ns);
    }
    l->leadership.is = false;
}

/* It led from the first such answer, at the latest, to the moment when the last one was asked for, at
 * least. */
static void look(struct looker *l)
{
    struct run *r = l->all->run;
    uint64_t asked_ns = record_now_ns(r->record);
    char endpoint[64];
    struct asked_status s = ask_status(r->admin, node_endpoint(l->place, endpoint, sizeof endpoint),
                                       LOOK_TIMEOUT_MS);

    if (!s.leader || s.term != l->leadership.term) {
        leadership_end(l);
    }
    if (s.leader && !l->leadership.is) {
        l->leadership = (struct leadership){.is = true,
                                            .term = s.term,
                                            .from_ns = record_now_ns(r->record)};
        asked_ns = l->leadership.from_ns;
    }
    l->leadership.to_ns = asked_ns;
}

static void *looker_main(void *arg)
{
    struct looker *l = arg;

    while (atomic_load(&l->all->looking)) {
        if (nodes_running(&l->all->run->nodes, l->place)) {
            look(l);
        } else {
            leadership_end(l);
        }
        sleep_ms(LOOK_MS);
    }
    leadership_end(l);
    return NULL;
}

struct run_leaderships *run_leaderships_watch(struct run *r)
{
    struct run_leaderships *all = calloc(1, sizeof *all);

    if (all == NULL) {
        bed_fail("out of memory");
    }
    all->run = r;
    atomic_store(&all->looking, true);
    for (unsigned place = 1; place <= r->nodes.n; place++) {
        struct looker *l = &all->lookers[place];
        l->all = all;
        l->place = place;
        if (pthread_create(&l->thread, NULL, looker_main, l) != 0) {
            bed_fail("no thread");
        }
    }
    return all;
}

void run_leaderships_end(struct run_leaderships *all)
{
    atomic_store(&all->looking, false);
    for (unsigned place = 1; place <= all->run->nodes.n; place++) {
        pthread_join(all->lookers[place].thread, NULL);
    }
    free(all);
}
