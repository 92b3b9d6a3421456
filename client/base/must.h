/* must.h - memory that has to be there: without it the process says so, and aborts. For where nobody
 * could do anything sensible instead: a node that went on would differ from the others. */
#ifndef MUST_H
#define MUST_H

#include <stdbool.h>

/* The memory itself. NULL: the end. */
void *must_have(void *memory);
/* False, such as of a buffer that could not grow: the end. */
void must_hold(bool held);

#endif
