/* api_connection.c - one client's connection: greeting, messages, answers (SP over TCP, REQ/REP).
 *
 *   GREETING ── 8 good bytes ──► LENGTH ── 8 bytes ──► BODY ── complete ──► LENGTH
 *
 * A connection's memory stays until its handle is closed and none of its slots is under way. */
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"

#define API_KEEPALIVE_S 60

enum phase { PHASE_GREETING, PHASE_LENGTH, PHASE_BODY };

/* A message begins, but is not read. */
enum pause {
    PAUSE_NONE,
    PAUSE_SLOT,   /* until it is its turn: in api.paused_first */
    PAUSE_SHARE, /* until it has less in hand, its read may begin, or answers were taken */
};

struct api_connection {
    struct api *api;
    struct api_connection *next, *prev;
    uv_tcp_t tcp;
    uv_write_t greeting;
    enum phase phase;
    uint8_t head[8];
    size_t have;     /* of head, or of the body */
    uint8_t *body;
    size_t body_len; /* announced */
    size_t body_cap; /* grows as bytes arrive: an announcement alone costs nothing */
    unsigned n_slots;   /* messages not answered yet, answers being written included */
    uint64_t bytes;     /* of these messages */
    unsigned n_writing; /* answers being written */
    uint64_t waiting_since_ms; /* for the rest of a greeting or message; 0 = for nothing */
    uint64_t writing_since_ms; /* since when no answer was taken; 0 = none is being written */
    enum pause pause;
    struct api_connection *paused_next;
    struct api_slot *parked; /* a read of it that waits for its share (api_reads.h) */
    bool turn;       /* it waited longest, and may begin a message before the others that wait */
    uint8_t *rest;   /* paused: what was read behind that point */
    size_t rest_len;
    struct api_seat seat;
    struct api_unfinished_of unfinished; /* body_cap of it */
    bool closing, closed;
    struct inbound_source source; /* by which the raft loop shares its time */
    atomic_bool gone; /* closing, for the raft loop: a long poll is not given orders any more */
};

static const uint8_t greeting_ours[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};   /* REP */
static const uint8_t greeting_theirs[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0}; /* REQ */

static const char message_too_long[] = "a message longer than the protocol allows, or none";

void api_write_length(uint8_t *out, uint64_t len)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(len >> (56 - 8 * i));
    }
}

static uint64_t read_length(const uint8_t *in)
{
    uint64_t len = 0;

    for (unsigned i = 0; i < 8; i++) {
        len = len << 8 | in[i];
    }
    return len;
}

static void slot_free(struct api_slot *slot)
{
    free(slot->message);
    free(slot->answer_memory);
    free(slot);
}

static void connection_log(struct api_connection *c, const char *error, const char *reason)
{
    struct api *a = c->api;
    uint64_t now_ms = uv_now(&a->loop);
    struct sockaddr_storage from;
    int len = sizeof from;
    char host[64] = "?";

    if (a->config.log == NULL || (a->logged_ms != 0 && now_ms - a->logged_ms < 1000)) {
        return;
    }
    a->logged_ms = now_ms;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&from, &len) == 0) {
        (void)uv_ip_name((struct sockaddr *)&from, host, sizeof host);
    }
    log_line(a->config.log, LOG_WARN, "client message refused", LOG_STR("error", error),
             LOG_STR("reason", reason), LOG_STR("client", host));
}

static void load_add(atomic_size_t *n, int by)
{
    atomic_fetch_add_explicit(n, (size_t)by, memory_order_relaxed);
}

static struct api_connection *connection_of_seat(struct api_seat *seat)
{
    return (struct api_connection *)((char *)seat - offsetof(struct api_connection, seat));
}

static struct api_connection *connection_of_unfinished(struct api_unfinished_of *of)
{
    return (struct api_connection *)((char *)of - offsetof(struct api_connection, unfinished));
}

static size_t connection_unread(const struct api_connection *c)
{
    return atomic_load_explicit(&c->source.unread, memory_order_relaxed);
}

/* --- pauses --- */

static void connection_begin_pause(struct api_connection *c, enum pause pause)
{
    struct api *a = c->api;

    assert(c->pause == PAUSE_NONE);
    c->pause = pause;
    c->turn = false;
    load_add(&a->load_paused, 1);
    if (pause == PAUSE_SLOT) {
        c->paused_next = NULL;
        *a->paused_last = c;
        a->paused_last = &c->paused_next;
    }
}

