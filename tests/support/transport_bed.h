/* transport_bed.h - transports on one loop, with a stand-in for libraft on top of each and plain
 * sockets against them. */
#ifndef TRANSPORT_BED_H
#define TRANSPORT_BED_H

#include <uv.h>

#include "../../raft/transport/transport.h"
#include "../../raft/peer/handshake.h"
#include "raft_stream.h"

#define BED_LINES 64
#define BED_INLETS 1200

/* An accepted stream, read like libraft does. */
struct inlet {
    struct side *side;
    uv_stream_t *stream; /* NULL: closed */
    uint64_t peer_id;
    char address[64];
    struct buffer received;
    bool ended;
    bool paused; /* not reading */
};

/* One member: its transport and what libraft would hold. */
struct side {
    struct raft_uv_transport t;
    uv_loop_t *loop;
    uint64_t id;
    char address[64];
    bool hold; /* do not read from accepted streams until told to */
    struct inlet *inlets[BED_INLETS];
    unsigned n_inlets;
    char lines[BED_LINES][512]; /* the log */
    unsigned n_lines;
    bool closed;
};

/* A connect request and the stream it gave. */
struct outlet {
    struct raft_uv_connect request;
    struct side *side;
    uv_stream_t *stream; /* NULL: none, or closed */
    int status;
    bool done;
    unsigned in_flight; /* writes */
    int write_status;   /* of the last */
};

/* Run the loop until the condition holds; false when it did not within the time. */
#define bed_run_until(loop, condition, timeout_ms)                       \
    __extension__({                                                      \
        uint64_t bed_end = uv_hrtime() + (uint64_t)(timeout_ms)*1000000; \
        while (!(condition) && uv_hrtime() < bed_end) {                  \
            bed_turn(loop);                                              \
        }                                                                \
        (condition);                                                     \
    })
/* One turn of the loop, of at most two milliseconds. */
void bed_turn(uv_loop_t *loop);
void bed_loop_open(uv_loop_t *loop);
/* Everything must have been closed: run what is left, and fail on a handle left open. */
void bed_loop_close(uv_loop_t *loop);

/* A free port of 127.0.0.1, as "127.0.0.1:PORT". */
void bed_free_address(char address[64]);
/* Open a member that listens at a free port. */
void side_open(struct side *s, uv_loop_t *loop, uint64_t id, const char *cluster);
/* The same with what a test sets besides (standing, hooks). */
void side_open_with(struct side *s, uv_loop_t *loop, uint64_t id, const struct transport_config *c);
/* The same without listening, and with an address and a security of choice. Returns init's. */
int side_init(struct side *s, uv_loop_t *loop, uint64_t id, const struct transport_config *c,
              const char *address);
/* libraft's way of closing: its streams first, then the transport. Runs until it is closed. */
void side_close(struct side *s);
/* A log line that contains `text`, or NULL. */
const char *side_find_line(const struct side *s, const char *text);
void side_resume(struct side *s); /* end hold */

int outlet_connect(struct outlet *o, struct side *from, uint64_t id, const char *address);
/* connect, and wait for success. */
void outlet_open(struct outlet *o, struct side *from, const struct side *to);
/* Write a copy. */
void outlet_write(struct outlet *o, const void *data, size_t len);
void outlet_close(struct outlet *o);
void inlet_close(struct inlet *i);

/* A plain socket, connected to the address. */
int raw_connect(const char *address);
void raw_write(int fd, const void *data, size_t len);
/* Has the other side closed it? Takes what is there into `got` (may be NULL). */
bool raw_is_closed(int fd, struct buffer *got);
/* A plain socket that listens; nothing is accepted. */
int raw_listen(char address[64]);
/* The handshake of `from` for `to`. */
size_t raw_hello(uint8_t out[HANDSHAKE_MAX], uint64_t from, uint64_t to, const char *cluster);
/* Connect to the side and shake hands as member `from`. */
int raw_join(struct side *to, uint64_t from);

/* Two members of one cluster, opened before a test and closed behind it. */
struct transport_bed {
    uv_loop_t loop;
    struct side one, two;
};

int transport_bed_open(void **state);
int transport_bed_close(void **state);
#define on_transport_bed(test) \
    cmocka_unit_test_setup_teardown(test, transport_bed_open, transport_bed_close)

#endif
