/* route.c - see route.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../../client/base/must.h"
#include "../../client/wire/route_secrets.h"
#include "route.h"

void route_init(struct route *r, struct slice name)
{
    assert(!r->used && name.len > 0 && name.len <= ORDERSCHED_ROUTE_NAME_MAX);
    memset(r, 0, sizeof *r);
    r->used = true;
    r->name_len = (uint8_t)name.len;
    memcpy(r->name, name.data, name.len);
    for (unsigned i = 0; i < ROUTE_READY_LISTS; i++) {
        link_head_init(&r->ready[i]);
    }
}

/* Secrets are in them. */
static void free_bytes(struct route *r)
{
    if (r->bytes != NULL) {
        explicit_bzero(r->bytes, r->len);
    }
    free(r->bytes);
}

void route_clear(struct route *r)
{
    free_bytes(r);
    memset(r, 0, sizeof *r);
}

void route_set(struct route *r, const struct route_settings *settings)
{
    struct buffer b = {.wipes = true};
    struct problem problem;
    size_t used;
    int rv;

    route_settings_encode(&b, settings);
    must_hold(!b.failed);
    free_bytes(r);
    r->bytes = b.data;
    r->len = b.len;
    r->hash = XXH3_64bits(r->bytes, r->len);
    rv = route_settings_decode(r->bytes, r->len, &r->settings, &used, &problem);
    assert(rv == ORDERSCHED_OK && used == r->len); /* what was decoded once */
}

/* In front of a list, which is at most PROTOCOL_SECRETS_MAX long; how long it is then. */
static uint32_t rotate(struct slice list[PROTOCOL_SECRETS_MAX], uint32_t len, struct slice secret,
                       uint32_t keep)
{
    struct slice before[PROTOCOL_SECRETS_MAX];
    uint32_t n = 0;

    memcpy(before, list, sizeof before);
    list[n++] = secret;
    for (uint32_t i = 0; i < len && n <= keep && n < PROTOCOL_SECRETS_MAX; i++) {
        if (before[i].len != secret.len || memcmp(before[i].data, secret.data, secret.len) != 0) {
            list[n++] = before[i];
        }
    }
    return n;
}

void route_rotate(struct route *r, struct slice secret, uint32_t keep)
{
    struct route_settings s = r->settings;

    if (route_public_key_is_good(secret)) {
        secret = route_signing_key_find(&s, secret);
        assert(secret.len > 0); /* it was looked for before */
    }
    if (route_signing_key_is_good(secret)) {
        s.n_signing_keys = rotate(s.signing_keys, s.n_signing_keys, secret, keep);
    } else {
        s.n_secrets = rotate(s.secrets, s.n_secrets, secret, keep);
    }
    route_set(r, &s);
}

enum route_ready route_ready_of(const struct order *o)
{
    return o->extra && o->extra->attempts > 0 ? ROUTE_READY_RETRY : ROUTE_READY_FIRST;
}

uint64_t route_count_ready(const struct route *r)
{
    return (uint64_t)r->n_ready[ROUTE_READY_FIRST] + r->n_ready[ROUTE_READY_RETRY];
}

void route_ready_append(struct route *r, struct order *o)
{
    enum route_ready which = route_ready_of(o);

    assert(!o->ready && !o->in_flight);
    assert(r->used && o->due && o->state == ORDERSCHED_PENDING);
    o->ready = 1;
    link_append(&r->ready[which], &o->link);
    r->n_ready[which]++;
}

void route_ready_prepend(struct route *r, struct order *o)
{
    enum route_ready which = route_ready_of(o);

    assert(!o->ready && !o->in_flight);
    o->ready = 1;
    link_prepend(&r->ready[which], &o->link);
    r->n_ready[which]++;
}

void route_ready_remove(struct route *r, struct order *o)
{
    enum route_ready which = route_ready_of(o);

    assert(o->ready && r->n_ready[which] > 0);
    link_remove(&o->link);
    o->ready = 0;
    r->n_ready[which]--;
    assert((r->n_ready[which] == 0) == link_empty(&r->ready[which]));
}
