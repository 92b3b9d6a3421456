/* judge_names.h - a number for each different text, counted from 0, and back. A leaf. */
#ifndef JUDGE_NAMES_H
#define JUDGE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define NAME_NONE UINT32_MAX

struct names {
    char **texts; /* by number; each ends with a NUL */
    uint32_t n;
    uint32_t cap;
    uint32_t *slots; /* number + 1, or 0: open addressing, a power of two of them */
    uint32_t n_slots;
};

/* Zero it to start. The text's number, a new one if need be. Ends the program when memory runs
 * out, as all of the judge does: there is nothing left to say then. */
uint32_t names_number(struct names *names, const char *text, size_t len);
/* Its number, or NAME_NONE. */
uint32_t names_find(const struct names *names, const char *text, size_t len);
/* "" for NAME_NONE. */
const char *names_text(const struct names *names, uint32_t number);
void names_free(struct names *names);

/* Room for one more element in a growing array of `n` elements; the array may move. */
void *judge_grow(void *array, size_t n, size_t *cap, size_t size);
#define JUDGE_ADD(array, n, cap) \
    ((array) = judge_grow((array), (n), &(cap), sizeof *(array)), &(array)[(n)++])
/* calloc() that does not fail. */
void *judge_alloc(size_t n, size_t size);

#endif
