/* messages.c - a connection's messages, from their first byte to their answer's last (SP over TCP,
 * REQ/REP).
 *
 *   GREETING ── 8 good bytes ──► LENGTH ── 8 bytes ──► BODY ── complete ──► LENGTH */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "connection.h"

static const uint8_t greeting_theirs[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0}; /* REQ */

static_assert(API_HEADER_MAX % 4 == 0, "a header is of whole numbers");

static const char message_too_long[] =
    "a message that is empty, or longer than the protocol allows";

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

static struct api_connection *connection_of_unfinished(struct api_unfinished_of *of)
{
    return (struct api_connection *)((char *)of - offsetof(struct api_connection, unfinished));
}

/* --- pauses --- */

/* Has it `times` times less than what one connection may have of what is for all? */
static bool connection_has_less(const struct api_connection *c, unsigned times)
{
    const struct api_config *all = &c->api->config;

    return c->parked == NULL && api_connection_unread(c) < all->unread_each_max / times &&
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
    api_load_add(&a->load_in_hand, 1);
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
        api_connection_end_pause(c);
        api_connection_begin_pause(c, PAUSE_SLOT);
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
            assert(c->parked == slot);
            api_reads_unpark(&a->reads, slot);
            c->parked = NULL;
            connection_hand_over(c, slot);
            connection_reconsider(c);
        }
    }
}

/* Who asks, unless a token in the message says more. */
static struct caller connection_caller(const struct api_connection *c)
{
    struct caller caller = {
        .kind = c->local ? CALLER_OWNER : CALLER_NOBODY,
        .from = {(const uint8_t *)c->from_text, strlen(c->from_text)}, /* the same */
    };

    if (c->certificate[0] != '\0') { /* which stays as long as its slots */
        caller.kind = CALLER_CERTIFICATE;
        caller.who = (struct slice){(const uint8_t *)c->certificate, strlen(c->certificate)};
    }
    return caller;
}

/* From here to its answer. What waits for something else than this node (a worker's reserve, a change of
 * members) tells nothing of how fast it is. */
static void connection_time(struct api_slot *slot)
{
    const struct inbound *in = &slot->in;

    if (slot->api->config.metrics == NULL || slot->error != ORDERSCHED_OK || in->n_items == 0 ||
        (in->administers && in->items[0].code != OPERATION_LEASE &&
         in->items[0].code != OPERATION_SETTLE)) {
        return;
    }
    slot->kind = in->administers ? METRICS_WORK : in->n_logged > 0 ? METRICS_WRITE : METRICS_READ;
    slot->began_us = clocks_running_us();
}

