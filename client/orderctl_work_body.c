/* orderctl_work_body.c - an order as JSON, for a program of orderctl work. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "orderctl.h"
#include "orderctl_work.h"
#include "units.h"

static void set_time(json_t *object, const char *key, uint64_t ms)
{
    char text[64];

    units_format_time(ms, text, sizeof text);
    json_object_set_new(object, key, json_string(text));
}

/* Embedded byte for byte, so that amounts and wide numbers stay as the shop wrote them. */
static bool is_embeddable(const struct ordersched_job *job)
{
    json_t *value = json_loadb((const char *)job->payload, job->payload_len,
                               JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    bool embeddable = value != NULL;

    json_decref(value);
    return embeddable;
}

static char *embed(char *body, const struct ordersched_job *job)
{
    static const char key[] = ",\"payload\":";
    size_t len = body != NULL ? strlen(body) : 0;
    char *whole = body != NULL ? malloc(len + sizeof key + job->payload_len) : NULL;

    if (whole != NULL) {
        char *at = mempcpy(whole, body, len - 2); /* before the brackets of data and the whole */
        at = mempcpy(at, key, sizeof key - 1);
        at = mempcpy(at, job->payload, job->payload_len);
        memcpy(at, "}}", 3);
    }
    free(body);
    return whole;
}

char *work_body(const struct ordersched_job *job)
{
    bool embeddable = is_embeddable(job);
    json_t *root = json_object();
    json_t *data = json_object();
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    ctl_json_bytes(data, "order_id", job->id, job->id_len);
    set_time(data, "deadline", job->deadline_ms);
    json_object_set_new(data, "attempt", json_integer(job->attempt));
    if (!embeddable) {
        ctl_json_bytes(data, "payload", job->payload, job->payload_len);
    }
    json_object_set_new(root, "type", json_string("order.expired"));
    set_time(root, "timestamp", (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    json_object_set_new(root, "data", data);
    char *body = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return embeddable ? embed(body, job) : body;
}
