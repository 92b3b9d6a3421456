/* tls_door.c - who may shake hands when many want to, and whose time for it is over. */
#include <netinet/in.h>
#include <string.h>

#include "tls_internal.h"

/* What this node dials is its own. */
static bool is_stranger(const struct tls_guest *guest)
{
    return !guest->closing && guest->dial == NULL;
}

/* A host: an IPv4 address, or the 64 bits of an IPv6 one that are a network's. */
static uint64_t host_of(const struct sockaddr_storage *address)
{
    uint64_t host = 0;

    if (address->ss_family == AF_INET) {
        memcpy(&host, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        const uint8_t *bytes = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)address)->sin6_addr);
        memcpy(&host, mapped ? bytes + 12 : bytes, mapped ? 4 : 8);
    }
    return host;
}

static unsigned shaking_of(const struct tls_relay *r, uint64_t host)
{
    unsigned n = 0;

    for (const struct tls_guest *guest = r->guests; guest != NULL; guest = guest->next) {
        n += is_stranger(guest) && host_of(&guest->peer) == host;
    }
    return n;
}

void tls_door_make_room(struct tls_relay *r, const struct tls_guest *newcomer)
{
    struct tls_guest *victim = NULL;
    unsigned most = 0, all = 0;
    uint64_t host = 0;

    if (atomic_load_explicit(&r->n_guests, memory_order_relaxed) <= r->config.shaking_max) {
        return;
    }
    /* The list has the latest first, so the last one seen is the oldest. */
    for (struct tls_guest *guest = r->guests; guest != NULL; guest = guest->next) {
        if (!is_stranger(guest)) {
            continue;
        }
        all++;
        if (victim == NULL || host_of(&guest->peer) != host) {
            unsigned n = shaking_of(r, host_of(&guest->peer));
            if (n > most) {
                most = n;
                host = host_of(&guest->peer);
                victim = guest;
            }
        } else {
            victim = guest;
        }
    }
    if (all > r->config.shaking_max && victim != NULL && victim != newcomer) {
        tls_guest_fail(victim, 0, "too many shake hands at once, and its address has most of them");
    }
}

void tls_door_tick(struct tls_relay *r)
{
    uint64_t now_ms = uv_now(&r->loop);

    for (struct tls_guest *guest = r->guests; guest != NULL; guest = guest->next) {
        if (now_ms - guest->begun_ms >= TLS_SHAKING_MS) {
            tls_guest_fail(guest, 0, "no TLS handshake in time"); /* frees nothing yet */
        }
    }
}
