/* crc.h - the checksum of libraft's files: CRC-32, polynomial 0x04c11db7, most significant
 * bit first, nothing inverted (byteCrc32 in libraft's byte.c). */
#ifndef DISK_CRC_H
#define DISK_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Of `data`, going on from `crc` (0 to begin). Any thread. */
uint32_t disk_crc32(const uint8_t *data, size_t len, uint32_t crc);

#endif
