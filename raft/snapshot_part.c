/* snapshot_part.c - see snapshot_part.h. */
#include "snapshot_part.h"

#include <stdlib.h>

bool snapshot_part_new(struct snapshot_part *part, size_t cap)
{
    *part = (struct snapshot_part){
        .data = cap == SNAPSHOT_PART_SIZE ? pages_map(true) : malloc(cap),
        .cap = cap,
    };
    return part->data != NULL;
}

void snapshot_part_free(struct snapshot_part *part)
{
    if (part->cap == SNAPSHOT_PART_SIZE) {
        pages_unmap(part->data);
    } else {
        free(part->data);
    }
    *part = (struct snapshot_part){0};
}

void snapshot_parts_free(struct snapshot_part *parts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        snapshot_part_free(&parts[i]);
    }
    free(parts);
}
