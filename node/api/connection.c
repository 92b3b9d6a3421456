/* connection.c - see connection.h. */
#include "connection.h"

#include <assert.h>
#include <stdlib.h>

void api_slot_free(struct api_slot *slot)
{
    if (slot->in.secret && slot->message != NULL) {
        explicit_bzero((void *)slot->in.message, slot->in.message_len);
    }
    free(slot->message);
    free(slot->answer_memory);
    free(slot);
}

void api_log_refused(struct api *a, const char *what, const struct sockaddr *from,
                     const char *error, const char *reason)
{
    uint64_t now_ms = uv_now(&a->loop);
    char host[64] = "?";

    if (a->logged_ms == 0 || now_ms - a->logged_ms >= 1000) {
        a->logged_ms = now_ms;
        a->n_logged = 0;
    }
    if (a->config.log == NULL || a->n_logged++ >= API_LOGGED_MAX) {
        return;
    }
    (void)uv_ip_name(from, host, sizeof host);
    log_line(a->config.log, LOG_WARN, what, LOG_STR("error", error), LOG_STR("reason", reason),
             LOG_STR("client", host));
}

void api_connection_log(struct api_connection *c, const char *error, const char *reason)
{
    api_log_refused(c->api, "client message refused", (const struct sockaddr *)&c->from, error,
                    reason);
}

void api_load_add(atomic_size_t *n, int by)
{
    atomic_fetch_add_explicit(n, (size_t)by, memory_order_relaxed);
}

size_t api_connection_unread(const struct api_connection *c)
{
    return atomic_load_explicit(&c->source.unread, memory_order_relaxed);
}

/* --- pauses --- */

void api_connection_begin_pause(struct api_connection *c, enum pause pause)
{
    struct api *a = c->api;

    assert(c->pause == PAUSE_NONE && pause != PAUSE_NONE && !c->closing);
    c->pause = pause;
    c->turn = false;
    api_load_add(&a->load_paused, 1);
    if (pause == PAUSE_SLOT) {
        c->paused_next = NULL;
        *a->paused_last = c;
        a->paused_last = &c->paused_next;
    }
}

void api_connection_end_pause(struct api_connection *c)
{
    struct api *a = c->api;

    if (c->pause == PAUSE_SLOT) {
        struct api_connection **at = &a->paused_first;
        while (*at != c) { /* the first, but where it is being closed */
            assert(*at != NULL);
            at = &(*at)->paused_next;
        }
        *at = c->paused_next;
        a->paused_last = c->paused_next == NULL ? at : a->paused_last;
    }
    api_load_add(&a->load_paused, c->pause != PAUSE_NONE ? -1 : 0);
    c->pause = PAUSE_NONE;
}

/* --- the end --- */

void api_connection_release(struct api_connection *c)
{
    if (c->closed && c->n_slots == 0) {
        assert(c->pause == PAUSE_NONE && c->parked == NULL && c->n_writing == 0);
        free(c->rest);
        free(c);
    }
}

static void connection_closed_cb(struct wire *w)
{
    struct api_connection *c = w->data;

    c->closed = true;
    api_connection_release(c);
}

void api_connection_end_unfinished(struct api_connection *c)
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
        api_slot_free(slot);
    }
}

void api_connection_close(struct api_connection *c)
{
    struct api *a = c->api;

    if (c->closing) {
        return;
    }
    c->closing = true;
    atomic_store_explicit(&c->gone, true, memory_order_relaxed);
    assert(c->prev != NULL ? c->prev->next == c : a->connections == c);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        a->connections = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    free(c->body); /* now: messages in hand may keep the rest of it for long */
    api_connection_end_unfinished(c);
    api_seats_leave(&a->seats, &c->seat);
    api_load_add(&a->load_connections, -1);
    api_connection_end_pause(c);
    connection_drop_parked(c);
    wire_close(&c->wire, connection_closed_cb);
}
