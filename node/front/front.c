/* front.c - see front.h: the thread, and its life. */
#include "front.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../client/base/clocks.h"
#include "../../client/text/units.h"
#include "../../raft/tls/tls_pair.h"
#include "front_internal.h"
#include "front_recv.h"

#define FRONT_NICE 5 /* more than the rest of the process has */
#define FRONT_TICK_MS 250
#define FRONT_ROUNDS 4 /* of requests in one turn of the loop, before what they ask is sent */

static void front_end_thread(struct front *f);

/* --- the loop --- */

static void front_wake_cb(uv_timer_t *timer)
{
    (void)timer; /* waking was all */
}

static void front_again_cb(uv_idle_t *again)
{
    (void)again;
}

/* After the poll: what came is read, what it asks is sent, what was answered is written. */
static void front_check_cb(uv_check_t *check)
{
    struct front *f = check->data;

    if (f->ended) {
        return;
    }
    for (unsigned i = 0; i < FRONT_ROUNDS && (f->daemon_ready || server_has_more(f)); i++) {
        server_run(f);
    }
    gateway_tell_next(&f->gateway);
    uint64_t wake_ms = gateway_tick(&f->gateway); /* and sends what that has led to */
    uint64_t due_ms = pacing_run(f);
    wake_ms = due_ms < wake_ms ? due_ms : wake_ms;
    turns_run(f);
    packing_run(f);
    if (f->daemon_ready || server_has_more(f) || gateway_has_more(&f->gateway) ||
        !link_empty(&f->turns) || packer_has_more(&f->packer)) {
        uv_idle_start(&f->again, front_again_cb);
    } else {
        uv_idle_stop(&f->again);
    }
    if (wake_ms == UINT64_MAX) {
        uv_timer_stop(&f->wake);
    } else {
        uint64_t now_ms = clocks_running_ms();
        uv_update_time(&f->loop);
        uv_timer_start(&f->wake, front_wake_cb, wake_ms > now_ms ? wake_ms - now_ms : 0, 0);
    }
}

static void front_poll_cb(uv_poll_t *poll, int status, int events)
{
    struct front *f = poll->data;

    (void)status;
    (void)events;
    f->daemon_ready = true;
}

static void front_tick_cb(uv_timer_t *tick)
{
    struct front *f = tick->data;
    uint64_t now_ms = clocks_running_ms();

    visitors_tick(f, now_ms);
    f->daemon_ready = true;
    if (f->stopping && (f->visitors == NULL || f->stop_until_ms <= now_ms)) {
        front_end_thread(f);
    }
}

/* --- who comes --- */

static void front_came_cb(struct listening *listening, int fd)
{
    struct front *f = listening->data;

    if (f->relay != NULL) {
        tls_relay_accept(f->relay, fd);
    } else {
        visitor_accept(f, fd, NULL);
    }
}

static void front_rests_cb(struct listening *listening, int error)
{
    struct front *f = listening->data;
    uint64_t now_ms = clocks_running_ms();

    if (f->config.log != NULL && (f->rested_ms == 0 || now_ms - f->rested_ms >= 1000)) {
        f->rested_ms = now_ms;
        log_line(f->config.log, LOG_ERROR, "HTTP clients cannot be accepted for now, and wait",
                 LOG_STR("reason", uv_strerror(error)));
    }
}

static void front_arrived_cb(void *arg, struct tls_arrival *arrival)
{
    struct front *f = arg;

    int fd = arrival->line != NULL ? tls_pair_open(arrival, &f->loop) : -1;

    if (fd < 0) {
        front_log_refused(f, "HTTP connection refused", (const struct sockaddr *)&arrival->from,
                          "TLS", arrival->line != NULL ? "no descriptor is left" : arrival->why);
        return;
    }
    visitor_accept(f, fd, arrival);
}

static void front_relay_tells_cb(void *arg, const char *level, const struct sockaddr *from,
                                 const char *sentence)
{
    if (from != NULL && strcmp(level, "info") != 0) {
        front_log_refused(arg, "HTTP connection closed", from, "TLS", sentence);
    }
}

/* --- the end --- */

static void front_stop_cb(void *arg)
{
    struct front *f = arg;

    if (f->stopping) {
        return;
    }
    f->stopping = true;
    f->stop_until_ms = clocks_running_ms() + FRONT_CLOSE_MS;
    listening_close(&f->listening, NULL);
    visitors_close_idle(f);
    f->daemon_ready = true;
    uv_timer_start(&f->tick, front_tick_cb, 10, 10);
}

/* What waits is told; then all connections go. */
static void front_end_thread(struct front *f)
{
    if (f->ended) {
        return;
    }
    gateway_close(&f->gateway);
    server_run(f); /* its last answers */
    visitors_close(f);
    server_run(f);
    f->ended = true;
    uv_close((uv_handle_t *)&f->poll, NULL);
    server_stop(f);
    assert(f->visitors == NULL);
    packer_close(&f->packer);
    static_texts_free(f);
    if (f->relay != NULL) {
        tls_relay_close(f->relay, NULL, NULL); /* what was written is sent */
    }
    wakeup_close(&f->stop, NULL);
    uv_close((uv_handle_t *)&f->check, NULL);
    uv_close((uv_handle_t *)&f->again, NULL);
    uv_close((uv_handle_t *)&f->wake, NULL);
    uv_close((uv_handle_t *)&f->tick, NULL);
}

/* A crowd of callers can keep this thread busy for as long as it likes. On a processor that has too much to do the
 * raft loop, the log and the kernel's own threads that complete what is written go first. (On Linux a nice value is a
 * thread's, sched(7); where it cannot be had all goes on as before.) */
