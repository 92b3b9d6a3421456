/* heap.h - libraft's memory: malloc, with huge pages for what is large.
 *
 * libraft holds a snapshot that it reads, or that a leader sends, in one piece. Filled in pages of
 * 4 KiB that is a page fault for each; with huge pages one for 2 MiB. */
#ifndef HEAP_H
#define HEAP_H

/* Let libraft use it: before it allocates anything, once in a process. */
void heap_install(void);

#endif
