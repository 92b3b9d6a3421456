/* must.c - see must.h. */
#include "must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void must_hold(bool held)
{
    if (!held) {
        fprintf(stderr, "%s: out of memory\n", program_invocation_short_name);
        abort();
    }
}

void *must_have(void *memory)
{
    must_hold(memory != NULL);
    return memory;
}
