/* visitors.c - who is connected to the HTTP server: who comes in, what of what they send goes on to the
 * library, and who has to go. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../client/base/clocks.h"
#include "../../client/base/must.h"
#include "front_internal.h"

#define VISITOR_KEEPALIVE_S 60
#define VISITOR_LOGGED_MAX 8

static const struct http_flaw too_slow = {408, "REQUEST_TIMEOUT",
                                          "The request was not complete within 10 seconds."};
const char visitor_no_wait[] = "Other requests that wait for orders take all the room.";
static const struct http_flaw no_room = {
    429, "BUSY", "The bodies of requests that are not complete take all the room: send it again."};

void front_log_refused(struct front *f, const char *what, const struct sockaddr *from,
                       const char *error, const char *reason)
{
    uint64_t now_ms = clocks_running_ms();
    char host[64] = "?";

    if (f->logged_ms == 0 || now_ms - f->logged_ms >= 1000) {
        f->logged_ms = now_ms;
        f->n_logged = 0;
    }
    if (f->config.log == NULL || f->n_logged++ >= VISITOR_LOGGED_MAX) {
        return;
    }
    (void)uv_ip_name(from, host, sizeof host);
    log_line(f->config.log, LOG_WARN, what, LOG_STR("error", error), LOG_STR("reason", reason),
             LOG_STR("client", host));
}

static struct visitor *visitor_of_seat(struct api_seat *seat)
{
    return (struct visitor *)((char *)seat - offsetof(struct visitor, seat));
}

/* The library sees its end, and lets go of it. */
static void visitor_cut(struct visitor *v)
{
    v->refused = true;
    v->until_ms = UINT64_MAX;
    (void)shutdown(v->fd, SHUT_RDWR);
}

/* What it asked waits no longer, so that the library can let go of it. True: it is for the caller to answer. */
static bool visitor_waits_no_more(struct visitor *v)
{
    struct front_exchange *e = v->exchange;

    if (e == NULL || !e->suspended) {
        return false;
    }
    if (e->answered) {
        exchange_pack_no_more(e);
        return false;
    }
    exchange_abandon(e);
    return true;
}

static void visitor_dismiss(struct visitor *v)
{
    visitor_cut(v);
    if (visitor_waits_no_more(v)) { /* it is not sent */
        exchange_refuse(&v->exchange->x, 503, "GONE", "The client has gone.", NULL);
    }
}

/* Its place is free now, whenever the library lets go of it. */
static void visitor_leave_seat(struct visitor *v)
{
    api_unfinished_end(&v->front->bodies, &v->body); /* they count by the seat's address */
    api_unfinished_end(&v->front->answers, &v->answer);
    api_unfinished_end(&v->front->waits, &v->wait);
    api_seats_leave(&v->front->seats, &v->seat);
}

/* --- coming --- */

static bool is_loopback(const struct sockaddr *from)
{
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)from;
        const uint8_t *a = in->sin6_addr.s6_addr;
        return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr) && a[12] == 127);
    }
    return false;
}

static void visitor_place(struct front *f, struct visitor *v)
{
    unsigned fd = (unsigned)v->fd;

    if (fd >= f->n_by_fd) {
        unsigned n = fd + 256;
        f->by_fd = must_have(realloc(f->by_fd, n * sizeof f->by_fd[0]));
        memset(f->by_fd + f->n_by_fd, 0, (n - f->n_by_fd) * sizeof f->by_fd[0]);
        f->n_by_fd = n;
    }
    assert(f->by_fd[fd] == NULL);
    f->by_fd[fd] = v;
    v->next = f->visitors;
    v->at = &f->visitors;
    if (v->next != NULL) {
        v->next->at = &v->next;
    }
    f->visitors = v;
    f->n_visitors++;
}

/* Its request is complete. Of what is asked for a change the answer may not be made yet: then it stays. */
static bool visitor_may_lose(const struct visitor *v, uint64_t now_ms)
{
    const struct front_exchange *e = v->exchange;
    bool crowd = v->seat.address != NULL &&
                 api_seats_of_address(&v->seat) > FRONT_CONNECTIONS_MAX / FRONT_CROWD;

    if (v->seat.address == NULL || e == NULL || !e->complete) {
        return false;
    }
    return e->response != NULL ? crowd || now_ms - e->response_ms >= FRONT_LEFT_MS
                               : crowd && !e->changes;
}

