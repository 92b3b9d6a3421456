/* out_order.c - see out_order.h. */
#include "out_order.h"

#include <stdio.h>
#include <xxhash.h>

#include "../../client/json/json_write.h"
#include "../../client/json/percent.h"
#include "../../client/text/units.h"
#include "../../client/wire/cursor.h"
#include "../../client/wire/traceparent.h"

json_t *out_order(struct slice id, const struct ordersched_answer *answer)
{
    json_t *order = answer->state != ORDERSCHED_STATE_NONE ? json_object() : NULL;

    if (order != NULL) {
        out_id(order, id);
        out_text(order, "state", ordersched_state_name(answer->state));
        out_time(order, "deadline", answer->deadline_ms);
        out_number(order, "remaining_ms", answer->remaining_ms);
        out_number(order, "index", answer->index);
    }
    return order;
}

bool out_order_write(struct buffer *b, struct slice id, const struct ordersched_answer *answer)
{
    char deadline[32];

    if (answer->state == ORDERSCHED_STATE_NONE) {
        return false;
    }
    /* What needs escapes, or has no date, is rare. */
    if (!percent_is_plain(id) || answer->deadline_ms == 0 ||
        answer->deadline_ms > OUT_TIME_MAX_MS) {
        json_t *order = out_order(id, answer);
        json_write(b, order);
        json_decref(order);
        return true;
    }
    units_format_time(answer->deadline_ms, deadline, sizeof deadline);
    json_write_text(b, "{\"id\":\"");
    buffer_append(b, id.data, id.len);
    json_write_text(b, "\",\"state\":\"");
    json_write_text(b, ordersched_state_name(answer->state));
    json_write_text(b, "\",\"deadline\":\"");
    json_write_text(b, deadline);
    json_write_text(b, "\",\"deadline_ms\":");
    json_write_number(b, (int64_t)answer->deadline_ms);
    json_write_text(b, ",\"remaining_ms\":");
    json_write_number(b, (int64_t)answer->remaining_ms);
    json_write_text(b, ",\"index\":");
    json_write_number(b, (int64_t)answer->index);
    json_write_text(b, "}");
    return true;
}

/* [route, attempts, next_attempt_ms, payload, version, schedule_index, decided_ms], of some orders their traceparent, and
 * maybe more to come */
#define DETAILS 7

bool out_order_details(json_t *order, const struct ordersched_answer *answer)
{
    struct cursor c;

    cursor_init(&c, answer->body, answer->body_len);
    uint32_t n = cursor_array(&c);
    struct slice route = cursor_bytes(&c);
    uint64_t attempts = cursor_uint(&c);
    uint64_t next_attempt_ms = cursor_uint(&c);
    struct slice payload = cursor_bytes(&c);
    uint64_t version = cursor_uint(&c);
    uint64_t schedule_index = cursor_uint(&c);
    uint64_t decided_ms = cursor_uint(&c);
    if (!cursor_ok(&c) || n < DETAILS) {
        return false;
    }
    out_bytes(order, "route", route);
    out_number(order, "version", version);
    out_number(order, "attempts", attempts);
    out_time(order, "next_attempt", next_attempt_ms);
    out_payload(order, payload);
    out_number(order, "schedule_index", schedule_index);
    out_time(order, "decided", decided_ms);
    struct slice traceparent = n > DETAILS ? cursor_bytes(&c) : (struct slice){0};
    if (traceparent_is_good(traceparent)) {
        char text[TRACEPARENT_TEXT_SIZE];
        traceparent_format(traceparent.data, text);
        out_text(order, "traceparent", text);
    }
    return true;
}

void out_order_etag(const struct ordersched_answer *answer, char etag[32])
{
    struct cursor c;

    cursor_init(&c, answer->body, answer->body_len);
    (void)cursor_array(&c);
    for (int i = 0; i < 4; i++) {
        (void)cursor_skip(&c);
    }
    uint64_t version = cursor_uint(&c);
    XXH64_hash_t hash = XXH64(answer->body, answer->body_len,
                              (uint64_t)answer->state << 56 ^ answer->index);
    snprintf(etag, 32, "\"%u-%08x\"", (unsigned)version, (unsigned)(hash & UINT32_MAX));
}
