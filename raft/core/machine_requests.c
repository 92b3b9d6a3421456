/* machine_requests.c - one effect for each request id: the answers once given, and the floor
 * below which an unknown request is refused (docs/semantics.md, "Requests"). */
#include <assert.h>
#include <string.h>

#include "machine_parts.h"
#include "../mutant.h"
#include "recent.h"

static_assert(MACHINE_RECENT_MAX_ONCE <= MACHINE_RECENT_MAX, "the old rules need no more room");

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

/* It lies further ahead than any id that is taken: it comes from before a set-back. */
static bool is_from_before(const struct machine *m, const uint8_t *request_id)
{
    return request_id_time_ms(request_id) > machine_add_ms(m->now_ms, PROTOCOL_REQUEST_AHEAD_MS);
}

/* When it gets stale, as a time of request ids. What comes from before a set-back may lie years ahead:
 * past a day it goes as if it were of the moment of that. A keyed one is recorded with the time of its
 * recording: copies that were made until then, by whosever clock, are to be stale as well. */
static uint64_t staleness_ms(const struct machine *m, const uint8_t *request_id)
{
    uint64_t time_ms = request_id_time_ms(request_id);
    bool is_far = time_ms > machine_add_ms(m->set_back_ms, MACHINE_SET_BACK_KEPT_MS);

    time_ms = is_far && is_from_before(m, request_id) ? m->set_back_ms : time_ms;
    return request_id_is_keyed(request_id) ? machine_add_ms(time_ms, PROTOCOL_REQUEST_AHEAD_MS)
                                           : time_ms;
}

/* The same of a request recorded with an order that was decided: of a keyed one more copies may have been
 * made until that. */
static uint64_t staleness_with_ms(const struct machine *m, const struct order *o,
                                  const uint8_t *request_id)
{
    uint64_t stale_ms = staleness_ms(m, request_id);
    uint64_t decided_ms = machine_add_ms(order_decided_ms(o), PROTOCOL_REQUEST_AHEAD_MS);

    return request_id_is_keyed(request_id) && decided_ms > stale_ms ? decided_ms : stale_ms;
}

/* The body that tells a copy of a keyed request from the first: its client does not know which it
 * is. */
static const uint8_t is_a_copy[] = {0xc3}; /* msgpack: true */

static void give_again(const struct machine *m, const struct operation *op, int error, int state,
                       uint64_t deadline_ms, uint64_t index, struct result *result)
{
    memset(result, 0, sizeof *result);
    result->error = error;
    result->state = state;
    result->deadline_ms = deadline_ms;
    result->remaining_ms = remaining_ms(m, deadline_ms);
    result->index = index;
    result->repeated = true;
    if (op->keyed && error == ORDERSCHED_OK) {
        result->body = (struct slice){is_a_copy, sizeof is_a_copy};
    }
}

/* An id that looks keyed, of a log that was written when none was. */
static bool is_of_old_log(const struct operation *op)
{
    return request_id_is_keyed(op->request_id) && !op->keyed;
}

/* The answer that the order keeps for this request, or NULL. Of an order that is forgotten a keyed request
 * is no copy of one that is stale: whoever makes the order anew says the same as the first time. */
static const struct order_request *kept_answer(const struct machine *m, const struct order *o,
                                               const struct operation *op,
                                               struct order_request *scratch)
{
    const struct order_request *kept = o ? order_find_request(o, op->request_id, scratch) : NULL;

    return kept && op->keyed && machine_is_forgotten(m, o) &&
                   staleness_with_ms(m, o, kept->id) <= m->request_floor_ms
               ? NULL
               : kept;
}

/* A keyed schedule that is refused may be tried again: what it lacked may be there by then. The refusal is that
 * copy's alone. */
static bool is_refused_alone(const struct operation *op)
{
    return op->keyed && op->code == OPERATION_SCHEDULE;
}

const struct recent_request *machine_find_recent(const struct machine *m,
                                                 const struct operation *op)
{
    const struct recent_request *recent = recent_find(m->recent, op->request_id);
    uint8_t copy[ORDERSCHED_REQUEST_ID_SIZE];

    if (recent || !is_refused_alone(op)) {
        return recent;
    }
    request_id_of_copy(op->request_id, copy);
    return recent_find(m->recent, copy);
}

