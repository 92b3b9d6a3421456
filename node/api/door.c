/* door.c - who comes in, and who has to go: for another client, because the time is over, or because
 * nobody is at the other end. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../client/base/must.h"
#include "connection.h"

#define API_KEEPALIVE_S 60

static const uint8_t greeting_ours[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0}; /* REP */

static struct api_connection *connection_of_seat(struct api_seat *seat)
{
    return (struct api_connection *)((char *)seat - offsetof(struct api_connection, seat));
}

/* --- coming --- */

static void connection_greeted_cb(struct wire_write *write, int status)
{
    struct api_connection *c = write->arg;

    if (status != 0) {
        api_connection_close(c);
    }
}

/* It has a seat now; somebody may have to leave for it. False: it has to. */
static bool connection_sit_down(struct api_connection *c)
{
    struct api *a = c->api;

    api_seats_take(&a->seats, &c->seat, (struct sockaddr *)&c->from);
    c->source.address = api_seats_address(&c->seat);
    if (c->inside) { /* it neither takes anybody's, nor is it ever idle */
        api_seats_busy(&a->seats, &c->seat);
        return true;
    }
    struct api_seat *victim = api_seats_victim(&a->seats, &c->seat);
    if (victim == &c->seat) {
        api_load_add(&a->load_refused, 1);
        api_connection_log(c, "BUSY", "too many connections");
        return false;
    }
    if (victim != NULL) {
        struct api_connection *idle = connection_of_seat(victim);
        api_load_add(&a->load_unseated, 1);
        api_connection_log(idle, "BUSY", "idle, and another client wanted its seat");
        api_connection_close(idle);
    }
    return true;
}

bool api_is_owner(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

/* In the list, with a wire that is not open yet. */
static struct api_connection *connection_new(struct api *a, enum api_door door)
{
    struct api_connection *c = must_have(calloc(1, sizeof *c));

    c->api = a;
    c->local = door == API_OWNER;
    c->inside = door == API_INSIDE;
    wire_init(&c->wire, &a->loop, c);
    c->greeting.arg = c;
    c->next = a->connections;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    a->connections = c;
    api_load_add(&a->load_connections, 1);
    return c;
}

/* For the audit trail: connections of one client have one address. */
static void connection_name(struct api_connection *c)
{
    const struct sockaddr *from = (const struct sockaddr *)&c->from;

    if (c->local || c->inside) {
        snprintf(c->from_text, sizeof c->from_text, "local");
    } else if (uv_ip_name(from, c->from_text, sizeof c->from_text) != 0) {
        c->from_text[0] = '\0';
    }
}

/* Its wire is open: a seat, and the greeting. */
static void connection_begin(struct api_connection *c)
{
    connection_name(c);
    if (!connection_sit_down(c)) {
        api_connection_close(c);
        return;
    }
    c->waiting_since_ms = uv_now(&c->api->loop);
    if (wire_write(&c->wire, &c->greeting, greeting_ours, sizeof greeting_ours,
                   connection_greeted_cb) < 0 ||
        api_connection_read(c) != 0) {
        api_connection_close(c);
    }
}

void api_connection_accept(struct api *a, int fd, enum api_door door)
{
    if (a->relay != NULL && door == API_STRANGERS) {
        tls_relay_accept(a->relay, fd);
        return;
    }
    struct api_connection *c = connection_new(a, door);
    int len = sizeof c->from;
    if (wire_open(&c->wire, fd) != 0) {
        close(fd);
        api_connection_close(c);
        return;
    }
    /* On a failure: of no family. */
    (void)uv_tcp_getpeername(&c->wire.socket.tcp, (struct sockaddr *)&c->from, &len);
    if (door ==
        API_STRANGERS) { /* to libuv a Unix socket is as good as any other, but has no such options */
        uv_tcp_nodelay(&c->wire.socket.tcp, 1);
        uv_tcp_keepalive(&c->wire.socket.tcp, 1, API_KEEPALIVE_S);
    }
    connection_begin(c);
}

void api_connection_arrived(struct api *a, const struct tls_arrival *arrival)
{
    if (arrival->line == NULL) {
        api_log_refused(a, "client connection refused", (const struct sockaddr *)&arrival->from,
                        "TLS", arrival->why);
        return;
    }
    struct api_connection *c = connection_new(a, API_STRANGERS);
    c->from = arrival->from;
    c->node = arrival->peer.kind == CERTIFICATE_NODE;
    c->nameless = arrival->peer.kind != CERTIFICATE_CLIENT && !c->node;
    if (!c->node) {
        memcpy(c->certificate, arrival->peer.client, sizeof c->certificate);
    }
    wire_take(&c->wire, arrival->line);
    connection_begin(c);
}

/* --- going --- */

static bool is_over(const struct api *a, uint64_t since_ms)
{
    return since_ms != 0 && uv_now(&a->loop) - since_ms >= API_PATIENCE_MS;
}

/* The ends of those that are not read from, which the loop does not see: of up to ENDS_LOOK from c
 * on. Returns whom to go on with. */
#define ENDS_LOOK 256
static struct api_connection *connections_notice_ends(struct api_connection *c)
{
    struct api_connection *looked_at[ENDS_LOOK];
    struct pollfd fds[ENDS_LOOK];
    unsigned n = 0;

    for (; c != NULL && n < ENDS_LOOK; c = c->next) {
        int fd;
        if (c->pause != PAUSE_NONE && wire_fileno(&c->wire, &fd) == 0) {
            looked_at[n] = c;
            fds[n++] = (struct pollfd){.fd = fd, .events = POLLRDHUP};
        }
    }
    if (n > 0 && poll(fds, n, 0) > 0) {
        for (unsigned i = 0; i < n; i++) {
            if ((fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
                api_connection_close(looked_at[i]);
            }
        }
    }
    return c;
}

void api_connections_check(struct api *a)
{
    struct api_connection *next = a->connections;

    while (next != NULL) {
        next = connections_notice_ends(next);
    }

    for (struct api_connection *c = a->connections; c != NULL; c = next) {
        next = c->next;
        if (is_over(a, c->waiting_since_ms) || is_over(a, c->writing_since_ms)) {
            api_connection_close(c);
        }
    }
}

/* A client that does not read must not cost the others theirs. */
void api_connections_relieve(struct api *a)
{
    while (atomic_load_explicit(&a->load_unread, memory_order_relaxed) > a->config.unread_max) {
        struct api_connection *most = NULL;
        size_t sum = 0; /* without those that are being closed */

        for (struct api_connection *c = a->connections; c != NULL; c = c->next) {
            sum += api_connection_unread(c);
            most = most == NULL || api_connection_unread(c) > api_connection_unread(most) ? c
                                                                                          : most;
        }
        if (sum <= a->config.unread_max) {
            break;
        }
        api_connection_log(most, "BUSY", "too many answers were not read, and it has most of them");
        api_load_add(&a->load_unread_closed, 1);
        api_connection_close(most);
    }
}

void api_connections_close(struct api *a)
{
    while (a->connections != NULL) {
        api_connection_close(a->connections);
    }
}
