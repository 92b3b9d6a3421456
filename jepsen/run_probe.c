/* run_probe.c - is the cluster there again? A write through each node's endpoint, with the time
 * from the end of the fault. What it writes is recorded like any client's operation. */
#include <stdatomic.h>
#include <stdio.h>

#include "bed_command.h"
#include "run_call.h"

#define PROBE_DELAY_MS 1500

static _Atomic unsigned probes;

/* Schedule, move, read and pay one order; all must succeed. */
static bool probe_node(struct run *r, unsigned place, uint64_t since_ns)
{
    char endpoint[64];
    struct caller caller;
    struct asked answer;
    struct call call = {.kind = ORDERSCHED_SCHEDULE, .relative = true, .time_ms = PROBE_DELAY_MS,
                        .route = r->receivers.receivers[0].name, .payload = "{}"};
    uint64_t spent_ms = (monotonic_ns() - since_ns) / 1000000;

    snprintf(call.id, sizeof call.id, "probe-%u", atomic_fetch_add(&probes, 1) + 1);
    caller_open(&caller, r, node_endpoint(place, endpoint, sizeof endpoint),
                spent_ms < RUN_RECOVERY_BOUND_MS ? (unsigned)(RUN_RECOVERY_BOUND_MS - spent_ms)
                                                 : 1000);
    bool fine = caller_call(&caller, &call, &answer) == ORDERSCHED_OK;
    struct call next = {.kind = ORDERSCHED_EXTEND, .relative = true, .time_ms = 2 * PROBE_DELAY_MS};
    snprintf(next.id, sizeof next.id, "%s", call.id);
    fine = fine && caller_call(&caller, &next, &answer) == ORDERSCHED_OK;
    next = (struct call){.kind = ORDERSCHED_GET};
    snprintf(next.id, sizeof next.id, "%s", call.id);
    fine = fine && caller_call(&caller, &next, &answer) == ORDERSCHED_OK;
    next = (struct call){.kind = place % 2 == 0 ? ORDERSCHED_PAY : ORDERSCHED_CANCEL};
    snprintf(next.id, sizeof next.id, "%s", call.id);
    fine = fine && caller_call(&caller, &next, &answer) == ORDERSCHED_OK;
    caller_close(&caller);
    return fine;
}

void run_probe(struct run *r)
{
    uint64_t since_ns = monotonic_ns();

    for (unsigned place = 1; place <= r->nodes.n; place++) {
        bool fine = probe_node(r, place, since_ns);
        record_line(r->record, RECORD_RUNNER, RECORD_INFO, "probe",
                    "{:node %u, :after-ms %llu, :ok %s}", place,
                    (unsigned long long)((monotonic_ns() - since_ns) / 1000000),
                    fine ? "true" : "false");
    }
}
