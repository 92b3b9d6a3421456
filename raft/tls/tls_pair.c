/* tls_pair.c - see tls_pair.h. */
#include "tls_pair.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../client/base/must.h"

#define PAIR_CHUNK (16u * 1024)
#define PAIR_LOOK_MS 250u
#define PAIR_LEFT_MAX_MS 2000u /* nobody is at one end, and the other takes nothing */

/* What one side has read, and the other takes. */
struct pair_way {
    struct tls_pair *pair;
    struct wire_write write;
    bool writing;
    uint8_t chunk[PAIR_CHUNK];
};

struct tls_pair {
    struct wire peer;  /* in TLS */
    struct wire owner; /* the other end is the owner's */
    struct pair_way in, out;
    uv_timer_t look;
    bool ending; /* the peer has ended; what it said is still to be taken */
    bool closing;
    unsigned handles;    /* not closed yet */
    uint64_t written_ms; /* when a side last took what it had not at once */
    uint64_t left_ms;    /* when a side was seen to have ended, while the other took nothing */
};

static void pair_flow(struct tls_pair *p);

/* --- the end --- */

static void pair_part_closed(struct tls_pair *p)
{
    if (--p->handles == 0) {
        free(p);
    }
}

static void wire_closed_cb(struct wire *w)
{
    pair_part_closed(w->data);
}

static void look_closed_cb(uv_handle_t *handle)
{
    pair_part_closed(handle->data);
}

static void pair_close(struct tls_pair *p)
{
    if (p->closing) {
        return;
    }
    p->closing = true;
    wire_close(&p->peer, wire_closed_cb);
    wire_close(&p->owner, wire_closed_cb);
    uv_close((uv_handle_t *)&p->look, look_closed_cb);
}

/* Nobody reads from the owner while the peer takes nothing, nor hears then that the owner has gone. */
static bool pair_is_left(const struct tls_pair *p)
{
    struct pollfd fd = {.events = POLLRDHUP};

    return p->ending ||
           (p->out.writing && wire_fileno(&p->owner, &fd.fd) == 0 && poll(&fd, 1, 0) > 0);
}

static void look_cb(uv_timer_t *timer)
{
    struct tls_pair *p = timer->data;
    uint64_t now_ms = uv_now(timer->loop);

    if (!pair_is_left(p)) {
        p->left_ms = 0;
    } else if (p->left_ms == 0 || p->left_ms < p->written_ms) {
        p->left_ms = now_ms;
    } else if (now_ms - p->left_ms >= PAIR_LEFT_MAX_MS) {
        pair_close(p);
    }
}

/* --- bytes --- */

static void way_written_cb(struct wire_write *write, int status)
{
    struct pair_way *way = write->arg;
    struct tls_pair *p = way->pair;

    way->writing = false;
    p->written_ms = uv_now(p->look.loop);
    if (status != 0 || p->ending) {
        pair_close(p);
    } else {
        pair_flow(p);
    }
}

static void way_go(struct pair_way *way, struct wire *to, size_t n)
{
    int rv = wire_write(to, &way->write, way->chunk, n, way_written_cb);

    if (rv < 0) {
        pair_close(way->pair);
    } else if (rv == 0) {
        way->writing = true;
        pair_flow(way->pair);
    }
}

static void peer_alloc_cb(struct wire *w, uint8_t **room, size_t *len)
{
    struct tls_pair *p = w->data;

    *room = p->in.chunk;
    *len = sizeof p->in.chunk;
}

static void owner_alloc_cb(struct wire *w, uint8_t **room, size_t *len)
{
    struct tls_pair *p = w->data;

    *room = p->out.chunk;
    *len = sizeof p->out.chunk;
}

static void peer_read_cb(struct wire *w, const uint8_t *data, ssize_t n)
{
    struct tls_pair *p = w->data;

    (void)data;
    if (n > 0) {
        way_go(&p->in, &p->owner, (size_t)n);
    } else if (p->in.writing) {
        p->ending = true;
        wire_read_stop(&p->owner);
    } else {
        pair_close(p);
    }
}

static void owner_read_cb(struct wire *w, const uint8_t *data, ssize_t n)
{
    struct tls_pair *p = w->data;

    (void)data;
    if (n > 0) {
        way_go(&p->out, &p->peer, (size_t)n);
    } else {
        pair_close(p); /* what it had written was taken: else nothing is read */
    }
}

static void way_hear(struct pair_way *way, struct wire *from, wire_alloc_cb alloc,
                     wire_read_cb read)
{
    if (way->writing) {
        wire_read_stop(from);
    } else if (wire_read_start(from, alloc, read) != 0) {
        pair_close(way->pair);
    }
}

/* Who may read now? */
static void pair_flow(struct tls_pair *p)
{
    if (!p->closing && !p->ending) {
        way_hear(&p->in, &p->peer, peer_alloc_cb, peer_read_cb);
    }
    if (!p->closing && !p->ending) {
        way_hear(&p->out, &p->owner, owner_alloc_cb, owner_read_cb);
    }
}

int tls_pair_open(const struct tls_arrival *arrival, uv_loop_t *loop)
{
    int ends[2];

    assert(arrival->line != NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return -1;
    }
    struct tls_pair *p = must_have(calloc(1, sizeof *p));
    p->handles = 3;
    wire_init(&p->peer, loop, p);
    wire_init(&p->owner, loop, p);
    uv_timer_init(loop, &p->look);
    p->look.data = p;
    p->in.pair = p->out.pair = p;
    p->in.write.arg = &p->in;
    p->out.write.arg = &p->out;
    wire_take(&p->peer, arrival->line);
    if (wire_open(&p->owner, ends[0]) != 0) {
        close(ends[0]);
        close(ends[1]);
        pair_close(p);
        return -1;
    }
    uv_timer_start(&p->look, look_cb, PAIR_LOOK_MS, PAIR_LOOK_MS);
    pair_flow(p);
    return ends[1];
}
