/* http_multi.c - see http_multi.h. */
#include "http_multi.h"

#include <stdlib.h>
#include <string.h>

static void free_handle_cb(uv_handle_t *handle)
{
    free(handle);
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
    struct callback_multi *m = poll->data;
    uv_os_fd_t fd;
    int flags = 0;
    int running;

    if (uv_fileno((const uv_handle_t *)poll, &fd) != 0) {
        return;
    }
    if (status < 0) {
        flags = CURL_CSELECT_ERR;
    }
    if (events & UV_READABLE) {
        flags |= CURL_CSELECT_IN;
    }
    if (events & UV_WRITABLE) {
        flags |= CURL_CSELECT_OUT;
    }
    curl_multi_socket_action(m->curl, fd, flags, &running);
    m->moved(m->arg);
}

/* libcurl wants a socket watched, or no longer. A socket that cannot be watched (no memory) is
 * left alone, and its transfer runs into its timeout: an error returned from here would kill all
 * transfers of the multi handle. */
static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct callback_multi *m = arg;
    uv_poll_t *poll = socket_arg;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (poll != NULL) {
            curl_multi_assign(m->curl, fd, NULL);
            uv_close((uv_handle_t *)poll, free_handle_cb);
        }
        return 0;
    }
    if (poll == NULL) {
        poll = malloc(sizeof *poll);
        if (poll == NULL || uv_poll_init_socket(m->loop, poll, fd) != 0) {
            free(poll);
            return 0;
        }
        poll->data = m;
        curl_multi_assign(m->curl, fd, poll);
    }
    uv_poll_start(poll, events, poll_cb);
    return 0;
}

static void timer_cb(uv_timer_t *timer)
{
    struct callback_multi *m = timer->data;
    int running;

    curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running);
    m->moved(m->arg);
}

/* libcurl sets its one timer; -1 stops it. Acting on it from here would re-enter libcurl. */
static int set_timer_cb(CURLM *multi, long timeout_ms, void *arg)
{
    struct callback_multi *m = arg;

    (void)multi;
    if (timeout_ms < 0) {
        uv_timer_stop(&m->timer);
    } else {
        uv_timer_start(&m->timer, timer_cb, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

bool callback_multi_init(struct callback_multi *m, uv_loop_t *loop, unsigned connections_max,
                         void (*moved)(void *arg), void *arg)
{
    long max = (long)connections_max;

    *m = (struct callback_multi){.loop = loop, .moved = moved, .arg = arg};
    uv_timer_init(loop, &m->timer); /* never fails */
    m->timer.data = m;
    m->curl = curl_multi_init();
    m->nobody = curl_easy_init();
    return m->curl != NULL && m->nobody != NULL &&
           curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, socket_cb) == CURLM_OK &&
           curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m) == CURLM_OK &&
           curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, set_timer_cb) == CURLM_OK &&
           curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m) == CURLM_OK &&
           /* Kept-alive connections count: idle ones are closed when the places are needed. */
           curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, max) == CURLM_OK &&
           curl_multi_setopt(m->curl, CURLMOPT_MAX_TOTAL_CONNECTIONS, max) == CURLM_OK;
}

/* Taking any handle out makes libcurl look, one that never ran as well. */
void callback_multi_nudge(struct callback_multi *m)
{
    if (curl_multi_add_handle(m->curl, m->nobody) == CURLM_OK) {
        curl_multi_remove_handle(m->curl, m->nobody);
    }
}

static void close_poll(uv_handle_t *handle, void *arg)
{
    if (handle->type == UV_POLL && handle->data == arg && !uv_is_closing(handle)) {
        uv_close(handle, free_handle_cb);
    }
}

void callback_multi_close(struct callback_multi *m)
{
    curl_multi_cleanup(m->curl);
    curl_easy_cleanup(m->nobody);
    uv_walk(m->loop, close_poll, m); /* those that libcurl did not give back */
    uv_close((uv_handle_t *)&m->timer, NULL);
}
