/* packer.c - see packer.h. */
#include "packer.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#include "../../client/base/trimmed.h"

#define PACKER_LEVEL 1
#define PACKER_MEMORY 8          /* zlib's default: 268 KB a stream */
#define PACKER_GZIP (15 + 16)    /* the largest window, and gzip's frame */
#define PACKER_TRIED (64 * 1024) /* bytes after which it is known how well it goes */

enum { AT_ONCE, IN_TURN };

void packer_init(struct packer *p)
{
    *p = (struct packer){.waiting = 0};
    link_head_init(&p->queue);
}

static struct packer_job *job_of_link(struct link *link)
{
    return (struct packer_job *)(void *)((char *)link - offsetof(struct packer_job, link));
}

static size_t worth_it(size_t len)
{
    return len / 3 * 2;
}

/* For something new. NULL: no memory. */
static z_stream *packer_stream(struct packer *p, int which)
{
    z_stream *z = p->streams[which];

    if (z != NULL) {
        return deflateReset(z) == Z_OK ? z : NULL;
    }
    z = calloc(1, sizeof *z);
    if (z != NULL && deflateInit2(z, PACKER_LEVEL, Z_DEFLATED, PACKER_GZIP, PACKER_MEMORY,
                                  Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        z = NULL;
    }
    p->streams[which] = z;
    return z;
}

uint8_t *packer_pack(struct packer *p, const void *in, size_t len, size_t *out_len)
{
    z_stream *z = packer_stream(p, AT_ONCE);
    size_t cap = worth_it(len);
    uint8_t *out = z != NULL ? malloc(cap) : NULL;

    assert(len <= PACKER_SLICE);
    if (out == NULL) {
        return NULL;
    }
    z->next_in = (Bytef *)in;
    z->avail_in = (uInt)len;
    z->next_out = out;
    z->avail_out = (uInt)cap;
    if (deflate(z, Z_FINISH) != Z_STREAM_END) { /* it does not fit */
        free(out);
        return NULL;
    }
    *out_len = cap - z->avail_out;
    return trimmed(out, *out_len);
}

bool packer_begin(struct packer *p, struct packer_job *job, const void *in, size_t len)
{
    assert(!packer_job_waits(job));
    if (p->waiting + len > PACKER_WAITING_MAX) {
        return false;
    }
    *job = (struct packer_job){.in = in, .len = len, .out_cap = worth_it(len)};
    link_append(&p->queue, &job->link);
    p->waiting += len;
    return true;
}

static struct packer_job *packer_end(struct packer *p, struct packer_job *job, bool packed)
{
    link_remove(&job->link);
    p->waiting -= job->len;
    assert(link_empty(&p->queue) == (p->waiting == 0));
    if (packed) {
        job->out = trimmed(job->out, job->out_len);
    } else {
        free(job->out);
        job->out = NULL;
    }
    return job;
}

struct packer_job *packer_first(const struct packer *p)
{
    return packer_has_more(p) ? job_of_link(p->queue.next) : NULL;
}

struct packer_job *packer_run(struct packer *p)
{
    struct packer_job *job = packer_first(p);

    if (job == NULL) {
        return NULL;
    }
    if (job->out == NULL) {
        job->out = packer_stream(p, IN_TURN) != NULL ? malloc(job->out_cap) : NULL;
        if (job->out == NULL) {
            return packer_end(p, job, false);
        }
    }
    z_stream *z = p->streams[IN_TURN];
    size_t n = job->len - job->at < PACKER_SLICE ? job->len - job->at : PACKER_SLICE;
    bool last = job->at + n == job->len;

    z->next_in = (Bytef *)(job->in + job->at);
    z->avail_in = (uInt)n;
    z->next_out = job->out + job->out_len;
    z->avail_out = (uInt)(job->out_cap - job->out_len);
    int rv = deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
    job->at += n;
    job->out_len = job->out_cap - z->avail_out;
    if (rv == Z_STREAM_END) {
        return packer_end(p, job, true);
    }
    bool fits = rv == Z_OK && z->avail_in == 0 && z->avail_out > 0 && !last &&
                (job->at < PACKER_TRIED || job->out_len <= worth_it(job->at));
    return fits ? NULL : packer_end(p, job, false);
}

void packer_drop(struct packer *p, struct packer_job *job)
{
    if (packer_job_waits(job)) {
        (void)packer_end(p, job, false);
    }
}

void packer_close(struct packer *p)
{
    assert(!packer_has_more(p));
    for (unsigned i = 0; i < sizeof p->streams / sizeof p->streams[0]; i++) {
        if (p->streams[i] != NULL) {
            (void)deflateEnd(p->streams[i]);
            free(p->streams[i]);
            p->streams[i] = NULL;
        }
    }
}
