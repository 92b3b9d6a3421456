/* http_orders.c - see http_orders.h. */
#include "http_orders.h"

#include <stdio.h>
#include <string.h>

#include "../measure/ids.h"

static void append_text(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

void http_request(struct buffer *out, const char *method, const char *target, const void *body,
                  size_t body_len)
{
    char head[512];
    int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", method, target);

    if (body != NULL) {
        n += snprintf(head + n, sizeof head - (size_t)n,
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n", body_len);
    }
    buffer_append(out, head, (size_t)n);
    append_text(out, "\r\n");
    buffer_append(out, body, body != NULL ? body_len : 0);
}

uint64_t http_orders_requests(const struct http_orders *o)
{
    return o->batch > 0 ? (o->n + o->batch - 1) / o->batch : o->n;
}

static unsigned request_one(const struct http_orders *o, uint64_t number, struct buffer *out)
{
    char target[64] = "/v1/orders/";
    char body[256];

    bench_id(o->run, number, target + strlen("/v1/orders/"));
    int len = snprintf(body, sizeof body, "{\"delay_ms\":%llu,\"route\":\"%s\",\"payload\":%s}",
                       (unsigned long long)bench_delay_ms(number), o->route, bench_payload);
    http_request(out, "PUT", target, body, (size_t)len);
    return 1;
}

static unsigned request_batch(const struct http_orders *o, uint64_t i, struct buffer *out)
{
    uint64_t from = i * o->batch;
    unsigned n = o->n - from < o->batch ? (unsigned)(o->n - from) : o->batch;
    struct buffer body = {0};
    char text[256], id[BENCH_ID_SIZE];

    append_text(&body, "{\"operations\":[");
    for (unsigned k = 0; k < n; k++) {
        uint64_t number = o->first + from + k;
        bench_id(o->run, number, id);
        int len = snprintf(text, sizeof text,
                           "%s{\"op\":\"schedule\",\"id\":\"%.*s\",\"delay_ms\":%llu,"
                           "\"route\":\"%s\",\"payload\":%s}",
                           k > 0 ? "," : "", BENCH_ID_SIZE, id,
                           (unsigned long long)bench_delay_ms(number), o->route, bench_payload);
        buffer_append(&body, text, (size_t)len);
    }
    append_text(&body, "]}");
    http_request(out, "POST", "/v1/batch", body.data, body.len);
    buffer_free(&body);
    return n;
}

unsigned http_orders_request(const struct http_orders *o, uint64_t i, struct buffer *out)
{
    return o->batch > 0 ? request_batch(o, i, out) : request_one(o, o->first + i, out);
}
