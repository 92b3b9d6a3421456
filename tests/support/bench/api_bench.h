/* api_bench.h - the server for clients, and clients of it that are plain sockets. The test's thread is
 * the raft loop. Include <cmocka.h> first. */
#ifndef API_BENCH_H
#define API_BENCH_H

#include "../../../node/api/api.h"

#define API_BENCH_HELD_MAX 4096
#define API_BENCH_CLIENTS_MAX 32
#define API_BENCH_PATIENCE_MS 20000

struct api_bench {
    uv_loop_t loop;
    uv_timer_t tick; /* so that the loop never waits for long */
    struct api *api;
    uint16_t port;
    bool holds;        /* messages, until it is released */
    size_t answer_len; /* of each answer */
    uint8_t *answer;
    struct inbound *held[API_BENCH_HELD_MAX];
    unsigned n_held;
    unsigned n_received;
    unsigned n_busy;
    unsigned received[API_BENCH_CLIENTS_MAX]; /* by the client's number, the first byte of the id */
    unsigned spread_max; /* most by which one was ahead of another, once `watched` have begun */
    unsigned watched;
    bool closed;
};

/* Answer what it holds, and all that comes from now on. */
void api_bench_release(struct api_bench *t);
/* On a free port of the loopback; slots and limits are those of `config`. */
struct api_bench *api_bench_open(struct api_config config);
void api_bench_close(struct api_bench *t);
struct client_load api_bench_load(struct api_bench *t);
void api_bench_run_for(struct api_bench *t, uint64_t ms);
/* Connected and greeted from this address of the loopback; little stays in the kernel. */
int api_client_dial_from(struct api_bench *t, const char *from);
/* The same from 127.0.0.1, and the server has it. */
int api_client_dial(struct api_bench *t);
/* So many payments, a message each. */
void api_client_ask(int fd, unsigned client, unsigned n);
/* So many reads. */
void api_client_ask_to_read(int fd, unsigned client, unsigned n);
/* So many messages of `each` reads. */
void api_client_ask_to_read_much(int fd, unsigned client, unsigned n, unsigned each);
/* Bytes that it can take just now; *ended: the server has closed it. */
size_t api_client_drink(int fd, bool *ended);
/* Has the server closed it? Takes what is there. */
bool api_client_is_closed(int fd);

/* Turn the loop until it is so. */
#define API_BENCH_WAIT(t, condition)                                        \
    do {                                                                    \
        uint64_t until_ms_ = uv_hrtime() / 1000000 + API_BENCH_PATIENCE_MS; \
        while (!(condition)) {                                              \
            uv_run(&(t)->loop, UV_RUN_ONCE);                                \
            if (uv_hrtime() / 1000000 > until_ms_) {                        \
                fail_msg("it never came to: " #condition);                  \
            }                                                               \
        }                                                                   \
    } while (0)

#endif
