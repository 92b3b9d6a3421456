/* packer.h - answers packed with gzip (RFC 1952), a slice at a time.
 *
 * All connections share the thread that packs. A short answer is packed at once; a long one waits for its turn, behind
 * those that came before it, and packer_run() packs PACKER_SLICE bytes of the first: 0.1 ms of JSON, 0.7 ms of the
 * worst there is, and in between everybody else is served. What does not become a third shorter is given up early, and
 * where more than PACKER_WAITING_MAX bytes wait a further answer is sent as it is. So the memory is that of two
 * streams of zlib, and of one answer that is being packed.
 *
 * The fastest level: a sixth of the text less at the next one costs four times as long.
 *
 * One thread. */
#ifndef FRONT_PACKER_H
#define FRONT_PACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../raft/memory/link.h"

#define PACKER_LEAST 1024u        /* bytes: what is shorter goes in one packet anyway */
#define PACKER_SLICE (16u * 1024) /* bytes at a time; up to here it is packed at once */
#define PACKER_WAITING_MAX (4u * 1024 * 1024)

struct z_stream_s;

struct packer_job {   /* part of what is answered; zero it to start */
    struct link link; /* linked while it waits */
    const uint8_t *in;
    size_t len, at;
    uint8_t *out; /* malloc'ed */
    size_t out_len, out_cap;
};

struct packer {
    struct z_stream_s *streams[2]; /* of what is packed at once, and of the first of the queue */
    struct link queue;
    size_t waiting; /* bytes, of all in the queue */
};

void packer_init(struct packer *p);

/* At once. NULL: it does not become shorter by a third, or there is no memory. Else malloc'ed. */
uint8_t *packer_pack(struct packer *p, const void *in, size_t len, size_t *out_len);
/* False: too much waits, or there is no memory. Else `in` stays until the job has ended or was dropped. */
bool packer_begin(struct packer *p, struct packer_job *job, const void *in, size_t len);
/* Whose turn it is; NULL: none waits. */
struct packer_job *packer_first(const struct packer *p);
/* A slice of its work. The job that has ended with it, whose `out` is the caller's now, or NULL in it: send it as it is.
 * NULL: none has. */
struct packer_job *packer_run(struct packer *p);
void packer_drop(struct packer *p, struct packer_job *job); /* one that does not wait: nothing */
static inline bool packer_job_waits(const struct packer_job *job)
{
    return link_linked(&job->link);
}
static inline bool packer_has_more(const struct packer *p)
{
    return !link_empty(&p->queue);
}
void packer_close(struct packer *p); /* nothing waits any more */

#endif
