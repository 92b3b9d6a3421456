/* pages.c - see pages.h. */
#include "pages.h"

#include "pages_reserve.h"

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