static void connection_end_pause(struct api_connection *c)
{
    struct api *a = c->api;

    if (c->pause == PAUSE_SLOT) {
        struct api_connection **at = &a->paused_first;
        while (*at != c) { /* the first, but where it is being closed */
            at = &(*at)->paused_next;
        }
        *at = c->paused_next;
        a->paused_last = c->paused_next == NULL ? at : a->paused_last;
    }
    load_add(&a->load_paused, c->pause != PAUSE_NONE ? -1 : 0);
    c->pause = PAUSE_NONE;
}

/* Has it `times` times less than what one connection may have of what is for all? */
static bool connection_has_less(const struct api_connection *c, unsigned times)
{
    const struct api_config *all = &c->api->config;

    return c->parked == NULL && connection_unread(c) < all->unread_each_max / times &&
           c->n_slots < (all->slots - all->slots / API_SHARE + times - 1) / times &&
           c->bytes <= (all->bytes_max - all->bytes_max / API_SHARE) / times;
}

/* May its next message begin? If not, why not. */
static enum pause connection_must_pause(const struct api_connection *c)
{
    const struct api *a = c->api;

    if (!connection_has_less(c, 1)) {
        return PAUSE_SHARE;
    }
    return a->n_slots >= a->config.slots || (a->paused_first != NULL && !c->turn) ? PAUSE_SLOT
                                                                               : PAUSE_NONE;
}

/* --- the end of a connection --- */

static void connection_release(struct api_connection *c)
{
    if (c->closed && c->n_slots == 0) {
        free(c->rest);
        free(c);
    }
}

static void connection_closed_cb(uv_handle_t *handle)
{
    struct api_connection *c = handle->data;

    c->closed = true;
    connection_release(c);
}

/* Its message is no longer coming in: it is complete, or there will be none. */
static void connection_end_unfinished(struct api_connection *c)
{
    struct api *a = c->api;

    api_unfinished_end(&a->unfinished, &c->unfinished);
    atomic_store_explicit(&a->load_unfinished, a->unfinished.bytes, memory_order_relaxed);
    c->body = NULL;
    c->body_cap = 0;
}

static void connection_drop_parked(struct api_connection *c)
{
    struct api_slot *slot = c->parked;

    if (slot != NULL) {
        c->parked = NULL;
        c->n_slots--;
        api_reads_unpark(&c->api->reads, slot);
        inbound_release(&slot->in);
        slot_free(slot);
    }
}

static void connection_close(struct api_connection *c)
{
    struct api *a = c->api;

    if (c->closing) {
        return;
    }
    c->closing = true;
    atomic_store_explicit(&c->gone, true, memory_order_relaxed);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        a->connections = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    free(c->body); /* now: messages in hand may keep the rest of it for long */
    connection_end_unfinished(c);
    api_seats_leave(&a->seats, &c->seat);
    load_add(&a->load_connections, -1);
    connection_end_pause(c);
    connection_drop_parked(c);
    uv_close((uv_handle_t *)&c->tcp, connection_closed_cb);
}

/* --- messages --- */

/* The request number, with the hops in front of it; 0 when there is none within the bounds. */
static size_t header_length(const uint8_t *body, size_t len)
{
    for (size_t at = 0; at + 4 <= len && at + 4 <= API_HEADER_MAX; at += 4) {
        if ((body[at] & 0x80) != 0) {
            return at + 4;
        }
    }
    return 0;
}

/* BUSY, and why. */
static int connection_refuse(struct api_slot *slot, const char *why)
{
    inbound_release(&slot->in);
    snprintf(slot->text, sizeof slot->text, "%s", why);
    return ORDERSCHED_BUSY;
}

/* It has all that it waited for. */
static void connection_hand_over(struct api_connection *c, struct api_slot *slot)
{
    struct api *a = c->api;

    a->n_slots++;
    load_add(&a->load_in_hand, 1);
    a->bytes += slot->counted;
    if (slot->error == ORDERSCHED_OK && a->bytes > a->config.bytes_max) {
        slot->error = connection_refuse(slot, "too many bytes of requests are in flight");
    }
    if (slot->error == ORDERSCHED_OK && api_reads_is_read(&slot->in)) {
        api_reads_begin(&a->reads, slot, &c->seat);
    }
    api_hand_over(slot);
}

/* Must it wait for others to be read? */
static bool connection_park(struct api_connection *c, struct api_slot *slot)
{
    struct api *a = c->api;

    if (slot->error != ORDERSCHED_OK || !api_reads_is_read(&slot->in) ||
        api_reads_may_begin(&a->reads, &c->seat)) {
        return false;
    }
    if (api_reads_park(&a->reads, slot)) {
        c->parked = slot;
        return true;
    }
    slot->error = connection_refuse(slot, "too many bytes of reads wait");
    return false;
}

