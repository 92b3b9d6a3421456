/* input.c - see input.h. */
#include "input.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../client/base/must.h"

struct input input_of(const uint8_t *data, size_t size)
{
    return (struct input){data, data + size};
}

size_t input_left(const struct input *in)
{
    return (size_t)(in->end - in->at);
}

uint64_t input_number(struct input *in, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && in->at < in->end; i++) {
        value |= (uint64_t)*in->at++ << (8 * i);
    }
    return value;
}

struct slice input_piece(struct input *in)
{
    size_t len = (size_t)input_number(in, 2);
    size_t left = input_left(in);
    struct slice piece = {in->at, len < left ? len : left};

    in->at += piece.len;
    return piece;
}

struct slice input_rest(struct input *in)
{
    struct slice rest = {in->at, input_left(in)};

    in->at = in->end;
    return rest;
}

uint8_t *input_copy(struct slice bytes)
{
    uint8_t *copy = must_have(malloc(bytes.len > 0 ? bytes.len : 1));

    if (bytes.len > 0) {
        memcpy(copy, bytes.data, bytes.len);
    }
    return copy;
}

char *input_text(struct slice bytes)
{
    char *text = must_have(calloc(1, bytes.len + 1));

    if (bytes.len > 0) {
        memcpy(text, bytes.data, bytes.len);
    }
    return text;
}

const char *input_file(const uint8_t *data, size_t size)
{
    static char path[32];
    static int fd = -1; /* of the process: a target is one thread */

    if (fd < 0) {
        fd = memfd_create("input", MFD_CLOEXEC);
        assert(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    int cut = ftruncate(fd, 0);
    assert(cut == 0);
    ssize_t n = size > 0 ? pwrite(fd, data, size, 0) : 0;
    assert(n == (ssize_t)size);
    return path;
}