bool machine_answer_early(const struct machine *m, const struct order *o,
                          const struct operation *op, struct result *result)
{
    struct order_request scratch;
    const struct order *known = o && !machine_is_forgotten(m, o) ? o : NULL;

    if (is_of_old_log(op)) {
        machine_describe(m, known, ORDERSCHED_EARLY_REQUEST, result);
        return true;
    }
    const struct order_request *with_order = kept_answer(m, o, op, &scratch);
    if (with_order) {
        give_again(m, op, with_order->error, with_order->state, with_order->deadline_ms,
                   with_order->index, result);
        return true;
    }
    const struct recent_request *recent = machine_find_recent(m, op);
    if (recent) {
        give_again(m, op, recent->error, recent->state, recent->deadline_ms, recent->index, result);
        return true;
    }
    uint64_t time_ms = request_id_time_ms(op->request_id);
    if (time_ms <= m->request_floor_ms) {
        machine_describe(m, known, ORDERSCHED_STALE_REQUEST, result);
        return true;
    }
    if (time_ms > machine_add_ms(m->now_ms, PROTOCOL_REQUEST_AHEAD_MS)) {
        machine_describe(m, known, ORDERSCHED_EARLY_REQUEST, result);
        return true;
    }
    return false;
}

/* --- the floor --- */

void machine_raise_floor(struct machine *m, uint64_t time_ms)
{
    if (m->request_floor_ms < time_ms) {
        m->request_floor_ms = time_ms;
    }
}

bool machine_keeps_old_rules(const struct machine *m)
{
    return m->epoch > 0 && m->secret_index == 0;
}

/* How long an id that was not seen yet is taken. Not longer than a decided order is known: then its
 * own requests are stale when it is forgotten. */
static uint64_t lifetime_ms(const struct machine *m)
{
    uint64_t ms = m->retention_ms;

    if (ms > PROTOCOL_REQUEST_LIFETIME_MS || machine_keeps_old_rules(m)) {
        return PROTOCOL_REQUEST_LIFETIME_MS;
    }
    return ms < MACHINE_LIFETIME_MIN_MS ? MACHINE_LIFETIME_MIN_MS : ms;
}

uint64_t machine_fair_floor_ms(const struct machine *m)
{
    uint64_t ms = lifetime_ms(m);

    return m->now_ms > ms && m->now_ms - ms > m->request_floor_ms ? m->now_ms - ms
                                                                  : m->request_floor_ms;
}

uint64_t machine_fair_floor_reaches_ms(const struct machine *m, uint64_t ms)
{
    return machine_add_ms(ms, lifetime_ms(m));
}

/* --- the recent --- */

static void drop_oldest(struct machine *m)
{
    if (m->observer != NULL) {
        m->observer->request_leaves(m->observer);
    }
    recent_drop_oldest(m->recent);
}

static bool is_stale(const struct machine *m, const struct recent_request *r)
{
    return staleness_ms(m, r->id) <= m->request_floor_ms;
}

/* The oldest, which lies ahead, makes way for those behind it. */
static void pass_oldest_by(struct machine *m)
{
    struct recent_request oldest = *recent_at(m->recent, 0);

    drop_oldest(m);
    recent_add(m->recent, &oldest);
}

/* Let the oldest go, as far as they are stale; look at `max` at most. */
static void requests_trim(struct machine *m, uint32_t max)
{
    uint32_t n = recent_count(m->recent);

    for (uint32_t i = 0; i < max && i < n; i++) {
        const struct recent_request *oldest = recent_at(m->recent, 0);
        if (is_stale(m, oldest)) {
            drop_oldest(m);
        } else if (is_from_before(m, oldest->id)) {
            pass_oldest_by(m);
        } else {
            break;
        }
    }
}

void machine_follow_now(struct machine *m, uint32_t n_operations)
{
    machine_raise_floor(m, machine_fair_floor_ms(m));
    /* Two leave for each that may come, so that they do not pile up; and not all of them in one
     * entry, which would take too long. */
    requests_trim(m, machine_keeps_old_rules(m) ? UINT32_MAX : MACHINE_TRIM_MIN + 2 * n_operations);
}

/* Room for so many; what is stale goes first. */
static bool has_room(struct machine *m, uint32_t n, bool spare)
{
    uint32_t limit = recent_limit(m->recent);
    uint32_t kept = spare ? 0 : limit / MACHINE_RECENT_SPARE;

    if (recent_count(m->recent) + n > limit - kept) {
        requests_trim(m, 2 * n);
    }
    while (MUTANT(FULL_RECENT_FORGETS) && recent_count(m->recent) > 0 &&
           recent_count(m->recent) + n > limit - kept) {
        drop_oldest(m);
    }
    return recent_count(m->recent) + n <= limit - kept;
}

bool machine_recent_has_room(struct machine *m, bool spare)
{
    return machine_keeps_old_rules(m) || has_room(m, 1, spare);
}

