/* delivery.c - see delivery.h. */
#include "delivery.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* --- settings --- */

/* Every text of the settings, in turn. */
static void each_text(struct route_settings *s, void (*visit)(struct slice *text, void *arg),
                      void *arg)
{
    visit(&s->url, arg);
    visit(&s->ca_pem, arg);
    for (uint32_t i = 0; i < s->n_secrets; i++) {
        visit(&s->secrets[i], arg);
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
    struct route_copy *c = must(calloc(1, sizeof *c));
    size_t len = 0;

    c->holders = 1;
    c->revision = route->revision;
    memcpy(c->route, route->name, sizeof c->route);
    c->settings = route->settings;
    each_text(&c->settings, measure, &len);
    c->bytes = must(malloc(len));
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
    if (c != NULL && --c->holders == 0) {
        free(c->bytes);
        free(c);
    }
}

/* --- deliveries --- */

void delivery_key(const char *cluster, const struct order *o, char *out)
{
    uint8_t bytes[PROTOCOL_CLUSTER_MAX + 1 + 16 + ORDERSCHED_ID_MAX];
    size_t len = strlen(cluster) + 1;

    assert(len <= PROTOCOL_CLUSTER_MAX + 1);
    memcpy(bytes, cluster, len);
    for (unsigned i = 0; i < 8; i++) {
        bytes[len + i] = (uint8_t)((uint64_t)o->schedule_index >> (8 * i));
        bytes[len + 8 + i] = (uint8_t)((uint64_t)o->version >> (8 * i));
    }
    len += 16;
    memcpy(bytes + len, order_id(o), o->id_len);
    XXH128_hash_t hash = XXH3_128bits(bytes, len + o->id_len);
    snprintf(out, 37, "osd_%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

struct delivery *delivery_make(const struct machine *m, const struct order *o, const char *cluster,
                               struct route_copy *settings)
{
    struct delivery *v = must(calloc(1, sizeof *v));

    delivery_key(cluster, o, v->key);
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
    v->payload = must(malloc((size_t)o->payload_len + 1));
    memcpy(v->payload, order_payload(o), o->payload_len);
    v->payload[o->payload_len] = '\0';
    v->payload_len = o->payload_len;
    v->bytes = sizeof *v + v->payload_len + 1;
    return v;
}

void delivery_free(struct delivery *v)
{
    route_copy_drop((struct route_copy *)v->settings);
    free(v->payload);
    free(v);
}