/* All are busy. Of the address with most seats the one that has been so for longest, of those that may be cut. */
static struct visitor *visitor_find_busy(const struct visitor *newcomer)
{
    uint64_t now_ms = clocks_running_ms();
    struct visitor *found = NULL;
    unsigned most = api_seats_of_address(&newcomer->seat);

    for (struct visitor *v = newcomer->front->visitors; v != NULL; v = v->next) {
        if (v != newcomer && visitor_may_lose(v, now_ms)) {
            unsigned n = api_seats_of_address(&v->seat);
            if (n > most || (n == most && (found == NULL || v->since_ms < found->since_ms))) {
                found = v;
                most = n;
            }
        }
    }
    return found;
}

/* Somebody may have to leave for it. False: it has to itself. */
static bool visitor_sit_down(struct visitor *v)
{
    struct front *f = v->front;

    api_seats_take(&f->seats, &v->seat, (struct sockaddr *)&v->from);
    struct api_seat *victim = api_seats_victim(&f->seats, &v->seat);
    struct visitor *busy = victim == &v->seat ? visitor_find_busy(v) : NULL;
    victim = busy != NULL ? &busy->seat : victim;
    if (victim == &v->seat) {
        front_log_refused(f, "HTTP connection refused", (struct sockaddr *)&v->from, "BUSY",
                          "too many connections");
        return false;
    }
    if (victim != NULL) {
        visitor_leave_seat(visitor_of_seat(victim)); /* now: the next one takes another's */
        visitor_dismiss(visitor_of_seat(victim));
    }
    return true;
}

