/* snapshot_part.h - one of the pieces of memory that an image of the state consists of. */
#ifndef SNAPSHOT_PART_H
#define SNAPSHOT_PART_H

#include <stddef.h>
#include <stdint.h>

struct snapshot_part {
    uint8_t *data;
    size_t len;
};

#endif
