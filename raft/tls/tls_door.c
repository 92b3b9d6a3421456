/* tls_door.c - who may shake hands when many want to, and whose time for it is over. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
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

/* Who shakes hands, from where, and in which turn they came: the list of all has the latest first. */
struct shaker {
    struct tls_guest *guest;
    uint64_t host;
    unsigned age;
};

/* Those of one host beside each other, the oldest first. */
static int by_host(const void *a, const void *b)
{
    const struct shaker *x = a, *y = b;

    return x->host != y->host ? (x->host > y->host) - (x->host < y->host)
                              : (x->age < y->age) - (x->age > y->age);
}

static unsigned count_strangers(const struct tls_relay *r)
{
    unsigned n = 0;

    for (const struct tls_guest *guest = r->guests; guest != NULL; guest = guest->next) {
        n += is_stranger(guest);
    }
    return n;
}

/* The oldest of the host with most; of several such hosts, the one who is older. */
static struct tls_guest *choose(const struct shaker *all, unsigned n)
{
    const struct shaker *victim = NULL;
    unsigned most = 0;

    for (unsigned i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && all[next].host == all[i].host; next++) {
        }
        if (next - i > most || (next - i == most && all[i].age > victim->age)) {
            most = next - i;
            victim = &all[i];
        }
    }
    return victim->guest;
}

void tls_door_make_room(struct tls_relay *r)
{
    if (atomic_load_explicit(&r->n_guests, memory_order_relaxed) <= r->config.shaking_max) {
        return;
    }
    unsigned n = count_strangers(r), i = 0;
    if (n <= r->config.shaking_max) {
        return;
    }
    struct shaker *all = must_have(malloc(n * sizeof *all));
    for (struct tls_guest *guest = r->guests; guest != NULL; guest = guest->next) {
        if (is_stranger(guest)) {
            all[i] = (struct shaker){guest, host_of(&guest->peer), i};
            i++;
        }
    }
    qsort(all, n, sizeof *all, by_host); /* not each with each: many come from many addresses */
    tls_guest_fail(
        choose(all, n), 0,
        "too many shake hands at once: of the address with most of them it is the oldest");
    free(all);
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
