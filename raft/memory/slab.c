/* slab.c - see slab.h. */
#include "slab.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "pages.h"

#define REGION_SIZE PAGES_SIZE
#define BLOCK_SIZE ((size_t)32 * 1024)
#define REGION_BLOCKS (REGION_SIZE / BLOCK_SIZE)
#define ALL_FREE UINT64_MAX

#if defined(__SANITIZE_ADDRESS__)
#define EACH_BY_MALLOC 1
#else
#define EACH_BY_MALLOC 0
#endif

/* A free record of a block. */
struct slab_record {
    struct slab_record *next;
};

struct slab_block {
    struct link link;            /* in slab.partial while it has room */
    struct slab_record *records; /* freed ones */
    uint16_t class;
    uint16_t used;
    uint16_t fresh; /* from here on never used */
    uint16_t cap;
};

/* At the start of its memory: what is left of the first block is used like the others. */
struct slab_region {
    struct link link; /* in slab.roomy or slab.full */
    uint64_t free;    /* a bit for each block */
    struct slab_block blocks[REGION_BLOCKS];
};

static_assert((REGION_SIZE & (REGION_SIZE - 1)) == 0, "the address of a record tells its region");
static_assert(REGION_BLOCKS == 64, "a region's free blocks are the bits of one word");
static_assert(sizeof(struct slab_region) % SLAB_STEP == 0, "records behind it are aligned");
static_assert(sizeof(struct slab_region) + SLAB_RECORD_MAX <= BLOCK_SIZE,
              "the first block has room for a record of each class");
static_assert(BLOCK_SIZE / SLAB_STEP <= UINT16_MAX, "a block's counts are two bytes");
static_assert(SLAB_RECORD_MAX % SLAB_STEP == 0, "the last class takes all of its sizes");
static_assert(sizeof(struct slab_record) <= SLAB_STEP, "the smallest record can hold a link");

#define CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static unsigned class_of(size_t size)
{
    return (unsigned)((size + SLAB_STEP - 1) / SLAB_STEP) - 1;
}

static size_t class_size(unsigned class)
{
    return (class + 1) * SLAB_STEP;
}

size_t slab_size(size_t size)
{
    return size > SLAB_RECORD_MAX ? size : class_size(class_of(size));
}

/* --- regions --- */

static struct slab_region *region_of(void *pointer)
{
    return (struct slab_region *)((uintptr_t)pointer & ~(REGION_SIZE - 1));
}

static struct slab_region *region_new(struct slab *slab)
{
    /* The first may stay nearly empty. */
    struct slab_region *region = pages_map(slab->n_regions > 0);

    if (region == NULL) {
        return NULL;
    }
    region->link = (struct link){0};
    region->free = ALL_FREE;
    slab->n_regions++;
    link_prepend(&slab->roomy, &region->link);
    return region;
}

static void region_drop(struct slab *slab, struct slab_region *region)
{
    link_remove(&region->link);
    slab->n_regions--;
    pages_unmap(region);
}

static void regions_drop(struct slab *slab, struct link *head)
{
    while (!link_empty(head)) {
        region_drop(slab, CONTAINER(head->next, struct slab_region, link));
    }
}

/* --- blocks --- */

static char *block_records(struct slab_block *block)
{
    struct slab_region *region = region_of(block);
    size_t at = (size_t)(block - region->blocks);

    return (char *)region + (at == 0 ? sizeof *region : at * BLOCK_SIZE);
}

static struct slab_block *block_of(void *record)
{
    struct slab_region *region = region_of(record);

    return &region->blocks[((uintptr_t)record - (uintptr_t)region) / BLOCK_SIZE];
}

/* A free block becomes one of this class, with room. */
static struct slab_block *block_take(struct slab *slab, unsigned class)
{
    struct slab_region *region = link_empty(&slab->roomy)
                                     ? region_new(slab)
                                     : CONTAINER(slab->roomy.next, struct slab_region, link);

    if (region == NULL) {
        return NULL;
    }
    assert(region->free != 0);
    unsigned at = (unsigned)__builtin_ctzll(region->free);
    struct slab_block *block = &region->blocks[at];
    size_t room = at == 0 ? BLOCK_SIZE - sizeof *region : BLOCK_SIZE;

