/* snapshot_part.h - one of the pieces of memory that a snapshot of the state consists of. */
#ifndef SNAPSHOT_PART_H
#define SNAPSHOT_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../memory/pages.h"

#define SNAPSHOT_PART_SIZE PAGES_SIZE /* of most: such a part is of pages, others are malloc'ed */

struct snapshot_part {
    uint8_t *data;
    size_t len;
    size_t cap;
};

/* Empty, with room for `cap` bytes. False: no memory. */
bool snapshot_part_new(struct snapshot_part *part, size_t cap);
void snapshot_part_free(struct snapshot_part *part);
/* All of them in one piece of memory from `alloc`; *len is its size. NULL: no memory. */
uint8_t *snapshot_parts_join(const struct snapshot_part *parts, unsigned n, void *(*alloc)(size_t),
                             size_t *len);
/* A malloc'ed array of parts, and they. */
void snapshot_parts_free(struct snapshot_part *parts, unsigned n);

#endif
