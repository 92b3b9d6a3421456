/* delivery.c - see delivery.h. */
#include "delivery.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../raft/mutant.h"

/* --- settings --- */

/* Every text of the settings, in turn. */
static void each_text(struct route_settings *s, void (*visit)(struct slice *text, void *arg),
                      void *arg)
{
    visit(&s->url, arg);
    visit(&s->ca_pem, arg);
    visit(&s->client_cert_pem, arg);
    visit(&s->client_key_pem, arg);
    for (uint32_t i = 0; i < s->n_secrets; i++) {
        visit(&s->secrets[i], arg);
    }
    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        visit(&s->signing_keys[i], arg);
    }
    for (uint32_t i = 0; i < s->n_headers; i++) {
        visit(&s->headers[i].name, arg);
        visit(&s->headers[i].value, arg);
    }
    for (uint32_t i = 0; i < s->n_command; i++) {
        visit(&s->command[i], arg);
    }
}

static void measure(struct slice *text, void *arg)
{
    *(size_t *)arg += text->len + 1;
}

static void move(struct slice *text, void *arg)
{
    char **at = arg;
    char *begin = *at;

    if (text->len > 0) {
        memcpy(begin, text->data, text->len);
    }
    begin[text->len] = '\0';
    *at += text->len + 1;
    text->data = (const uint8_t *)begin;
}

struct route_copy *route_copy_make(const struct route *route)
{
    struct route_copy *c = must_have(calloc(1, sizeof *c));
    size_t len = 0;

    c->holders = 1;
    c->revision = route->revision;
    memcpy(c->route, route->name, sizeof c->route);
    c->settings = route->settings;
    each_text(&c->settings, measure, &len);
    c->bytes = must_have(malloc(len));
    c->len = len;
    char *at = c->bytes;
    each_text(&c->settings, move, &at);
    assert(at == c->bytes + len);
    return c;
}

struct route_copy *route_copy_hold(struct route_copy *c)
{
    c->holders++;
    return c;
}

void route_copy_drop(struct route_copy *c)
{
    assert(c == NULL || c->holders > 0);
    if (c != NULL && --c->holders == 0) {
        explicit_bzero(c->bytes, c->len); /* secrets are in them */
        free(c->bytes);
        free(c);
    }
}

/* --- deliveries --- */

struct delivery *delivery_make(const struct machine *m, const struct order *o,
                               const struct delivery_keys *keys, struct route_copy *settings)
{
    struct delivery *v = must_have(calloc(1, sizeof *v));

    assert(settings->revision == m->routes[o->route].revision);
    delivery_key(keys, o, v->key);
    v->fence_epoch = m->epoch;
    v->fence_index = m->applied;
    v->deadline_ms = o->deadline_ms;
    v->version = o->version;
    v->attempt = (o->extra != NULL ? o->extra->attempts : 0) + 1;
    v->route_slot = o->route;
    memcpy(v->route, settings->route, sizeof v->route);
    v->settings = route_copy_hold(settings);
    memcpy(v->id, order_id(o), o->id_len);
    v->id_len = o->id_len;
    v->payload = must_have(malloc((size_t)o->payload_len + 1));
    memcpy(v->payload, order_payload(o), o->payload_len);
    v->payload[o->payload_len] = '\0';
    v->payload_len = o->payload_len;
    v->traced = o->traced && !(MUTANT(RETRY_WITHOUT_TRACEPARENT) && v->attempt > 1);
    if (v->traced) {
        memcpy(v->traceparent, order_traceparent(o), sizeof v->traceparent);
    }
    v->bytes = sizeof *v + v->payload_len + 1;
    return v;
}

void delivery_free(struct delivery *v)
{
    route_copy_drop((struct route_copy *)v->settings);
    free(v->payload);
    free(v);
}

void delivery_fail(struct delivery *v, const char *format, ...)
{
    va_list args;

    v->outcome = OUTCOME_FAILED;
    v->delay_ms = 0;
    va_start(args, format);
    vsnprintf(v->reason, sizeof v->reason, format, args);
    va_end(args);
}
