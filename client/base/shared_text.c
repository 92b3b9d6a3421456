/* shared_text.c - see shared_text.h. */
#include "shared_text.h"

#include <assert.h>
#include <stdlib.h>

struct shared_text *shared_text_new(char *data, size_t len)
{
    struct shared_text *t = malloc(sizeof *t);

    if (t != NULL) {
        *t = (struct shared_text){.data = data, .len = len, .holders = 1};
    }
    return t;
}

struct shared_text *shared_text_hold(struct shared_text *t)
{
    assert(t->holders > 0);
    t->holders++;
    return t;
}

void shared_text_release(struct shared_text *t)
{
    if (t == NULL) {
        return;
    }
    assert(t->holders > 0);
    if (--t->holders == 0) {
        free(t->data);
        free(t->packed);
        free(t);
    }
}

void shared_text_set_packed(struct shared_text *t, char *packed, size_t len)
{
    assert(t->packed == NULL && !t->unpackable);
    t->packed = packed;
    t->packed_len = len;
    t->unpackable = packed == NULL;
}
