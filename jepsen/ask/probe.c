/* probe.c - is the cluster there again? A write through each node's endpoint, with the time
 * from the end of the fault. What it writes is recorded like any client's operation. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../bed/command.h"
#include "call.h"

#define PROBE_DELAY_MS 6000 /* of its order: beyond the bound, lest it expire under a late probe */
#define PROBE_AGAIN_MS 50

static atomic_uint probes;

struct probe {
    struct run *run;
    unsigned place;
    pthread_t thread;
    struct caller caller;
    char id[CALL_ID_MAX];
    uint64_t since_ns, until_ns;
};

/* What a cluster that is not quite there yet may answer. */
static bool is_worth_repeating(int error)
{
    switch (error) {
        case ORDERSCHED_BUSY:
        case ORDERSCHED_NOT_LEADER:
        case ORDERSCHED_NO_SPACE:
        case ORDERSCHED_SHUTTING_DOWN:
        case ORDERSCHED_UNREACHABLE:
        case ORDERSCHED_TIMEOUT:
        case ORDERSCHED_UNKNOWN_OUTCOME: return true;
        default: return false;
    }
}

/* Until it has succeeded or time is up. An unknown outcome is asked for with the same request; a
 * refused request will never happen, so another one is made. */
static bool probe_call(struct probe *p, struct call call)
{
    struct asked answer;

    memcpy(call.id, p->id, sizeof call.id);
    for (;;) {
        uint64_t now_ns = clocks_running_ns();
        if (now_ns >= p->until_ns) {
            return false;
        }
        p->caller.timeout_ms = (unsigned)((p->until_ns - now_ns) / 1000000) + 1;
        int error = caller_call(&p->caller, &call, &answer);
        if (error == ORDERSCHED_OK || !is_worth_repeating(error)) {
            return error == ORDERSCHED_OK;
        }
        call.has_request = call.has_request && call_is_same_again(&call) &&
                           ordersched_error_class(error) == ORDERSCHED_UNKNOWN;
        sleep_ms(PROBE_AGAIN_MS);
    }
}

/* Schedule, move, read and end one order; all must succeed. */
static bool probe_node(struct probe *p)
{
    char endpoint[64];
    struct call schedule = {.kind = ORDERSCHED_SCHEDULE,
                            .relative = true,
                            .time_ms = PROBE_DELAY_MS,
                            .route = p->run->receivers.receivers[0].name,
                            .payload = "{}"};
    struct call extend = {.kind = ORDERSCHED_EXTEND,
                          .relative = true,
                          .time_ms = 2 * PROBE_DELAY_MS};
    struct call get = {.kind = ORDERSCHED_GET};
    struct call end = {.kind = p->place % 2 == 0 ? ORDERSCHED_PAY : ORDERSCHED_CANCEL};

    snprintf(p->id, sizeof p->id, "probe-%u", atomic_fetch_add(&probes, 1) + 1);
    caller_open(&p->caller, p->run, node_endpoint(p->place, endpoint, sizeof endpoint),
                RUN_RECOVERY_BOUND_MS);
    p->caller.place = p->place;
    return probe_call(p, schedule) && probe_call(p, extend) && probe_call(p, get) &&
           probe_call(p, end);
}

static void *probe_main(void *arg)
{
    struct probe *p = arg;
    bool fine = probe_node(p);

    record_line(p->run->record, RECORD_RUNNER, RECORD_INFO, "probe",
                "{:node %u, :after-ms %llu, :ok %s}", p->place,
                (unsigned long long)((clocks_running_ns() - p->since_ns) / 1000000),
                fine ? "true" : "false");
    caller_close(&p->caller);
    return NULL;
}

void run_probe(struct run *r)
{
    struct probe all[BED_PLACES] = {0};
    uint64_t since_ns = clocks_running_ns();

    for (unsigned place = 1; place <= r->nodes.n; place++) {
        struct probe *p = &all[place];
        p->run = r;
        p->place = place;
        p->since_ns = since_ns;
        p->until_ns = since_ns + (uint64_t)RUN_RECOVERY_BOUND_MS * 1000000;
        if (pthread_create(&p->thread, NULL, probe_main, p) != 0) {
            bed_fail("no thread");
        }
    }
    for (unsigned place = 1; place <= r->nodes.n; place++) {
        pthread_join(all[place].thread, NULL);
    }
}
