/* out_status.c - see out_status.h. */
#include "out_status.h"

#include "../../client/json/json_msgpack.h"

static const char *const route_names[] = {"route",  "deliveries", "ready",
                                          "window", "silent_ms",  "lateness"};
static const char *const clock_names[] = {"id", "offset_ms", "ahead_ms", "error_us"};
static const char *const part_names[] = {"timer", "commit", "queue", "callback", "total"};
static const char *const quantile_names[] = {"count",  "p50_us",  "p90_us",
                                             "p99_us", "p999_us", "max_us"};
#define COUNT(names) (sizeof(names) / sizeof *(names))

/* The elements of a row under their names; more than these are a newer node's. */
static json_t *name_elements(const json_t *row, const char *const *names, size_t n)
{
    json_t *object = json_object();

    for (size_t i = 0; i < n && i < json_array_size(row); i++) {
        json_object_set(object, names[i], json_array_get(row, i));
    }
    return object;
}

static json_t *lateness_of(const json_t *parts)
{
    json_t *object = json_object();

    for (size_t i = 0; i < COUNT(part_names) && i < json_array_size(parts); i++) {
        json_object_set_new(object, part_names[i],
                            name_elements(json_array_get(parts, i), quantile_names,
                                          COUNT(quantile_names)));
    }
    return object;
}

/* Rows of arrays become rows of objects. */
static void name_rows(json_t *status, const char *key, const char *const *names, size_t n)
{
    const json_t *rows = json_object_get(status, key);
    json_t *named = json_array();

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = name_elements(json_array_get(rows, i), names, n);
        const json_t *lateness = json_object_get(row, "lateness");
        if (lateness != NULL) {
            json_object_set_new(row, "lateness", lateness_of(lateness));
        }
        json_array_append_new(named, row);
    }
    json_object_set_new(status, key, named);
}

static void say_yes_or_no(json_t *status, const char *key)
{
    const json_t *value = json_object_get(status, key);

    if (json_is_integer(value)) {
        json_object_set_new(status, key, json_boolean(json_integer_value(value) != 0));
    }
}

json_t *out_status(const struct ordersched_answer *answer)
{
    struct cursor c;

    cursor_init(&c, answer->body, answer->body_len);
    json_t *status = json_of_msgpack(&c);
    if (!json_is_object(status)) {
        json_decref(status);
        return NULL;
    }
    name_rows(status, "routes", route_names, COUNT(route_names));
    name_rows(status, "clocks", clock_names, COUNT(clock_names));
    say_yes_or_no(status, "time_known");
    say_yes_or_no(status, "clock_by_trusted");
    return status;
}
