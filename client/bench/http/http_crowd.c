/* http_crowd.c - see http_crowd.h. */
#include "http_crowd.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../base/clocks.h"
#include "http_connection.h"

#define CROWD_EVENTS 256
#define CROWD_WAIT_MS 10
#define CROWD_DEAF_BYTES 4096 /* that the kernel holds of an answer nobody takes */
#define CROWD_PAUSE_MS 20     /* before one whose connection failed tries again */
#define CROWD_OPENS_A_MS 16   /* connections at most, of all */

struct http_crowd_member {
    struct http_connection c;
    uint64_t rests_until_ms; /* before it opens a connection, or sends its next byte */
    bool wants_room;
};

static void member_close(struct http_crowd *c, struct http_crowd_member *m, uint64_t now_ms,
                         uint64_t pause_ms)
{
    if (c->config.leaves && m->c.fd >= 0) { /* no TIME_WAIT here: it has gone */
        struct linger none = {.l_onoff = 1};
        (void)setsockopt(m->c.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    http_connection_close(&m->c);
    m->rests_until_ms = now_ms + pause_ms;
}

/* It asks for its next thing, if it may. */
static void member_ask(struct http_crowd *c, struct http_crowd_member *m)
{
    if (c->config.request != NULL && !http_connection_has_more(&m->c)) {
        buffer_reset(&m->c.out);
        m->c.sent = 0;
        if (!c->config.deaf) {
            http_answer_reset(&m->c.answer);
        }
        c->config.request(c->requests++, &m->c.out);
    }
}

static void member_want_room(struct http_crowd *c, struct http_crowd_member *m)
{
    bool wants = c->config.drip_ms == 0 && c->config.request != NULL &&
                 (c->config.deaf || http_connection_has_more(&m->c));
    struct epoll_event event = {.events = (c->config.deaf ? 0 : EPOLLIN) | (wants ? EPOLLOUT : 0),
                                .data.ptr = m};

    if (wants != m->wants_room) {
        (void)epoll_ctl(c->poll_fd, EPOLL_CTL_MOD, m->c.fd, &event);
        m->wants_room = wants;
    }
}

static void member_send(struct http_crowd *c, struct http_crowd_member *m, uint64_t now_ms)
{
    size_t before = m->c.sent;
    size_t most = c->config.drip_ms > 0 ? 1 : SIZE_MAX;

    if (http_connection_send(&m->c, most) == HTTP_ENDED) {
        c->closed++;
        member_close(c, m, now_ms, CROWD_PAUSE_MS);
        return;
    }
    c->sent += m->c.sent > before && !http_connection_has_more(&m->c);
    if (c->config.deaf) {
        member_ask(c, m);
    }
    member_want_room(c, m);
}

static void member_open(struct http_crowd *c, struct http_crowd_member *m, uint64_t now_ms)
{
    struct epoll_event event = {.events = c->config.deaf ? 0 : EPOLLIN, .data.ptr = m};

    if (!http_connection_open(&m->c, c->config.port, c->config.deaf ? CROWD_DEAF_BYTES : 0) ||
        epoll_ctl(c->poll_fd, EPOLL_CTL_ADD, m->c.fd, &event) != 0) {
        member_close(c, m, now_ms, CROWD_PAUSE_MS);
        return;
    }
    c->opened++;
    m->wants_room = false;
    m->rests_until_ms = now_ms + c->config.drip_ms;
    member_ask(c, m);
    member_want_room(c, m);
}

static void member_receive(struct http_crowd *c, struct http_crowd_member *m, uint64_t now_ms)
{
    enum http_progress progress = http_connection_receive(&m->c);

    if (progress == HTTP_GOES_ON) {
        return;
    }
    bool closes = progress == HTTP_ENDED || m->c.answer.closes || c->config.leaves;
    if (progress == HTTP_COMPLETE) {
        c->answered++;
        c->refused += m->c.answer.status >= 400;
    }
    c->closed += progress == HTTP_ENDED;
    if (closes) {
        member_close(c, m, now_ms, progress == HTTP_COMPLETE ? 0 : CROWD_PAUSE_MS);
        return;
    }
    m->c.sent = m->c.out.len; /* what was refused before it was sent is not sent any more */
    member_ask(c, m);
    member_send(c, m, now_ms);
}

static void member_serve(struct http_crowd *c, struct http_crowd_member *m, uint32_t events,
                         uint64_t now_ms)
{
    if (c->config.deaf && (events & (EPOLLHUP | EPOLLERR)) != 0) {
        c->closed++;
        member_close(c, m, now_ms, CROWD_PAUSE_MS);
    } else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        member_receive(c, m, now_ms);
    } else {
        member_send(c, m, now_ms);
    }
}

/* Those whose time has come: connections, and bytes that drip. */
static void crowd_wake(struct http_crowd *c, uint64_t now_ms, unsigned may_open)
{
    for (unsigned i = 0; i < c->config.connections; i++) {
        struct http_crowd_member *m = &c->members[i];
        if (m->rests_until_ms > now_ms) {
            continue;
        }
        if (m->c.fd < 0) {
            if (may_open > 0) {
                may_open--;
                member_open(c, m, now_ms);
            }
        } else if (c->config.drip_ms > 0 && http_connection_has_more(&m->c)) {
            m->rests_until_ms = now_ms + c->config.drip_ms;
            member_send(c, m, now_ms);
        }
    }
}

static void *crowd_thread(void *arg)
{
    struct http_crowd *c = arg;
    struct epoll_event events[CROWD_EVENTS];
    uint64_t woke_ms = clocks_running_ms() - 1;

    /* Hostile clients have processors of their own: here theirs is only what the nodes leave. */
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
    while (!atomic_load(&c->stopping)) {
        uint64_t now_ms = clocks_running_ms();
        if (now_ms > woke_ms) {
            uint64_t passed_ms = now_ms - woke_ms;
            crowd_wake(c, now_ms, (unsigned)passed_ms * CROWD_OPENS_A_MS);
            woke_ms = now_ms;
        }
        int n = epoll_wait(c->poll_fd, events, CROWD_EVENTS, c->config.leaves ? 1 : CROWD_WAIT_MS);
        for (int i = 0; i < n; i++) {
            struct http_crowd_member *m = events[i].data.ptr;
            if (m->c.fd >= 0) {
                member_serve(c, m, events[i].events, now_ms);
            }
        }
    }
    return NULL;
}

static void crowd_free(struct http_crowd *c)
{
    for (unsigned i = 0; c->members != NULL && i < c->config.connections; i++) {
        http_connection_free(&c->members[i].c);
    }
    free(c->members);
    if (c->poll_fd >= 0) {
        close(c->poll_fd);
    }
}

int http_crowd_start(struct http_crowd *c, const struct http_crowd_config *config)
{
    memset(c, 0, sizeof *c);
    c->config = *config;
    c->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->members = calloc(config->connections, sizeof *c->members);
    for (unsigned i = 0; c->members != NULL && i < config->connections; i++) {
        c->members[i].c.fd = -1;
    }
    if (c->poll_fd < 0 || c->members == NULL ||
        pthread_create(&c->thread, NULL, crowd_thread, c) != 0) {
        crowd_free(c);
        return -1;
    }
    return 0;
}

static bool crowd_is_there(const struct http_crowd *c)
{
    if (c->config.request == NULL || c->config.drip_ms > 0) {
        return c->opened > 0;
    }
    return c->config.deaf ? c->sent > 0 : c->answered > 0;
}

void http_crowd_await(const struct http_crowd *c, unsigned most_ms)
{
    uint64_t until_ms = clocks_running_ms() + most_ms;

    while (!crowd_is_there(c) && clocks_running_ms() < until_ms) {
        clocks_sleep_ms(10);
    }
}

void http_crowd_stop(struct http_crowd *c)
{
    atomic_store(&c->stopping, true);
    pthread_join(c->thread, NULL);
    crowd_free(c);
}
