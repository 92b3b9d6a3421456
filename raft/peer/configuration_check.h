/* configuration_check.h - is this encoded configuration one that a group can have?
 *
 * libraft decodes a configuration without a look at its bounds, and puts it in force before it is
 * committed. Format (libraft: src/configuration.c): u8 format 1, u64 count, then id, address with
 * NUL and role of each member; zeros up to a multiple of 8. */
#ifndef CONFIGURATION_CHECK_H
#define CONFIGURATION_CHECK_H

#include <stddef.h>
#include <stdint.h>

#define CONFIGURATION_SERVERS_MAX 64u
#define CONFIGURATION_SIZE_MAX (32u << 10)
#define CONFIGURATION_SERVER_SIZE_MIN 11u /* id, an address of one letter and its NUL, role */

/* NULL, or why not: malformed, without members or with too many, the same id or address twice, an
 * address that is not printable ASCII of at most PROTOCOL_ADDRESS_MAX - 1 bytes. */
const char *configuration_check(const uint8_t *data, size_t len);

#endif
