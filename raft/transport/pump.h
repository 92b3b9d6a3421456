/* pump.h - moves bytes between a member's wire and libraft, one way, checked.
 *
 *   outgoing:  libraft's stream ─socketpair─► near ─ frames ─► wire
 *   incoming:  wire ─ frames verified, messages parsed ─► near ─socketpair─► libraft's stream
 *
 * libraft's connections carry messages one way; a byte the other way is an error. When more than
 * PUMP_QUEUE_MAX bytes wait to be written on one side, the other is not read until half of them
 * are gone. The stream handed to libraft is libraft's own: it may close it at any moment, which
 * the pump sees as the end of its side; and when the pump's owner closes near, libraft sees the
 * end. Raft loop only. */
#ifndef TRANSPORT_PUMP_H
#define TRANSPORT_PUMP_H

#include "../tls/wire.h"
#include "frame.h"
#include "parser.h"

#define PUMP_QUEUE_MAX (4u * 1024 * 1024)

/* Memory for one read and what comes of it; shared by all pumps of a loop. */
struct pump_scratch {
    uint8_t frame[FRAME_HEADER_SIZE + TRANSPORT_FRAME_MAX];
    struct buffer passed;
};

struct pump;
/* The pump can do no more: close both handles. `reason` is a phrase for the log, or NULL when
 * libraft closed its stream. Called at most once, from the loop, never from pump_start. */
typedef void (*pump_end_cb)(struct pump *p, const char *reason);
/* The peer tells its clock. From the loop; it must not end the pump. */
typedef void (*pump_clock_cb)(struct pump *p, const uint8_t told[CLOCK_TOLD_SIZE]);

struct pump {
    struct wire *wire; /* the owner's; its `data` is the pump's from pump_start on */
    struct wire near;  /* to be closed by the owner if near_open */
    bool near_open;
    bool incoming;
    bool paused; /* the source is not being read: the sink's queue is long */
    bool ended;
    struct pump_scratch *scratch;
    uint64_t frames_sent;
    struct frame_reader reader;
    struct parser parser;
    pump_end_cb end;
    pump_clock_cb clock; /* the owner's to set; NULL: nobody listens */
};

/* Make the socketpair and start. On success *stream is raft_malloc'ed and the caller's, to be
 * given to libraft. Else a libuv error; near may be open all the same. */
int pump_start(struct pump *p, uv_loop_t *loop, struct wire *wire, bool incoming, uint64_t peer_id,
               struct pump_scratch *scratch, pump_end_cb end, uv_stream_t **stream)
    __attribute__((warn_unused_result));
/* Tell this node's clock, on an outgoing one. Not done while something waits to be written: it would come
 * too late to say much. */
void pump_tell_clock(struct pump *p, const uint8_t told[CLOCK_TOLD_SIZE]);
/* Release memory, after both handles are closed. */
void pump_free(struct pump *p);
/* Close a stream made by pump_start that nobody was given. */
void pump_close_stream(uv_stream_t *stream);

#endif
