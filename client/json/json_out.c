/* json_out.c - see json_out.h. */
#include "json_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../text/units.h"
#include "base64.h"
#include "json_in.h"
#include "json_write.h"
#include "percent.h"

/* A string; NULL: the bytes are not UTF-8, or have a NUL. */
static json_t *text_of(struct slice bytes)
{
    if (bytes.len > 0 && memchr(bytes.data, '\0', bytes.len) != NULL) {
        return NULL;
    }
    return json_stringn(bytes.len > 0 ? (const char *)bytes.data : "", bytes.len);
}

static void set_base64(json_t *object, const char *name, struct slice bytes)
{
    char longer[64];
    char *base64 = base64_encode(bytes);

    snprintf(longer, sizeof longer, "%s_base64", name);
    json_object_set_new(object, longer, base64 != NULL ? json_string(base64) : NULL);
    free(base64);
}

void out_bytes(json_t *object, const char *name, struct slice bytes)
{
    json_t *text = text_of(bytes);

    if (text != NULL) {
        json_object_set_new(object, name, text);
    } else {
        set_base64(object, name, bytes);
    }
}

void out_id(json_t *object, struct slice id)
{
    struct buffer url = {0};

    out_bytes(object, "id", id);
    if (percent_is_plain(id) || memchr(id.data, '\0', id.len) != NULL) {
        return;
    }
    percent_encode(&url, id);
    if (!url.failed) {
        json_object_set_new(object, "id_url", json_stringn((const char *)url.data, url.len));
    }
    buffer_free(&url);
}

void out_number(json_t *object, const char *name, uint64_t n)
{
    json_object_set_new(object, name, json_integer((json_int_t)n));
}

void out_text(json_t *object, const char *name, const char *text)
{
    out_bytes(object, name, (struct slice){(const uint8_t *)text, strlen(text)});
}

void out_time(json_t *object, const char *name, uint64_t ms)
{
    char longer[64];
    char text[32];

    snprintf(longer, sizeof longer, "%s_ms", name);
    units_format_time(ms, text, sizeof text);
    json_object_set_new(object, name,
                        ms != 0 && ms <= OUT_TIME_MAX_MS ? json_string(text) : json_null());
    json_object_set_new(object, longer, ms != 0 ? json_integer((json_int_t)ms) : json_null());
}

void out_payload(json_t *object, struct slice payload)
{
    json_t *raw = json_in_raw(payload.data, payload.len);
    json_t *text = raw == NULL ? text_of(payload) : NULL;

    if (raw != NULL) {
        json_object_set_new(object, "payload", raw);
    } else if (text != NULL) {
        json_object_set_new(object, "payload_text", text);
    } else {
        set_base64(object, "payload", payload);
    }
    out_number(object, "payload_bytes", payload.len);
}

json_t *out_page(const char *name, json_t *rows, struct slice next)
{
    char *cursor = next.len > 0 ? base64url_encode(next) : NULL;
    json_t *page = json_object();

    json_object_set_new(page, name, rows);
    json_object_set_new(page, "cursor", cursor != NULL ? json_string(cursor) : json_null());
    free(cursor);
    return page;
}
