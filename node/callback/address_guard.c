/* address_guard.c - see address_guard.h. */
#include "address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct block {
    uint8_t prefix[16];
    unsigned bits;
    const char *what;
};

static const struct block blocks_4[] = {
    {{0}, 8, "unspecified"},
    {{10}, 8, "private"},
    {{100, 64}, 10, "carrier-grade NAT"},
    {{127}, 8, "loopback"},
    {{161, 26}, 16, "cloud-internal"},          /* IBM's services */
    {{166, 8}, 14, "cloud-internal"},           /* IBM's services */
    {{168, 63, 129, 16}, 32, "cloud-internal"}, /* Azure's wire server */
    {{169, 254}, 16, "link-local"},
    {{172, 16}, 12, "private"},
    {{192, 0, 0}, 24, "reserved"},
    {{192, 0, 2}, 24, "reserved"},
    {{192, 88, 99}, 24, "reserved"},
    {{192, 80, 8, 124}, 32, "cloud-internal"}, /* Equinix' metadata */
    {{192, 168}, 16, "private"},
    {{198, 18}, 15, "reserved"},
    {{198, 51, 100}, 24, "reserved"},
    {{203, 0, 113}, 24, "reserved"},
    {{224}, 4, "multicast"},
    {{240}, 4, "reserved"}, /* with the limited broadcast */
};

static const struct block blocks_6[] = {
    {{0}, 128, "unspecified"},
    {{[15] = 1}, 128, "loopback"},
    {{0x01}, 64, "reserved"}, /* discard only */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "reserved"},
    {{0x3f, 0xff}, 20, "reserved"},
    {{0x5f}, 16, "reserved"},
    {{0xfc}, 7, "unique-local"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xfe, 0xc0}, 10, "site-local"},
    {{0xff}, 8, "multicast"},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "private"}, /* local-use NAT64 */
};

/* Where an IPv4 address stands in an IPv6 one. */
static const struct {
    uint8_t prefix[16];
    unsigned bits;
    unsigned at;
    uint8_t inverted; /* Teredo hides the client's address from NATs */
} carriers[] = {
    {{[10] = 0xff, [11] = 0xff}, 96, 12, 0},  /* mapped */
    {{0}, 96, 12, 0},                         /* compatible */
    {{[8] = 0xff, [9] = 0xff}, 96, 12, 0},    /* translated, RFC 2765 */
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12, 0},    /* NAT64 */
    {{0x20, 0x02}, 16, 2, 0},                 /* 6to4 */
    {{0x20, 0x01, 0x00, 0x00}, 32, 12, 0xff}, /* Teredo */
};

static bool starts_with(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
    unsigned bytes = bits / 8;
    unsigned rest = bits % 8;

    return memcmp(address, prefix, bytes) == 0 &&
           (rest == 0 || ((address[bytes] ^ prefix[bytes]) >> (8 - rest)) == 0);
}

static const char *find_block(const struct block *blocks, size_t n, const uint8_t *address)
{
    for (size_t i = 0; i < n; i++) {
        if (starts_with(address, blocks[i].prefix, blocks[i].bits)) {
            return blocks[i].what;
        }
    }
    return NULL;
}

static const char *refuses_4(const uint8_t *address)
{
    return find_block(blocks_4, sizeof blocks_4 / sizeof *blocks_4, address);
}

static const char *refuses_6(const uint8_t *address)
{
    const char *what = find_block(blocks_6, sizeof blocks_6 / sizeof *blocks_6, address);

    for (size_t i = 0; what == NULL && i < sizeof carriers / sizeof *carriers; i++) {
        if (starts_with(address, carriers[i].prefix, carriers[i].bits)) {
            uint8_t inner[4];
            for (unsigned k = 0; k < 4; k++) {
                inner[k] = address[carriers[i].at + k] ^ carriers[i].inverted;
            }
            what = refuses_4(inner);
        }
    }
    return what;
}

const char *address_guard_refuses(const struct sockaddr *address, socklen_t len)
{
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return refuses_4((const uint8_t *)&in.sin_addr);
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return refuses_6(in6.sin6_addr.s6_addr);
    }
    return "not an internet address";
}

void address_guard_format(const struct sockaddr *address, socklen_t len, char *out, size_t out_len)
{
    const char *done = NULL;

    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        done = inet_ntop(AF_INET, &in.sin_addr, out, (socklen_t)out_len);
    } else if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        done = inet_ntop(AF_INET6, &in6.sin6_addr, out, (socklen_t)out_len);
    }
    if (done == NULL) {
        snprintf(out, out_len, "?");
    }
}
