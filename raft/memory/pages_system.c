/* pages_system.c - see pages_system.h. */
#include "pages_system.h"

#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

void *pages_from_system(bool huge)
{
    /* Twice as much, without what lies before and behind the aligned piece. */
    char *raw = mmap(NULL, 2 * PAGES_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                     0);

    if (raw == MAP_FAILED) {
        return NULL;
    }
    size_t before = (PAGES_SIZE - (uintptr_t)raw % PAGES_SIZE) % PAGES_SIZE;
    if (before > 0) {
        munmap(raw, before);
    }
    munmap(raw + before + PAGES_SIZE, PAGES_SIZE - before);
    if (huge) {
        (void)madvise(raw + before, PAGES_SIZE, MADV_HUGEPAGE);
    }
    return raw + before;
}

void pages_to_system(void *pages)
{
    assert((uintptr_t)pages % PAGES_SIZE == 0); /* a piece, and whole: nothing of malloc's */
    munmap(pages, PAGES_SIZE);
}
