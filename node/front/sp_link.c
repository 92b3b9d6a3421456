/* sp_link.c - see sp_link.h.
 *
 *   DOWN ── first request ──► DIALS ── connected ──► GREETS ── their greeting ──► UP
 *     ▲                         │                      │                          │
 *     └───────── sp_wire_broken(): what waited or was under way is reported ─────────┘
 *
 * A wire is one attempt at a connection. Its memory stays until libuv has let go of it, while the link may dial
 * the next one. */
#include "sp_link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../client/base/clocks.h"
#include "../../client/text/units.h"
#include "../../raft/tls/tls_pair.h"

#define SP_HEAD_SIZE 8
#define SP_ID_SIZE 4
#define SP_ID_FIRST 0x80000000u /* a request number has the highest bit (SP) */
#define SP_ANSWER_MAX (PROTOCOL_ANSWER_MAX + PROTOCOL_ANSWER_HEAD_MAX + SP_ID_SIZE)
#define SP_KEEPALIVE_S 60

static const uint8_t greeting_ours[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};   /* REQ */
static const uint8_t greeting_theirs[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0}; /* REP */

enum sp_state { SP_DOWN, SP_DIALS, SP_GREETS, SP_UP };

/* A request, until it is reported and written. */
struct sp_message {
    struct sp_message *next, **at; /* among those that are not reported */
    bool reported, writing;
    uint64_t handle;
    uint32_t id;
    uint64_t sent_ms; /* or taken over, while there is no connection */
    uint64_t until_ms;
    uv_write_t write;
    size_t len;
    uint8_t frame[];
};

struct sp_wire {
    struct sp_link *link; /* NULL: given up */
    struct sp_links *links;
    union {
        uv_handle_t any;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe; /* inside, and the relay's */
    } handle;
    bool has_handle;
    uv_connect_t connecting;
    uv_getaddrinfo_t resolving;
    bool resolves;         /* which libuv does not let go of at once */
    struct tls_dial *dial; /* NULL: none under way */
    struct sockaddr_storage address;
};

struct sp_link {
    struct sp_links *links;
    char address[PROTOCOL_ADDRESS_MAX]; /* "" = inside */
    enum sp_state state;
    struct sp_wire *wire; /* NULL: DOWN */
    bool broken;          /* at once, from inside send: told in the tick */
    uint64_t dialled_ms;
    uint64_t heard_ms; /* when the last byte came */
    struct sp_message *messages, **messages_end;
    uint32_t last_id;
    uint8_t head[SP_HEAD_SIZE]; /* of the greeting, or a length */
    size_t have;                /* of head, or of the body */
    uint8_t *body;              /* NULL: a head is read */
    size_t body_len;
    uint8_t chunk[16 * 1024]; /* what was just read */
};

/* --- messages --- */

static void message_release(struct sp_message *m)
{
    if (m->reported && !m->writing) {
        free(m);
    }
}

static void message_unlink(struct sp_link *link, struct sp_message *m)
{
    *m->at = m->next;
    if (m->next != NULL) {
        m->next->at = m->at;
    } else {
        link->messages_end = m->at;
    }
    m->reported = true;
}

static void message_report(struct sp_link *link, struct sp_message *m, enum client_failure failure,
                           const uint8_t *data, size_t len)
{
    struct sp_report report = {.handle = m->handle,
                               .answered = data != NULL,
                               .failure = failure,
                               .data = data,
                               .len = len};

    message_unlink(link, m);
    message_release(m);
    link->links->report(link->links->report_arg, &report);
}

static void message_written_cb(uv_write_t *write, int status)
{
    struct sp_message *m = write->data;

    (void)status; /* a wire that is broken is read, too */
    m->writing = false;
    message_release(m);
}

/* --- wires --- */

static void sp_wire_closed_cb(uv_handle_t *handle)
{
    struct sp_wire *wire = handle->data;

    wire->links->open--;
    free(wire);
}

/* The link has no more to do with it. */
static void sp_wire_give_up(struct sp_wire *wire)
{
    wire->link->wire = NULL;
    wire->link->state = SP_DOWN;
    wire->link->have = 0;
    free(wire->link->body);
    wire->link->body = NULL;
    wire->link = NULL;
    if (wire->dial != NULL) {
        tls_dial_cancel(wire->dial);
        wire->dial = NULL;
    }
    if (wire->has_handle) {
        uv_close(&wire->handle.any, sp_wire_closed_cb);
    } else if (wire->resolves) {
        (void)uv_cancel((uv_req_t *)&wire->resolving); /* or it comes to its end by itself */
    } else {
        wire->links->open--;
        free(wire);
    }
}

