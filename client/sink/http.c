/* http.c - see http.h. */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "../base/clocks.h"
#include "../base/descriptors.h"
#include "../text/units.h"

#define HTTP_THREADS 2
#define HTTP_IDLE_TIMEOUT_S 120
#define HTTP_CONNECTIONS_MAX 16384u
#define HTTP_DESCRIPTORS_KEPT 64u      /* for all that is not a connection */
#define HTTP_SWALLOW_MAX (1024 * 1024) /* of what is too much of a body, before hanging up */
#define HTTP_BACKLOG 1024
#define HTTP_STOP_MS 1000
#define HTTP_HUGE_BYTES (10u * 1000 * 1000)
#define HTTP_TLS_FILE_MAX (256u * 1024)

struct sink_http {
    const struct sink_options *options;
    struct sink_judge *judge;
    struct MHD_Daemon *daemon;
    char *tls_cert; /* PEM, or NULL */
    char *tls_key;
    atomic_uint active; /* requests between their first byte and the end of their answer */
    atomic_ullong turned_away;
};

/* ---- answers ---- */

/* Begins as the right answer would, and goes on. */
static ssize_t huge_cb(void *arg, uint64_t at, char *buffer, size_t max)
{
    static const char start[] = "{\"outcome\":\"expired\",\"more\":\"";

    (void)arg;
    memset(buffer, 'x', max);
    if (at == 0) {
        memcpy(buffer, start, sizeof start - 1 < max ? sizeof start - 1 : max);
    }
    return (ssize_t)max;
}

/* The first half of the text, and then the end of the connection. */
static ssize_t half_cb(void *text, uint64_t at, char *buffer, size_t max)
{
    size_t half = strlen(text) / 2;

    if (at >= half) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t len = half - (size_t)at < max ? half - (size_t)at : max;
    memcpy(buffer, (const char *)text + at, len);
    return (ssize_t)len;
}

/* Takes the response, which may be NULL. */
static enum MHD_Result http_queue(struct MHD_Connection *connection, unsigned status,
                                  struct MHD_Response *response)
{
    if (response == NULL) {
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, "content-type", "application/json");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        (void)MHD_add_response_header(response, "allow", "POST");
    }
    enum MHD_Result rv = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return rv;
}

