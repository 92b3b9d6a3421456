/* worker.c - what the steps of workloads are made of. See workload.h. */
#include <stdlib.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "workload.h"

#define REPEAT_PERCENT 20         /* of the requests that were answered */
#define REPEAT_UNKNOWN_PERCENT 60 /* of the others */

uint64_t worker_between(struct worker *w, uint64_t least, uint64_t most)
{
    return least + random_below(&w->random, most - least + 1);
}

bool worker_random_bool(struct worker *w, unsigned percent)
{
    return random_below(&w->random, 100) < percent;
}

void worker_new_id(struct worker *w, const char *prefix, char id[CALL_ID_MAX])
{
    snprintf(id, CALL_ID_MAX, "%s-%u-%llu", prefix, w->number, (unsigned long long)++w->orders);
}

void worker_plan(struct worker *w, const struct call *call, uint64_t delay_ms)
{
    for (unsigned i = 0; i < WORKER_AGENDA_MAX; i++) {
        if (w->agenda[i].due_ns == 0) {
            w->agenda[i].due_ns = clocks_running_ns() + delay_ms * 1000000;
            w->agenda[i].call = *call;
            return;
        }
    }
}

/* A copy is sent by another span of the trace: the last two digits of the parent id count them. */
static void copy_to_another_span(struct call *call)
{
    char *digits = strrchr(call->traceparent, '-');

    if (digits != NULL) {
        unsigned span = (unsigned)strtoul(digits - 2, NULL, 16) + 1;
        digits[-2] = "0123456789abcdef"[span >> 4 & 15];
        digits[-1] = "0123456789abcdef"[span & 15];
    }
}

/* Soon, as an impatient shop does it, or late, when the cluster may have forgotten it. */
static void worker_perhaps_repeat(struct worker *w, const struct call *call, int error)
{
    bool unknown = ordersched_error_class(error) == ORDERSCHED_UNKNOWN;
    struct call again = *call;

    again.has_request = call_is_same_again(call);
    copy_to_another_span(&again);
    if (call->has_request &&
        worker_random_bool(w, unknown ? REPEAT_UNKNOWN_PERCENT : REPEAT_PERCENT)) {
        worker_plan(w, &again,
                    worker_random_bool(w, 50) ? worker_between(w, 0, 400)
                                              : worker_between(w, 400, 12000));
    }
}

/* Some clients give up before an election can end, others wait for its end. Over HTTP patience is in
 * whole seconds. */
static unsigned worker_timeout_ms(struct worker *w)
{
    static const unsigned timeouts_ms[] = {200, 600, 1500, RUN_CALL_TIMEOUT_MS};
    static const unsigned http_ms[] = {1000, 2000, 3000, 5000};

    return (w->run->options.http ? http_ms : timeouts_ms)[worker_between(w, 0, 3)];
}

int worker_call(struct worker *w, struct call *call, struct asked *answer)
{
    w->caller.timeout_ms = worker_timeout_ms(w);
    int error = caller_call(&w->caller, call, answer);

    worker_perhaps_repeat(w, call, error);
    return error;
}
