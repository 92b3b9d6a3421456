/* route_headers.c - which headers a route may add to its callbacks: nothing that could end the
 * header, or take the place of one that a callback carries anyway. */
#include <string.h>
#include <strings.h>

#include "protocol.h"

bool route_header_name_is_good(struct slice name)
{
    static const char *const own[] = {"idempotency-key",   "content-type", "content-length", "host",
                                      "transfer-encoding", "connection"};
    static const char *const own_prefixes[] = {"webhook-", "orderschedd-"};

    if (name.len == 0 || name.len > PROTOCOL_HEADER_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t b = name.data[i];
        bool letter = (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9');
        if (!letter && (b == '\0' || strchr("!#$%&'*+-.^_`|~", b) == NULL)) {
            return false;
        }
    }
    const char *text = (const char *)name.data;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (name.len == strlen(own[i]) && strncasecmp(text, own[i], name.len) == 0) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof own_prefixes / sizeof *own_prefixes; i++) {
        size_t len = strlen(own_prefixes[i]);
        if (name.len >= len && strncasecmp(text, own_prefixes[i], len) == 0) {
            return false;
        }
    }
    return true;
}

bool route_header_value_is_good(struct slice value)
{
    if (value.len == 0 || value.len > PROTOCOL_HEADER_VALUE_MAX || value.data[0] <= 0x20 ||
        value.data[value.len - 1] <= 0x20) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        uint8_t b = value.data[i];
        if ((b < 0x20 && b != '\t') || b >= 0x7f) {
            return false;
        }
    }
    return true;
}
