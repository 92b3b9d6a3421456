/* batcher_bench.h - a batcher whose proposals the test decides on, and messages for it. Include <cmocka.h>
 * first. */
#ifndef BATCHER_BENCH_H
#define BATCHER_BENCH_H

#include "../../../node/commit/batcher.h"

#define PROPOSED_MAX 64

/* A host that keeps what is proposed, so that the test decides when and how it ends. */
struct bench {
    struct batcher batcher;
    uint64_t now_ms;
    uint64_t term;
    bool refuse_proposals;
    unsigned n_proposed; /* so far */
    unsigned n_settled;
    uint64_t last_ticket; /* told by internal() */
    unsigned n_tickets;
    struct {
        uint8_t *data;
        size_t len;
        void *entry;
    } proposed[PROPOSED_MAX];
};

/* A message with `n` pays; its reply is counted. */
struct message {
    struct inbound in;
    struct buffer bytes;
    unsigned answers;
    int error; /* of the refusal, or -1 when answered */
    unsigned n_results;
    int first_error;
};

void batcher_bench_init(struct bench *t, uint32_t queued_max, uint64_t bytes_max);
void bench_message_init(struct message *m, unsigned n_pays, unsigned n_gets);
void bench_message_free(struct message *m);
/* Commit and apply the oldest proposal: every operation gets the result OK. */
void batcher_bench_commit(struct bench *t);
void batcher_bench_lose(struct bench *t);
/* In the proposal number i. */
uint32_t batcher_bench_operations(const struct bench *t, unsigned i);

#endif