/* No answer comes over it any more. */
static void sp_wire_broken(struct sp_link *link)
{
    enum client_failure failure = link->state == SP_UP ? CLIENT_LOST : CLIENT_UNSENT;
    struct sp_message *last = NULL;

    if (link->wire != NULL) {
        sp_wire_give_up(link->wire);
    }
    link->state = SP_DOWN;
    link->broken = false;
    /* What is sent while these are reported is for the next wire. */
    for (struct sp_message *m = link->messages; m != NULL; m = m->next) {
        last = m;
    }
    while (last != NULL) {
        struct sp_message *m = link->messages;
        bool end = m == last;
        message_report(link, m, failure, NULL, 0);
        if (end) {
            break;
        }
    }
}

/* --- what comes --- */

static struct sp_message *link_find(struct sp_link *link, uint32_t id)
{
    struct sp_message *m = link->messages;

    while (m != NULL && m->id != id) {
        m = m->next;
    }
    return m;
}

/* A whole answer. */
static void link_answered(struct sp_link *link)
{
    uint8_t *body = link->body;
    uint32_t id = (uint32_t)body[0] << 24 | (uint32_t)body[1] << 16 | (uint32_t)body[2] << 8 |
                  body[3];
    struct sp_message *m = link_find(link, id);
    size_t len = link->body_len;

    link->body = NULL;
    link->have = 0;
    if (m != NULL) { /* else its time was up before */
        message_report(link, m, CLIENT_LOST, body + SP_ID_SIZE, len - SP_ID_SIZE);
    }
    free(body);
}

static bool link_head(struct sp_link *link); /* below */

/* False: what came is no answer of a node's. */
static bool link_take(struct sp_link *link, const uint8_t *data, size_t len)
{
    while (len > 0 && link->wire != NULL) {
        uint8_t *to = link->body != NULL ? link->body : link->head;
        size_t want = (link->body != NULL ? link->body_len : SP_HEAD_SIZE) - link->have;
        size_t n = want < len ? want : len;
        memcpy(to + link->have, data, n);
        link->have += n;
        data += n;
        len -= n;
        if (n < want) {
            break;
        }
        if (link->body != NULL) {
            link_answered(link);
        } else if (!link_head(link)) {
            return false;
        }
    }
    return true;
}

static void sp_wire_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct sp_wire *wire = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)wire->link->chunk, sizeof wire->link->chunk);
}

static void sp_wire_read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct sp_wire *wire = stream->data;
    struct sp_link *link = wire->link;

    if (n == 0 || link == NULL) {
        return;
    }
    if (n < 0) {
        sp_wire_broken(link);
        return;
    }
    link->heard_ms = clocks_running_ms();
    if (!link_take(link, (const uint8_t *)buf->base, (size_t)n)) {
        sp_wire_broken(link);
    }
}

/* --- what goes --- */

static void message_write(struct sp_link *link, struct sp_message *m)
{
    uv_buf_t buf = uv_buf_init((char *)m->frame, (unsigned)m->len);
    int done = uv_try_write(&link->wire->handle.stream, &buf, 1);

    m->sent_ms = clocks_running_ms();
    if (done == (int)m->len) {
        return;
    }
    if (done < 0 && done != UV_EAGAIN) {
        link->broken = true;
        return;
    }
    done = done < 0 ? 0 : done;
    buf = uv_buf_init((char *)m->frame + done, (unsigned)(m->len - (size_t)done));
    m->write.data = m;
    m->writing = true;
    if (uv_write(&m->write, &link->wire->handle.stream, &buf, 1, message_written_cb) != 0) {
        m->writing = false;
        link->broken = true;
    }
}

/* A greeting or a length is there. */
static bool link_head(struct sp_link *link)
{
    uint64_t len = 0;

    link->have = 0;
    if (link->state == SP_GREETS) {
        if (memcmp(link->head, greeting_theirs, sizeof greeting_theirs) != 0) {
            return false;
        }
        link->state = SP_UP;
        for (struct sp_message *m = link->messages; m != NULL && !link->broken; m = m->next) {
            message_write(link, m);
        }
        return !link->broken;
    }
    for (unsigned i = 0; i < SP_HEAD_SIZE; i++) {
        len = len << 8 | link->head[i];
    }
    if (len < SP_ID_SIZE || len > SP_ANSWER_MAX) {
        return false;
    }
    link->body = malloc(len);
    link->body_len = (size_t)len;
    return link->body != NULL;
}

