/* http_load.c - see http_load.h. */
#include "http_load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../../base/clocks.h"
#include "http_connection.h"

#define LOAD_EVENTS 256
#define LOAD_LOOK_MS 100 /* for requests that are too old */
#define LOAD_CONNECT_MS 5000

struct http_load_connection {
    struct http_connection c;
    struct http_load_connection *next; /* idle */
    uint64_t began_us;
    unsigned orders; /* of the request under way; 0: none is */
    bool again;      /* it was sent before */
    bool waits;      /* for room to send */
};

/* ---- one request ---- */

static bool load_connect(struct http_load *l, struct http_load_connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    c->waits = false;
    return http_connection_open(&c->c, l->config.port, 0) &&
           (l->poll_fd < 0 || epoll_ctl(l->poll_fd, EPOLL_CTL_ADD, c->c.fd, &event) == 0);
}

/* Wait, or no more, for room to send. */
static void load_want_room(struct http_load *l, struct http_load_connection *c, bool wants)
{
    if (c->waits != wants && l->poll_fd >= 0) {
        struct epoll_event event = {.events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.ptr = c};
        (void)epoll_ctl(l->poll_fd, EPOLL_CTL_MOD, c->c.fd, &event);
        c->waits = wants;
    }
}

static void load_failed(struct http_load *l, unsigned orders, const char *what, unsigned status,
                        const char *body)
{
    if (l->failed == 0) {
        snprintf(l->text, sizeof l->text, status != 0 ? "%s%u: %s" : "%s", what, status, body);
    }
    l->failed += orders;
    if (!l->config.go_on) {
        http_load_stop(l);
    }
}

/* It was answered, or never will be. */
static void load_request_ended(struct http_load *l, struct http_load_connection *c, const char *why)
{
    const struct http_answer *a = &c->c.answer;
    unsigned done = 0;

    l->last_us = clocks_running_us();
    histogram_add(&l->latency, l->last_us - c->began_us);
    if (why != NULL) {
        load_failed(l, c->orders, why, 0, "");
    } else {
        l->answered++;
        done = a->status / 100 != 2 ? 0 : l->config.orders.batch > 0 ? a->sound : c->orders;
    }
    if (why == NULL && done < c->orders) {
        load_failed(l, c->orders - done, "HTTP ", a->status, a->body);
    }
    l->done += done;
    c->orders = 0;
    l->under_way--;
}

static void load_give(struct http_load *l, struct http_load_connection *c)
{
    c->next = l->idle;
    l->idle = c;
}

/* Its connection is of no use any more. */
static void load_broken(struct http_load *l, struct http_load_connection *c, const char *why)
{
    bool fresh = c->c.answer.head_len == 0 && !c->again;

    http_connection_close(&c->c);
    if (c->orders == 0) { /* an idle one stays among those: it is opened when it is used */
        return;
    }
    struct buffer request = c->c.out;
    c->c.out = (struct buffer){0};
    if (fresh && why == NULL && load_connect(l, c)) {
        buffer_free(&c->c.out);
        c->c.out = request;
        c->again = true;
        l->repeated++;
        load_want_room(l, c, true);
        return;
    }
    buffer_free(&request);
    load_request_ended(l, c, why != NULL ? why : "the node closed the connection");
    load_give(l, c);
}

static void load_send(struct http_load *l, struct http_load_connection *c)
{
    if (http_connection_send(&c->c, SIZE_MAX) == HTTP_ENDED) {
        load_broken(l, c, NULL);
        return;
    }
    load_want_room(l, c, http_connection_has_more(&c->c));
}

/* Fill the next request in. False: there is none. */
static bool load_fill(struct http_load *l, struct http_load_connection *c, uint64_t began_us)
{
    if (atomic_load_explicit(&l->stopping, memory_order_relaxed) || l->next == l->requests) {
        return false;
    }
    if (c->c.fd < 0) {
        (void)load_connect(l, c); /* else sending fails, and says so */
    }
    buffer_reset(&c->c.out);
    c->c.sent = 0;
    http_answer_reset(&c->c.answer);
    c->again = false;
    c->began_us = began_us;
    c->orders = http_orders_request(&l->config.orders, l->next, &c->c.out);
    l->next++;
    l->under_way++;
    return true;
}