/* It may have less in hand than before. */
static void connection_reconsider(struct api_connection *c)
{
    if (c->pause == PAUSE_SHARE && connection_has_less(c, 2)) {
        connection_end_pause(c);
        connection_begin_pause(c, PAUSE_SLOT);
    }
}

/* Reads that waited and may begin now. */
static void connections_unpark(struct api *a)
{
    struct api_slot *next;

    for (struct api_slot *slot = a->reads.first;
         slot != NULL && a->n_slots < a->config.slots && a->reads.n < a->reads.max; slot = next) {
        struct api_connection *c = slot->connection;
        next = slot->next;
        if (api_reads_may_begin(&a->reads, &c->seat)) {
            api_reads_unpark(&a->reads, slot);
            c->parked = NULL;
            connection_hand_over(c, slot);
            connection_reconsider(c);
        }
    }
}

/* The body is complete: make it a slot and hand it over. */
static void connection_submit(struct api_connection *c)
{
    struct api *a = c->api;
    size_t header_len = header_length(c->body, c->body_len);
    struct api_slot *slot = calloc(1, sizeof *slot);

    if (slot == NULL || header_len == 0) {
        free(slot);
        connection_log(c, "INVALID", "no request number in front of the message");
        connection_close(c);
        return;
    }
    if (c->body_len - header_len > PROTOCOL_MESSAGE_MAX) {
        free(slot);
        connection_log(c, "INVALID", message_too_long);
        connection_close(c);
        return;
    }
    slot->api = a;
    slot->connection = c;
    memcpy(slot->header, c->body, header_len);
    slot->header_len = header_len;
    slot->message = c->body;
    slot->counted = c->body_len;
    c->bytes += slot->counted;
    slot->in.message = c->body + header_len;
    slot->in.message_len = c->body_len - header_len;
    slot->in.owner = slot;
    slot->in.source = &c->source;
    slot->in.gone = &c->gone;
    connection_end_unfinished(c);
    if (c->n_slots++ == 0) {
        api_seats_busy(&a->seats, &c->seat);
    }
    slot->error = a->bytes + slot->counted > a->config.bytes_max
                      ? connection_refuse(slot, "too many bytes of requests are in flight")
                      : inbound_check(&slot->in, a->config.cluster, slot->text, sizeof slot->text);
    if (slot->error != ORDERSCHED_OK && slot->error != ORDERSCHED_BUSY) {
        connection_log(c, ordersched_error_name(slot->error), slot->text);
    }
    if (!connection_park(c, slot)) {
        connection_hand_over(c, slot);
    }
}

/* Begin the next message. */
static void connection_next(struct api_connection *c)
{
    c->phase = PHASE_LENGTH;
    c->have = 0;
    c->waiting_since_ms = 0;
}

/* 8 bytes of greeting or length are here. False: the connection is closed. */
static bool connection_head(struct api_connection *c)
{
    if (c->phase == PHASE_GREETING) {
        if (memcmp(c->head, greeting_theirs, sizeof c->head) != 0) {
            connection_log(c, "INVALID", "not an SP REQ client");
            connection_close(c);
            return false;
        }
        connection_next(c);
        return true;
    }
    uint64_t len = read_length(c->head);
    if (len < 4 || len > PROTOCOL_MESSAGE_MAX + API_HEADER_MAX) {
        connection_log(c, "INVALID", message_too_long);
        connection_close(c);
        return false;
    }
    c->phase = PHASE_BODY;
    c->body_len = (size_t)len;
    c->have = 0;
    return true;
}

/* So many bytes more of an unfinished message; who holds most of too many gives way. False: that is
 * this one. */
static bool connection_find_room(struct api_connection *c, size_t bytes)
{
    struct api *a = c->api;
    uint64_t now_ms = uv_now(&a->loop);
    struct api_unfinished_of *victim;

    api_unfinished_add(&a->unfinished, &c->unfinished, bytes, api_seats_held(&c->seat), now_ms);
    while ((victim = api_unfinished_victim(&a->unfinished, now_ms)) != NULL && !c->closing) {
        struct api_connection *most = connection_of_unfinished(victim);
        connection_log(most, "BUSY", "it holds most of too many bytes of unfinished messages");
        load_add(&a->load_unfinished_closed, 1);
        connection_close(most);
    }
    atomic_store_explicit(&a->load_unfinished, a->unfinished.bytes, memory_order_relaxed);
    return !c->closing;
}

