/* ordersink_http.c - see ordersink_http.h. */
#include "ordersink_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "units.h"

#define HTTP_THREADS 2
#define HTTP_IDLE_TIMEOUT_S 120
#define HTTP_CONNECTIONS_MAX 16384u
#define HTTP_DESCRIPTORS_KEPT 64u     /* for all that is not a connection */
#define HTTP_SWALLOW_MAX (1024 * 1024) /* of a body that is too long, before hanging up */
#define HTTP_BACKLOG 1024
#define HTTP_STOP_MS 1000

struct sink_http {
    const struct sink_options *options;
    struct sink_judge *judge;
    struct MHD_Daemon *daemon;
    atomic_uint active; /* requests between their first byte and the end of their answer */
    atomic_ullong turned_away;
};

static uint64_t wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- answers ---- */

static enum MHD_Result http_respond(struct MHD_Connection *connection, unsigned status,
                                    const char *body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_MUST_COPY);

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

    snprintf(body, sizeof body, "{\"error\":\"%s\"}\n", reason);
    return http_respond(connection, status, body);
}

static enum MHD_Result http_turn_away(struct sink_http *h, struct MHD_Connection *connection,
                                      unsigned status, const char *reason)
{
    atomic_fetch_add(&h->turned_away, 1);
    return http_refuse(connection, status, reason);
}

static enum MHD_Result http_respond_judged(struct MHD_Connection *connection,
                                           const struct sink_request *r)
{
    char body[96];

    if (r->status != 200) {
        return http_refuse(connection, r->status, r->reason);
    }
    if (r->answer == SINK_LATER_ONCE) {
        snprintf(body, sizeof body, "{\"outcome\":\"later\",\"delay_ms\":%llu}\n",
                 (unsigned long long)r->delay_ms);
    } else {
        snprintf(body, sizeof body, "{\"outcome\":\"%s\"}\n", sink_answer_name(r->answer));
    }
    return http_respond(connection, 200, body);
}

void sink_http_answer(struct sink_request *r)
{
    MHD_resume_connection(r->connection);
}

/* ---- requests ---- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* False: no memory. */
static bool body_append(struct sink_request *r, const char *data, size_t len)
{
    if (r->webhook.body_len + len > SINK_BODY_MAX) {
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
    const char *length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);

    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
        return http_turn_away(h, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "POST only");
    }
    if (length != NULL && strtoull(length, NULL, 10) > SINK_BODY_MAX) {
        return http_turn_away(h, connection, MHD_HTTP_CONTENT_TOO_LARGE, "body too large");
    }
    struct sink_request *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return MHD_NO;
    }
    r->connection = connection;
    r->t_ms = wall_ms();
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
    r->webhook.id = header(connection, "webhook-id");
    r->webhook.timestamp = header(connection, "webhook-timestamp");
    r->webhook.signature = header(connection, "webhook-signature");
    r->webhook.body = r->body;
    r->fence_text = header(connection, "orderschedd-fence");
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
        bool ok = body_append(r, data, *len) && r->webhook.body_len <= HTTP_SWALLOW_MAX;
        *len = 0;
        return ok ? MHD_YES : MHD_NO;
    }
    return r->judged ? http_respond_judged(connection, r) : http_complete(h, connection, r);
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
    struct rlimit limit;
    unsigned max = HTTP_CONNECTIONS_MAX;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 512;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* where it is refused, the old one stands */
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < max + HTTP_DESCRIPTORS_KEPT) {
        max = limit.rlim_cur > 2 * HTTP_DESCRIPTORS_KEPT
                  ? (unsigned)limit.rlim_cur - HTTP_DESCRIPTORS_KEPT
                  : HTTP_DESCRIPTORS_KEPT;
    }
    return max;
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
    int listener = listen_on(o->listen, errbuf, errbuf_len);
    if (listener < 0) {
        free(h);
        return NULL;
    }
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL, NULL,
        http_request_cb, h, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)HTTP_THREADS, MHD_OPTION_CONNECTION_LIMIT, connections_max(),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_TIMEOUT_S,
        MHD_OPTION_NOTIFY_COMPLETED, http_completed_cb, h, MHD_OPTION_END);
    if (h->daemon == NULL) {
        snprintf(errbuf, errbuf_len, "libmicrohttpd does not start: out of memory or threads");
        close(listener);
        free(h);
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
    const struct timespec tick = {.tv_nsec = 2 * 1000 * 1000};

    for (unsigned waited_ms = 0; atomic_load(&h->active) > 0 && waited_ms < HTTP_STOP_MS;
         waited_ms += 2) {
        nanosleep(&tick, NULL);
    }
    MHD_stop_daemon(h->daemon); /* closes the listening socket */
    free(h);
}
