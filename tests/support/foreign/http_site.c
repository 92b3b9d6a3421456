/* http_site.c - see http_site.h. */
#include "http_site.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../cluster/process.h"

static void must(bool held)
{
    if (!held) {
        perror("http_site");
        abort();
    }
}

struct site_request {
    char body[16384];
    size_t len;
};

static enum MHD_Result site_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    char lower[64];

    (void)kind;
    snprintf(lower, sizeof lower, "%s", name);
    for (char *at = lower; *at != '\0'; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at + 32) : *at;
    }
    json_object_set_new(arg, lower, json_string(value));
    return MHD_YES;
}

static enum MHD_Result site_answer(struct site *s, struct MHD_Connection *connection)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(s->answer_len, (void *)s->answer,
                                                             MHD_RESPMEM_MUST_COPY);
    if (s->header != NULL) {
        MHD_add_response_header(r, s->header, s->value);
    }
    enum MHD_Result rv = MHD_queue_response(connection, s->status, r);
    MHD_destroy_response(r);
    return rv;
}

static enum MHD_Result site_handle(void *arg, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *data,
                                   size_t *len, void **state)
{
    struct site *s = arg;
    struct site_request *request = *state;

    (void)version;
    if (request == NULL) {
        *state = calloc(1, sizeof *request);
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*len > 0) {
        if (request->len + *len < sizeof request->body) {
            memcpy(request->body + request->len, data, *len);
            request->len += *len;
        }
        *len = 0;
        return MHD_YES;
    }
    pthread_mutex_lock(&s->mutex);
    s->requests++;
    snprintf(s->url, sizeof s->url, "%s", url);
    snprintf(s->method, sizeof s->method, "%s", method);
    memcpy(s->body, request->body, request->len);
    s->body[request->len] = '\0';
    s->body_len = request->len;
    json_object_clear(s->headers);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, site_header, s->headers);
    bool first = s->requests == 1;
    pthread_mutex_unlock(&s->mutex);
    if (first && s->slow_ms > 0) {
        usleep(s->slow_ms * 1000);
    }
    return site_answer(s, connection);
}

static void site_completed(void *arg, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode why)
{
    (void)arg;
    (void)connection;
    (void)why;
    free(*state);
    *state = NULL;
}

static void site_connected(void *arg, struct MHD_Connection *connection, void **context,
                           enum MHD_ConnectionNotificationCode what)
{
    struct site *s = arg;

    (void)connection;
    (void)context;
    pthread_mutex_lock(&s->mutex);
    s->connections += what == MHD_CONNECTION_NOTIFY_STARTED;
    pthread_mutex_unlock(&s->mutex);
}

static void site_init(struct site *s)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->mutex, NULL);
    s->headers = json_object();
    s->status = 200;
    s->answer = "";
}

void site_open(struct site *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    site_init(s);
    /* Not with epoll: where it finds exactly 128 events (or twice as many ...), MHD_epoll() of 0.9.75 waits for more
     * before it looks at these, and those who sent their requests together wait with it. */
    s->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, site_handle, s, MHD_OPTION_SOCK_ADDR, &a,
        MHD_OPTION_CONNECTION_LIMIT, 2000u,
        /* Past it the kernel drops what comes, to be sent again later and later. */
        MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u, MHD_OPTION_NOTIFY_COMPLETED, site_completed, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, site_connected, s, MHD_OPTION_END);
    must(s->daemon != NULL);
    s->port = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void site_open_tls(struct site *s, const char *certificate, const char *key)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    site_init(s);
    s->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                                     MHD_USE_TLS,
                                 0, NULL, NULL, site_handle, s, MHD_OPTION_SOCK_ADDR, &a,
                                 MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_MEM_KEY,
                                 key, MHD_OPTION_NOTIFY_COMPLETED, site_completed, NULL,
                                 MHD_OPTION_NOTIFY_CONNECTION, site_connected, s, MHD_OPTION_END);
    must(s->daemon != NULL);
    s->port = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void site_stop(struct site *s)
{
    if (s->daemon != NULL) {
        MHD_stop_daemon(s->daemon);
        s->daemon = NULL;
    }
}

void site_close(struct site *s)
{
    site_stop(s);
    json_decref(s->headers);
    pthread_mutex_destroy(&s->mutex);
}

static void *rude_main(void *arg)
{
    struct rude *r = arg;

    for (;;) {
        char request[16384];
        int fd = accept(r->listener, NULL, NULL);
        if (fd < 0) {
            return NULL; /* shut down */
        }
        ssize_t n = recv(fd, request, sizeof request, 0);
        if (n > 0 && r->answer != NULL) {
            n = send(fd, r->answer, strlen(r->answer), MSG_NOSIGNAL);
        }
        while (n > 0 && r->endless_line != NULL) {
            n = send(fd, r->endless_line, strlen(r->endless_line), MSG_NOSIGNAL);
        }
        shutdown(fd, SHUT_WR);
        while (n > 0) {
            n = recv(fd, request, sizeof request, 0);
        }
        close(fd);
    }
}

void rude_open(struct rude *r, const char *answer, const char *endless_line)
{
    *r = (struct rude){.answer = answer, .endless_line = endless_line};
    r->listener = listen_somewhere(&r->port);
    must(pthread_create(&r->thread, NULL, rude_main, r) == 0);
}

void rude_close(struct rude *r)
{
    shutdown(r->listener, SHUT_RDWR);
    pthread_join(r->thread, NULL);
    close(r->listener);
}