static bool connection_grow(struct api_connection *c, size_t want)
{
    size_t cap = c->body_cap == 0 ? 4096 : c->body_cap;

    if (want <= c->body_cap) {
        return true;
    }
    while (cap < want) {
        cap *= 2;
    }
    cap = cap < c->body_len ? cap : c->body_len;
    if (!connection_find_room(c, cap - c->body_cap)) {
        return false;
    }
    uint8_t *grown = realloc(c->body, cap);
    if (grown == NULL) {
        return false;
    }
    c->body = grown;
    c->body_cap = cap;
    return true;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Take bytes in; returns how many were used. Fewer than `len`: paused or closed. */
static size_t connection_take(struct api_connection *c, const uint8_t *data, size_t len)
{
    size_t used = 0;

    while (used < len && !c->closing) {
        if (c->phase != PHASE_BODY) {
            size_t n = smaller(sizeof c->head - c->have, len - used);
            memcpy(c->head + c->have, data + used, n);
            c->have += n;
            used += n;
            if (c->have == sizeof c->head && !connection_head(c)) {
                break;
            }
            continue;
        }
        if (c->have == 0) {
            if (connection_must_pause(c) != PAUSE_NONE) {
                break; /* before its first byte: what is not read yet waits in the kernel */
            }
            c->turn = false;
        }
        size_t n = smaller(c->body_len - c->have, len - used);
        if (!connection_grow(c, c->have + n)) {
            connection_close(c);
            break;
        }
        memcpy(c->body + c->have, data + used, n);
        c->have += n;
        used += n;
        if (c->have == c->body_len) {
            connection_submit(c);
            connection_next(c);
        }
    }
    return used;
}

/* --- reading --- */

static void connection_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct api_connection *c = handle->data;

    (void)suggested; /* one chunk for all: it is used up before the next read */
    /* Where others wait, what it sends will have to as well: then it stays in the kernel. */
    bool wait = c->api->paused_first != NULL && c->phase != PHASE_BODY;
    *buf = uv_buf_init((char *)c->api->chunk, wait ? 4096 : sizeof c->api->chunk);
}

/* Keep what could not be taken until a slot is free, and read no more. */
static void connection_pause(struct api_connection *c, const uint8_t *rest, size_t len)
{
    c->rest = malloc(len);
    if (c->rest == NULL) {
        connection_close(c);
        return;
    }
    memcpy(c->rest, rest, len);
    c->rest_len = len;
    c->waiting_since_ms = 0;
    connection_begin_pause(c, connection_must_pause(c));
    uv_read_stop((uv_stream_t *)&c->tcp);
}

/* Take bytes in, and note since when the rest of a message is awaited. */
static void connection_feed(struct api_connection *c, const uint8_t *data, size_t len)
{
    size_t used = connection_take(c, data, len);

    if (c->closing) {
        return;
    }
    if (used < len) {
        connection_pause(c, data + used, len - used);
        return;
    }
    bool between = c->phase == PHASE_LENGTH && c->have == 0;
    if (between) {
        c->waiting_since_ms = 0;
    } else if (c->waiting_since_ms == 0) {
        c->waiting_since_ms = uv_now(&c->api->loop);
    }
}

static void connection_read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct api_connection *c = stream->data;

    if (n < 0) {
        connection_close(c);
    } else {
        connection_feed(c, (const uint8_t *)buf->base, (size_t)n);
    }
}

static void connection_resume(struct api_connection *c)
{
    uint8_t *rest = c->rest;

    c->rest = NULL;
    connection_end_pause(c);
    c->turn = true;
    uv_read_start((uv_stream_t *)&c->tcp, connection_alloc_cb, connection_read_cb);
    connection_feed(c, rest, c->rest_len);
    free(rest);
}

/* One message of each, and who has more goes behind the others. */
void api_connections_resume(struct api *a)
{
    while (a->paused_first != NULL && a->n_slots < a->config.slots) {
        connection_resume(a->paused_first);
    }
}

/* --- answers --- */

/* The slot's way is over. */
void api_slot_end(struct api_slot *slot)
{
    struct api_connection *c = slot->connection;
    struct api *a = slot->api;

    if (--c->n_slots == 0 && !c->closing) {
        api_seats_idle(&a->seats, &c->seat);
    }
    a->n_slots--;
    load_add(&a->load_in_hand, -1);
    a->bytes -= slot->counted;
    c->bytes -= slot->counted;
    atomic_fetch_sub_explicit(&c->source.unread, slot->answer_len, memory_order_relaxed);
    atomic_fetch_sub_explicit(&a->load_unread, slot->answer_len, memory_order_relaxed);
    api_reads_end(&a->reads, slot, &a->seats);
    slot_free(slot);
    connection_reconsider(c);
    connection_release(c);
    connections_unpark(a);
}

