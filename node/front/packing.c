/* packing.c - answers that are sent with gzip: which, and when they are ready. */
#include <stdlib.h>

#include "content_coding.h"
#include "front_internal.h"

static struct front_exchange *exchange_of_job(struct packer_job *job)
{
    return (struct front_exchange *)(void *)((char *)job - offsetof(struct front_exchange, job));
}

/* NULL: it does not become shorter, and is sent as it is. */
static void take_packed(struct front_exchange *e, uint8_t *out, size_t len)
{
    if (e->shared != NULL) {
        shared_text_set_packed(e->shared, (char *)out, len);
    } else if (out != NULL) {
        free(e->text);
    }
    if (out != NULL) {
        e->text = (char *)out;
        e->text_len = len;
        e->packed = true;
    }
}

/* Somebody else has packed it, or has tried to. */
static bool was_packed(struct front_exchange *e)
{
    const struct shared_text *shared = e->shared;

    if (shared != NULL && shared->packed != NULL) {
        e->text = shared->packed;
        e->text_len = shared->packed_len;
        e->packed = true;
    }
    return shared != NULL && (shared->packed != NULL || shared->unpackable);
}

bool exchange_pack(struct front_exchange *e)
{
    struct front *f = e->front;
    size_t len = 0;

    if (!e->packable || e->status == 304 || f->stopping ||
        !content_coding_takes_gzip(exchange_request_header(e, "Accept-Encoding"))) {
        return false;
    }
    if (was_packed(e)) {
        return false;
    }
    if (e->text_len > PACKER_SLICE) {
        return packer_begin(&f->packer, &e->job, e->text, e->text_len);
    }
    uint8_t *out = packer_pack(&f->packer, e->text, e->text_len, &len);
    take_packed(e, out, len);
    return false;
}

void exchange_pack_no_more(struct front_exchange *e)
{
    if (packer_job_waits(&e->job)) {
        packer_drop(&e->front->packer, &e->job);
        exchange_respond(e);
    }
}

void packing_run(struct front *f)
{
    struct packer_job *job = packer_first(&f->packer);
    struct front_exchange *e = job != NULL ? exchange_of_job(job) : NULL;

    if (e != NULL && was_packed(e)) { /* while it waited */
        packer_drop(&f->packer, job);
        exchange_respond(e);
    } else if (packer_run(&f->packer) != NULL) {
        take_packed(e, job->out, job->out_len);
        exchange_respond(e);
    }
}
