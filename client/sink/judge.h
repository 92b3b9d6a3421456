/* judge.h - decides what each request is answered, and lets no answer go before the
 * journal is on disk.
 *
 *   submit() --> waiting --thread: decide all, one commit--> answered(), at once or when due
 *
 * One thread decides everything, so that deduplication needs no lock, and one wait for the disk
 * serves all requests that came in during the one before (group commit). */
#ifndef ORDERSINK_JUDGE_H
#define ORDERSINK_JUDGE_H

#include "verdict.h"

struct sink_judge; /* opaque */

/* Restore from the journal and start the thread. `answered` is called on that thread, with
 * `judged` set: answer r->status (200 means what the items say), in
 * the way of r->fault. `failed` is called there once, with a
 * sentence, when the journal cannot be written: no request is judged any more, all get 503.
 * NULL: a sentence is in errbuf. */
struct sink_judge *sink_judge_start(const struct sink_options *o,
                                    void (*answered)(struct sink_request *r),
                                    void (*failed)(void *arg, const char *sentence),
                                    void *failed_arg, char *errbuf, size_t errbuf_len);
/* Take a request that was read, acceptable or not. `before` is called first, under the judge's
 * lock. False: stopping, nothing happened. Any thread. */
bool sink_judge_submit(struct sink_judge *j, struct sink_request *r,
                       void (*before)(struct sink_request *r));
struct sink_counters sink_judge_counters(struct sink_judge *j);
/* Judge what is waiting, answer all without further delay, stop the thread. */
void sink_judge_stop(struct sink_judge *j);
void sink_judge_free(struct sink_judge *j); /* after stop */

#endif
