/* pages.h - memory in pieces of 2 MiB, aligned to their size, straight from the system.
 *
 * For what is large: it goes back as soon as it is given back, whatever malloc holds, and with
 * huge pages filling it costs one page fault, not 512. From and to raft/memory/pages_reserve where there
 * is one. */
#ifndef PAGES_H
#define PAGES_H

#include "pages_system.h"

/* One piece, of any content. `huge`: it will be filled, so ask for a huge page (there may be
 * none). NULL: no memory. Thread-safe. */
void *pages_map(bool huge);
void pages_unmap(void *pages);

#endif
