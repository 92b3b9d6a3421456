/* route_numbers.h - the settings of a route that are plain numbers, for who reads and who writes them. */
#ifndef ROUTE_NUMBERS_H
#define ROUTE_NUMBERS_H

#include "protocol.h"

/* A fallback of 0 stays 0. */
struct route_number {
    const char *key;
    size_t offset; /* in struct route_settings */
    uint32_t min;
    uint32_t max;
    uint32_t fallback;
    const char *why;
};
#define ROUTE_NUMBERS 8
extern const struct route_number route_numbers[ROUTE_NUMBERS];

static inline uint32_t route_number_of(const struct route_settings *s, const struct route_number *n)
{
    return *(const uint32_t *)((const char *)s + n->offset);
}

#endif
