/* ordersink_judge.c - see ordersink_judge.h. */
#include "ordersink_judge.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "ordersink_journal.h"

#define HANG_MS 60000 /* then a request that is never answered gives its connection back */

enum { DRAW_PAID = 1, DRAW_LATER = 2 }; /* seeds of the shares of webhook-ids */

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
    struct sink_counters counters; /* a copy of `counts` for others */
    /* The thread's. */
    struct sink_counters counts;
    struct sink_state state;
    struct sink_journal journal;
    struct request_queue slow; /* both in order of due_ms, because each adds a constant */
    struct request_queue hung;
    uint64_t draws;
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

static uint64_t monotonic_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- chance ---- */

/* Is this one of the share? Of a hash, so evenly spread over 2^64. */
static bool in_share(uint64_t hash, double share)
{
    return share > 0 && (double)(hash >> 11) * 0x1p-53 < share;
}

/* The next request's lot. */
static bool draw(struct sink_judge *j, double share)
{
    uint64_t n = j->draws++;

    return in_share(XXH3_64bits_withSeed(&n, sizeof n, j->options->seed), share);
}

/* A webhook-id's lot: the same at each attempt and after a restart. */
static bool draw_id(const struct sink_request *r, double share, uint64_t seed)
{
    return in_share(XXH3_64bits_withSeed(r->webhook.id, strlen(r->webhook.id), seed), share);
}

/* ---- journal ---- */

static json_t *journal_line(const struct sink_request *r, const char *kind, const char *answer)
{
    json_t *line = json_object();
    const char *id_key = r->order_kind == SINK_ORDER_BASE64 ? "order_id_base64" : "order_id";
    char fence[48];
    /* What an unverified request says may be anything; json_string() gives NULL for what is no
     * text, and the member is left out. */
    bool ok = line != NULL &&
              json_object_set_new(line, "t_ms", json_integer((json_int_t)r->t_ms)) == 0 &&
              json_object_set_new(line, "kind", json_string(kind)) == 0;

    if (r->webhook.id != NULL && strlen(r->webhook.id) <= SINK_WEBHOOK_ID_MAX) {
        (void)json_object_set_new(line, "webhook_id", json_string(r->webhook.id));
    }
    if (r->order_id != NULL) {
        snprintf(fence, sizeof fence, "%llu.%llu", (unsigned long long)r->fence.epoch,
                 (unsigned long long)r->fence.index);
        ok = ok && json_object_set(line, id_key, r->order_id) == 0 &&
             json_object_set_new(line, "attempt", json_integer(r->attempt)) == 0 &&
             json_object_set_new(line, "fence", json_string(fence)) == 0 &&
             json_object_set_new(line, "deadline_ms",
                                 json_integer((json_int_t)r->deadline_ms)) == 0;
        if (r->cluster_ms > 0) {
            (void)json_object_set_new(line, "cluster_ms", json_integer((json_int_t)r->cluster_ms));
        }
    }
    ok = ok && json_object_set_new(line, "answer", json_string(answer)) == 0;
    if (r->repeat) {
        ok = ok && json_object_set_new(line, "repeat", json_true()) == 0;
    }
    if (r->hang) {
        ok = ok && json_object_set_new(line, "hung", json_true()) == 0;
    }
    if (r->reason[0] != '\0') {
        ok = ok && json_object_set_new(line, "status", json_integer(r->status)) == 0 &&
             json_object_set_new(line, "reason", json_string(r->reason)) == 0;
    }
    if (!ok) {
        json_decref(line);
        return NULL;
    }
    return line;
}

static void judge_write(struct sink_judge *j, const struct sink_request *r, const char *kind,
                        const char *answer)
{
    json_t *line = journal_line(r, kind, answer);

    sink_journal_add(&j->journal, line); /* NULL: remembers that memory ran out */
    json_decref(line);
}

static const char *restore_delivery(struct sink_judge *j, const json_t *line,
                                    struct sink_entry *webhook, const char *answer)
{
    const json_t *text = json_object_get(line, "order_id");
    const json_t *id = text != NULL ? text : json_object_get(line, "order_id_base64");
    const char *fence_text = json_string_value(json_object_get(line, "fence"));
    struct sink_fence fence;

    if (id == NULL || !json_is_string(id) || fence_text == NULL ||
        !sink_fence_parse(fence_text, &fence)) {
        return "a delivery without order_id or fence";
    }
    struct sink_entry *order =
        sink_state_entry(&j->state, text != NULL ? SINK_ORDER : SINK_ORDER_BASE64,
                         json_string_value(id), json_string_length(id));
    if (order == NULL) {
        return "out of memory";
    }
    if (sink_fence_is_lower(order->fence, fence)) {
        order->fence = fence;
    }
    if (strcmp(answer, sink_answer_name(SINK_EXPIRED)) == 0) {
        webhook->settled = SINK_EXPIRED;
    } else if (strcmp(answer, sink_answer_name(SINK_PAID_AFTER_ALL)) == 0) {
        webhook->settled = SINK_PAID_AFTER_ALL;
    } else if (strcmp(answer, sink_answer_name(SINK_LATER_ONCE)) == 0) {
        webhook->postponed = true;
    }
    return NULL;
}

/* One line of the journal, at the start. NULL, or what is wrong with it. */
static const char *judge_restore_cb(void *arg, const json_t *line)
{
    struct sink_judge *j = arg;
    const char *kind = json_string_value(json_object_get(line, "kind"));
    const char *answer = json_string_value(json_object_get(line, "answer"));
    const char *id = json_string_value(json_object_get(line, "webhook_id"));

    if (kind != NULL && strcmp(kind, "refused") == 0) {
        return NULL;
    }
    if (kind == NULL || answer == NULL || id == NULL) {
        return "kind, answer or webhook_id is missing";
    }
    struct sink_entry *webhook = sink_state_entry(&j->state, SINK_WEBHOOK, id, strlen(id));
    if (webhook == NULL) {
        return "out of memory";
    }
    if (strcmp(kind, "delivery") == 0) {
        return restore_delivery(j, line, webhook, answer);
    }
    if (strcmp(kind, "effect") == 0) {
        webhook->settled = SINK_EXPIRED;
        return NULL;
    }
    return "kind is not delivery, effect or refused";
}

