/* http_crowds.c - see http_crowds.h. None of what they ask for has an effect, so that all orders of a
 * run can be accounted for. */
#include "http_crowds.h"

#include <stdio.h>
#include <string.h>

#include "http/http_orders.h"

#define LARGE_BODY (1000u * 1000) /* bytes; a node takes 1 MiB */
#define GETS 1024
#define LONG_LINES 60
#define LONG_LINE 1000

static void get(struct buffer *out, const char *target)
{
    http_request(out, "GET", target, NULL, 0);
}

static void list_request(uint64_t n, struct buffer *out)
{
    (void)n;
    get(out, "/v1/orders?limit=256");
}

static void empty_list_request(uint64_t n, struct buffer *out)
{
    (void)n;
    get(out, "/v1/orders?state=PENDING&prefix=nobody&limit=256");
}

static void livez_request(uint64_t n, struct buffer *out)
{
    (void)n;
    get(out, "/livez");
}

static void metrics_request(uint64_t n, struct buffer *out)
{
    (void)n;
    get(out, "/metrics");
}

/* Larger than a head may be. */
static void headers_request(uint64_t n, struct buffer *out)
{
    char line[LONG_LINE + 1];

    (void)n;
    buffer_append(out, "GET /livez HTTP/1.1\r\n", 21);
    for (unsigned i = 0; i < LONG_LINES; i++) {
        int len = snprintf(line, sizeof line, "X-Line-%u: ", i);
        memset(line + len, 'x', LONG_LINE - 2 - (size_t)len);
        memcpy(line + LONG_LINE - 2, "\r\n", 3);
        buffer_append(out, line, LONG_LINE);
    }
}

/* All of them are refused: by the table of resources, by the reader of JSON, by the reader of what an
 * order must have, and by the cluster. */
static void refused_request(uint64_t n, struct buffer *out)
{
    static const struct {
        const char *method, *target, *body;
    } requests[] = {
        {"GET", "/v1/nothing", NULL},
        {"DELETE", "/v1/orders/nobody", NULL},
        {"GET", "/v1/orders?limit=0", NULL},
        {"PUT", "/v1/orders/nobody", "{\"delay\":\"1h\",\"route\":"},
        {"PUT", "/v1/orders/nobody", "{\"delay\":\"1h\",\"route\":\"r\",\"colour\":1}"},
        {"PUT", "/v1/orders/nobody", "{\"delay\":\"1h\",\"route\":\"nowhere\"}"},
        {"POST", "/v1/orders/nobody/pay", "{}"},
        {"GET", "/v1/orders/nobody", NULL},
    };
    unsigned i = n % (sizeof requests / sizeof *requests);
    const char *body = requests[i].body;

    http_request(out, requests[i].method, requests[i].target, body,
                 body != NULL ? strlen(body) : 0);
}

/* Operations of which there are too many, and none is one. */
static void large_request(uint64_t n, struct buffer *out)
{
    static char body[LARGE_BODY];

    (void)n;
    if (body[0] == 0) {
        memcpy(body, "{\"operations\":[", 15);
        for (size_t i = 15; i + 3 <= sizeof body - 4; i += 3) {
            memcpy(body + i, "[],", 3);
        }
        size_t end = sizeof body - 4 - (sizeof body - 4 - 15) % 3;
        memcpy(body + end, "0]}", 3);
        memset(body + end + 3, ' ', sizeof body - end - 3);
    }
    http_request(out, "POST", "/v1/batch", body, sizeof body);
}

static void gets_request(uint64_t n, struct buffer *out)
{
    struct buffer body = {0};
    char text[64];

    (void)n;
    buffer_append(&body, "{\"operations\":[", 15);
    for (unsigned i = 0; i < GETS; i++) {
        int len = snprintf(text, sizeof text, "%s{\"op\":\"get\",\"id\":\"nobody-%u\"}",
                           i > 0 ? "," : "", i);
        buffer_append(&body, text, (size_t)len);
    }
    buffer_append(&body, "]}", 2);
    http_request(out, "POST", "/v1/batch", body.data, body.len);
    buffer_free(&body);
}

static void slow_request(uint64_t n, struct buffer *out)
{
    static const char body[] =
        "{\"delay\":\"1h\",\"route\":\"nowhere\",\"payload\":\"never whole\"}";

    (void)n;
    http_request(out, "PUT", "/v1/orders/nobody", body, sizeof body - 1);
}

const struct http_kind http_kinds[] = {
    {"900 that are idle", {.connections = 900}},
    {"1,200 that are idle, for 1,024 places", {.connections = 1200}},
    {"200 that take no answer", {.connections = 200, .request = list_request, .deaf = true}},
    {"500 that send a byte in 50 ms", {.connections = 500, .request = slow_request, .drip_ms = 50}},
    {"heads of 60 KB", {.connections = 32, .request = headers_request}},
    {"what is refused", {.connections = 32, .request = refused_request}},
    {"connections that come and go", {.connections = 64, .request = livez_request, .leaves = true}},
    {"lists of 256 orders", {.connections = 32, .request = list_request}},
    {"lists that match nothing", {.connections = 32, .request = empty_list_request}},
    {"1,024 gets a request", {.connections = 16, .request = gets_request}},
    {"1 MB of JSON a request", {.connections = 16, .request = large_request}},
    {"metrics", {.connections = 32, .request = metrics_request}},
};
const unsigned http_kinds_n = sizeof http_kinds / sizeof *http_kinds;

unsigned http_kind_next(unsigned i, const char *only)
{
    while (i < http_kinds_n && only != NULL && strstr(http_kinds[i].name, only) == NULL) {
        i++;
    }
    return i;
}
