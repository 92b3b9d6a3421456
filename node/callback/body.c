/* body.c - what a delivery says: the JSON body and its signatures. See http.h. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/callback/order_text.h"
#include "../../client/text/units.h"
#include "../../client/callback/webhook.h"
#include "../../client/callback/webhook_key.h"
#include "http.h"

static struct order_text text_of(const struct delivery *d)
{
    return (struct order_text){
        .id = d->id,
        .id_len = d->id_len,
        .deadline_ms = d->deadline_ms,
        .attempt = d->attempt,
        .payload = d->payload,
        .payload_len = d->payload_len,
    };
}

char *callback_body(const struct delivery *d, uint64_t now_ms)
{
    struct order_text text = text_of(d);

    return order_text_body(&text, now_ms);
}

/* One order of a batch. */
static char *batch_order(const struct delivery *d)
{
    struct order_text text = text_of(d);
    char fence[ORDERSCHED_FENCE_SIZE];

    snprintf(fence, sizeof fence, "%" PRIu64 ".%" PRIu64, d->fence_epoch, d->fence_index);
    text.key = d->key;
    text.fence = fence;
    return order_text_object(&text);
}

char *callback_batch_body(const struct delivery *first, uint64_t now_ms)
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
    fprintf(out, "{\"type\":\"order.expired.batch\",\"timestamp\":\"%s\",\"data\":[", time);
    for (const struct delivery *d = first; d != NULL && ok; d = d->batch_next) {
        char *text = batch_order(d);
        ok = text != NULL && fprintf(out, "%s%s", d != first ? "," : "", text) >= 0;
        free(text);
    }
    ok = fputs("]}", out) >= 0 && ok;
    if (fclose(out) != 0 || !ok) {
        free(body);
        body = NULL;
    }
    return body;
}

static_assert(PROTOCOL_SECRETS_MAX * (WEBHOOK_SIGNATURE_SIZE + WEBHOOK_KEY_SIGNATURE_SIZE) <=
                  CALLBACK_SIGNATURES_SIZE,
              "all signatures fit, each with a space or the NUL behind it");

const char *callback_signatures(const struct route_settings *s, const char *id,
                                uint64_t timestamp_s, const char *body,
                                char out[CALLBACK_SIGNATURES_SIZE])
{
    size_t body_len = strlen(body);
    char *at = out;

    for (uint32_t i = 0; i < s->n_secrets; i++) {
        if (!webhook_sign((const char *)s->secrets[i].data, id, timestamp_s, body, body_len, at)) {
            return "a secret of the route must be whsec_ and the base64 of 24 to 64 bytes";
        }
        at += strlen(at);
        *at++ = ' ';
    }
    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        if (!webhook_sign_with_key((const char *)s->signing_keys[i].data, id, timestamp_s, body,
                                   body_len, at)) {
            return "a signing key of the route cannot be used";
        }
        at += strlen(at);
        *at++ = ' ';
    }
    at -= at > out; /* the last space */
    *at = '\0';
    return NULL;
}
