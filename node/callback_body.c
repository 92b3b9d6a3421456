/* callback_body.c - what a delivery says: the JSON body and its signature. See callback_http.h. */
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

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

static bool set_fence(json_t *object, const struct delivery *d)
{
    char fence[48];

    snprintf(fence, sizeof fence, "%" PRIu64 ".%" PRIu64, d->fence_epoch, d->fence_index);
    return json_object_set_new(object, "fence", json_string(fence)) == 0;
}

/* The object that stands for one order: malloc'ed text, or NULL. */
static char *order_text(const struct delivery *d, bool in_batch)
{
    bool embed = payload_is_embeddable(d->payload, d->payload_len);
    json_t *data = json_object();
    char *text = NULL;

    bool ok = data != NULL &&
              (!in_batch ||
               (json_object_set_new(data, "idempotency_key", json_string(d->key)) == 0 &&
                set_fence(data, d))) &&
              set_bytes(data, "order_id", "order_id_base64", d->id, d->id_len) &&
              set_time(data, "deadline", d->deadline_ms) &&
              json_object_set_new(data, "attempt", json_integer(d->attempt)) == 0 &&
              (embed ||
               set_bytes(data, "payload", "payload_base64", d->payload, d->payload_len));
    if (ok) {
        text = json_dumps(data, JSON_COMPACT);
    }
    if (text != NULL && embed) {
        text = embed_payload(text, d->payload, d->payload_len);
    }
    json_decref(data);
    return text;
}

/* The whole: one order as an object, or as many as hang together as an array. */
static char *body_text(const struct delivery *first, const char *type, bool batch, uint64_t now_ms)
{
    char time[64];
    char *body = NULL;
    size_t len;
    bool ok = true;
    FILE *out = open_memstream(&body, &len);

    if (out == NULL) {
        return NULL;
    }
    units_format_time(now_ms, time, sizeof time);
    fprintf(out, "{\"type\":\"%s\",\"timestamp\":\"%s\",\"data\":%s", type, time, batch ? "[" : "");
    for (const struct delivery *d = first; d != NULL && ok; d = batch ? d->batch_next : NULL) {
        char *text = order_text(d, batch);
        ok = text != NULL && fprintf(out, "%s%s", d != first ? "," : "", text) >= 0;
        free(text);
    }
    ok = fputs(batch ? "]}" : "}", out) >= 0 && ok;
    if (fclose(out) != 0 || !ok) {
        free(body);
        body = NULL;
    }
    return body;
}

char *callback_body(const struct delivery *d, uint64_t now_ms)
{
    return body_text(d, "order.expired", false, now_ms);
}

char *callback_batch_body(const struct delivery *first, uint64_t now_ms)
{
    return body_text(first, "order.expired.batch", true, now_ms);
}

void callback_batch_id(const struct delivery *first, char *out)
{
    XXH3_state_t *hash = XXH3_createState();

    if (hash == NULL) {
        abort();
    }
    XXH3_128bits_reset(hash);
    for (const struct delivery *d = first; d != NULL; d = d->batch_next) {
        XXH3_128bits_update(hash, d->key, sizeof d->key - 1);
    }
    XXH128_hash_t id = XXH3_128bits_digest(hash);
    XXH3_freeState(hash);
    snprintf(out, 37, "osd_%016llx%016llx", (unsigned long long)id.high64,
             (unsigned long long)id.low64);
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
