/* judge_names.c - see judge_names.h. */
#include "judge_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void *judge_alloc(size_t n, size_t size)
{
    void *memory = calloc(n > 0 ? n : 1, size);

    if (memory == NULL) {
        fprintf(stderr, "jepsen-check: out of memory\n");
        exit(3);
    }
    return memory;
}

void *judge_grow(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return array;
    }
    size_t more = *cap > 0 ? 2 * *cap : 16;
    void *grown = reallocarray(array, more, size);
    if (grown == NULL) {
        fprintf(stderr, "jepsen-check: out of memory\n");
        exit(3);
    }
    memset((char *)grown + n * size, 0, (more - n) * size);
    *cap = more;
    return grown;
}

/* The slot where the text is, or the empty one where it belongs. */
static uint32_t slot_of(const struct names *names, const char *text, size_t len)
{
    uint32_t at = (uint32_t)XXH3_64bits(text, len) & (names->n_slots - 1);

    while (names->slots[at] != 0) {
        const char *other = names->texts[names->slots[at] - 1];
        if (strlen(other) == len && memcmp(other, text, len) == 0) {
            break;
        }
        at = (at + 1) & (names->n_slots - 1);
    }
    return at;
}

static void names_grow(struct names *names)
{
    free(names->slots);
    names->n_slots = names->n_slots > 0 ? 2 * names->n_slots : 1024;
    names->slots = judge_alloc(names->n_slots, sizeof *names->slots);
    for (uint32_t i = 0; i < names->n; i++) {
        names->slots[slot_of(names, names->texts[i], strlen(names->texts[i]))] = i + 1;
    }
}

uint32_t names_number(struct names *names, const char *text, size_t len)
{
    if (2 * (names->n + 1) > names->n_slots) {
        names_grow(names);
    }
    uint32_t at = slot_of(names, text, len);
    if (names->slots[at] == 0) {
        size_t cap = names->cap;
        names->texts = judge_grow(names->texts, names->n, &cap, sizeof *names->texts);
        names->cap = (uint32_t)cap;
        char *copy = judge_alloc(len + 1, 1);
        memcpy(copy, text, len);
        names->texts[names->n++] = copy;
        names->slots[at] = names->n;
    }
    return names->slots[at] - 1;
}

uint32_t names_find(const struct names *names, const char *text, size_t len)
{
    uint32_t found = names->n_slots > 0 ? names->slots[slot_of(names, text, len)] : 0;

    return found > 0 ? found - 1 : NAME_NONE;
}

const char *names_text(const struct names *names, uint32_t number)
{
    return number < names->n ? names->texts[number] : "";
}

void names_free(struct names *names)
{
    for (uint32_t i = 0; i < names->n; i++) {
        free(names->texts[i]);
    }
    free(names->texts);
    free(names->slots);
    *names = (struct names){0};
}
