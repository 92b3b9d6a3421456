/* fuzz_webhook.c - a request to the reference receiver: headers, signature and body, and what is written
 * to the journal about it, which a restart can read.
 *
 * The first byte chooses whether the signature is made to fit; then id, timestamp, fence and body follow,
 * and as many more requests. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/sink/journal.c"
#include "../../client/sink/ledger.c"
#include "../../client/sink/verdict.h"
#include "input.h"

#define SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"
#define NOW_S 1800000000u
#define REQUESTS_MAX 8

/* The texts that a request's headers are, for as long as it lives. */
struct headers {
    char *id, *timestamp, *signature, *fence;
};

static struct sink_request *request_make(struct input *in, struct headers *h)
{
    struct sink_request *r = must_have(calloc(1, sizeof *r));
    bool is_signed = input_number(in, 1) % 4 != 0;
    char *signature = must_have(calloc(1, WEBHOOK_SIGNATURE_SIZE));

    h->id = input_text(input_piece(in));
    h->timestamp = is_signed ? input_text((struct slice){(const uint8_t *)"1800000000", 10})
                             : input_text(input_piece(in));
    h->fence = input_text(input_piece(in));
    struct slice body = input_piece(in);
    r->body = input_text(body);
    if (is_signed) {
        bool made = webhook_sign(SECRET, h->id, NOW_S, r->body, body.len, signature);
        assert(made);
        h->signature = signature;
    } else {
        h->signature = input_text(input_piece(in));
        free(signature);
    }
    r->t_us = NOW_S * UINT64_C(1000000);
    r->fence_text = h->fence;
    r->webhook = (struct webhook){h->id, h->timestamp, h->signature, r->body, body.len};
    return r;
}

static void headers_free(struct headers *h)
{
    free(h->id);
    free(h->timestamp);
    free(h->signature);
    free(h->fence);
}

static void request_handle(struct sink_verdicts *v, struct input *in)
{
    struct headers h;
    struct sink_request *r = request_make(in, &h);

    sink_request_read(r, v->options);
    assert(r->status == 0 || (r->status >= 400 && r->reason[0] != '\0'));
    assert(r->n_items <= SINK_BATCH_MAX);
    sink_verdict(v, r);
    assert(r->status != 0);
    sink_request_free(r);
    headers_free(&h);
}

/* What was written, as a restart reads it. */
static void check_journal(const struct sink_journal *journal)
{
    struct sink_ledger again = {0};
    struct reading reading = {.path = "journal", .each = restore_cb, .arg = &again};
    char why[256] = "";

    if (journal->len > 0) {
        FILE *file = fmemopen(journal->lines, journal->len, "r");
        assert(file != NULL && !journal->failed);
        int error = reading_run(&reading, file, why, sizeof why);
        assert(error == 0 && !reading.torn && (size_t)reading.good == journal->len);
        fclose(file);
    }
    sink_state_free(&again.state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sink_options options = {.secrets = {SECRET},
                                   .n_secrets = 1,
                                   .tolerance_ms = 300000,
                                   .paid_share = 0.2,
                                   .later_share = 0.2,
                                   .later_delay_ms = 5};
    struct sink_verdicts v = {.options = &options, .ledger.journal.fd = -1};
    struct input in = input_of(data, size);

    for (unsigned i = 0; i < REQUESTS_MAX && input_left(&in) > 0; i++) {
        request_handle(&v, &in);
    }
    check_journal(&v.ledger.journal);
    free(v.ledger.journal.lines);
    sink_state_free(&v.ledger.state);
    return 0;
}
