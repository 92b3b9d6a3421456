/* order_text.c - see order_text.h. */
#include "order_text.h"

#include <assert.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../text/units.h"
#include "webhook.h"

/* Set key to the bytes as a string, or key_base64 to their base64 if they are not UTF-8.
 * (json_stringn fails for what is not UTF-8, and for lack of memory, which the second try finds
 * out again.) */
static bool set_bytes(json_t *object, const char *key, const char *key_base64, const uint8_t *bytes,
                      size_t len)
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

/* Arrays and objects within each other, in text that is JSON. */
static unsigned depth_of(const uint8_t *text, size_t len)
{
    unsigned depth = 0;
    unsigned deepest = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        if (in_string) {
            in_string = text[i] != '"';
            i += text[i] == '\\'; /* what follows it ends no string */
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '{' || text[i] == '[') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if (text[i] == '}' || text[i] == ']') {
            depth--;
        }
    }
    return deepest;
}

/* A payload that is a JSON object or array is embedded byte for byte, never decoded and encoded
 * again: amounts such as 10.10 and numbers wider than a double reach the receiver as the shop
 * wrote them. That is why numbers are only checked for their form here. What a receiver would choke
 * on takes the other orders of its batch down too: JSON has no NUL (jansson passes over one
 * behind a number), and parsers refuse to go deep. */
static bool payload_is_embeddable(const uint8_t *payload, size_t len)
{
    size_t start = 0;

    while (start < len && memchr(" \t\r\n", payload[start], 4) != NULL) {
        start++;
    }
    if (start == len || (payload[start] != '{' && payload[start] != '[') ||
        memchr(payload, '\0', len) != NULL) {
        return false;
    }
    json_t *value = json_loadb((const char *)payload, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
                               NULL);
    json_decref(value);
    return value != NULL && depth_of(payload, len) <= ORDER_TEXT_DEPTH_MAX;
}

/* The embedded payload goes in front of the last bracket. Takes `object` over. */
static char *embed_payload(char *object, const uint8_t *payload, size_t len)
{
    static const char key[] = ",\"payload\":";
    size_t object_len = strlen(object);

    assert(object_len > 2 && object[object_len - 1] == '}');
    char *whole = malloc(object_len + sizeof key + len);
    if (whole != NULL) {
        char *at = mempcpy(whole, object, object_len - 1);
        at = mempcpy(at, key, sizeof key - 1);
        at = mempcpy(at, payload, len);
        memcpy(at, "}", 2);
    }
    free(object);
    return whole;
}

char *order_text_object(const struct order_text *o)
{
    bool embed = payload_is_embeddable(o->payload, o->payload_len);
    json_t *data = json_object();
    char *text = NULL;

    bool ok = data != NULL &&
              (o->key == NULL ||
               (json_object_set_new(data, "idempotency_key", json_string(o->key)) == 0 &&
                json_object_set_new(data, "fence", json_string(o->fence)) == 0)) &&
              set_bytes(data, "order_id", "order_id_base64", o->id, o->id_len) &&
              set_time(data, "deadline", o->deadline_ms) &&
              json_object_set_new(data, "attempt", json_integer(o->attempt)) == 0 &&
              (embed || set_bytes(data, "payload", "payload_base64", o->payload, o->payload_len));
    if (ok) {
        text = json_dumps(data, JSON_COMPACT);
    }
    if (text != NULL && embed) {
        text = embed_payload(text, o->payload, o->payload_len);
    }
    json_decref(data);
    return text;
}

char *order_text_body(const struct order_text *o, uint64_t now_ms)
{
    char time[64];
    char *object = order_text_object(o);
    char *body = NULL;

    units_format_time(now_ms, time, sizeof time);
    if (object != NULL &&
        asprintf(&body, "{\"type\":\"order.expired\",\"timestamp\":\"%s\",\"data\":%s}", time,
                 object) < 0) {
        body = NULL;
    }
    free(object);
    return body;
}
