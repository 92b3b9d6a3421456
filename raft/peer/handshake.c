/* handshake.c - see handshake.h. */
#include "handshake.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "bytes.h"

#define EXTENSION_HEAD 4

static const uint8_t magic[4] = {'O', 'S', 'D', 'P'};

static_assert(HANDSHAKE_MAX <= UINT16_MAX, "the length of a handshake is two bytes");

/* --- extensions --- */

static size_t put_extension(uint8_t *out, uint16_t tag, const void *data, uint16_t len)
{
    bytes_put_u16(out, tag);
    bytes_put_u16(out + 2, len);
    memcpy(out + EXTENSION_HEAD, data, len);
    return EXTENSION_HEAD + (size_t)len;
}

bool handshake_extend(struct handshake *h, uint16_t tag, const void *data, uint16_t len)
{
    size_t founders = EXTENSION_HEAD + STANDING_FOUNDERS_MAX; /* encode puts them in front */

    if (h->extensions_len + EXTENSION_HEAD + (size_t)len > sizeof h->extensions - founders) {
        return false;
    }
    h->extensions_len += (uint16_t)put_extension(h->extensions + h->extensions_len, tag, data, len);
    return true;
}

const uint8_t *handshake_find(const struct handshake *h, uint16_t tag, uint16_t *len)
{
    const uint8_t *p = h->extensions;
    const uint8_t *end = p + h->extensions_len;

    while (end - p >= EXTENSION_HEAD) {
        *len = bytes_get_u16(p + 2);
        if (end - p - EXTENSION_HEAD < *len) {
            break;
        }
        if (bytes_get_u16(p) == tag) {
            return p + EXTENSION_HEAD;
        }
        p += EXTENSION_HEAD + *len;
    }
    return NULL;
}

/* Are they whole, to the last byte? */
static bool extensions_are_whole(const uint8_t *p, size_t len)
{
    while (len >= EXTENSION_HEAD) {
        size_t one = EXTENSION_HEAD + (size_t)bytes_get_u16(p + 2);
        if (one > len) {
            return false;
        }
        p += one;
        len -= one;
    }
    return len == 0;
}

/* --- encode --- */

size_t handshake_encode(const struct handshake *h, uint8_t out[HANDSHAKE_MAX])
{
    size_t cluster_len = strlen(h->cluster);
    size_t address_len = strlen(h->address);
    uint16_t founders_len = (uint16_t)strlen(h->standing.founders);
    size_t extensions = h->extensions_len + (founders_len > 0 ? EXTENSION_HEAD + founders_len : 0);
    assert(cluster_len > 0 && cluster_len <= PROTOCOL_CLUSTER_MAX);
    assert(address_len > 0 && address_len <= HANDSHAKE_ADDRESS_MAX);
    assert(extensions <= HANDSHAKE_EXTENSIONS_MAX);
    size_t body = HANDSHAKE_HEADER_SIZE + cluster_len + address_len + extensions;
    memcpy(out, magic, sizeof magic);
    bytes_put_u16(out + 4, HANDSHAKE_VERSION);
    bytes_put_u16(out + 6, (uint16_t)(body + 4));
    bytes_put_u64(out + 8, h->sender);
    bytes_put_u64(out + 16, h->receiver);
    bytes_put_u16(out + 24, (uint16_t)cluster_len);
    bytes_put_u16(out + 26, (uint16_t)address_len);
    out[28] = (uint8_t)h->standing.state;
    out[29] = h->flags;
    bytes_put_u16(out + 30, (uint16_t)extensions);
    memcpy(out + 32, h->standing.identity, STANDING_IDENTITY_SIZE);
    bytes_put_u64(out + 48, h->standing.founding);
    uint8_t *p = out + HANDSHAKE_HEADER_SIZE;
    memcpy(p, h->cluster, cluster_len);
    p += cluster_len;
    memcpy(p, h->address, address_len);
    p += address_len;
    if (founders_len > 0) {
        p += put_extension(p, HANDSHAKE_FOUNDERS, h->standing.founders, founders_len);
    }
    memcpy(p, h->extensions, h->extensions_len);
    assert(p + h->extensions_len == out + body);
    bytes_put_u32(out + body, (uint32_t)XXH3_64bits(out, body));
    return body + 4;
}