/* Once, the oldest made room, and the floor rose to its time. */
static void make_room_by_old_rules(struct machine *m)
{
    uint32_t limit = recent_limit(m->recent);

    limit = limit < MACHINE_RECENT_MAX_ONCE ? limit : MACHINE_RECENT_MAX_ONCE;
    while (recent_count(m->recent) >= limit) {
        machine_raise_floor(m, staleness_ms(m, recent_at(m->recent, 0)->id));
        drop_oldest(m);
    }
}

static void add_recent(struct machine *m, const struct order_request *answer)
{
    struct recent_request request = {
        .index = answer->index,
        .deadline_ms = answer->deadline_ms,
        .error = answer->error,
        .state = answer->state,
    };

    memcpy(request.id, answer->id, sizeof request.id);
    if (machine_keeps_old_rules(m)) {
        make_room_by_old_rules(m);
    }
    recent_add(m->recent, &request);
}

void machine_keep_request(const struct machine *m, const uint8_t *request_id,
                          uint8_t kept[ORDERSCHED_REQUEST_ID_SIZE])
{
    memcpy(kept, request_id, ORDERSCHED_REQUEST_ID_SIZE);
    if (request_id_is_keyed(request_id)) {
        request_id_set_time(kept, m->now_ms);
    }
}

static struct order_request answer_of(const struct machine *m, const uint8_t *request_id,
                                      const struct result *result)
{
    struct order_request answer = {
        .index = result->index,
        .deadline_ms = result->deadline_ms,
        .error = (uint8_t)result->error,
        .state = (uint8_t)result->state,
    };

    assert((unsigned)result->error <= UINT8_MAX && (unsigned)result->state <= ORDERSCHED_DEAD);
    machine_keep_request(m, request_id, answer.id);
    return answer;
}

void machine_record_recent(struct machine *m, const struct operation *op, bool changed,
                           struct result *result)
{
    struct order_request answer = answer_of(m, op->request_id, result);

    if (is_refused_alone(op)) {
        assert(!changed && result->error != ORDERSCHED_OK);
        request_id_of_copy(op->request_id, answer.id);
        /* It may be an id that was not keyed, of the forgotten order that has just made way. */
        if (recent_find(m->recent, answer.id)) {
            return;
        }
    }
    add_recent(m, &answer);
    result->recent = true;
    result->in_vain = !changed;
}

/* --- with an order --- */

void machine_record(struct machine *m, struct order *o, const uint8_t *request_id,
                    const struct result *result)
{
    struct order_request answer = answer_of(m, request_id, result);
    size_t before;

    machine_touch(m, o);
    before = order_memory(o);
    order_add_request(o, &answer);
    m->memory += order_memory(o) - before;
}

/* Must the request outlive its order? */
static bool has_to_move(const struct machine *m, const struct order *o, const uint8_t *request_id)
{
    return staleness_with_ms(m, o, request_id) > m->request_floor_ms &&
           recent_find(m->recent, request_id) == NULL;
}

/* It is known as long as it would have been with its order. */
static void move_request(struct machine *m, const struct order *o, struct order_request answer)
{
    if (!has_to_move(m, o, answer.id)) {
        return;
    }
    if (request_id_is_keyed(answer.id) &&
        staleness_ms(m, answer.id) < staleness_with_ms(m, o, answer.id)) {
        request_id_set_time(answer.id, order_decided_ms(o));
    }
    add_recent(m, &answer);
}

bool machine_move_requests(struct machine *m, const struct order *o)
{
    struct order_request scratch;
    uint32_t n = has_to_move(m, o, o->schedule_request);

    for (unsigned i = 0; o->extra && i < o->extra->n_requests; i++) {
        n += has_to_move(m, o, o->extra->requests[i].id);
    }
    if (!has_room(m, n, false)) {
        return false;
    }
    move_request(m, o, *order_find_request(o, o->schedule_request, &scratch));
    for (unsigned i = 0; o->extra && i < o->extra->n_requests; i++) {
        move_request(m, o, o->extra->requests[i]);
    }
    return true;
}

uint64_t machine_latest_request_ms(const struct machine *m, const struct order *o)
{
    uint64_t latest_ms = staleness_with_ms(m, o, o->schedule_request);

    for (unsigned i = 0; o->extra && i < o->extra->n_requests; i++) {
        uint64_t time_ms = staleness_with_ms(m, o, o->extra->requests[i].id);

        if (latest_ms < time_ms) {
            latest_ms = time_ms;
        }
    }
    return latest_ms;
}
