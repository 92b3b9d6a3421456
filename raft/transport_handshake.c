/* transport_handshake.c - see transport_handshake.h. */
#include "transport_handshake.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "transport_bytes.h"

static const uint8_t magic[4] = {'O', 'S', 'D', 'P'};

size_t handshake_encode(const struct handshake *h, uint8_t out[HANDSHAKE_MAX])
{
    size_t cluster_len = strlen(h->cluster);
    size_t address_len = strlen(h->address);
    assert(cluster_len > 0 && cluster_len <= PROTOCOL_CLUSTER_MAX);
    assert(address_len > 0 && address_len <= HANDSHAKE_ADDRESS_MAX);
    size_t body = HANDSHAKE_HEADER_SIZE + cluster_len + address_len;
    memcpy(out, magic, sizeof magic);
    bytes_put_u16(out + 4, HANDSHAKE_VERSION);
    bytes_put_u16(out + 6, (uint16_t)(body + 4));
    bytes_put_u64(out + 8, h->sender);
    bytes_put_u64(out + 16, h->receiver);
    bytes_put_u16(out + 24, (uint16_t)cluster_len);
    bytes_put_u16(out + 26, (uint16_t)address_len);
    memcpy(out + HANDSHAKE_HEADER_SIZE, h->cluster, cluster_len);
    memcpy(out + HANDSHAKE_HEADER_SIZE + cluster_len, h->address, address_len);
    bytes_put_u32(out + body, (uint32_t)XXH3_64bits(out, body));
    return body + 4;
}

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

static enum handshake_status decode_whole(const uint8_t *data, size_t len, struct handshake *h,
                                          char *reason, size_t reason_len)
{
    size_t cluster_len = bytes_get_u16(data + 24);
    size_t address_len = bytes_get_u16(data + 26);
    if (bytes_get_u32(data + len - 4) != (uint32_t)XXH3_64bits(data, len - 4)) {
        snprintf(reason, reason_len, "damaged handshake (checksum)");
        return HANDSHAKE_BAD;
    }
    h->sender = bytes_get_u64(data + 8);
    h->receiver = bytes_get_u64(data + 16);
    if (cluster_len > PROTOCOL_CLUSTER_MAX || address_len > HANDSHAKE_ADDRESS_MAX ||
        HANDSHAKE_HEADER_SIZE + cluster_len + address_len + 4 != len ||
        !take_string(data + HANDSHAKE_HEADER_SIZE, cluster_len, h->cluster) ||
        !take_string(data + HANDSHAKE_HEADER_SIZE + cluster_len, address_len, h->address)) {
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
        snprintf(reason, reason_len, "speaks peer protocol %u, this node speaks %u",
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

int handshake_judge(const struct handshake *h, const char *cluster, uint64_t own,
                    uint64_t expected, char *reason, size_t reason_len)
{
    if (strcmp(h->cluster, cluster) != 0) {
        snprintf(reason, reason_len, "belongs to cluster \"%s\", this node to \"%s\"",
                 h->cluster, cluster);
        return -1;
    }
    if (h->sender == 0 || h->sender == own) {
        snprintf(reason, reason_len, "claims id %" PRIu64 ", which is %s", h->sender,
                 h->sender == 0 ? "no id" : "this node's own");
        return -1;
    }
    if (h->receiver != own) {
        snprintf(reason, reason_len, "node %" PRIu64 " expects node %" PRIu64
                 " here, this is node %" PRIu64, h->sender, h->receiver, own);
        return -1;
    }
    if (expected != 0 && h->sender != expected) {
        snprintf(reason, reason_len, "is node %" PRIu64 ", not node %" PRIu64, h->sender,
                 expected);
        return -1;
    }
    return 0;
}