/* --- decode --- */

/* Copy a string of printable ASCII: it will appear in logs and in libraft's messages. */
static bool take_string(const uint8_t *data, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] <= ' ' || data[i] > '~') {
            return false;
        }
    }
    memcpy(out, data, len);
    out[len] = '\0';
    return len > 0;
}

static bool take_extensions(struct handshake *h, const uint8_t *data, size_t len)
{
    uint16_t founders_len;

    if (!extensions_are_whole(data, len)) {
        return false;
    }
    memcpy(h->extensions, data, len);
    h->extensions_len = (uint16_t)len;
    const uint8_t *founders = handshake_find(h, HANDSHAKE_FOUNDERS, &founders_len);
    h->standing.founders[0] = '\0';
    return founders == NULL || (founders_len <= STANDING_FOUNDERS_MAX &&
                                take_string(founders, founders_len, h->standing.founders));
}

static bool take_whole(struct handshake *h, const uint8_t *data, size_t len)
{
    size_t cluster_len = bytes_get_u16(data + 24);
    size_t address_len = bytes_get_u16(data + 26);
    size_t extensions_len = bytes_get_u16(data + 30);
    const uint8_t *p = data + HANDSHAKE_HEADER_SIZE;

    h->sender = bytes_get_u64(data + 8);
    h->receiver = bytes_get_u64(data + 16);
    h->standing.state = (enum standing_state)data[28];
    h->flags = data[29];
    memcpy(h->standing.identity, data + 32, STANDING_IDENTITY_SIZE);
    h->standing.founding = bytes_get_u64(data + 48);
    return data[28] <= STANDING_JOINING && cluster_len <= PROTOCOL_CLUSTER_MAX &&
           address_len <= HANDSHAKE_ADDRESS_MAX && extensions_len <= HANDSHAKE_EXTENSIONS_MAX &&
           HANDSHAKE_HEADER_SIZE + cluster_len + address_len + extensions_len + 4 == len &&
           take_string(p, cluster_len, h->cluster) &&
           take_string(p + cluster_len, address_len, h->address) &&
           take_extensions(h, p + cluster_len + address_len, extensions_len);
}

static enum handshake_status decode_whole(const uint8_t *data, size_t len, struct handshake *h,
                                          char *reason, size_t reason_len)
{
    if (bytes_get_u32(data + len - 4) != (uint32_t)XXH3_64bits(data, len - 4)) {
        snprintf(reason, reason_len, "damaged handshake (checksum)");
        return HANDSHAKE_BAD;
    }
    if (!take_whole(h, data, len)) {
        snprintf(reason, reason_len, "malformed handshake");
        return HANDSHAKE_BAD;
    }
    return HANDSHAKE_DONE;
}

enum handshake_status handshake_decode(const uint8_t *data, size_t len, struct handshake *h,
                                       size_t *used, char *reason, size_t reason_len)
{
    if (memcmp(data, magic, len < sizeof magic ? len : sizeof magic) != 0) {
        snprintf(reason, reason_len, "not an orderschedd peer");
        return HANDSHAKE_BAD;
    }
    if (len >= 6 && bytes_get_u16(data + 4) != HANDSHAKE_VERSION) {
        snprintf(reason, reason_len,
                 "speaks peer protocol %u, this node speaks %u: "
                 "they cannot run side by side. Stop all nodes of the cluster, upgrade all, and "
                 "start them",
                 bytes_get_u16(data + 4), HANDSHAKE_VERSION);
        return HANDSHAKE_BAD;
    }
    if (len < 8) {
        return HANDSHAKE_MORE;
    }
    size_t whole = bytes_get_u16(data + 6);
    if (whole < HANDSHAKE_HEADER_SIZE + 4 || whole > HANDSHAKE_MAX) {
        snprintf(reason, reason_len, "malformed handshake (length %zu)", whole);
        return HANDSHAKE_BAD;
    }
    if (len < whole) {
        return HANDSHAKE_MORE;
    }
    *used = whole;
    return decode_whole(data, whole, h, reason, reason_len);
}