/* ---- one connection ---- */

/* Send it all, take all of the answer. */
static enum http_progress one_exchange(const struct http_load *l, struct http_connection *c)
{
    enum http_progress progress = HTTP_GOES_ON;
    struct pollfd look = {.fd = c->fd};

    while (progress == HTTP_GOES_ON && http_connection_has_more(c)) {
        look.events = POLLOUT;
        progress = poll(&look, 1, (int)l->config.timeout_ms) > 0 ? http_connection_send(c, SIZE_MAX)
                                                                 : HTTP_ENDED;
    }
    while (progress == HTTP_GOES_ON) {
        look.events = POLLIN;
        progress = poll(&look, 1, (int)l->config.timeout_ms) > 0 ? http_connection_receive(c)
                                                                 : HTTP_ENDED;
    }
    return progress;
}

static void load_one_by_one(struct http_load *l)
{
    struct http_load_connection *c = &l->connections[0];

    while (load_fill(l, c, clocks_running_us())) {
        bool answered = one_exchange(l, &c->c) == HTTP_COMPLETE;
        load_request_ended(l, c, answered ? NULL : "the node did not answer");
        if (!answered || c->c.answer.closes) {
            http_connection_close(&c->c);
        }
    }
}

/* ---- many ---- */

/* Begin what is due on connections that are free. Returns when the next one is due; 0: nothing to wait
 * for. */
static uint64_t load_begin_due(struct http_load *l)
{
    while (l->idle != NULL) {
        uint64_t now_us = clocks_running_us();
        uint64_t due_us = now_us;
        if (l->config.rate > 0) {
            due_us = l->began_us + (uint64_t)((double)l->next * 1e6 / l->config.rate);
            if (due_us > now_us) {
                return due_us;
            }
        }
        struct http_load_connection *c = l->idle;
        l->idle = c->next;
        if (!load_fill(l, c, due_us)) {
            load_give(l, c);
            return 0;
        }
        load_send(l, c);
    }
    return 0;
}

static void load_serve(struct http_load *l, struct http_load_connection *c, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        enum http_progress progress = http_connection_receive(&c->c);
        if (progress == HTTP_ENDED) {
            load_broken(l, c, c->c.answer.broken ? "the answer is not HTTP" : NULL);
        } else if (progress == HTTP_COMPLETE) {
            bool closes = c->c.answer.closes;
            load_request_ended(l, c, NULL);
            if (closes) {
                http_connection_close(&c->c);
            }
            load_give(l, c);
        }
    } else if ((events & EPOLLOUT) != 0) {
        load_send(l, c);
    }
}

static void load_look_for_old(struct http_load *l, uint64_t now_us)
{
    for (unsigned i = 0; i < l->config.connections; i++) {
        struct http_load_connection *c = &l->connections[i];
        if (c->orders > 0 && now_us - c->began_us > (uint64_t)l->config.timeout_ms * 1000) {
            load_broken(l, c, "it was not answered in time");
        }
    }
}

static void load_set_timer(const struct http_load *l, uint64_t due_us)
{
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(due_us / 1000000),
                                         .tv_nsec = (long)(due_us % 1000000) * 1000}};

    (void)timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void load_many(struct http_load *l)
{
    struct epoll_event events[LOAD_EVENTS];
    uint64_t looked_us = l->began_us;
    uint64_t armed_us = 0;

    for (;;) {
        uint64_t due_us = load_begin_due(l);
        if (due_us != armed_us && due_us != 0) {
            load_set_timer(l, due_us);
            armed_us = due_us;
        }
        bool stops = atomic_load(&l->stopping) || l->next == l->requests;
        if (stops && l->under_way == 0) {
            return;
        }
        int n = epoll_wait(l->poll_fd, events, LOAD_EVENTS, LOAD_LOOK_MS);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr != NULL) {
                load_serve(l, events[i].data.ptr, events[i].events);
            } else {
                uint64_t ticks;
                (void)!read(l->timer_fd, &ticks, sizeof ticks);
                armed_us = 0;
            }
        }
        uint64_t now_us = clocks_running_us();
        if (now_us - looked_us > LOAD_LOOK_MS * 1000) {
            load_look_for_old(l, now_us);
            looked_us = now_us;
        }
    }
}

