/* fuzz_stream.c - what comes from a peer behind its handshake: frames, and libraft's messages in them.
 *
 * The first byte chooses: bytes as they come from the wire; or runs that are sealed into frames first, or
 * given to the parser as they are. Whatever passes to libraft is judged by a reader of the tests' own. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../raft/peer/configuration_check.h"
#include "../../raft/transport/frame.h"
#include "../../raft/transport/parser.h"
#include "../support/raft_judge.h"
#include "../support/raft_stream.h"
#include "input.h"

static bool parse(struct parser *p, const uint8_t *run, size_t len, struct buffer *passed)
{
    size_t before = passed->len;
    bool accepted = parser_feed(p, run, len, passed) == 0;

    assert(accepted == (p->reason == NULL));
    passed->len = accepted ? passed->len : before;
    assert(passed->len <= before + len + p->header.cap + p->change.cap);
    return accepted;
}

/* Frames that arrive in one piece of the input. False: the connection is of no more use. */
static bool read_frames(struct frame_reader *r, struct parser *p, const uint8_t *data, size_t len,
                        struct buffer *passed)
{
    const uint8_t *run;
    size_t run_len;

    for (;;) {
        switch (frame_read(r, &data, &len, &run, &run_len)) {
            case FRAME_MORE: assert(len == 0); return true;
            case FRAME_READY:
                assert(run_len > 0 && run_len <= TRANSPORT_FRAME_MAX);
                if (!parse(p, run, run_len, passed)) {
                    return false;
                }
                break;
            case FRAME_CLOCK: assert(run_len == CLOCK_TOLD_SIZE); break;
            default: return false;
        }
    }
}

static bool read_sealed(struct frame_reader *r, struct parser *p, struct slice piece,
                        uint64_t number, struct buffer *passed)
{
    if (piece.len == 0 || piece.len > TRANSPORT_FRAME_MAX) {
        return false;
    }
    uint8_t *frame = malloc(FRAME_HEADER_SIZE + piece.len);
    assert(frame != NULL);
    memcpy(frame + FRAME_HEADER_SIZE, piece.data, piece.len);
    if (piece.len == CLOCK_TOLD_SIZE && (piece.data[0] & 1) != 0) {
        frame_seal_clock(frame, number);
    } else {
        frame_seal(frame, piece.len, number);
    }
    bool good = read_frames(r, p, frame, FRAME_HEADER_SIZE + piece.len, passed);
    free(frame);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    uint64_t how = input_number(&in, 1);
    struct frame_reader r = {0};
    struct buffer passed = {0};
    struct parser p;
    bool good = true;

    parser_init(&p, STREAM_PEER);
    for (uint64_t n = 0; good && input_left(&in) > 0; n++) {
        struct slice piece = input_piece(&in);
        uint8_t *copy = input_copy(piece);
        piece.data = copy;
        switch (how % 4) {
            case 0: good = read_frames(&r, &p, copy, piece.len, &passed); break;
            case 1: good = read_sealed(&r, &p, piece, n, &passed); break;
            case 2: good = parse(&p, copy, piece.len, &passed); break;
            default: (void)configuration_check(copy, piece.len); break;
        }
        free(copy);
    }
    raft_judge_passed(&passed);
    parser_free(&p);
    frame_reader_free(&r);
    buffer_free(&passed);
    return 0;
}
