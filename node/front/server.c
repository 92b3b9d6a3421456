/* server.c - the HTTP library: libmicrohttpd without a thread and without a listening socket, run by the
 * front's loop. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "front_internal.h"
#include "front_recv.h"

#define SERVER_MEMORY \
    (48u * 1024) /* of a connection: a head, and what is read of a body at a time */

/* Before the request line is taken apart: the target as it came. */
static void *server_target_cb(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct front *f = arg;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct visitor *v = info != NULL ? info->socket_context : NULL;

    return v != NULL && target != NULL ? exchange_new(f, v, connection, target) : NULL;
}

static enum MHD_Result server_request_cb(void *arg, struct MHD_Connection *connection,
                                         const char *target, const char *method,
                                         const char *version, const char *data, size_t *len,
                                         void **context)
{
    struct front_exchange *e = *context;

    (void)arg;
    (void)target;
    (void)version;
    if (e == NULL) { /* no memory */
        return MHD_NO;
    }
    if (!e->begun) {
        exchange_begin(e, method);
        return MHD_YES;
    }
    if (*len > 0) {
        bool taken = exchange_take_body(e, data, *len);
        *len = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    if (!e->complete) {
        exchange_handle(e);
    }
    e->suspended = e->response == NULL;
    if (e->suspended) {
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    return MHD_queue_response(connection, e->status, e->response);
}

static void server_ended_cb(void *arg, struct MHD_Connection *connection, void **context,
                            enum MHD_RequestTerminationCode how)
{
    struct front_exchange *e = *context;

    (void)arg;
    (void)connection;
    (void)how;
    *context = NULL;
    if (e != NULL) {
        exchange_end(e);
    }
}

static void server_connection_cb(void *arg, struct MHD_Connection *connection, void **context,
                                 enum MHD_ConnectionNotificationCode what)
{
    struct front *f = arg;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = info != NULL ? visitor_started(f, info->connect_fd) : NULL;
    } else if (*context != NULL) {
        struct visitor *v = *context;
        /* Where the library ran out of memory before it had begun with it, of its end nobody was told. */
        if (v->exchange != NULL) {
            exchange_end(v->exchange);
        }
        visitor_gone(v);
        *context = NULL;
    }
}

/* Targets are taken apart elsewhere, once (query.h). */
static size_t server_unescape_cb(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

static void server_log_cb(void *arg, const char *format, va_list args)
{
    (void)arg; /* connections that end as they like are no news */
    (void)format;
    (void)args;
}

bool server_start(struct front *f)
{
    f->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
                                     MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG,
                                 0, NULL, NULL, server_request_cb, f, MHD_OPTION_EXTERNAL_LOGGER,
                                 server_log_cb, f, MHD_OPTION_NOTIFY_COMPLETED, server_ended_cb, f,
                                 MHD_OPTION_NOTIFY_CONNECTION, server_connection_cb, f,
                                 MHD_OPTION_URI_LOG_CALLBACK, server_target_cb, f,
                                 MHD_OPTION_UNESCAPE_CALLBACK, server_unescape_cb, f,
                                 MHD_OPTION_CONNECTION_LIMIT, FRONT_CONNECTIONS_MAX + 64,
                                 MHD_OPTION_CONNECTION_TIMEOUT, 0u,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_MEMORY,
                                 MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    return f->daemon != NULL;
}

void server_stop(struct front *f)
{
    MHD_stop_daemon(f->daemon);
    f->daemon = NULL;
}

bool server_has_more(const struct front *f)
{
    MHD_UNSIGNED_LONG_LONG left_ms;

    return MHD_get_timeout(f->daemon, &left_ms) == MHD_YES && left_ms == 0;
}

void server_run(struct front *f)
{
    f->daemon_ready = false;
    (void)MHD_run(f->daemon);
    if (f->n_arriving > 0) {
        visitors_forget_arriving(f);
    }
}

bool server_add(struct front *f, struct visitor *v)
{
    /* It is not asked where they come from; and of a relay's socket it must not think that it is TCP. */
    const struct sockaddr_un local = {.sun_family = AF_UNIX};
    const struct sockaddr *from = v->tls ? (const struct sockaddr *)&local
                                         : (const struct sockaddr *)&v->from;
    socklen_t len = v->tls                          ? sizeof local.sun_family
                    : v->from.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                    : sizeof(struct sockaddr_in);

    /* Some versions begin with it at once, others when they are run. */
    v->arriving = true;
    f->n_arriving++;
    f->daemon_ready = true;
    return MHD_add_connection(f->daemon, v->fd, from, len) == MHD_YES;
}