/* --- dialling --- */

/* Its handle is connected. */
static void sp_wire_greet(struct sp_wire *wire)
{
    uv_buf_t buf = uv_buf_init((char *)greeting_ours, sizeof greeting_ours);

    wire->link->state = SP_GREETS;
    if (uv_try_write(&wire->handle.stream, &buf, 1) != (int)sizeof greeting_ours ||
        uv_read_start(&wire->handle.stream, sp_wire_alloc_cb, sp_wire_read_cb) != 0) {
        wire->link->broken = true;
    }
}

/* One end of a pair of sockets. */
static void sp_wire_open_pair(struct sp_wire *wire, int fd)
{
    uv_pipe_init(wire->links->loop, &wire->handle.pipe, 0);
    wire->handle.any.data = wire;
    wire->has_handle = true;
    if (uv_pipe_open(&wire->handle.pipe, fd) != 0) {
        close(fd);
        wire->link->broken = true;
        return;
    }
    sp_wire_greet(wire);
}

static void sp_wire_shaken_cb(void *arg, struct tls_arrival *arrival)
{
    struct sp_wire *wire = arg;
    struct sp_link *link = wire->link;

    wire->dial = NULL;
    int fd = arrival->line != NULL ? tls_pair_open(arrival, wire->links->loop) : -1;
    if (fd < 0) {
        sp_wire_broken(link);
        return;
    }
    sp_wire_open_pair(wire, fd);
    if (link->broken) {
        sp_wire_broken(link);
    }
}

static void sp_wire_connected_cb(uv_connect_t *connecting, int status)
{
    struct sp_wire *wire = connecting->data;
    struct sp_link *link = wire->link;

    if (link == NULL) {
        return;
    }
    if (status == 0) {
        uv_tcp_nodelay(&wire->handle.tcp, 1);
        uv_tcp_keepalive(&wire->handle.tcp, 1, SP_KEEPALIVE_S);
        sp_wire_greet(wire);
    }
    if (status != 0 || link->broken) {
        sp_wire_broken(link);
    }
}

/* Its address is known. */
static void wire_connect(struct sp_wire *wire)
{
    const struct sockaddr *address = (const struct sockaddr *)&wire->address;

    if (wire->links->relay != NULL) {
        wire->dial = tls_relay_dial(wire->links->relay, address, 0, sp_wire_shaken_cb, wire);
        wire->link->broken = wire->dial == NULL;
        return;
    }
    uv_tcp_init(wire->links->loop, &wire->handle.tcp);
    wire->handle.any.data = wire;
    wire->has_handle = true;
    wire->connecting.data = wire;
    if (uv_tcp_connect(&wire->connecting, &wire->handle.tcp, address, sp_wire_connected_cb) != 0) {
        wire->link->broken = true;
    }
}

static void wire_resolved_cb(uv_getaddrinfo_t *resolving, int status, struct addrinfo *found)
{
    struct sp_wire *wire = resolving->data;
    struct sp_link *link = wire->link;

    wire->resolves = false;
    if (link == NULL) {
        uv_freeaddrinfo(found);
        wire->links->open--;
        free(wire);
        return;
    }
    if (status == 0 && found->ai_addrlen <= sizeof wire->address) {
        memcpy(&wire->address, found->ai_addr, found->ai_addrlen);
        wire_connect(wire);
    } else {
        link->broken = true;
    }
    uv_freeaddrinfo(found);
    if (link->broken) {
        sp_wire_broken(link);
    }
}

static void wire_find_address(struct sp_wire *wire)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    char host[256], service[16];
    unsigned port;

    if (!units_split_address(wire->link->address, host, sizeof host, &port)) {
        wire->link->broken = true;
        return;
    }
    if (uv_ip4_addr(host, (int)port, (struct sockaddr_in *)&wire->address) == 0 ||
        uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)&wire->address) == 0) {
        wire_connect(wire);
        return;
    }
    snprintf(service, sizeof service, "%u", port);
    wire->resolving.data = wire;
    wire->resolves = uv_getaddrinfo(wire->links->loop, &wire->resolving, wire_resolved_cb, host,
                                    service, &hints) == 0;
    wire->link->broken = !wire->resolves;
}