static void front_yield(void)
{
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, 0);

    if (nice != -1 || errno == 0) {
        (void)setpriority(PRIO_PROCESS, 0, nice + FRONT_NICE);
    }
}

static void front_thread(void *arg)
{
    struct front *f = arg;

    front_yield();
    front_recv_set(visitor_receive, f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    front_recv_set(NULL, NULL);
}

void front_stop(struct front *f)
{
    wakeup_send(&f->stop);
}

void front_free(struct front *f)
{
    uv_thread_join(&f->thread);
    gateway_free(&f->gateway);
    int rv = uv_loop_close(&f->loop);
    assert(rv == 0);
    if (f->relay != NULL) {
        tls_relay_free(f->relay);
    }
    wakeup_free(&f->stop);
    free(f->by_fd);
    free(f);
}

/* --- the start --- */

static int front_listen(struct front *f, char *why, size_t why_size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char host[256], service[16];
    unsigned port;

    f->listening = (struct listening){.came = front_came_cb,
                                      .rests = front_rests_cb,
                                      .send_bytes = LISTENING_SEND_BYTES,
                                      .data = f};
    if (!units_split_address(f->config.address, host, sizeof host, &port)) {
        snprintf(why, why_size, "cannot serve HTTP at %s: not HOST:PORT", f->config.address);
        return -1;
    }
    snprintf(service, sizeof service, "%u", port);
    int rv = getaddrinfo(host, service, &hints, &found);
    if (rv != 0) {
        snprintf(why, why_size, "cannot serve HTTP at %s: %s", f->config.address, gai_strerror(rv));
        return -1;
    }
    rv = UV_EADDRNOTAVAIL;
    for (const struct addrinfo *at = found; at != NULL && rv != 0; at = at->ai_next) {
        rv = listening_open(&f->listening, &f->loop, at->ai_addr, false, 1024);
    }
    freeaddrinfo(found);
    if (rv != 0) {
        snprintf(why, why_size,
                 "cannot serve HTTP at %s: %s (--http HOST:PORT takes another one, "
                 "--http off none)",
                 f->config.address, uv_strerror(rv));
    }
    return rv;
}

static bool front_start_relay(struct front *f, char *why, size_t why_size)
{
    struct tls_relay_config config = {.files = f->config.tls,
                                      .cluster = f->config.cluster,
                                      .accepts = TLS_ACCEPT_CLIENT,
                                      .shaking_max = FRONT_SHAKING_MAX,
                                      .max_age_ms = f->config.tls_max_age_ms,
                                      .accepted = front_arrived_cb,
                                      .tells = front_relay_tells_cb,
                                      .arg = f};

    if (f->config.tls != NULL) {
        f->relay = tls_relay_new(&config, &f->loop, why, why_size);
    }
    return f->config.tls == NULL || f->relay != NULL;
}

static bool front_start_gateway(struct front *f)
{
    struct gateway_config config = {.cluster = f->config.cluster,
                                    .self = f->config.self,
                                    .others = f->config.others,
                                    .n_others = f->config.n_others,
                                    .inside = f->config.inside,
                                    .inside_arg = f->config.arg,
                                    .relay = f->relay};

    return gateway_init(&f->gateway, &f->loop, &config);
}

static bool front_start_handles(struct front *f)
{
    if (uv_loop_init(&f->loop) != 0 || wakeup_init(&f->stop, &f->loop, front_stop_cb, f) != 0 ||
        uv_check_init(&f->loop, &f->check) != 0 || uv_idle_init(&f->loop, &f->again) != 0 ||
        uv_timer_init(&f->loop, &f->wake) != 0 || uv_timer_init(&f->loop, &f->tick) != 0) {
        return false;
    }
    f->check.data = f->again.data = f->wake.data = f->tick.data = f->poll.data = f;
    uv_check_start(&f->check, front_check_cb);
    uv_timer_start(&f->tick, front_tick_cb, FRONT_TICK_MS, FRONT_TICK_MS);
    return true;
}

static bool front_start_server(struct front *f)
{
    if (!server_start(f)) {
        return false;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(f->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    return info != NULL && uv_poll_init(&f->loop, &f->poll, info->epoll_fd) == 0 &&
           uv_poll_start(&f->poll, UV_READABLE, front_poll_cb) == 0;
}

struct front *front_new(const struct front_config *config, char *why, size_t why_size)
{
    struct front *f = calloc(1, sizeof *f);

    snprintf(why, why_size, "cannot serve HTTP: out of memory or descriptors");
    if (f == NULL) {
        return NULL;
    }
    f->config = *config;
    link_head_init(&f->turns);
    link_head_init(&f->paced);
    f->paced_due_us = UINT64_MAX;
    packer_init(&f->packer);
    api_seats_init(&f->seats, FRONT_CONNECTIONS_MAX);
    api_unfinished_init(&f->bodies, FRONT_BODIES_MAX);
    api_unfinished_init(&f->answers, FRONT_ANSWERS_MAX);
    api_unfinished_init(&f->waits, (uint64_t)FRONT_WAITS_MAX * VISITOR_WAIT_BYTES);
    /* On a failure the caller ends the process: what was begun stays with its loop. */
    if (!front_start_handles(f) || !front_start_relay(f, why, why_size) ||
        !front_start_gateway(f) || !front_start_server(f) || front_listen(f, why, why_size) != 0) {
        return NULL;
    }
    f->poll.data = f;
    if (uv_thread_create(&f->thread, front_thread, f) != 0) {
        snprintf(why, why_size, "cannot serve HTTP: no thread");
        return NULL;
    }
    return f;
}
