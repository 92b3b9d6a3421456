/* route_request.c - see route_request.h. */
#include "route_request.h"

#include <stdio.h>
#include <string.h>

#include "../../client/text/units.h"
#include "../../client/json/json_write.h"

/* Settings that may come without "_ms", as durations. */
static const char *const durations[] = {"timeout", "connect_timeout", "linger", "retries", NULL};

static const char *const names[] = {
    "kind",           "url",        "secrets",     "signing_keys",    "headers",
    "timeout",        "timeout_ms", "window",      "connect_timeout", "connect_timeout_ms",
    "rate_per_s",     "burst",      "batch",       "linger",          "linger_ms",
    "retries",        "retries_ms", "attempts",    "ca_pem",          "client_cert_pem",
    "client_key_pem", "http2",      "traceparent", "command",         NULL};

/* The duration that stands for NAME_ms; NULL: it has no such form. */
static const char *duration_of(const char *name)
{
    for (unsigned i = 0; durations[i] != NULL; i++) {
        if (strcmp(durations[i], name) == 0) {
            return durations[i];
        }
    }
    return NULL;
}

static bool write_string(const json_t *value, struct buffer *b)
{
    struct slice raw;

    if (!json_is_string(value) || json_raw_is(value, &raw)) {
        return false;
    }
    write_str(b, json_string_value(value), json_string_length(value));
    return true;
}

static bool write_duration(const json_t *value, struct buffer *b)
{
    uint64_t ms;

    if (!json_is_string(value) || !units_parse_duration(json_string_value(value), &ms)) {
        return false;
    }
    write_uint(b, ms);
    return true;
}

/* A string, a number from 0 on, true or false, or arrays of such to `depth` levels. */
static bool write_value(const json_t *value, bool duration, unsigned depth, struct buffer *b)
{
    if (json_is_array(value)) {
        write_array(b, (uint32_t)json_array_size(value));
        bool ok = depth > 0;
        for (size_t i = 0; ok && i < json_array_size(value); i++) {
            ok = write_value(json_array_get(value, i), duration, depth - 1, b);
        }
        return ok;
    }
    if (duration) {
        return write_duration(value, b);
    }
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        write_uint(b, (uint64_t)json_integer_value(value));
        return true;
    }
    if (json_is_boolean(value)) {
        write_uint(b, json_is_true(value) ? 1 : 0);
        return true;
    }
    return write_string(value, b);
}

/* 1 and 0 stand for true and false on the wire, but not in JSON. */
static bool fits_json(const char *name, const json_t *value)
{
    return json_is_boolean(value) ==
           (strcmp(name, "http2") == 0 || strcmp(name, "traceparent") == 0);
}

static void write_setting(struct fields *f, const char *name, const json_t *value, struct buffer *b)
{
    const char *duration = duration_of(name);
    char key[64];

    snprintf(key, sizeof key, "%s%s", name, duration != NULL ? "_ms" : "");
    if (duration != NULL && fields_has(f, key)) {
        fields_refuse(f, key, "INVALID", "\"%s\" is given as well", name);
    }
    write_str(b, key, strlen(key));
    if (!fits_json(name, value) || !write_value(value, duration != NULL, 2, b)) {
        fields_refuse(f, name, "INVALID",
                      duration != NULL
                          ? "must be a duration such as \"10s\", or of retries an array "
                            "of such"
                          : "is of another type: see the route settings in docs/http.md");
    }
}

void route_request_write(const json_t *object, struct buffer *settings, struct flaw *flaw)
{
    json_t *members = (json_t *)(uintptr_t)object; /* jansson's iterators take no const */
    struct fields f = fields_of(object, "", names, flaw);

    write_map(settings, (uint32_t)json_object_size(object));
    for (void *i = json_object_iter(members); i != NULL && flaw->name == NULL;
         i = json_object_iter_next(members, i)) {
        write_setting(&f, json_object_iter_key(i), json_object_iter_value(i), settings);
    }
}

void route_request_flaw(const json_t *object, const struct problem *problem, struct flaw *flaw)
{
    struct fields f = {.object = object, .flaw = flaw};
    char key[64];
    char name[64];

    snprintf(key, sizeof key, "%.*s", (int)problem->key.len,
             problem->key.len > 0 ? (const char *)problem->key.data : "");
    snprintf(name, sizeof name, "%s", key);
    size_t len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, "_ms") == 0 && !fields_has(&f, key)) {
        name[len - 3] = '\0'; /* it came as a duration */
    }
    fields_refuse(&f, fields_has(&f, name) ? name : NULL, "INVALID", "%s%s%s",
                  fields_has(&f, name) ? "" : key, fields_has(&f, name) || key[0] == 0 ? "" : " ",
                  problem->why != NULL ? problem->why : "the settings are not a route's");
}
