/* configuration_check.c - see configuration_check.h. */
#include "configuration_check.h"

#include <stdbool.h>
#include <string.h>

#include "../../client/wire/protocol.h"
#include "../libraft.h"
#include "bytes.h"

/* One member of an encoded configuration. Returns its length, or 0. */
static size_t measure_server(const uint8_t *data, size_t len)
{
    if (len < CONFIGURATION_SERVER_SIZE_MIN || bytes_get_u64(data) == 0) {
        return 0;
    }
    size_t address_len = strnlen((const char *)data + 8, len - 9);
    size_t size = 8 + address_len + 1 + 1;
    if (address_len == 0 || address_len >= PROTOCOL_ADDRESS_MAX || size > len ||
        data[8 + address_len] != 0 || data[size - 1] > RAFT_SPARE) {
        return 0;
    }
    for (size_t i = 8; i < 8 + address_len; i++) {
        if (data[i] <= ' ' || data[i] > '~') {
            return 0;
        }
    }
    return size;
}

static bool is_duplicate(const uint8_t *const servers[], uint64_t n, const uint8_t *server)
{
    for (uint64_t i = 0; i < n; i++) {
        if (bytes_get_u64(servers[i]) == bytes_get_u64(server) ||
            strcmp((const char *)servers[i] + 8, (const char *)server + 8) == 0) {
            return true;
        }
    }
    return false;
}

const char *configuration_check(const uint8_t *data, size_t len)
{
    static const char malformed[] = "a configuration is malformed";
    const uint8_t *servers[CONFIGURATION_SERVERS_MAX];
    if (len < 9 + CONFIGURATION_SERVER_SIZE_MIN || len > CONFIGURATION_SIZE_MAX || data[0] != 1) {
        return malformed;
    }
    uint64_t n = bytes_get_u64(data + 1);
    if (n == 0 || n > CONFIGURATION_SERVERS_MAX) {
        return "a configuration has no members, or too many";
    }
    size_t at = 9;
    for (uint64_t i = 0; i < n; i++) {
        size_t size = measure_server(data + at, len - at);
        if (size == 0 || is_duplicate(servers, i, data + at)) {
            return malformed;
        }
        servers[i] = data + at;
        at += size;
    }
    if ((at + 7) / 8 * 8 != len) {
        return malformed;
    }
    for (; at < len; at++) {
        if (data[at] != 0) {
            return malformed;
        }
    }
    return NULL;
}