/* ---- verdicts ---- */

/* What a webhook-id that is not settled is told. */
static enum sink_answer judge_answer(struct sink_judge *j, struct sink_request *r,
                                     const struct sink_entry *webhook)
{
    const struct sink_options *o = j->options;
    const char *id = json_string_value(r->order_id);
    size_t id_len = json_string_length(r->order_id);
    const struct sink_chosen *later = sink_chosen_find(o->later, id, id_len);

    if (draw(j, o->fail_share)) {
        return SINK_FAILED;
    }
    if (!webhook->postponed && (later != NULL || draw_id(r, o->later_share, DRAW_LATER))) {
        r->delay_ms = later != NULL ? later->delay_ms : o->later_delay_ms;
        return SINK_LATER_ONCE;
    }
    if (sink_chosen_find(o->paid, id, id_len) != NULL || draw_id(r, o->paid_share, DRAW_PAID)) {
        return SINK_PAID_AFTER_ALL;
    }
    return SINK_EXPIRED;
}

/* The effect stands before the delivery in the journal: if only the first of them survives, the
 * repeat finds the webhook-id settled and has no second effect. */
static void judge_settle(struct sink_judge *j, struct sink_request *r,
                         struct sink_entry *webhook)
{
    r->answer = judge_answer(j, r, webhook);
    switch (r->answer) {
    case SINK_EXPIRED:
        webhook->settled = r->answer;
        judge_write(j, r, "effect", sink_answer_name(r->answer));
        j->counts.effects++;
        break;
    case SINK_PAID_AFTER_ALL:
        webhook->settled = r->answer;
        j->counts.paid++;
        break;
    case SINK_LATER_ONCE:
        webhook->postponed = true;
        j->counts.later++;
        break;
    case SINK_FAILED:
        sink_request_refuse(r, 500, "told to fail");
        j->counts.failed++;
        break;
    case SINK_UNDECIDED:
        break;
    }
}

static void judge_accept(struct sink_judge *j, struct sink_request *r)
{
    struct sink_entry *order =
        sink_state_entry(&j->state, r->order_kind, json_string_value(r->order_id),
                         json_string_length(r->order_id));
    struct sink_entry *webhook =
        sink_state_entry(&j->state, SINK_WEBHOOK, r->webhook.id, strlen(r->webhook.id));

    if (order == NULL || webhook == NULL) {
        sink_request_refuse(r, 503, "out of memory");
        return;
    }
    if (sink_fence_is_lower(r->fence, order->fence)) {
        sink_request_refuse(r, 409, "a fence of %llu.%llu was seen before",
                            (unsigned long long)order->fence.epoch,
                            (unsigned long long)order->fence.index);
        return;
    }
    order->fence = r->fence;
    r->status = 200;
    if (webhook->settled != SINK_UNDECIDED) {
        r->answer = webhook->settled;
        r->repeat = true;
        j->counts.repeats++;
    } else {
        judge_settle(j, r, webhook);
    }
    if (r->status == 200 && draw(j, j->options->hang_share)) {
        r->hang = true;
        j->counts.hung++;
    }
    judge_write(j, r, "delivery", sink_answer_name(r->answer));
    j->counts.deliveries++;
}

static void judge_decide(struct sink_judge *j, struct sink_request *r)
{
    if (r->status == 0) {
        judge_accept(j, r);
    }
    if (r->answer == SINK_UNDECIDED) {
        judge_write(j, r, "refused", "refused");
        j->counts.refused++;
    }
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

    if (r->hang) {
        sink_request_refuse(r, 503, "told to hang");
        r->due_ms = now_ms + HANG_MS;
        queue_push(&j->hung, r);
    } else if (o->slow_ms > 0 && draw(j, o->slow_share)) {
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
    j->counts.syncs = j->journal.syncs;
    pthread_mutex_lock(&j->mutex);
    j->counters = j->counts;
    pthread_mutex_unlock(&j->mutex);
}

static void judge_batch(struct sink_judge *j, struct request_queue *batch)
{
    char error[256];
    struct sink_request *r;

    for (r = batch->first; r != NULL && !j->broken; r = r->next) {
        judge_decide(j, r);
    }
    if (batch->first != NULL && !j->broken &&
        sink_journal_commit(&j->journal, error, sizeof error) != 0) {
        judge_break(j, error);
    }
    judge_publish_counters(j); /* before anybody can have an answer and ask for them */
    uint64_t now_ms = monotonic_ms();
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
    } else if (due_ms > monotonic_ms()) {
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
        uint64_t now_ms = stopping ? UINT64_MAX : monotonic_ms();
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
    pthread_condattr_t attributes;

    pthread_mutex_init(&j->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&j->woken, &attributes);
    pthread_condattr_destroy(&attributes);
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
    j->answered = answered;
    j->failed = failed;
    j->failed_arg = failed_arg;
    j->journal.fd = -1;
    judge_init_sync(j);
    if (sink_journal_open(&j->journal, o->journal, judge_restore_cb, j, errbuf, errbuf_len) == 0) {
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
    sink_journal_close(&j->journal);
    sink_state_free(&j->state);
    pthread_cond_destroy(&j->woken);
    pthread_mutex_destroy(&j->mutex);
    free(j);
}
