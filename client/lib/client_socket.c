/* client_socket.c - see client_socket.h. */
#include "client_socket.h"

#include <assert.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <stdio.h>
#include <string.h>

#include "../text/units.h"
#include "client_diagnosis.h"
#include "client_tls.h"

#define NNG_GRACE_MS 250u     /* for the first connection after dialling */
#define NNG_GRACE_TLS_MS 500u /* the same: it takes three more round trips, and some arithmetic */
#define NNG_SILENCE_MS 2000u  /* without connection, or answer, for so long: dial anew, on demand */
#define NNG_FILES_MS \
    200 /* without connection: how often to look whether the TLS files have changed */
#define NNG_RECONNECT_MIN_MS 50
#define NNG_RECONNECT_MAX_MS 500

/* Before nng uses a new connection, and after it has given one up. On nng's threads. */
static void pipe_cb(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct client_socket *s = arg;
    struct client_sockets *all = s->shared;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);
    bool down = false;

    pthread_mutex_lock(&all->mutex);
    if (event == NNG_PIPE_EV_ADD_PRE) {
        s->pipe = id;
    } else if (s->pipe == id) {
        s->pipe = 0;
        s->lost = all->any_lost = down = true;
    }
    if (down && !all->closing) {
        all->wake(all->wake_arg); /* under the mutex: who sets `closing` may free what it wakes */
    }
    pthread_mutex_unlock(&all->mutex);
}

/* With the files as they are now. A dialer keeps them for all its connections. */
static int socket_secure(struct client_socket *s)
{
    if (s->shared->tls == NULL) {
        return 0;
    }
    s->tls_loaded = client_tls_refresh(s->shared->tls);
    nng_tls_config *config = client_tls_config(s->shared->tls);
    int rv = nng_dialer_set_ptr(s->dialer, NNG_OPT_TLS_CONFIG, config);
    nng_tls_config_free(config);
    return rv;
}

static int socket_dial(struct client_socket *s, uint64_t now_ms)
{
    char url[sizeof "tls+tcp://" + PROTOCOL_ADDRESS_MAX];
    int rv;

    const char *path = units_local_path(s->address);
    const char *scheme = path != NULL ? "ipc" : s->shared->tls != NULL ? "tls+tcp" : "tcp";
    snprintf(url, sizeof url, "%s://%s", scheme, path != NULL ? path : s->address);
    s->dialed_ms = s->refreshed_ms = now_ms;
    if ((rv = nng_dialer_create(&s->dialer, s->socket, url)) != 0) {
        return rv;
    }
    if ((path == NULL &&
         ((rv = socket_secure(s)) != 0 ||
          (rv = nng_dialer_set_bool(s->dialer, NNG_OPT_TCP_NODELAY, true)) != 0 ||
          (rv = nng_dialer_set_bool(s->dialer, NNG_OPT_TCP_KEEPALIVE, true)) != 0)) ||
        (rv = nng_dialer_set_ms(s->dialer, NNG_OPT_RECONNMINT, NNG_RECONNECT_MIN_MS)) != 0 ||
        (rv = nng_dialer_set_ms(s->dialer, NNG_OPT_RECONNMAXT, NNG_RECONNECT_MAX_MS)) != 0 ||
        (rv = nng_dialer_start(s->dialer, NNG_FLAG_NONBLOCK)) != 0) {
        nng_dialer_close(s->dialer);
        return rv;
    }
    s->dialing = true;
    return 0;
}

void client_socket_redial(struct client_socket *s, uint64_t now_ms)
{
    if (s->dialing) {
        s->dialing = false;
        nng_dialer_close(s->dialer); /* and its connection with it */
        pthread_mutex_lock(&s->shared->mutex);
        s->pipe = 0;
        pthread_mutex_unlock(&s->shared->mutex);
    }
    /* A failure shows as a connection that does not come; the next redial tries again. */
    (void)socket_dial(s, now_ms);
}

bool client_socket_connected(struct client_socket *s)
{
    pthread_mutex_lock(&s->shared->mutex);
    bool connected = s->pipe != 0;
    pthread_mutex_unlock(&s->shared->mutex);
    return connected;
}

static int socket_configure(struct client_socket *s)
{
    int rv;

    /* Not positive means never: nng repeats nothing, and a lost connection ends the request. */
    if ((rv = nng_socket_set_ms(s->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0) {
        return rv;
    }
    rv = nng_socket_set_size(s->socket, NNG_OPT_RECVMAXSZ, PROTOCOL_ANSWER_MAX + 16);
    if (rv != 0) {
        return rv;
    }
    rv = nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_PRE, pipe_cb, s);
    if (rv != 0) {
        return rv;
    }
    return nng_pipe_notify(s->socket, NNG_PIPE_EV_REM_POST, pipe_cb, s);
}

static bool socket_open(struct client_socket *s)
{
    if (nng_req0_open(&s->socket) != 0) {
        return false;
    }
    if (socket_configure(s) != 0) {
        nng_close(s->socket); /* it never had a connection */
        return false;
    }
    s->open = true;
    return true;
}

bool client_socket_use(struct client_socket *s, const char *address, uint64_t now_ms)
{
    assert(address[0] != '\0' && strlen(address) < sizeof s->address);
    if (!s->open && !socket_open(s)) {
        return false;
    }
    if (strcmp(s->address, address) != 0) {
        assert(s->active == NULL); /* the logic gives a slot away only when nothing is in flight */
        strcpy(s->address, address);
        s->answered_ms = 0;
        client_socket_redial(s, now_ms);
    }
    return true;
}

/* It dials with files that have been replaced since. */
static bool socket_is_outdated(struct client_socket *s, uint64_t now_ms)
{
    if (s->shared->tls == NULL || now_ms - s->refreshed_ms < NNG_FILES_MS) {
        return false;
    }
    s->refreshed_ms = now_ms;
    return client_tls_refresh(s->shared->tls) != s->tls_loaded;
}

nng_duration client_socket_patience_ms(struct client_socket *s, unsigned timeout_ms,
                                       uint64_t now_ms)
{
    if (client_socket_connected(s)) {
        return (nng_duration)timeout_ms;
    }
    if (now_ms - s->dialed_ms > NNG_SILENCE_MS || socket_is_outdated(s, now_ms)) {
        client_socket_redial(s, now_ms);
    }
    uint64_t grace_ms = s->shared->tls != NULL ? NNG_GRACE_TLS_MS : NNG_GRACE_MS;
    uint64_t since_ms = now_ms - s->dialed_ms;
    if (since_ms >= grace_ms) {
        s->diagnosed = true;
        client_diagnosis_want(s->shared->diagnosis, s->slot, s->address, now_ms);
    }
    uint64_t left_ms = since_ms < grace_ms ? grace_ms - since_ms : 0;
    return (nng_duration)(left_ms < timeout_ms ? left_ms : timeout_ms);
}

bool client_socket_is_silent(struct client_socket *s, uint64_t now_ms)
{
    uint64_t since_ms = s->answered_ms > s->dialed_ms ? s->answered_ms : s->dialed_ms;

    return client_socket_connected(s) && since_ms + NNG_SILENCE_MS <= now_ms;
}
