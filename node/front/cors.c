/* cors.c - see cors.h. */
#include "cors.h"

#include <string.h>

const char *cors_find(const char *const *origins, unsigned n, const char *origin)
{
    for (unsigned i = 0; origin != NULL && i < n; i++) {
        if (strcmp(origins[i], origin) == 0) {
            return origins[i];
        }
    }
    return NULL;
}
