/* input.h - what the fuzz targets have in common: an input cut into numbers and pieces.
 *
 * A target is a file fuzz_NAME.c with one LLVMFuzzerTestOneInput. It is linked with libFuzzer, which
 * looks for inputs, and once more with replay.c, which runs those of tests/fuzz/corpus/NAME alone. What
 * must hold of an input is asserted; else only the sanitizers judge. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include "../../client/wire/protocol.h"

/* Runs the target on one input, which stays the caller's. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    const uint8_t *end;
};

struct input input_of(const uint8_t *data, size_t size);
size_t input_left(const struct input *in);
/* The next number of so many bytes (up to 8), the lowest first; zeros stand for what is missing. */
uint64_t input_number(struct input *in, unsigned bytes);
/* The next piece: two bytes of length, and so many bytes, or those that are left. */
struct slice input_piece(struct input *in);
/* All that is left. */
struct slice input_rest(struct input *in);

/* A copy that ends where its memory does, so that a read past it is seen. For free(). */
uint8_t *input_copy(struct slice bytes);
/* The same as a text with a zero at its end. */
char *input_text(struct slice bytes);
/* The path of a file in memory that holds these bytes; there is one, which the next call writes anew. */
const char *input_file(const uint8_t *data, size_t size);

#endif
