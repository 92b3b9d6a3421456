/* shared_text.h - a text that is sent to many at once, and not copied for each of them: whoever lets go of it last
 * frees it. With it is what it becomes with gzip, once somebody has packed it. One thread. */
#ifndef SHARED_TEXT_H
#define SHARED_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct shared_text {
    char *data;
    size_t len;
    unsigned holders;
    char *packed; /* NULL: nobody has yet, or... */
    size_t packed_len;
    bool unpackable; /* ...it does not become shorter */
};

/* With one holder, who called this. Takes `data` (malloc'ed) over. NULL: no memory; `data` is the caller's still. */
struct shared_text *shared_text_new(char *data, size_t len);
/* One holder more. Returns it. */
struct shared_text *shared_text_hold(struct shared_text *t);
/* One holder less; NULL: nothing. */
void shared_text_release(struct shared_text *t);
/* Takes `packed` (malloc'ed) over, for as long as the text is there. NULL: it does not become shorter. */
void shared_text_set_packed(struct shared_text *t, char *packed, size_t len);

#endif
