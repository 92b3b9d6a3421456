/* pages_system.h - pieces of memory as the system gives them; see pages.h. */
#ifndef PAGES_SYSTEM_H
#define PAGES_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

#define PAGES_SIZE ((size_t)2 * 1024 * 1024)

/* One piece, aligned to its size, zeros. `huge`: ask for a huge page. NULL: no memory.
 * Thread-safe. */
void *pages_from_system(bool huge);
void pages_to_system(void *pages);

#endif
