/* pages.h - memory in pieces of 2 MiB, aligned to their size, straight from the system.
 *
 * For what is large: it goes back as soon as it is given back, whatever malloc holds, and with
 * huge pages filling it costs one page fault, not 512. */
#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>
#include <stddef.h>

#define PAGES_SIZE ((size_t)2 * 1024 * 1024)

/* One piece, zeros. `huge`: it will be filled, so ask for a huge page (the system may not have
 * one). NULL: no memory. */
void *pages_map(bool huge);
void pages_unmap(void *pages);

#endif
