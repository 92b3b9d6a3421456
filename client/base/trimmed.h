/* trimmed.h - give back what memory has been taken beyond what came to be needed. */
#ifndef TRIMMED_H
#define TRIMMED_H

#include <assert.h>
#include <stdlib.h>

/* The first `len` bytes, at least 1, of what malloc gave: in its place, which is gone, or where they were. */
static inline void *trimmed(void *text, size_t len)
{
    assert(len > 0);
    void *shorter = realloc(text, len);
    return shorter != NULL ? shorter : text;
}

#endif