static void connection_written_cb(uv_write_t *write, int status)
{
    struct api_slot *slot = write->data;
    struct api_connection *c = slot->connection;
    struct api *a = slot->api;

    c->n_writing--;
    a->n_writing--;
    c->writing_since_ms = c->n_writing > 0 ? uv_now(&a->loop) : 0;
    if (status != 0) {
        connection_close(c);
    }
    api_slot_end(slot);
    api_connections_resume(a);
}

/* A client that does not read must not cost the others theirs. */
void api_connections_relieve(struct api *a)
{
    while (atomic_load_explicit(&a->load_unread, memory_order_relaxed) > a->config.unread_max) {
        struct api_connection *most = NULL;
        size_t sum = 0; /* without those that are being closed */

        for (struct api_connection *c = a->connections; c != NULL; c = c->next) {
            sum += connection_unread(c);
            most = most == NULL || connection_unread(c) > connection_unread(most) ? c : most;
        }
        if (sum <= a->config.unread_max) {
            break;
        }
        connection_log(most, "BUSY", "it has most of too many answers that were not read");
        load_add(&a->load_unread_closed, 1);
        connection_close(most);
    }
}

void api_connection_answer(struct api_slot *slot)
{
    struct api_connection *c = slot->connection;
    struct api *a = slot->api;
    uv_buf_t buf = uv_buf_init((char *)slot->answer, (unsigned)slot->answer_len);

    slot->write.data = slot;
    if (c->closing || slot->answer == NULL ||
        uv_write(&slot->write, (uv_stream_t *)&c->tcp, &buf, 1, connection_written_cb) != 0) {
        api_slot_end(slot);
        return;
    }
    c->n_writing++;
    a->n_writing++;
    if (c->writing_since_ms == 0) {
        c->writing_since_ms = uv_now(&a->loop);
    }
}

/* --- coming and going --- */

static void connection_greeted_cb(uv_write_t *write, int status)
{
    struct api_connection *c = write->data;

    if (status != 0) {
        connection_close(c);
    }
}

/* It has a seat now; somebody may have to leave for it. False: it has to. */
static bool connection_sit_down(struct api_connection *c)
{
    struct api *a = c->api;
    struct sockaddr_storage from = {0};
    int len = sizeof from;

    (void)uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&from, &len); /* else: of no family */
    api_seats_take(&a->seats, &c->seat, (struct sockaddr *)&from);
    c->source.address = api_seats_address(&c->seat);
    struct api_seat *victim = api_seats_victim(&a->seats, &c->seat);
    if (victim == &c->seat) {
        load_add(&a->load_refused, 1);
        connection_log(c, "BUSY", "too many connections");
        return false;
    }
    if (victim != NULL) {
        struct api_connection *idle = connection_of_seat(victim);
        load_add(&a->load_unseated, 1);
        connection_log(idle, "BUSY", "idle, and another client wanted its seat");
        connection_close(idle);
    }
    return true;
}

void api_connection_accept(struct api *a)
{
    struct api_connection *c = calloc(1, sizeof *c);
    uv_buf_t greeting = uv_buf_init((char *)greeting_ours, sizeof greeting_ours);

    if (c == NULL) {
        abort(); /* a connection that is not accepted would call back for ever */
    }
    c->api = a;
    uv_tcp_init(&a->loop, &c->tcp);
    c->tcp.data = c;
    c->greeting.data = c;
    c->next = a->connections;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    a->connections = c;
    load_add(&a->load_connections, 1);
    if (uv_accept((uv_stream_t *)&a->listener, (uv_stream_t *)&c->tcp) != 0 ||
        !connection_sit_down(c)) {
        connection_close(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, API_KEEPALIVE_S);
    c->waiting_since_ms = uv_now(&a->loop);
    if (uv_write(&c->greeting, (uv_stream_t *)&c->tcp, &greeting, 1, connection_greeted_cb) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, connection_alloc_cb, connection_read_cb) != 0) {
        connection_close(c);
    }
}

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
        uv_os_fd_t fd;
        if (c->pause != PAUSE_NONE && uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) {
            looked_at[n] = c;
            fds[n++] = (struct pollfd){.fd = fd, .events = POLLRDHUP};
        }
    }
    if (n > 0 && poll(fds, n, 0) > 0) {
        for (unsigned i = 0; i < n; i++) {
            if ((fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
                connection_close(looked_at[i]);
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
            connection_close(c);
        }
    }
}

void api_connections_close(struct api *a)
{
    while (a->connections != NULL) {
        connection_close(a->connections);
    }
}
