/* judge.c - what an HTTP answer means for the order. See http.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../client/callback/json_answer.h"
#include "../../client/callback/json_outcome.h"
#include "../dispatch/delivery.h"
#include "http.h"

/* The machine clamps to the same bounds (docs/semantics.md); here they keep nonsense small. */
#define RETRY_AFTER_MAX_S (24ull * 3600)

#define STATUS_CONTENT_TOO_LARGE 413
#define STATUS_TOO_MANY_REQUESTS 429
#define STATUS_SERVICE_UNAVAILABLE 503

/* The three forms of RFC 9110, 5.6.7: the preferred one, and two that recipients must accept.
 * The process stays in the C locale, in which strptime knows the English names. */
static bool parse_http_date(const char *text, uint64_t *seconds)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end != NULL && *end == '\0') {
            time_t t = timegm(&tm);
            *seconds = t > 0 ? (uint64_t)t : 0;
            return true;
        }
    }
    return false;
}

/* Seconds to wait; 0 when the header is missing, unreadable or in the past. */
static uint64_t retry_after_s(const char *text, uint64_t now_s)
{
    uint64_t at_s;
    uint64_t wait_s = 0;

    if (text == NULL || *text == '\0') {
        return 0;
    }
    if (strspn(text, "0123456789") == strlen(text)) {
        wait_s = strlen(text) > 9 ? RETRY_AFTER_MAX_S : strtoull(text, NULL, 10);
    } else if (parse_http_date(text, &at_s) && at_s > now_s) {
        wait_s = at_s - now_s;
    }
    return wait_s < RETRY_AFTER_MAX_S ? wait_s : RETRY_AFTER_MAX_S;
}

static void judge_refusal(struct delivery *d, long status, const char *retry_after, uint64_t now_s)
{
    uint64_t wait_s = 0;

    d->blame = status == STATUS_CONTENT_TOO_LARGE ? BLAME_SIZE : BLAME_REQUEST;
    d->overloaded = status == STATUS_TOO_MANY_REQUESTS || status == STATUS_SERVICE_UNAVAILABLE;
    if (d->overloaded) {
        wait_s = retry_after_s(retry_after, now_s);
    }
    if (wait_s > 0) {
        delivery_fail(d, "HTTP %ld, retry after %llu s", status, (unsigned long long)wait_s);
        d->delay_ms = wait_s * 1000;
    } else if (status >= 300 && status < 400) {
        delivery_fail(d, "HTTP %ld: redirects are not followed", status);
    } else {
        delivery_fail(d, "HTTP %ld", status);
    }
}

/* The receiver's own words, made printable; they are cut by the size of the reason. */
static void judge_reported_failure(struct delivery *d, long status, const char *text)
{
    delivery_fail(d, "HTTP %ld: the receiver says: %s", status, text != NULL ? text : "failed");
    for (char *at = d->reason; *at != '\0'; at++) {
        *at = *at < 0x20 || *at > 0x7e ? '?' : *at;
    }
}

/* `may_fail`: it may say "failed" of an order, as the results of a batch may. */
static void judge_object(struct delivery *d, long status, const json_t *object, bool may_fail)
{
    struct json_outcome o = json_outcome_read(object);

    d->outcome = o.outcome;
    d->delay_ms = o.delay_ms;
    if (o.says == JSON_SAYS_NOTHING) {
        delivery_fail(d, "HTTP %ld: the answer must be a JSON object with an outcome", status);
    } else if (o.says == JSON_SAYS_NO_DELAY) {
        delivery_fail(d, "HTTP %ld: outcome \"later\" without a delay_ms in whole milliseconds",
                      status);
    } else if (o.says == JSON_SAYS_FAILED && may_fail) {
        judge_reported_failure(d, status, o.reason);
    } else if (o.says != JSON_SAYS_OUTCOME) {
        delivery_fail(d, "HTTP %ld: the answer's outcome is not expired, paid or later", status);
    }
}

static void judge_start(struct delivery *d)
{
    d->delay_ms = 0;
    d->blame = BLAME_ORDER;
    d->overloaded = false;
    d->reason[0] = '\0';
}

/* An answer that has arrived in full, as JSON; NULL: the reason is in `why`. */
static json_t *judge_read(const struct callback_answer *a, char why[JSON_ANSWER_WHY_SIZE])
{
    json_t *value = json_answer_read(a->body, a->len, why);

    if (value == NULL && a->encoded) {
        snprintf(why, JSON_ANSWER_WHY_SIZE,
                 "has a content-encoding, which the request did not accept");
    }
    return value;
}

