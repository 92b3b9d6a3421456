/* request.c - see request.h. */
#include "request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../text/units.h"

void sink_request_refuse(struct sink_request *r, unsigned status, const char *format, ...)
{
    va_list args;

    r->status = status;
    va_start(args, format);
    vsnprintf(r->reason, sizeof r->reason, format, args);
    va_end(args);
}

void sink_item_refuse(struct sink_item *item, unsigned status, const char *format, ...)
{
    va_list args;

    item->status = status;
    va_start(args, format);
    vsnprintf(item->reason, sizeof item->reason, format, args);
    va_end(args);
}

/* ---- one order ---- */

static bool read_order_id(struct sink_item *item, const json_t *data)
{
    const json_t *text = json_object_get(data, "order_id");
    const json_t *id = json_is_string(text) ? text : json_object_get(data, "order_id_base64");

    item->order_kind = id == text ? SINK_ORDER : SINK_ORDER_BASE64;
    item->order_id = json_is_string(id) ? id : NULL;
    return item->order_id != NULL && json_string_length(id) > 0;
}

static bool read_attempt(struct sink_item *item, const json_t *data)
{
    double attempt = json_number_value(json_object_get(data, "attempt"));

    if (!(attempt >= 1 && attempt <= UINT32_MAX)) {
        return false;
    }
    item->attempt = (uint32_t)attempt;
    return (double)item->attempt == attempt;
}

static bool read_deadline(struct sink_item *item, const json_t *data)
{
    const char *text = json_string_value(json_object_get(data, "deadline"));

    return text != NULL && units_parse_time(text, &item->deadline_ms);
}

/* NULL, or what is wrong with it. */
static const char *read_item(struct sink_item *item, const json_t *data)
{
    if (!read_order_id(item, data)) {
        return "no order_id";
    }
    if (!read_attempt(item, data)) {
        return "no attempt";
    }
    return read_deadline(item, data) ? NULL : "no deadline";
}

static bool key_is_text(const char *key)
{
    json_t *text = json_string(key); /* NULL: not UTF-8 */

    json_decref(text);
    return text != NULL && strlen(key) <= SINK_WEBHOOK_ID_MAX;
}

static const char *read_batch_item(struct sink_item *item, const json_t *data)
{
    const char *fence = json_string_value(json_object_get(data, "fence"));
    const json_t *key = json_object_get(data, "idempotency_key");

    item->key = json_string_value(key);
    if (item->key == NULL || item->key[0] == '\0' || !key_is_text(item->key) ||
        strlen(item->key) != json_string_length(key)) {
        return "no idempotency_key";
    }
    if (fence == NULL || !sink_fence_parse(fence, &item->fence)) {
        return "no fence";
    }
    return read_item(item, data);
}

/* ---- the body ---- */

static void read_single(struct sink_request *r, const json_t *data)
{
    const char *why = read_item(&r->single, data);

    r->single.key = r->webhook.id;
    r->items = &r->single;
    r->n_items = 1;
    if (why != NULL) {
        sink_request_refuse(r, 400, "%s", why);
    } else if (r->fence_text == NULL || !sink_fence_parse(r->fence_text, &r->single.fence)) {
        sink_request_refuse(r, 400, "no orderschedd-fence");
    }
}

static void read_batch(struct sink_request *r, const json_t *data)
{
    size_t n = json_array_size(data);

    r->is_batch = true;
    if (n == 0 || n > SINK_BATCH_MAX) {
        sink_request_refuse(r, 400, "data must be an array of 1 to %d orders", SINK_BATCH_MAX);
        return;
    }
    r->items = calloc(n, sizeof *r->items);
    if (r->items == NULL) {
        sink_request_refuse(r, 503, "out of memory");
        return;
    }
    r->n_items = n;
    for (size_t i = 0; i < n && r->status == 0; i++) {
        const char *why = read_batch_item(&r->items[i], json_array_get(data, i));
        if (why != NULL) {
            sink_request_refuse(r, 400, "data[%zu]: %s", i, why);
        }
    }
}

/* Only for the journal, so that a sender without it is not turned away. */
static void read_cluster_time(struct sink_request *r)
{
    const char *text = json_string_value(json_object_get(r->root, "timestamp"));

    if (text == NULL || !units_parse_time(text, &r->cluster_ms)) {
        r->cluster_ms = 0;
    }
}

/* Payloads may hold numbers wider than 64 bits, so all numbers are read as reals. */
static void read_body(struct sink_request *r)
{
    size_t len = r->webhook.body_len;                             /* there is no body of none */
    bool has_nul = len > 0 && memchr(r->body, '\0', len) != NULL; /* jansson may pass over it */

    r->root = len == 0 || has_nul
                  ? NULL
                  : json_loadb(r->body, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    const char *type = json_string_value(json_object_get(r->root, "type"));
    const json_t *data = json_object_get(r->root, "data");

    read_cluster_time(r);
    if (r->root == NULL) {
        sink_request_refuse(r, 400, "the body is not JSON");
    } else if (type != NULL && strcmp(type, "order.expired") == 0) {
        read_single(r, data);
    } else if (type != NULL && strcmp(type, "order.expired.batch") == 0) {
        read_batch(r, data);
    } else {
        sink_request_refuse(r, 400, "the type is neither order.expired nor order.expired.batch");
    }
}

void sink_request_read(struct sink_request *r, const struct sink_options *o)
{
    struct webhook_trust trust = {(const char *const *)o->secrets, o->n_secrets, o->public_keys,
                                  o->n_public_keys};
    enum webhook_verdict verdict = webhook_verify(&r->webhook, &trust, r->t_us / 1000000,
                                                  o->tolerance_ms / 1000);

    r->id_is_text = r->webhook.id != NULL && key_is_text(r->webhook.id);
    if (r->traceparent != NULL && !key_is_text(r->traceparent)) {
        r->traceparent = NULL;
    }
    if (verdict != WEBHOOK_GENUINE) {
        sink_request_refuse(r, 401, "%s", webhook_verdict_text(verdict));
    } else if (!r->id_is_text) {
        sink_request_refuse(r, 400, "the webhook-id must be text of at most %d bytes",
                            SINK_WEBHOOK_ID_MAX);
    } else {
        read_body(r);
    }
}

void sink_request_free(struct sink_request *r)
{
    if (r != NULL) {
        if (r->items != &r->single) {
            free(r->items);
        }
        json_decref(r->root);
        free(r->body);
        free(r);
    }
}