static void visitor_read_address(struct visitor *v, const struct tls_arrival *arrival)
{
    socklen_t len = sizeof v->from;
    int on = 1, idle_s = VISITOR_KEEPALIVE_S;

    if (arrival != NULL) {
        v->from = arrival->from;
        v->tls = true;
        v->nameless = arrival->peer.kind != CERTIFICATE_CLIENT;
        memcpy(v->certificate, arrival->peer.client, sizeof v->certificate);
    } else {
        (void)getpeername(v->fd, (struct sockaddr *)&v->from,
                          &len); /* on a failure: of no family */
        (void)setsockopt(v->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        (void)setsockopt(v->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    }
    if (uv_ip_name((struct sockaddr *)&v->from, v->from_text, sizeof v->from_text) != 0) {
        v->from_text[0] = '\0';
    }
    v->loopback = is_loopback((struct sockaddr *)&v->from);
}

void visitor_accept(struct front *f, int fd, const struct tls_arrival *arrival)
{
    struct visitor *v = must_have(calloc(1, sizeof *v));

    v->front = f;
    v->fd = fd;
    v->since_ms = clocks_running_ms();
    visitor_read_address(v, arrival);
    visitor_place(f, v);
    if (f->stopping || !visitor_sit_down(v)) {
        visitor_gone(v);
        close(fd);
        return;
    }
    if (!server_add(f, v) && f->by_fd[fd] == v) {
        visitor_gone(v);
    }
}

struct visitor *visitor_started(struct front *f, int fd)
{
    struct visitor *v = (unsigned)fd < f->n_by_fd ? f->by_fd[fd] : NULL;

    if (v != NULL) {
        assert(v->arriving && f->n_arriving > 0);
        v->arriving = false;
        f->n_arriving--;
    }
    return v;
}

void visitors_forget_arriving(struct front *f)
{
    for (struct visitor *v = f->visitors, *next; v != NULL; v = next) {
        next = v->next;
        if (v->arriving) {
            visitor_gone(v);
        }
    }
    assert(f->n_arriving == 0);
}

void visitor_gone(struct visitor *v)
{
    struct front *f = v->front;

    assert(v->exchange == NULL && f->by_fd[v->fd] == v);
    f->by_fd[v->fd] = NULL;
    *v->at = v->next;
    if (v->next != NULL) {
        v->next->at = v->at;
    }
    f->n_visitors--;
    f->n_arriving -= v->arriving;
    visitor_leave_seat(v);
    free(v);
}

/* --- what they send --- */

/* Every request that came whole has been answered: now there is nothing between it and this. */
static void visitor_refuse(struct visitor *v, const struct http_flaw *flaw, uint64_t now_ms)
{
    char text[1024];

    if (v->refused || v->guard.requests != v->answered) {
        return;
    }
    v->refused = true;
    v->until_ms = now_ms + FRONT_LINGER_MS;
    size_t len = exchange_flaw_text(v->front, flaw, text, sizeof text);
    (void)send(v->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(v->fd, SHUT_WR);
}

void visitor_holds_body(struct visitor *v, size_t len)
{
    struct front *f = v->front;
    uint64_t now_ms = clocks_running_ms();
    struct api_unfinished_of *of;

    if (v->seat.address == NULL) { /* it has been cut already */
        v->exchange->too_large = true;
        exchange_drop_body(v->exchange);
        return;
    }
    api_unfinished_add(&f->bodies, &v->body, len, api_seats_held(&v->seat), now_ms);
    while ((of = api_unfinished_victim(&f->bodies, now_ms)) != NULL) {
        struct visitor *victim = (struct visitor *)((char *)of - offsetof(struct visitor, body));
        front_log_refused(f, "HTTP request refused", (struct sockaddr *)&victim->from, "BUSY",
                          "too many bytes of bodies that are not complete");
        victim->exchange->too_large = true;
        exchange_drop_body(victim->exchange);
        if (victim != v) {
            visitor_refuse(victim, &no_room, now_ms);
        }
    }
}

void visitor_holds_answer(struct visitor *v, size_t len)
{
    struct front *f = v->front;
    uint64_t now_ms = clocks_running_ms();
    struct api_unfinished_of *of;

    if (v->seat.address == NULL || len == 0) {
        return;
    }
    api_unfinished_add(&f->answers, &v->answer, len, api_seats_held(&v->seat), now_ms);
    while ((of = api_unfinished_victim(&f->answers, now_ms)) != NULL) {
        struct visitor *victim = (struct visitor *)((char *)of - offsetof(struct visitor, answer));
        front_log_refused(f, "HTTP connection closed", (struct sockaddr *)&victim->from, "BUSY",
                          "too many bytes of answers that are not taken");
        api_unfinished_end(&f->answers, of);
        visitor_cut(victim);
        f->daemon_ready = true;
    }
}

bool visitor_waits(struct visitor *v)
{
    struct front *f = v->front;
    uint64_t now_ms = clocks_running_ms();

    if (v->seat.address == NULL) { /* it has been cut already */
        return false;
    }
    api_unfinished_add(&f->waits, &v->wait, VISITOR_WAIT_BYTES, api_seats_held(&v->seat), now_ms);
    struct api_unfinished_of *of = api_unfinished_victim(&f->waits, now_ms);
    if (of == NULL) {
        return true;
    }
    bool own = of->by_address == v->wait.by_address; /* then those that wait go on */
    of = own ? &v->wait : of;
    struct visitor *victim = (struct visitor *)((char *)of - offsetof(struct visitor, wait));
    front_log_refused(f, "HTTP request refused", (struct sockaddr *)&victim->from, "BUSY",
                      "too many wait for orders");
    api_unfinished_end(&f->waits, of);
    if (!own && visitor_waits_no_more(victim)) {
        exchange_problem(&victim->exchange->x, ORDERSCHED_BUSY, visitor_no_wait, NULL);
    }
    return !own;
}

/* Throw away what it goes on to send: a socket that is closed with bytes unread takes the answer back. */
static ssize_t visitor_drain(int fd)
{
    static _Thread_local uint8_t rubbish[16 * 1024];

    ssize_t n = recvfrom(fd, rubbish, sizeof rubbish, MSG_DONTWAIT, NULL, NULL);
    if (n <= 0) {
        return n;
    }
    errno = EAGAIN;
    return -1;
}

ssize_t visitor_receive(void *arg, int fd, void *data, size_t len, int flags)
{
    struct front *f = arg;
    struct visitor *v = (unsigned)fd < f->n_by_fd ? f->by_fd[fd] : NULL;

    if (v == NULL) {
        return recvfrom(fd, data, len, flags, NULL, NULL);
    }
    if (v->guard.flaw != NULL || v->refused) {
        return visitor_drain(fd);
    }
    /* The library looks at a connection that it resumes before it answers. To "nothing is there" it would have the
     * kernel watch it, and to take that back with the next request; so it is told to ask again: after the answer the
     * next one may have come. */
    if (v->exchange != NULL && v->exchange->complete) {
        errno = EINTR;
        return -1;
    }
    ssize_t n = recvfrom(fd, data, len, flags, NULL, NULL);
    if (n <= 0) {
        return n;
    }
    bool within = http_guard_is_within(&v->guard);
    uint64_t requests = v->guard.requests;
    size_t good = http_guard_pass(&v->guard, data, (size_t)n);
    if (http_guard_is_within(&v->guard) && (!within || v->guard.requests != requests)) {
        v->since_ms = clocks_running_ms();
    }
    if (v->guard.flaw != NULL) {
        visitor_refuse(v, v->guard.flaw, clocks_running_ms());
    }
    if (good == 0) {
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)good;
}

void visitor_exchange_ended(struct visitor *v)
{
    api_unfinished_end(&v->front->answers, &v->answer);
    api_unfinished_end(&v->front->waits, &v->wait);
    v->exchange = NULL;
    v->answered++;
    if (v->seat.address != NULL && !v->seat.idle) {
        api_seats_idle(&v->front->seats, &v->seat);
    }
    /* Of the next one nothing was read meanwhile, though it may have begun. */
    v->since_ms = clocks_running_ms();
    if (v->guard.flaw != NULL) {
        visitor_refuse(v, v->guard.flaw, clocks_running_ms());
    } else if (v->front->stopping && v->guard.requests == v->answered) {
        visitor_cut(v);
    }
}

/* --- going --- */

/* The library does not look at a connection that waits for the cluster. */
static bool visitor_has_left(const struct visitor *v)
{
    struct pollfd look = {.fd = v->fd, .events = v->exchange->waits ? POLLRDHUP : 0};

    return poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static bool exchange_is_not_taken(const struct front_exchange *e, uint64_t now_ms)
{
    uint64_t allowed_ms = FRONT_TAKE_MS + 1000 * (e->response_len / FRONT_TAKE_BYTES);

    return e->response != NULL && now_ms - e->response_ms >= allowed_ms;
}

static void visitor_tick(struct visitor *v, uint64_t now_ms)
{
    struct front_exchange *e = v->exchange;

    if (v->until_ms != 0) {
        if (v->until_ms <= now_ms) {
            visitor_cut(v);
        }
        return;
    }
    if (e != NULL && e->complete) {
        if (exchange_is_not_taken(e, now_ms)) {
            front_log_refused(v->front, "HTTP connection closed", (struct sockaddr *)&v->from,
                              "TIMEOUT", "it does not take its answer");
            visitor_cut(v);
        } else if (e->suspended && visitor_has_left(v)) {
            visitor_dismiss(v);
        }
    } else if (http_guard_is_within(&v->guard) || v->guard.requests != v->answered) {
        if (now_ms - v->since_ms >= FRONT_REQUEST_MS) {
            visitor_refuse(v, &too_slow, now_ms);
        }
    } else if (now_ms - v->since_ms >= FRONT_IDLE_MS) {
        visitor_cut(v);
    }
}

void visitors_tick(struct front *f, uint64_t now_ms)
{
    for (struct visitor *v = f->visitors, *next; v != NULL; v = next) {
        next = v->next;
        visitor_tick(v, now_ms);
    }
}

void visitors_close_idle(struct front *f)
{
    for (struct visitor *v = f->visitors; v != NULL; v = v->next) {
        if (v->guard.requests == v->answered && v->exchange == NULL) {
            visitor_cut(v);
        }
    }
}

void visitors_close(struct front *f)
{
    for (struct visitor *v = f->visitors; v != NULL; v = v->next) {
        if (visitor_waits_no_more(v)) { /* the library must not end with one that is suspended */
            exchange_problem(&v->exchange->x, ORDERSCHED_SHUTTING_DOWN, NULL, NULL);
        }
        visitor_cut(v);
    }
}
