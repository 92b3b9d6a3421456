/* pages_reserve.h - pieces of memory that are ready when the raft loop wants one.
 *
 * To get 2 MiB that can be written costs the loop 0.1 ms at best, and 5 to 17 ms when the kernel
 * has to make room for a huge page first (direct compaction, which MADV_HUGEPAGE allows) or the
 * hypervisor has to find the memory: longer than a stall may be. So a thread asks for them and
 * touches them before they are wanted. A few are ready; more when they are used up faster than
 * they are made. What is given back is used again; it goes to the system when nobody has taken any
 * for a second or two, and what was not needed for ten seconds goes in any case.
 *
 * It belongs to the process, and is there between pages_reserve_start and pages_reserve_stop;
 * without it, and when none is ready, raft/memory/pages goes to the system itself. */
#ifndef PAGES_RESERVE_H
#define PAGES_RESERVE_H

#include <stdbool.h>

#define PAGES_RESERVE_MIN 2
#define PAGES_RESERVE_MAX 32

/* False: there is no thread for it. Not from several threads at once, as pages_reserve_stop. */
bool pages_reserve_start(void);
/* What is ready goes back to the system. What was taken still belongs to whoever took it. */
void pages_reserve_stop(void);
/* Thread-safe, as is pages_reserve_give. */
bool pages_reserve_is_there(void);
/* Touched, a huge page if the system has one, of any content. NULL: none is ready. */
void *pages_reserve_take(void);
/* False: there is no reserve, and `pages` stays the caller's. */
bool pages_reserve_give(void *pages);

#endif
