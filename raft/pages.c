/* pages.c - see pages.h. */
#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "pages_reserve.h"

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
    munmap(pages, PAGES_SIZE);
}

/* Who has a reserve does not wait for the kernel to make room for a huge page. */
void *pages_map(bool huge)
{
    void *pages = huge ? pages_reserve_take() : NULL;

    return pages != NULL ? pages : pages_from_system(huge && !pages_reserve_is_there());
}

void pages_unmap(void *pages)
{
    if (!pages_reserve_give(pages)) {
        pages_to_system(pages);
    }
}
