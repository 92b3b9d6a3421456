/* judge.c - see judge.h. */
#include "judge.h"
#include "../base/clocks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HANG_MS 60000 /* then a request that is never answered gives its connection back */

struct request_queue {
    struct sink_request *first;
    struct sink_request *last;
};

struct sink_judge {
    const struct sink_options *options;
    void (*answered)(struct sink_request *r);
    void (*failed)(void *arg, const char *sentence);
    void *failed_arg;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t woken; /* on the monotonic clock */
    /* Under the mutex. */
    struct request_queue waiting;
    bool stopping;
    struct sink_counters counters; /* a copy for others */
    /* The thread's. */
    struct sink_verdicts verdicts;
    struct request_queue slow; /* both in order of due_ms, because each adds a constant */
    struct request_queue hung;
    bool broken; /* the journal */
};

static void queue_push(struct request_queue *q, struct sink_request *r)
{
    r->next = NULL;
    if (q->last != NULL) {
        q->last->next = r;
    } else {
        q->first = r;
    }
    q->last = r;
}

static struct sink_request *queue_pop(struct request_queue *q)
{
    struct sink_request *r = q->first;

    if (r != NULL) {
        q->first = r->next;
        if (q->first == NULL) {
            q->last = NULL;
        }
    }
    return r;
}

/* ---- the thread ---- */

static void judge_release(struct sink_judge *j, struct sink_request *r)
{
    r->judged = true;
    j->answered(r);
}

/* Judged and on disk: answer now, later, or not at all. */
static void judge_let_go(struct sink_judge *j, struct sink_request *r, uint64_t now_ms)
{
    const struct sink_options *o = j->options;

    if (r->fault == SINK_FAULT_HANG) {
        sink_request_refuse(r, 503, "told to hang");
        r->due_ms = now_ms + HANG_MS;
        queue_push(&j->hung, r);
    } else if (o->slow_ms > 0 && sink_verdict_draw(&j->verdicts, o->slow_share)) {
        r->due_ms = now_ms + o->slow_ms;
        queue_push(&j->slow, r);
    } else {
        judge_release(j, r);
    }
}

/* The commit failed: nothing of this batch may be told to anybody. */
static void judge_break(struct sink_judge *j, const char *sentence)
{
    j->broken = true;
    j->failed(j->failed_arg, sentence);
}

static void judge_publish_counters(struct sink_judge *j)
{
    j->verdicts.counts.syncs = j->verdicts.ledger.journal.syncs;
    pthread_mutex_lock(&j->mutex);
    j->counters = j->verdicts.counts;
    pthread_mutex_unlock(&j->mutex);
}

static void judge_batch(struct sink_judge *j, struct request_queue *batch)
{
    char error[256];
    struct sink_request *r;

    for (r = batch->first; r != NULL && !j->broken; r = r->next) {
        sink_verdict(&j->verdicts, r);
    }
    if (batch->first != NULL && !j->broken &&
        sink_journal_commit(&j->verdicts.ledger.journal, error, sizeof error) != 0) {
        judge_break(j, error);
    }
    judge_publish_counters(j); /* before anybody can have an answer and ask for them */
    uint64_t now_ms = clocks_running_ms();
    while ((r = queue_pop(batch)) != NULL) {
        if (j->broken) {
            sink_request_refuse(r, 503, "the journal cannot be written");
            judge_release(j, r);
        } else {
            judge_let_go(j, r, now_ms);
        }
    }
}

static void judge_release_due(struct sink_judge *j, struct request_queue *q, uint64_t now_ms)
{
    while (q->first != NULL && q->first->due_ms <= now_ms) {
        judge_release(j, queue_pop(q));
    }
}

/* Under the mutex: wait for a request, for the stop, or until an answer is due. */
static void judge_wait(struct sink_judge *j)
{
    uint64_t due_ms = UINT64_MAX;

    if (j->slow.first != NULL) {
        due_ms = j->slow.first->due_ms;
    }
    if (j->hung.first != NULL && j->hung.first->due_ms < due_ms) {
        due_ms = j->hung.first->due_ms;
    }
    if (due_ms == UINT64_MAX) {
        pthread_cond_wait(&j->woken, &j->mutex);
    } else if (due_ms > clocks_running_ms()) {
        struct timespec until = {.tv_sec = (time_t)(due_ms / 1000),
                                 .tv_nsec = (long)(due_ms % 1000) * 1000000};
        pthread_cond_timedwait(&j->woken, &j->mutex, &until);
    }
}

static void *judge_main(void *arg)
{
    struct sink_judge *j = arg;

    for (;;) {
        pthread_mutex_lock(&j->mutex);
        if (j->waiting.first == NULL && !j->stopping) {
            judge_wait(j);
        }
        struct request_queue batch = j->waiting;
        j->waiting = (struct request_queue){0};
        bool stopping = j->stopping;
        pthread_mutex_unlock(&j->mutex);
        judge_batch(j, &batch);
        uint64_t now_ms = stopping ? UINT64_MAX : clocks_running_ms();
        judge_release_due(j, &j->slow, now_ms);
        judge_release_due(j, &j->hung, now_ms);
        if (stopping) { /* nothing can have come in since */
            return NULL;
        }
    }
}

/* ---- life ---- */

static void judge_init_sync(struct sink_judge *j)
{
    pthread_mutex_init(&j->mutex, NULL);
    (void)clocks_cond_init(&j->woken);
}

struct sink_judge *sink_judge_start(const struct sink_options *o,
                                    void (*answered)(struct sink_request *r),
                                    void (*failed)(void *arg, const char *sentence),
                                    void *failed_arg, char *errbuf, size_t errbuf_len)
{
    struct sink_judge *j = calloc(1, sizeof *j);

    if (j == NULL) {
        snprintf(errbuf, errbuf_len, "out of memory");
        return NULL;
    }
    j->options = o;
    j->verdicts.options = o;
    j->answered = answered;
    j->failed = failed;
    j->failed_arg = failed_arg;
    judge_init_sync(j);
    if (sink_ledger_open(&j->verdicts.ledger, o->journal, errbuf, errbuf_len) == 0) {
        int rv = pthread_create(&j->thread, NULL, judge_main, j);
        if (rv == 0) {
            return j;
        }
        snprintf(errbuf, errbuf_len, "no thread: %s", strerror(rv));
    }
    sink_judge_free(j);
    return NULL;
}

bool sink_judge_submit(struct sink_judge *j, struct sink_request *r,
                       void (*before)(struct sink_request *r))
{
    pthread_mutex_lock(&j->mutex);
    bool accepted = !j->stopping;
    if (accepted) {
        before(r);
        queue_push(&j->waiting, r);
        pthread_cond_signal(&j->woken);
    }
    pthread_mutex_unlock(&j->mutex);
    return accepted;
}

struct sink_counters sink_judge_counters(struct sink_judge *j)
{
    pthread_mutex_lock(&j->mutex);
    struct sink_counters counters = j->counters;
    pthread_mutex_unlock(&j->mutex);
    return counters;
}

void sink_judge_stop(struct sink_judge *j)
{
    pthread_mutex_lock(&j->mutex);
    j->stopping = true;
    pthread_cond_signal(&j->woken);
    pthread_mutex_unlock(&j->mutex);
    pthread_join(j->thread, NULL);
}

void sink_judge_free(struct sink_judge *j)
{
    sink_ledger_close(&j->verdicts.ledger);
    pthread_cond_destroy(&j->woken);
    pthread_mutex_destroy(&j->mutex);
    free(j);
}
