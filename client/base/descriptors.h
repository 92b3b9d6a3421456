/* descriptors.h - how many files and connections this process may have open: a shell gives one 1,024 at first, though it
 * may have many more. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stdint.h>

/* Raise the limit as far as this process may; where that is refused the old one stands. Returns what it is now; 0: that
 * cannot be told. */
uint64_t descriptors_raise(void);

#endif
