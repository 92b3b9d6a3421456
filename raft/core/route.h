/* route.h - one callback route: its name, its settings, and who is ready to be delivered by it.
 *
 * The settings are kept as the bytes that route_settings_encode() makes of them: one form for the
 * state, its digest and its snapshot. `settings` is the decoded view of these bytes. */
#ifndef ROUTE_H
#define ROUTE_H

#include "order.h"

/* The two ready lists of a route. An order's first delivery must not wait behind retries. */
enum route_ready {
    ROUTE_READY_FIRST, /* nobody was told of it yet */
    ROUTE_READY_RETRY, /* a delivery of it ended before: failed, or put off */
    ROUTE_READY_LISTS
};

/* Slots are stable: orders point to them by number. */
struct route {
    /* replicated */
    bool used;
    bool paused; /* due orders are kept, none is delivered */
    uint64_t
        paused_ms; /* while it is: the cluster's time since when; a set-back brings the leader's */
    uint8_t name_len;
    char name[ORDERSCHED_ROUTE_NAME_MAX + 1];
    uint8_t *bytes; /* owned: the settings, encoded */
    size_t len;
    uint64_t hash;                  /* derived: XXH3-64 of the bytes, for the digest */
    struct route_settings settings; /* what they say; points into the bytes */
    uint64_t revision;              /* log index of the last put, rotate, pause or resume */
    /* derived */
    uint64_t hurry_index; /* log index since which its orders wait no longer; 0: none known */
    uint64_t orders;      /* orders that point here, */
    uint64_t dead;        /* and of them those that are DEAD */
    struct link ready[ROUTE_READY_LISTS]; /* closing orders to deliver now, oldest first */
    uint32_t n_ready[ROUTE_READY_LISTS];
};

/* Make an unused slot a route of this name, without settings. */
void route_init(struct route *r, struct slice name);
/* Free what it owns; the slot is unused then. */
void route_clear(struct route *r);
/* Take over decoded settings, from anywhere, even those of `r`. Aborts on lack of memory (a
 * replica that cannot apply must stop). */
void route_set(struct route *r, const struct route_settings *settings);
/* A new secret, or signing key, in front; of the others of its kind at most `keep` stay behind it, and
 * not the same again. A public key stands for the signing key that it is of, which the route must have. */
void route_rotate(struct route *r, struct slice secret, uint32_t keep);

/* In both ready lists, whether it is paused or not. */
uint64_t route_count_ready(const struct route *r);
/* The ready list that an order belongs in when its time has come. */
enum route_ready route_ready_of(const struct order *o);
void route_ready_append(struct route *r, struct order *o);
void route_ready_prepend(struct route *r, struct order *o);
void route_ready_remove(struct route *r, struct order *o);

#endif
