/* ordersink_request.c - see ordersink_request.h. */
#include "ordersink_request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

void sink_request_refuse(struct sink_request *r, unsigned status, const char *format, ...)
{
    va_list args;

    r->status = status;
    va_start(args, format);
    vsnprintf(r->reason, sizeof r->reason, format, args);
    va_end(args);
}

static bool read_order_id(struct sink_request *r, const json_t *data)
{
    json_t *text = json_object_get(data, "order_id");
    json_t *base64 = json_object_get(data, "order_id_base64");

    r->order_kind = json_is_string(text) ? SINK_ORDER : SINK_ORDER_BASE64;
    r->order_id = json_is_string(text) ? json_incref(text) : json_incref(base64);
    return json_is_string(r->order_id) && json_string_length(r->order_id) > 0;
}

static bool read_attempt(struct sink_request *r, const json_t *data)
{
    double attempt = json_number_value(json_object_get(data, "attempt"));

    if (!(attempt >= 1 && attempt <= UINT32_MAX)) {
        return false;
    }
    r->attempt = (uint32_t)attempt;
    return (double)r->attempt == attempt;
}

static bool read_deadline(struct sink_request *r, const json_t *data)
{
    const char *text = json_string_value(json_object_get(data, "deadline"));

    return text != NULL && units_parse_time(text, &r->deadline_ms);
}

/* Only for the journal, so that a sender without it is not turned away. */
static void read_cluster_time(struct sink_request *r, const json_t *root)
{
    const char *text = json_string_value(json_object_get(root, "timestamp"));

    if (text == NULL || !units_parse_time(text, &r->cluster_ms)) {
        r->cluster_ms = 0;
    }
}

/* NULL, or what is wrong with the body. Payloads may hold numbers wider than 64 bits, so all
 * numbers are read as reals. */
static const char *read_body(struct sink_request *r)
{
    json_t *root = json_loadb(r->body, r->webhook.body_len,
                              JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    const json_t *data = json_object_get(root, "data");
    const char *why = NULL;

    if (root == NULL) {
        why = "the body is not JSON";
    } else if (type == NULL || strcmp(type, "order.expired") != 0) {
        why = "the type is not order.expired";
    } else if (!read_order_id(r, data)) {
        why = "no order_id";
    } else if (!read_attempt(r, data)) {
        why = "no attempt";
    } else if (!read_deadline(r, data)) {
        why = "no deadline";
    }
    read_cluster_time(r, root);
    json_decref(root);
    return why;
}

static bool webhook_id_is_text(const char *id)
{
    json_t *text = json_string(id); /* NULL: not UTF-8 */

    json_decref(text);
    return text != NULL && strlen(id) <= SINK_WEBHOOK_ID_MAX;
}

void sink_request_read(struct sink_request *r, const struct sink_options *o)
{
    enum webhook_verdict verdict =
        webhook_verify(&r->webhook, (const char *const *)o->secrets, o->n_secrets,
                       r->t_ms / 1000, o->tolerance_ms / 1000);
    const char *why;

    if (verdict != WEBHOOK_GENUINE) {
        sink_request_refuse(r, 401, "%s", webhook_verdict_text(verdict));
    } else if (!webhook_id_is_text(r->webhook.id)) {
        sink_request_refuse(r, 400, "the webhook-id is no text of at most %d bytes",
                            SINK_WEBHOOK_ID_MAX);
    } else if ((why = read_body(r)) != NULL) {
        sink_request_refuse(r, 400, "%s", why);
    } else if (r->fence_text == NULL || !sink_fence_parse(r->fence_text, &r->fence)) {
        sink_request_refuse(r, 400, "no orderschedd-fence");
    }
}

void sink_request_free(struct sink_request *r)
{
    if (r != NULL) {
        json_decref(r->order_id);
        free(r->body);
        free(r);
    }
}