/* The reasons are ours: plain text that needs no escapes. */
static enum MHD_Result http_refuse(struct MHD_Connection *connection, unsigned status,
                                   const char *reason)
{
    char body[160];
    int len = snprintf(body, sizeof body, "{\"error\":\"%s\"}\n", reason);

    return http_queue(connection, status,
                      MHD_create_response_from_buffer((size_t)len, body, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result http_turn_away(struct sink_http *h, struct MHD_Connection *connection,
                                      unsigned status, const char *reason)
{
    atomic_fetch_add(&h->turned_away, 1);
    return http_refuse(connection, status, reason);
}

/* The answer as it should be, or, with the status 200 as well, something else. */
static struct MHD_Response *http_response(const struct sink_request *r)
{
    static const char garbage[] = "\x7f\x00}{<html>\xff\xfe not what you think";
    size_t len;

    if (r->fault == SINK_FAULT_GARBAGE) {
        return MHD_create_response_from_buffer(sizeof garbage - 1, (void *)garbage,
                                               MHD_RESPMEM_PERSISTENT);
    }
    if (r->fault == SINK_FAULT_HUGE) {
        return MHD_create_response_from_callback(HTTP_HUGE_BYTES, 64 * 1024, huge_cb, NULL, NULL);
    }
    char *text = sink_answer_text(r, &len);
    if (text == NULL) {
        return NULL;
    }
    if (r->fault == SINK_FAULT_CLOSE) {
        struct MHD_Response *half = MHD_create_response_from_callback(len, len, half_cb, text,
                                                                      free);
        if (half == NULL) {
            free(text);
        }
        return half;
    }
    return MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result http_respond_judged(const struct sink_http *h,
                                           struct MHD_Connection *connection,
                                           const struct sink_request *r)
{
    const struct sink_options *o = h->options;
    struct MHD_Response *response = http_response(r);
    char seconds[24];

    if (response != NULL && o->retry_after_s > 0 && r->status == o->busy_status) {
        snprintf(seconds, sizeof seconds, "%llu", (unsigned long long)o->retry_after_s);
        (void)MHD_add_response_header(response, "retry-after", seconds);
    }
    return http_queue(connection, r->status, response);
}

void sink_http_answer(struct sink_request *r)
{
    MHD_resume_connection(r->connection);
}

/* ---- requests ---- */

static const char *http_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* False: no memory. */
static bool body_append(struct sink_request *r, const char *data, size_t len)
{
    if (r->webhook.body_len + len > r->body_max) {
        r->body_too_long = true;
        r->webhook.body_len += len; /* only counted from now on */
        return true;
    }
    if (r->webhook.body_len + len > r->body_cap) {
        size_t cap = r->body_cap > 0 ? r->body_cap : 1024;
        while (cap < r->webhook.body_len + len) {
            cap *= 2;
        }
        char *grown = realloc(r->body, cap);
        if (grown == NULL) {
            return false;
        }
        r->body = grown;
        r->body_cap = cap;
    }
    memcpy(r->body + r->webhook.body_len, data, len);
    r->webhook.body_len += len;
    return true;
}

static enum MHD_Result http_begin(struct sink_http *h, struct MHD_Connection *connection,
                                  const char *method, void **state)
{
    const char *length = http_header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t body_max = http_header(connection, "orderschedd-fence") != NULL ? SINK_BODY_MAX
                                                                           : SINK_BATCH_BODY_MAX;

    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
        return http_turn_away(h, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "POST only");
    }
    if (length != NULL && strtoull(length, NULL, 10) > body_max) {
        return http_turn_away(h, connection, MHD_HTTP_CONTENT_TOO_LARGE, "body too large");
    }
    struct sink_request *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return MHD_NO;
    }
    r->connection = connection;
    r->body_max = body_max;
    r->t_us = clocks_wall_us();
    atomic_fetch_add(&h->active, 1);
    *state = r;
    return MHD_YES;
}

static void http_suspend(struct sink_request *r)
{
    MHD_suspend_connection(r->connection);
}

/* All of it is here: verify on this thread, and let the judge decide. */
static enum MHD_Result http_complete(struct sink_http *h, struct MHD_Connection *connection,
                                     struct sink_request *r)
{
    if (r->body_too_long) {
        return http_turn_away(h, connection, MHD_HTTP_CONTENT_TOO_LARGE, "body too large");
    }
    r->webhook.id = http_header(connection, "webhook-id");
    r->webhook.timestamp = http_header(connection, "webhook-timestamp");
    r->webhook.signature = http_header(connection, "webhook-signature");
    r->webhook.body = r->body;
    r->fence_text = http_header(connection, "orderschedd-fence");
    r->traceparent = http_header(connection, "traceparent");
    sink_request_read(r, h->options);
    if (!sink_judge_submit(h->judge, r, http_suspend)) {
        return http_refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "shutting down");
    }
    return MHD_YES;
}

/* Called by libmicrohttpd when the headers are here, for each piece of the body, at its end, and
 * once more after the connection was resumed. */
static enum MHD_Result http_request_cb(void *arg, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *data, size_t *len, void **state)
{
    struct sink_http *h = arg;
    struct sink_request *r = *state;

    (void)url;
    (void)version;
    if (r == NULL) {
        return http_begin(h, connection, method, state);
    }
    if (*len > 0) {
        bool ok = body_append(r, data, *len) &&
                  r->webhook.body_len <= r->body_max + HTTP_SWALLOW_MAX;
        *len = 0;
        return ok ? MHD_YES : MHD_NO;
    }
    return r->judged ? http_respond_judged(h, connection, r) : http_complete(h, connection, r);
}

static void http_completed_cb(void *arg, struct MHD_Connection *connection, void **state,
                              enum MHD_RequestTerminationCode why)
{
    struct sink_http *h = arg;

    (void)connection;
    (void)why;
    if (*state != NULL) {
        sink_request_free(*state);
        *state = NULL;
        atomic_fetch_sub(&h->active, 1);
    }
}

/* ---- life ---- */

static int listen_on(const char *address, char *errbuf, size_t errbuf_len)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    char host[256], service[16];
    unsigned port = 0;
    int fd = -1;
    int one = 1;

    (void)units_split_address(address, host, sizeof host, &port); /* checked by the options */
    snprintf(service, sizeof service, "%u", port);
    int rv = getaddrinfo(host, service, &hints, &found);
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "cannot listen on %s: %s", address, gai_strerror(rv));
        return -1;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, HTTP_BACKLOG) != 0) {
        snprintf(errbuf, errbuf_len, "cannot listen on %s: %s", address, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* As many connections as there may be file descriptors. */
static unsigned connections_max(void)
{
    uint64_t descriptors = descriptors_raise();
    unsigned max = HTTP_CONNECTIONS_MAX;

    if (descriptors == 0) {
        return 512;
    }
    if (descriptors < max + HTTP_DESCRIPTORS_KEPT) {
        max = descriptors > 2 * HTTP_DESCRIPTORS_KEPT
                  ? (unsigned)descriptors - HTTP_DESCRIPTORS_KEPT
                  : HTTP_DESCRIPTORS_KEPT;
    }
    return max;
}

/* A whole file, NUL-terminated; NULL with a sentence in errbuf. */
static char *read_pem(const char *path, char *errbuf, size_t errbuf_len)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, HTTP_TLS_FILE_MAX);
    size_t len = 0;

    if (file != NULL && text != NULL) {
        len = fread(text, 1, HTTP_TLS_FILE_MAX - 1, file);
    }
    if (file == NULL || text == NULL || ferror(file) || len == 0) {
        snprintf(errbuf, errbuf_len, "%s: %s", path,
                 file != NULL && text != NULL && !ferror(file) ? "is empty" : strerror(errno));
        free(text);
        text = NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return text;
}

static int http_read_tls(struct sink_http *h, char *errbuf, size_t errbuf_len)
{
    if (h->options->tls_cert == NULL) {
        return 0;
    }
    h->tls_cert = read_pem(h->options->tls_cert, errbuf, errbuf_len);
    h->tls_key = h->tls_cert != NULL ? read_pem(h->options->tls_key, errbuf, errbuf_len) : NULL;
    return h->tls_key != NULL ? 0 : -1;
}

static int http_start_daemon(struct sink_http *h, int listener)
{
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, h->tls_cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, h->tls_key},
        {MHD_OPTION_END, 0, NULL},
    };
    const struct MHD_OptionItem *more = h->tls_cert != NULL ? tls : tls + 2;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;

    h->daemon = MHD_start_daemon(flags | (h->tls_cert != NULL ? (unsigned)MHD_USE_TLS : 0u), 0,
                                 NULL, NULL, http_request_cb, h, MHD_OPTION_LISTEN_SOCKET, listener,
                                 MHD_OPTION_THREAD_POOL_SIZE, (unsigned)HTTP_THREADS,
                                 MHD_OPTION_CONNECTION_LIMIT, connections_max(),
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_TIMEOUT_S,
                                 MHD_OPTION_NOTIFY_COMPLETED, http_completed_cb, h,
                                 MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    return h->daemon != NULL ? 0 : -1;
}

