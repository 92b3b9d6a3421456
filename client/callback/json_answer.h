/* json_answer.h - JSON that others wrote to answer us, read as RFC 8259 has it.
 *
 * jansson refuses some texts that are JSON: integers above 63 bits, numbers beyond a double,
 * escapes of half a surrogate pair, NUL in names. Here they are read, as the nearest number that
 * there is, and as U+FFFD: an answer must not be lost for what stands beside its outcome. A byte
 * order mark in front is passed over (section 8.1). Names that come twice in an object are
 * refused: who says two things says nothing. No state, any thread. */
#ifndef JSON_ANSWER_H
#define JSON_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_ANSWER_WHY_SIZE 80

/* The value, to be released with json_decref. NULL: `why` goes on after "the answer", and has
 * nothing of the text in it. */
json_t *json_answer_read(const char *text, size_t len, char why[JSON_ANSWER_WHY_SIZE]);
/* A member that is a string without NUL; NULL: there is none. */
const char *json_answer_text(const json_t *object, const char *name);
/* A number from 0 on without a fraction, however it is written (30000, 3e4, 30000.0), cut to max
 * (below 2^53). False: it is none, and *out is as it was. */
bool json_answer_whole(const json_t *value, uint64_t max, uint64_t *out);

#endif
