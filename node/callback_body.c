/* callback_body.c - what a delivery says: the JSON body and its signature. See callback_http.h. */
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../client/units.h"
#include "../client/webhook.h"
#include "callback_http.h"

/* Set key to the bytes as a string, or key_base64 to their base64 if they are not UTF-8.
 * (json_stringn fails for what is not UTF-8, and for lack of memory, which the second try finds
 * out again.) */
static bool set_bytes(json_t *object, const char *key, const char *key_base64,
                      const uint8_t *bytes, size_t len)
{
    json_t *text = json_stringn(len > 0 ? (const char *)bytes : "", len);

    if (text != NULL) {
        return json_object_set_new(object, key, text) == 0;
    }
    char *base64 = webhook_base64_encode(bytes, len);
    bool ok = base64 != NULL && json_object_set_new(object, key_base64, json_string(base64)) == 0;
    free(base64);
    return ok;
}

static bool set_time(json_t *object, const char *key, uint64_t ms)
{
    char text[64];

    units_format_time(ms, text, sizeof text);
    return json_object_set_new(object, key, json_string(text)) == 0;
}

/* A payload that is a JSON object or array is embedded byte for byte, never decoded and encoded
 * again: amounts such as 10.10 and numbers wider than a double reach the receiver as the shop
 * wrote them. That is why numbers are only checked for their form here. */
static bool payload_is_embeddable(const uint8_t *payload, size_t len)
{
    size_t start = 0;

    while (start < len && payload[start] != '\0' && strchr(" \t\r\n", payload[start]) != NULL) {
        start++;
    }
    if (start == len || (payload[start] != '{' && payload[start] != '[')) {
        return false;
    }
    json_t *value =
        json_loadb((const char *)payload, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    json_decref(value);
    return value != NULL;
}

/* "data" is the last member of the body, so the embedded payload goes in front of the last two
 * brackets. Takes `body` over. */
static char *embed_payload(char *body, const uint8_t *payload, size_t len)
{
    static const char key[] = ",\"payload\":";
    size_t body_len = strlen(body);

    assert(body_len > 2 && strcmp(body + body_len - 2, "}}") == 0);
    char *whole = malloc(body_len + sizeof key + len);
    if (whole != NULL) {
        char *at = mempcpy(whole, body, body_len - 2);
        at = mempcpy(at, key, sizeof key - 1);
        at = mempcpy(at, payload, len);
        memcpy(at, "}}", 3);
    }
    free(body);
    return whole;
}

char *callback_body(const struct delivery *d, uint64_t now_ms)
{
    bool embed = payload_is_embeddable(d->payload, d->payload_len);
    json_t *root = json_object();
    json_t *data = json_object();
    char *body = NULL;

    bool ok = root != NULL && data != NULL &&
              set_bytes(data, "order_id", "order_id_base64", d->id, d->id_len) &&
              set_time(data, "deadline", d->deadline_ms) &&
              json_object_set_new(data, "attempt", json_integer(d->attempt)) == 0 &&
              (embed ||
               set_bytes(data, "payload", "payload_base64", d->payload, d->payload_len)) &&
              json_object_set_new(root, "type", json_string("order.expired")) == 0 &&
              set_time(root, "timestamp", now_ms) && json_object_set(root, "data", data) == 0;
    if (ok) {
        body = json_dumps(root, JSON_COMPACT);
    }
    if (body != NULL && embed) {
        body = embed_payload(body, d->payload, d->payload_len);
    }
    json_decref(data);
    json_decref(root);
    return body;
}

char *callback_signature(const char *secret, const char *id, uint64_t timestamp_s,
                         const char *body)
{
    char *out = malloc(WEBHOOK_SIGNATURE_SIZE);

    if (out != NULL && !webhook_sign(secret, id, timestamp_s, body, strlen(body), out)) {
        free(out);
        out = NULL;
    }
    return out;
}
