/* machine_requests.c - one effect for each request id: the answers once given, and the floor
 * below which an unknown request is refused (docs/semantics.md, "Requests"). */
#include <assert.h>
#include <string.h>

#include "machine_parts.h"
#include "recent.h"

static uint64_t remaining_ms(const struct machine *m, uint64_t deadline_ms)
{
    return deadline_ms > m->now_ms ? deadline_ms - m->now_ms : 0;
}

void machine_describe(const struct machine *m, const struct order *o, int error,
                      struct result *result)
{
    memset(result, 0, sizeof *result);
    result->error = error;
    if (o) {
        result->state = order_state(o, m->now_ms);
        result->deadline_ms = o->deadline_ms;
        result->remaining_ms = remaining_ms(m, o->deadline_ms);
        result->index = order_decision_index(o);
    }
}

static void give_again(const struct machine *m, int error, int state, uint64_t deadline_ms,
                       uint64_t index, struct result *result)
{
    memset(result, 0, sizeof *result);
    result->error = error;
    result->state = state;
    result->deadline_ms = deadline_ms;
    result->remaining_ms = remaining_ms(m, deadline_ms);
    result->index = index;
}

bool machine_answer_early(const struct machine *m, const struct order *o,
                          const uint8_t *request_id, struct result *result)
{
    struct order_request scratch;
    const struct order_request *with_order = o ? order_find_request(o, request_id, &scratch) : NULL;
    const struct recent_request *recent;
    uint64_t time_ms;

    if (with_order) {
        give_again(m, with_order->error, with_order->state, with_order->deadline_ms,
                   with_order->index, result);
        return true;
    }
    recent = recent_find(m->recent, request_id);
    if (recent) {
        give_again(m, recent->error, recent->state, recent->deadline_ms, recent->index, result);
        return true;
    }
    time_ms = request_id_time_ms(request_id);
    if (time_ms <= m->request_floor_ms) {
        machine_describe(m, o, ORDERSCHED_STALE_REQUEST, result);
        return true;
    }
    if (time_ms > machine_add_ms(m->now_ms, PROTOCOL_REQUEST_AHEAD_MS)) {
        machine_describe(m, o, ORDERSCHED_EARLY_REQUEST, result);
        return true;
    }
    return false;
}

void machine_record_recent(struct machine *m, const uint8_t *request_id,
                           const struct result *result)
{
    struct recent_request request = {
        .index = result->index,
        .deadline_ms = result->deadline_ms,
        .error = (uint8_t)result->error,
        .state = (uint8_t)result->state,
    };

    memcpy(request.id, request_id, sizeof request.id);
    recent_add(m->recent, &request, &m->request_floor_ms);
}

void machine_record(struct machine *m, struct order *o, const uint8_t *request_id,
                    const struct result *result)
{
    struct order_request request = {
        .index = result->index,
        .deadline_ms = result->deadline_ms,
        .error = (uint8_t)result->error,
        .state = (uint8_t)result->state,
    };
    size_t before;
    bool recorded;

    memcpy(request.id, request_id, sizeof request.id);
    machine_touch(m, o);
    before = order_memory(o);
    recorded = order_add_request(o, &request);
    m->memory += order_memory(o) - before;
    if (!recorded) {
        machine_record_recent(m, request_id, result);
    }
}

uint64_t machine_latest_request_ms(const struct order *o)
{
    uint64_t latest_ms = request_id_time_ms(o->schedule_request);

    for (unsigned i = 0; o->extra && i < o->extra->n_requests; i++) {
        uint64_t time_ms = request_id_time_ms(o->extra->requests[i].id);

        if (latest_ms < time_ms) {
            latest_ms = time_ms;
        }
    }
    return latest_ms;
}