static bool load_is_alone(const struct http_load_config *config)
{
    return config->connections == 1 && config->rate == 0;
}

static void *load_thread(void *arg)
{
    struct http_load *l = arg;

    l->began_us = l->last_us = clocks_running_us();
    if (load_is_alone(&l->config)) {
        load_one_by_one(l);
    } else {
        load_many(l);
    }
    atomic_store(&l->ended, true);
    return NULL;
}

/* ---- open and close ---- */

static void load_free(struct http_load *l)
{
    for (unsigned i = 0; l->connections != NULL && i < l->config.connections; i++) {
        http_connection_free(&l->connections[i].c);
    }
    free(l->connections);
    l->connections = NULL;
    if (l->poll_fd >= 0) {
        close(l->poll_fd);
    }
    if (l->timer_fd >= 0) {
        close(l->timer_fd);
    }
}

static bool load_open_polls(struct http_load *l)
{
    struct epoll_event event = {.events = EPOLLIN};

    l->poll_fd = l->timer_fd = -1;
    if (load_is_alone(&l->config)) {
        return true;
    }
    l->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return l->poll_fd >= 0 && l->timer_fd >= 0 &&
           epoll_ctl(l->poll_fd, EPOLL_CTL_ADD, l->timer_fd, &event) == 0;
}

/* All connections stand before anything is measured. */
static bool load_connect_all(struct http_load *l)
{
    for (unsigned i = 0; i < l->config.connections; i++) {
        struct http_load_connection *c = &l->connections[i];
        int error = 0;
        socklen_t len = sizeof error;
        if (!load_connect(l, c)) {
            return false;
        }
        struct pollfd look = {.fd = c->c.fd, .events = POLLOUT};
        if (poll(&look, 1, LOAD_CONNECT_MS) <= 0 ||
            getsockopt(c->c.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
            return false;
        }
        load_give(l, c);
    }
    return true;
}

int http_load_start(struct http_load *l, const struct http_load_config *config)
{
    memset(l, 0, sizeof *l);
    l->config = *config;
    l->requests = http_orders_requests(&config->orders);
    l->connections = calloc(config->connections, sizeof *l->connections);
    for (unsigned i = 0; l->connections != NULL && i < config->connections; i++) {
        l->connections[i].c.fd = -1;
    }
    bool good = load_open_polls(l) && l->connections != NULL && load_connect_all(l);
    l->cpu_before_s = clocks_process_cpu_s();
    if (!good || pthread_create(&l->thread, NULL, load_thread, l) != 0) {
        load_free(l);
        return -1;
    }
    return 0;
}

void http_load_stop(struct http_load *l)
{
    atomic_store(&l->stopping, true);
}

bool http_load_has_ended(const struct http_load *l)
{
    return atomic_load(&l->ended);
}

void http_load_finish(struct http_load *l, struct engine_result *result)
{
    pthread_join(l->thread, NULL);
    *result = (struct engine_result){
        .counts = {.ended = l->done + l->failed, .ok = l->done},
        .done = l->done,
        .failed = l->failed,
        .seconds = (double)(l->last_us - l->began_us) / 1e6,
        .cpu_s = clocks_process_cpu_s() - l->cpu_before_s,
        .latency = l->latency,
    };
    snprintf(result->text, sizeof result->text, "%s", l->text);
    load_free(l);
}