static void http_free(struct sink_http *h)
{
    free(h->tls_cert);
    free(h->tls_key);
    free(h);
}

struct sink_http *sink_http_start(const struct sink_options *o, struct sink_judge *judge,
                                  char *errbuf, size_t errbuf_len)
{
    struct sink_http *h = calloc(1, sizeof *h);

    if (h == NULL) {
        snprintf(errbuf, errbuf_len, "out of memory");
        return NULL;
    }
    h->options = o;
    h->judge = judge;
    int listener = http_read_tls(h, errbuf, errbuf_len) == 0
                       ? listen_on(o->listen, errbuf, errbuf_len)
                       : -1;
    if (listener < 0) {
        http_free(h);
        return NULL;
    }
    if (http_start_daemon(h, listener) != 0) {
        snprintf(errbuf, errbuf_len, "libmicrohttpd does not start: %s",
                 h->tls_cert != NULL
                     ? "certificate and key do not match, or out of memory or threads"
                     : "out of memory or threads");
        close(listener);
        http_free(h);
        return NULL;
    }
    return h;
}

uint64_t sink_http_turned_away(const struct sink_http *h)
{
    return atomic_load(&h->turned_away);
}

/* (Not MHD_quiesce_daemon(): its threads and its caller then race to take the listening socket out
 * of epoll, and the loser aborts the process, in 0.9.75.) */
void sink_http_stop(struct sink_http *h)
{
    for (unsigned waited_ms = 0; atomic_load(&h->active) > 0 && waited_ms < HTTP_STOP_MS;
         waited_ms += 2) {
        clocks_sleep_ms(2);
    }
    MHD_stop_daemon(h->daemon); /* closes the listening socket */
    http_free(h);
}
