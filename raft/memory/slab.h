/* slab.h - memory for millions of small records of any mix of sizes.
 *
 * Regions of 2 MiB, aligned to their size, are cut into blocks of 32 KiB; a block holds records of
 * one size class (steps of 8 bytes) and nothing else, so that a record has no header of its own
 * and takes its size, rounded up to 8 (Bonwick 1994, "The Slab Allocator"). A block that becomes
 * empty can serve another class, and a region that becomes empty goes back to the system. From the
 * second on, regions ask for huge pages: filling memory at a start costs a page fault for each
 * 2 MiB then, not for each 4 KiB. Records above SLAB_RECORD_MAX come from malloc.
 *
 * O(1), but for the system call that gets or returns a region. Not thread-safe. The struct itself
 * must not be moved in memory, as it has heads of lists: slab_move does it. Built with
 * AddressSanitizer every record comes from malloc, so that the sanitizer sees each. */
#ifndef SLAB_H
#define SLAB_H

#include <stddef.h>

#include "link.h"

#define SLAB_STEP 8u
#define SLAB_RECORD_MAX 512u
#define SLAB_CLASSES (SLAB_RECORD_MAX / SLAB_STEP)

struct slab {
    struct link partial[SLAB_CLASSES]; /* blocks of the class that have room */
    struct link roomy;                 /* regions that have a free block */
    struct link full;                  /* the other regions */
    size_t n_regions;
    size_t n_blocks; /* of a class */
    size_t used;     /* bytes of the records in them */
};

void slab_init(struct slab *slab);
/* Gives back all regions; records above SLAB_RECORD_MAX must have been freed one by one. */
void slab_close(struct slab *slab);
/* Make `to`, which is not initialised, what `from` is, which is empty then. */
void slab_move(struct slab *to, struct slab *from);

/* Aligned to 8. NULL: no memory. A slab of NULL stands for malloc. */
void *slab_alloc(struct slab *slab, size_t size);
/* What slab_alloc gave for this size. */
void slab_free(struct slab *slab, void *record, size_t size);
/* Bytes that are held for records of one size and in use by none, beyond a block for each class: a
 * client that fills the memory with one size after the other, and leaves a record in each block,
 * makes these many times what the records take. */
size_t slab_waste(const struct slab *slab);
/* Bytes that a record of this size takes. */
size_t slab_size(size_t size);

#endif