/* The body is complete: make it a slot and hand it over. */
static void connection_submit(struct api_connection *c)
{
    struct api *a = c->api;
    size_t header_len = header_length(c->body, c->body_len);
    struct api_slot *slot = calloc(1, sizeof *slot);

    assert(c->have == c->body_len && c->body_len <= c->body_cap);
    if (slot == NULL || header_len == 0) {
        free(slot);
        api_connection_log(c, "INVALID", "no request number in front of the message");
        api_connection_close(c);
        return;
    }
    if (c->body_len - header_len > PROTOCOL_MESSAGE_MAX) {
        free(slot);
        api_connection_log(c, "INVALID", message_too_long);
        api_connection_close(c);
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
    slot->local = c->local;
    slot->in.caller = connection_caller(c);
    slot->in.owner = slot;
    slot->in.source = &c->source;
    slot->in.gone = &c->gone;
    slot->in.vouched = c->inside || c->node;
    api_connection_end_unfinished(c);
    if (c->n_slots++ == 0 && !c->inside) {
        api_seats_busy(&a->seats, &c->seat);
    }
    slot->error = a->bytes + slot->counted > a->config.bytes_max
                      ? connection_refuse(slot, "too many bytes of requests are in flight")
                      : inbound_check(&slot->in, a->config.cluster, slot->text, sizeof slot->text);
    if (slot->error == ORDERSCHED_OK && c->nameless && slot->in.caller.kind == CALLER_NOBODY) {
        slot->error = ORDERSCHED_DENIED;
        snprintf(slot->text, sizeof slot->text,
                 "who asks is not told: neither by a client's "
                 "certificate, nor by a token");
    }
    if (slot->error == ORDERSCHED_OK && c->node && slot->in.n_items > 0 &&
        (slot->in.flags & PROTOCOL_FOR) == 0) {
        inbound_release(&slot->in);
        slot->error = ORDERSCHED_DENIED;
        snprintf(slot->text, sizeof slot->text, "a node asks here on behalf of others alone");
    }
    if (slot->error != ORDERSCHED_OK && slot->error != ORDERSCHED_BUSY) {
        api_connection_log(c, ordersched_error_name(slot->error), slot->text);
    }
    connection_time(slot);
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

static size_t head_size(const struct api_connection *c)
{
    return c->phase == PHASE_GREETING ? sizeof greeting_theirs : (size_t)API_LENGTH_SIZE + c->local;
}

/* All of a greeting or length is here. False: the connection is closed. */
static bool connection_head(struct api_connection *c)
{
    if (c->phase == PHASE_GREETING) {
        if (memcmp(c->head, greeting_theirs, sizeof greeting_theirs) != 0) {
            api_connection_log(c, "INVALID", "not an SP REQ client");
            api_connection_close(c);
            return false;
        }
        connection_next(c);
        return true;
    }
    uint64_t len = read_length(c->head + c->local);
    if ((c->local && c->head[0] != API_IPC_MESSAGE) || len < 4 ||
        len > PROTOCOL_MESSAGE_MAX + API_HEADER_MAX) {
        api_connection_log(c, "INVALID", message_too_long);
        api_connection_close(c);
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
        api_connection_log(most, "BUSY",
                           "unfinished messages take too many bytes, and it holds most of them");
        api_load_add(&a->load_unfinished_closed, 1);
        api_connection_close(most);
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

static size_t messages_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Take bytes in; returns how many were used. Fewer than `len`: paused or closed. */
static size_t connection_take(struct api_connection *c, const uint8_t *data, size_t len)
{
    size_t used = 0;

    while (used < len && !c->closing) {
        if (c->phase != PHASE_BODY) {
            assert(c->have < head_size(c));
            size_t n = messages_smaller(head_size(c) - c->have, len - used);
            memcpy(c->head + c->have, data + used, n);
            c->have += n;
            used += n;
            if (c->have == head_size(c) && !connection_head(c)) {
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
        size_t n = messages_smaller(c->body_len - c->have, len - used);
        if (!connection_grow(c, c->have + n)) {
            api_connection_close(c);
            break;
        }
        assert(c->have + n <= c->body_cap && c->body_cap <= c->body_len);
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

/* One chunk for all: it is used up before the next read. */
static void connection_alloc_cb(struct wire *w, uint8_t **room, size_t *len)
{
    struct api_connection *c = w->data;

    /* Where others wait, what it sends will have to as well: then it stays in the kernel. */
    bool wait = c->api->paused_first != NULL && c->phase != PHASE_BODY;
    *room = c->api->chunk;
    *len = wait ? 4096 : sizeof c->api->chunk;
}

/* Keep what could not be taken until a slot is free, and read no more. */
static void connection_pause(struct api_connection *c, const uint8_t *rest, size_t len)
{
    c->rest = malloc(len);
    if (c->rest == NULL) {
        api_connection_close(c);
        return;
    }
    memcpy(c->rest, rest, len);
    c->rest_len = len;
    c->waiting_since_ms = 0;
    api_connection_begin_pause(c, connection_must_pause(c));
    wire_read_stop(&c->wire);
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

static void connection_read_cb(struct wire *w, const uint8_t *data, ssize_t n)
{
    struct api_connection *c = w->data;

    if (n < 0) {
        api_connection_close(c);
    } else {
        connection_feed(c, data, (size_t)n);
    }
}

int api_connection_read(struct api_connection *c)
{
    return wire_read_start(&c->wire, connection_alloc_cb, connection_read_cb);
}

static void connection_resume(struct api_connection *c)
{
    uint8_t *rest = c->rest;

    assert(c->pause == PAUSE_SLOT && rest != NULL && c->rest_len > 0);
    c->rest = NULL;
    api_connection_end_pause(c);
    c->turn = true;
    api_connection_read(c);
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

    assert(c->n_slots > 0 && c->bytes >= slot->counted);
    assert(a->n_slots > 0 && a->bytes >= slot->counted);
    if (--c->n_slots == 0 && !c->closing && !c->inside) {
        api_seats_idle(&a->seats, &c->seat);
    }
    a->n_slots--;
    api_load_add(&a->load_in_hand, -1);
    a->bytes -= slot->counted;
    c->bytes -= slot->counted;
    atomic_fetch_sub_explicit(&c->source.unread, slot->answer_len, memory_order_relaxed);
    atomic_fetch_sub_explicit(&a->load_unread, slot->answer_len, memory_order_relaxed);
    api_reads_end(&a->reads, slot, &a->seats);
    api_slot_free(slot);
    connection_reconsider(c);
    api_connection_release(c);
    connections_unpark(a);
}

static void connection_written_cb(struct wire_write *write, int status)
{
    struct api_slot *slot = write->arg;
    struct api_connection *c = slot->connection;
    struct api *a = slot->api;

    assert(c->n_writing > 0 && a->n_writing >= c->n_writing);
    c->n_writing--;
    a->n_writing--;
    c->writing_since_ms = c->n_writing > 0 ? uv_now(&a->loop) : 0;
    if (status != 0) {
        api_connection_close(c);
    }
    api_slot_end(slot);
    api_connections_resume(a);
}

void api_connection_answer(struct api_slot *slot)
{
    struct api_connection *c = slot->connection;
    struct api *a = slot->api;

    slot->write.arg = slot;
    if (slot->began_us != 0 && slot->answer != NULL) {
        metrics_note_request(a->config.metrics, slot->kind, clocks_running_us() - slot->began_us);
    }
    int rv = c->closing || slot->answer == NULL
                 ? 1
                 : wire_write(&c->wire, &slot->write, slot->answer, slot->answer_len,
                              connection_written_cb);
    if (rv < 0) {
        api_connection_close(c);
    }
    if (rv != 0) { /* most are taken at once */
        api_slot_end(slot);
        return;
    }
    c->n_writing++;
    a->n_writing++;
    if (c->writing_since_ms == 0) {
        c->writing_since_ms = uv_now(&a->loop);
    }
}
