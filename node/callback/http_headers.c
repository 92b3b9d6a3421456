/* http_headers.c - what stands in the head of a delivery's request. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../client/wire/traceparent.h"
#include "../dispatch/delivery.h"
#include "http_transfer.h"

static bool transfer_add_line(struct transfer *t, const char *line)
{
    struct curl_slist *grown = curl_slist_append(t->headers, line);
    if (grown == NULL) {
        return false;
    }
    t->headers = grown;
    return true;
}

static bool transfer_add_header(struct transfer *t, const char *name, const char *value)
{
    char line[1024];

    return (size_t)snprintf(line, sizeof line, "%s: %s", name, value) < sizeof line &&
           transfer_add_line(t, line);
}

/* Of one order alone: several may be of as many traces. */
static bool transfer_is_traced(const struct transfer *t)
{
    return t->first->traced && t->first->batch_next == NULL;
}

static bool transfer_add_traceparent(struct transfer *t)
{
    char text[TRACEPARENT_TEXT_SIZE];

    if (!transfer_is_traced(t)) {
        return true;
    }
    traceparent_format(t->first->traceparent, text);
    return transfer_add_header(t, "traceparent", text);
}

/* The route's own; its order's traceparent stands for one of these. (libcurl sends a header without a value only
 * when it ends with a semicolon.) */
static bool transfer_add_route_headers(struct transfer *t, bool *has_accept)
{
    const struct route_settings *s = &t->first->settings->settings;
    char line[PROTOCOL_HEADER_NAME_MAX + PROTOCOL_HEADER_VALUE_MAX + 4];

    *has_accept = false;
    for (uint32_t i = 0; i < s->n_headers; i++) {
        const char *name = (const char *)s->headers[i].name.data;
        const char *value = (const char *)s->headers[i].value.data;
        if (transfer_is_traced(t) && strcasecmp(name, "traceparent") == 0) {
            continue;
        }
        int len = *value != '\0' ? snprintf(line, sizeof line, "%s: %s", name, value)
                                 : snprintf(line, sizeof line, "%s;", name);
        if ((size_t)len >= sizeof line || !transfer_add_line(t, line)) {
            return false;
        }
        *has_accept = *has_accept || strcasecmp(name, "accept") == 0;
    }
    return true;
}

/* NULL, or what is wrong. */
static const char *transfer_sign(struct transfer *t, const char *id, uint64_t timestamp_s)
{
    char all[CALLBACK_SIGNATURES_SIZE];
    const char *why = callback_signatures(&t->first->settings->settings, id, timestamp_s, t->body,
                                          all);

    if (why == NULL && all[0] != '\0' && !transfer_add_header(t, "webhook-signature", all)) {
        why = "out of memory";
    }
    return why;
}

/* A batch has no fence of its own: each of its orders has one, in the body. */
static bool transfer_add_fence(struct transfer *t)
{
    char fence[48];

    snprintf(fence, sizeof fence, "%" PRIu64 ".%" PRIu64, t->first->fence_epoch,
             t->first->fence_index);
    return callback_transfer_is_batch(t) || transfer_add_header(t, "orderschedd-fence", fence);
}

const char *callback_transfer_write_headers(struct transfer *t, uint64_t timestamp_s)
{
    char id[sizeof t->first->key], idempotency_key[sizeof id + 2], timestamp[24];
    bool has_accept;

    memcpy(id, t->first->key, sizeof id);
    if (callback_transfer_is_batch(t)) {
        delivery_batch_key(t->first, id);
    }
    snprintf(timestamp, sizeof timestamp, "%" PRIu64, timestamp_s);
    snprintf(idempotency_key, sizeof idempotency_key, "\"%s\"", id);
    if (!transfer_add_route_headers(t, &has_accept) ||
        !transfer_add_header(t, "content-type", "application/json") ||
        (!has_accept && !transfer_add_header(t, "accept", "application/json")) ||
        !transfer_add_header(t, "webhook-id", id) ||
        !transfer_add_header(t, "webhook-timestamp", timestamp) ||
        !transfer_add_header(t, "idempotency-key", idempotency_key) || !transfer_add_fence(t) ||
        !transfer_add_traceparent(t) ||
        !transfer_add_header(t, "expect", "")) { /* an empty value: do not send this one */
        return "out of memory";
    }
    return transfer_sign(t, id, timestamp_s);
}
