/* heap.c - see heap.h. What it gives is malloc's, so that free() takes it. */
#include "heap.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "../libraft.h"
#include "../memory/pages.h"

#define LARGE (4 * PAGES_SIZE)

static void *heap_malloc(void *data, size_t size)
{
    void *memory;

    (void)data;
    if (size < LARGE || size > SIZE_MAX - PAGES_SIZE) {
        return malloc(size);
    }
    size = (size + PAGES_SIZE - 1) / PAGES_SIZE * PAGES_SIZE;
    memory = aligned_alloc(PAGES_SIZE, size);
    if (memory != NULL) {
        (void)madvise(memory, size, MADV_HUGEPAGE); /* a wish */
    }
    return memory;
}

static void heap_free(void *data, void *memory)
{
    (void)data;
    free(memory);
}

static void *heap_calloc(void *data, size_t n, size_t size)
{
    (void)data;
    return calloc(n, size);
}

static void *heap_realloc(void *data, void *memory, size_t size)
{
    (void)data;
    return realloc(memory, size);
}

static void *heap_aligned_alloc(void *data, size_t alignment, size_t size)
{
    (void)data;
    return aligned_alloc(alignment, size);
}

static void heap_aligned_free(void *data, size_t alignment, void *memory)
{
    (void)data;
    (void)alignment;
    free(memory);
}

void heap_install(void)
{
    static struct raft_heap heap = {
        .malloc = heap_malloc,
        .free = heap_free,
        .calloc = heap_calloc,
        .realloc = heap_realloc,
        .aligned_alloc = heap_aligned_alloc,
        .aligned_free = heap_aligned_free,
    };

    raft_heap_set(&heap);
}