static bool is_success(const struct callback_answer *a)
{
    return a->status >= 200 && a->status <= 299;
}

/* Nothing at all says "expired" only when it is known to be all: a receiver that dies behind its
 * headers, where it would have answered "paid", must not have said it. */
static void judge_nothing(struct delivery *d, const struct callback_answer *a)
{
    if (a->is_framed) {
        d->outcome = OUTCOME_EXPIRED;
    } else {
        d->blame = BLAME_REQUEST;
        delivery_fail(d,
                      "HTTP %ld: an empty answer whose end is not marked: send 204, or "
                      "Content-Length: 0",
                      a->status);
    }
}

void callback_judge(struct delivery *d, const struct callback_answer *a)
{
    char why[JSON_ANSWER_WHY_SIZE];

    judge_start(d);
    if (!is_success(a)) {
        judge_refusal(d, a->status, a->retry_after, a->now_s);
    } else if (a->len == 0) {
        judge_nothing(d, a);
    } else {
        json_t *answer = judge_read(a, why);
        if (answer == NULL) {
            d->blame = BLAME_REQUEST;
            delivery_fail(d, "HTTP %ld: the answer %s", a->status, why);
        } else {
            judge_object(d, a->status, answer, false);
        }
        json_decref(answer);
    }
}

/* ---- batches ---- */

/* The orders of a batch, and how often the answer named each. */
struct roll {
    size_t n;
    size_t next; /* where the next result is looked for first: most answers keep the order */
    struct {
        struct delivery *delivery;
        unsigned named;
    } * orders;
};

static bool roll_make(struct roll *roll, struct delivery *first)
{
    *roll = (struct roll){0};
    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        roll->n++;
    }
    roll->orders = calloc(roll->n, sizeof *roll->orders);
    if (roll->orders == NULL) {
        return false;
    }
    size_t i = 0;
    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        roll->orders[i++].delivery = d;
    }
    return true;
}

static bool roll_find(struct roll *roll, const char *key, size_t *at)
{
    for (size_t i = 0; i < roll->n; i++) {
        *at = (roll->next + i) % roll->n;
        if (strcmp(roll->orders[*at].delivery->key, key) == 0) {
            roll->next = *at + 1;
            return true;
        }
    }
    return false;
}

/* Returns how many results named no order of the batch. */
static unsigned judge_results(struct roll *roll, long status, const json_t *results)
{
    unsigned strange = 0;
    const json_t *result;
    size_t index, at;

    json_array_foreach (results, index, result) {
        const char *key = json_answer_text(result, "idempotency_key");
        if (key == NULL || !roll_find(roll, key, &at)) {
            strange++;
        } else if (roll->orders[at].named++ > 0) {
            judge_start(roll->orders[at].delivery);
            delivery_fail(roll->orders[at].delivery, "HTTP %ld: the answer names this order twice",
                          status);
        } else {
            judge_object(roll->orders[at].delivery, status, result, true);
        }
    }
    for (size_t i = 0; i < roll->n; i++) {
        if (roll->orders[i].named == 0) {
            delivery_fail(roll->orders[i].delivery, "HTTP %ld: the answer does not name this order",
                          status);
        }
    }
    return strange;
}

static void judge_all(struct delivery *first, long status, const char *what)
{
    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        d->blame = BLAME_REQUEST;
        delivery_fail(d, "HTTP %ld: the answer %s", status, what);
    }
}

/* An answer with a body, which must have a result for each order. */
static unsigned judge_list(struct delivery *first, const struct callback_answer *a)
{
    char why[JSON_ANSWER_WHY_SIZE];
    struct roll roll;
    unsigned strange = 0;

    json_t *answer = judge_read(a, why);
    const json_t *results = json_object_get(answer, "results");
    if (answer == NULL) {
        judge_all(first, a->status, why);
    } else if (!json_is_array(results)) {
        judge_all(first, a->status, "must be a JSON object with an array of results");
    } else if (!roll_make(&roll, first)) {
        judge_all(first, a->status, "could not be read: out of memory");
    } else {
        strange = judge_results(&roll, a->status, results);
        free(roll.orders);
    }
    json_decref(answer);
    return strange;
}

unsigned callback_judge_batch(struct delivery *first, const struct callback_answer *a)
{
    bool one_for_all = !is_success(a) || a->len == 0;

    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        if (one_for_all) {
            callback_judge(d, a);
        } else {
            judge_start(d);
        }
    }
    return one_for_all ? 0 : judge_list(first, a);
}