    region->free &= ~(UINT64_C(1) << at);
    if (region->free == 0) {
        link_remove(&region->link);
        link_prepend(&slab->full, &region->link);
    }
    *block = (struct slab_block){.class = (uint16_t) class,
                                 .cap = (uint16_t)(room / class_size(class))};
    link_prepend(&slab->partial[class], &block->link);
    slab->n_blocks++;
    return block;
}

/* An empty block, already out of its class's list, is free for any class. Of the regions that are
 * wholly free one is kept. */
static void block_give(struct slab *slab, struct slab_block *block)
{
    struct slab_region *region = region_of(block);
    uint64_t bit = UINT64_C(1) << (block - region->blocks);

    assert((region->free & bit) == 0 && slab->n_blocks > 0);
    if (region->free == 0) {
        link_remove(&region->link);
        link_prepend(&slab->roomy, &region->link);
    }
    slab->n_blocks--;
    region->free |= bit;
    if (region->free == ALL_FREE && slab->roomy.next != slab->roomy.prev) {
        region_drop(slab, region);
    }
}

/* --- records --- */

void *slab_alloc(struct slab *slab, size_t size)
{
    assert(size > 0);
    if (slab == NULL || size > SLAB_RECORD_MAX || EACH_BY_MALLOC) {
        return malloc(size);
    }
    unsigned class = class_of(size);
    struct link *head = &slab->partial[class];
    struct slab_block *block = link_empty(head) ? block_take(slab, class)
                                                : CONTAINER(head->next, struct slab_block, link);
    void *record;

    if (block == NULL) {
        return NULL;
    }
    assert(block->class == class && block->used < block->cap);
    if (block->records != NULL) {
        record = block->records;
        block->records = block->records->next;
    } else {
        assert(block->fresh == block->used); /* none was freed, so all of them are in use */
        record = block_records(block) + block->fresh++ * class_size(class);
    }
    slab->used += class_size(class);
    if (++block->used == block->cap) {
        link_remove(&block->link);
    }
    return record;
}

void slab_free(struct slab *slab, void *record, size_t size)
{
    if (slab == NULL || size > SLAB_RECORD_MAX || EACH_BY_MALLOC) {
        free(record);
        return;
    }
    struct slab_block *block = block_of(record);
    struct slab_record *freed = record;

    assert(block->class == class_of(size) && block->used > 0);
    assert(slab->used >= class_size(block->class));
    slab->used -= class_size(block->class);
    freed->next = block->records;
    block->records = freed;
    if (block->used-- == block->cap) {
        link_prepend(&slab->partial[block->class], &block->link);
    }
    if (block->used == 0) {
        link_remove(&block->link);
        block_give(slab, block);
    }
}

size_t slab_waste(const struct slab *slab)
{
    size_t held = slab->n_blocks * BLOCK_SIZE;
    size_t expected = slab->used + SLAB_CLASSES * BLOCK_SIZE;

    return held > expected ? held - expected : 0;
}

/* --- life --- */

void slab_init(struct slab *slab)
{
    for (unsigned i = 0; i < SLAB_CLASSES; i++) {
        link_head_init(&slab->partial[i]);
    }
    link_head_init(&slab->roomy);
    link_head_init(&slab->full);
    slab->n_regions = slab->n_blocks = slab->used = 0;
}

void slab_close(struct slab *slab)
{
    regions_drop(slab, &slab->roomy);
    regions_drop(slab, &slab->full);
    assert(slab->n_regions == 0); /* each was in one of the two */
    slab_init(slab);
}

static void head_move(struct link *to, struct link *from)
{
    if (link_empty(from)) {
        link_head_init(to);
        return;
    }
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    link_head_init(from);
}

void slab_move(struct slab *to, struct slab *from)
{
    for (unsigned i = 0; i < SLAB_CLASSES; i++) {
        head_move(&to->partial[i], &from->partial[i]);
    }
    head_move(&to->roomy, &from->roomy);
    head_move(&to->full, &from->full);
    to->n_regions = from->n_regions;
    to->n_blocks = from->n_blocks;
    to->used = from->used;
    from->n_regions = from->n_blocks = from->used = 0;
}
