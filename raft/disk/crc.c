/* crc.c - eight bytes at a time ("slicing-by-8", Kounavis and Berry 2005): at a start all of
 * the log passes through here. */
#include "crc.h"

#include <pthread.h>

#define POLYNOMIAL 0x04c11db7u
#define SLICES 8

/* table[k][b]: what byte b becomes when k bytes more have passed. */
static uint32_t table[SLICES][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_build(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b << 24;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc << 1 ^ (crc >> 31 != 0 ? POLYNOMIAL : 0);
        }
        table[0][b] = crc;
    }
    for (int k = 1; k < SLICES; k++) {
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t crc = table[k - 1][b];
            table[k][b] = crc << 8 ^ table[0][crc >> 24];
        }
    }
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint32_t disk_crc32(const uint8_t *data, size_t len, uint32_t crc)
{
    pthread_once(&table_once, table_build);
    for (; len >= SLICES; data += SLICES, len -= SLICES) {
        uint32_t a = crc ^ big_endian(data);
        uint32_t b = big_endian(data + 4);
        crc = table[7][a >> 24] ^ table[6][a >> 16 & 255] ^ table[5][a >> 8 & 255] ^
              table[4][a & 255] ^ table[3][b >> 24] ^ table[2][b >> 16 & 255] ^
              table[1][b >> 8 & 255] ^ table[0][b & 255];
    }
    for (; len > 0; data++, len--) {
        crc = crc << 8 ^ table[0][crc >> 24 ^ *data];
    }
    return crc;
}
