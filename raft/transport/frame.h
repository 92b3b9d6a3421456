/* frame.h - the checksummed frame in which libraft's byte stream crosses the network.
 *
 *   0  u32 length of the run, 1 to TRANSPORT_FRAME_MAX; with the highest bit set the run is none of
 *      libraft's, but tells a clock (clock_samples.h): to those alone who said that they take it
 *   4  u32 checksum: the low half of XXH3-64 of the run, seeded with the frame's number
 *   8  u32 checksum of the eight bytes before it, likewise
 *  12  the run
 *
 * Frames of a connection are numbered from 0; the number is not sent, but a frame that was
 * repeated, left out or swapped fails its checksum like an altered one. TCP's own 16-bit sum lets
 * one damaged segment in some ten thousand pass, and libraft's stream has none at all.
 *
 * The header has its own checksum, because nothing else bounds the time until damage is noticed: a
 * length that was altered to a larger one would swallow whatever follows until as much has come,
 * and on a connection that carries only small answers that is minutes of silence. */
#ifndef TRANSPORT_FRAME_H
#define TRANSPORT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../peer/clock_samples.h"
#include "transport.h"

#define FRAME_HEADER_SIZE 12

/* Write the header in front of the run that starts at frame + FRAME_HEADER_SIZE. */
void frame_seal(uint8_t *frame, size_t run_len, uint64_t number);
/* The same for a run of CLOCK_TOLD_SIZE bytes that tells a clock. */
void frame_seal_clock(uint8_t *frame, uint64_t number);

/* Zero to start. */
struct frame_reader {
    uint64_t number; /* of the next frame to come */
    uint32_t length;
    bool is_clock;
    uint32_t checksum;
    size_t header_len; /* bytes of the header so far */
    size_t run_len;    /* bytes of the run so far */
    uint8_t header[FRAME_HEADER_SIZE];
    uint8_t *run; /* a run that arrives in pieces; owned, grown to what arrived */
    size_t run_cap;
};

enum frame_status {
    FRAME_MORE,
    FRAME_READY,
    FRAME_CLOCK,      /* likewise, and it tells a clock */
    FRAME_BAD_LENGTH, /* whole, and not one that frame_seal writes */
    FRAME_BAD_HEADER,
    FRAME_BAD_CHECKSUM,
    FRAME_NO_MEMORY
};

/* Take bytes from *data, moving it on. READY: one verified run is in *run, valid until the next
 * call and while the data is; call again for the next. MORE: all data was taken. After any other
 * status the connection is of no more use. */
enum frame_status frame_read(struct frame_reader *r, const uint8_t **data, size_t *len,
                             const uint8_t **run, size_t *run_len)
    __attribute__((warn_unused_result));
void frame_reader_free(struct frame_reader *r);

#endif
