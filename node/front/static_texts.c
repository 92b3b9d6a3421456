/* static_texts.c - what the program brings with it, such as the parts of the console: each is packed once, however often
 * it is asked for. */
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "front_internal.h"

/* One holder more. */
static struct shared_text *text_of(struct front *f, const char *begin, size_t len)
{
    struct static_text *t = f->static_texts;

    while (t < f->static_texts + FRONT_STATIC_TEXTS_MAX && t->text != NULL && t->begin != begin) {
        t++;
    }
    bool room = t < f->static_texts + FRONT_STATIC_TEXTS_MAX;
    if (room && t->text != NULL) {
        return shared_text_hold(t->text);
    }
    char *copy = must_have(malloc(len));
    memcpy(copy, begin, len);
    struct shared_text *text = must_have(shared_text_new(copy, len));
    if (room) {
        *t = (struct static_text){begin, shared_text_hold(text)};
    }
    return text;
}

void exchange_answer_static(struct exchange *x, unsigned status, const char *type, const char *text,
                            size_t len)
{
    struct shared_text *shared = text_of(exchange_of(x)->front, text, len);

    exchange_answer_shared(x, status, type, shared);
    shared_text_release(shared);
}

void static_texts_free(struct front *f)
{
    for (unsigned i = 0; i < FRONT_STATIC_TEXTS_MAX; i++) {
        shared_text_release(f->static_texts[i].text);
    }
}
