/* snapshot_part.c - see snapshot_part.h. */
#include "snapshot_part.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

uint8_t *snapshot_parts_join(const struct snapshot_part *parts, unsigned n, void *(*alloc)(size_t),
                             size_t *len)
{
    *len = 0;
    for (unsigned i = 0; i < n; i++) {
        assert(parts[i].len <= parts[i].cap);
        *len += parts[i].len;
    }
    uint8_t *data = alloc(*len);
    uint8_t *at = data;
    for (unsigned i = 0; i < n && data != NULL; i++) {
        memcpy(at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    assert(data == NULL || (size_t)(at - data) == *len);
    return data;
}

void snapshot_parts_free(struct snapshot_part *parts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        snapshot_part_free(&parts[i]);
    }
    free(parts);
}