static void link_dial(struct sp_link *link, uint64_t now_ms)
{
    struct sp_wire *wire = calloc(1, sizeof *wire);

    if (wire == NULL) {
        link->broken = true;
        return;
    }
    wire->link = link;
    wire->links = link->links;
    wire->links->open++;
    link->wire = wire;
    link->state = SP_DIALS;
    link->dialled_ms = link->heard_ms = now_ms;
    if (link->address[0] != '\0') {
        wire_find_address(wire);
        return;
    }
    int fd = link->links->inside(link->links->inside_arg);
    if (fd < 0) {
        link->broken = true;
        return;
    }
    sp_wire_open_pair(wire, fd);
}

/* --- for the owner --- */

struct sp_link *sp_link_new(struct sp_links *links, const char *address)
{
    struct sp_link *link = calloc(1, sizeof *link);

    if (link != NULL) {
        link->links = links;
        link->messages_end = &link->messages;
        link->last_id = SP_ID_FIRST;
        snprintf(link->address, sizeof link->address, "%s", address != NULL ? address : "");
    }
    return link;
}

void sp_link_free(struct sp_link *link)
{
    if (link->wire != NULL) {
        sp_wire_give_up(link->wire);
    }
    while (link->messages != NULL) {
        struct sp_message *m = link->messages;
        message_unlink(link, m);
        message_release(m);
    }
    free(link);
}

bool sp_link_send(struct sp_link *link, const uint8_t *message, size_t len, uint64_t handle,
                  uint64_t now_ms, unsigned timeout_ms)
{
    size_t body = SP_ID_SIZE + len;
    struct sp_message *m = malloc(sizeof *m + SP_HEAD_SIZE + body);

    if (m == NULL) {
        return false;
    }
    *m = (struct sp_message){.handle = handle,
                             .id = ++link->last_id | SP_ID_FIRST,
                             .sent_ms = now_ms,
                             .until_ms = now_ms + timeout_ms,
                             .len = SP_HEAD_SIZE + body};
    for (unsigned i = 0; i < SP_HEAD_SIZE; i++) {
        m->frame[i] = (uint8_t)((uint64_t)body >> (56 - 8 * i));
    }
    for (unsigned i = 0; i < SP_ID_SIZE; i++) {
        m->frame[SP_HEAD_SIZE + i] = (uint8_t)(m->id >> (24 - 8 * i));
    }
    memcpy(m->frame + SP_HEAD_SIZE + SP_ID_SIZE, message, len);
    m->at = link->messages_end;
    *m->at = m;
    link->messages_end = &m->next;
    if (link->broken) {
        return true; /* told in the tick, as the others */
    }
    if (link->state == SP_UP) {
        message_write(link, m);
    } else if (link->state == SP_DOWN) {
        link_dial(link, now_ms);
    }
    return true;
}

/* Time is up for a request of a connection over which nothing has come since: it may not work any more. */
static bool link_is_silent(const struct sp_link *link, const struct sp_message *m)
{
    return link->state == SP_UP && link->heard_ms < m->sent_ms;
}

uint64_t sp_link_tick(struct sp_link *link, uint64_t now_ms)
{
    uint64_t wake_ms = UINT64_MAX;
    bool dials = link->state == SP_DIALS || link->state == SP_GREETS;

    if (link->broken || (dials && now_ms - link->dialled_ms >= SP_DIAL_MS)) {
        sp_wire_broken(link);
        dials = false;
    }
    for (struct sp_message *m = link->messages, *next; m != NULL; m = next) {
        next = m->next;
        if (m->until_ms <= now_ms) {
            bool silent = link_is_silent(link, m);
            message_report(link, m, link->state == SP_UP ? CLIENT_SILENT : CLIENT_UNSENT, NULL, 0);
            if (silent) {
                sp_wire_broken(link);
                next = NULL;
            }
        } else if (m->until_ms < wake_ms) {
            wake_ms = m->until_ms;
        }
    }
    if (dials && link->dialled_ms + SP_DIAL_MS < wake_ms) {
        wake_ms = link->dialled_ms + SP_DIAL_MS;
    }
    return link->broken ? now_ms : wake_ms;
}
