/* callback_http_transfer.c - see callback_http_transfer.h. */
#include "callback_http_transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "../client/webhook.h"

#define HEAD_MAX CALLBACK_BODY_MAX
#define ANSWER_FIRST_CAP 256 /* most answers are {"outcome":"expired"} or empty */

static uint64_t wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void callback_delivery_fail(struct delivery *d, const char *reason)
{
    size_t len = 0;

    d->outcome = OUTCOME_FAILED;
    d->delay_ms = 0;
    for (; reason[len] != '\0' && len < sizeof d->reason - 1; len++) {
        d->reason[len] = reason[len] < 0x20 || reason[len] > 0x7e ? '?' : reason[len];
    }
    d->reason[len] = '\0';
}

static void transfer_free(struct transfer *t)
{
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    free(t->body);
    free(t->answer);
    free(t);
}

/* libcurl's "return less than was given" ends the transfer with CURLE_WRITE_ERROR. */
static size_t transfer_body_cb(char *data, size_t one, size_t len, void *arg)
{
    struct transfer *t = arg;

    (void)one;
    if (len > CALLBACK_BODY_MAX - t->answer_len) {
        t->answer_too_long = true;
        return 0;
    }
    if (t->answer_len + len > t->answer_cap) {
        size_t cap = t->answer_cap > 0 ? t->answer_cap : ANSWER_FIRST_CAP;
        while (cap < t->answer_len + len) {
            cap *= 2;
        }
        char *grown = realloc(t->answer, cap);
        if (grown == NULL) {
            return 0;
        }
        t->answer = grown;
        t->answer_cap = cap;
    }
    memcpy(t->answer + t->answer_len, data, len);
    t->answer_len += len;
    return len;
}

static void transfer_take_retry_after(struct transfer *t, const char *value, size_t len)
{
    while (len > 0 && (value[0] == ' ' || value[0] == '\t')) {
        value++;
        len--;
    }
    while (len > 0 && strchr(" \t\r\n", value[len - 1]) != NULL) {
        len--;
    }
    if (len < sizeof t->retry_after && memchr(value, '\0', len) == NULL) {
        memcpy(t->retry_after, value, len);
        t->retry_after[len] = '\0';
    }
}

/* Called once a header line; a new status line (after a 1xx) starts a new block. */
static size_t transfer_header_cb(char *data, size_t one, size_t len, void *arg)
{
    static const char retry_after[] = "retry-after:";
    struct transfer *t = arg;

    (void)one;
    if (len > HEAD_MAX - t->head_len) {
        t->answer_too_long = true;
        return 0;
    }
    t->head_len += len;
    t->head_complete = len <= 2 && (data[0] == '\r' || data[0] == '\n');
    if (len >= 5 && strncmp(data, "HTTP/", 5) == 0) {
        t->retry_after[0] = '\0';
    } else if (len >= sizeof retry_after - 1 &&
               strncasecmp(data, retry_after, sizeof retry_after - 1) == 0) {
        transfer_take_retry_after(t, data + sizeof retry_after - 1,
                                  len - (sizeof retry_after - 1));
    }
    return len;
}

static bool transfer_add_header(struct transfer *t, const char *name, const char *value)
{
    char line[1024];

    if ((size_t)snprintf(line, sizeof line, "%s: %s", name, value) >= sizeof line) {
        return false;
    }
    struct curl_slist *grown = curl_slist_append(t->headers, line);
    if (grown == NULL) {
        return false;
    }
    t->headers = grown;
    return true;
}

/* One signature for each secret, separated by spaces. NULL, or what is wrong. */
static const char *transfer_sign(struct transfer *t, uint64_t timestamp_s)
{
    const struct delivery *d = t->delivery;
    char all[PROTOCOL_SECRETS_MAX * WEBHOOK_SIGNATURE_SIZE];
    size_t len = 0;

    for (uint32_t i = 0; i < d->n_secrets; i++) {
        char *one = callback_signature(d->secrets[i], d->key, timestamp_s, t->body);
        if (one == NULL) {
            return "a secret of the route is no whsec_ secret of 24 to 64 bytes";
        }
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i > 0 ? " " : "", one);
        free(one);
    }
    if (len > 0 && !transfer_add_header(t, "webhook-signature", all)) {
        return "out of memory";
    }
    return NULL;
}

static const char *transfer_write_headers(struct transfer *t, uint64_t timestamp_s)
{
    const struct delivery *d = t->delivery;
    char timestamp[24], fence[48], idempotency_key[sizeof d->key + 2];

    snprintf(timestamp, sizeof timestamp, "%" PRIu64, timestamp_s);
    snprintf(fence, sizeof fence, "%" PRIu64 ".%" PRIu64, d->fence_epoch, d->fence_index);
    snprintf(idempotency_key, sizeof idempotency_key, "\"%s\"", d->key);
    if (!transfer_add_header(t, "content-type", "application/json") ||
        !transfer_add_header(t, "accept", "application/json") ||
        !transfer_add_header(t, "webhook-id", d->key) ||
        !transfer_add_header(t, "webhook-timestamp", timestamp) ||
        !transfer_add_header(t, "idempotency-key", idempotency_key) ||
        !transfer_add_header(t, "orderschedd-fence", fence) ||
        !transfer_add_header(t, "expect", "")) { /* an empty value: do not send this one */
        return "out of memory";
    }
    return transfer_sign(t, timestamp_s);
}

static bool transfer_limit_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) == CURLE_OK;
#endif
}

/* The receiver is the one that the route names: no redirects, no proxies of the environment. */
static bool transfer_set_options(struct transfer *t)
{
    const struct delivery *d = t->delivery;
    CURL *e = t->easy;
    long total_ms = d->timeout_ms > 0 ? (long)d->timeout_ms : CALLBACK_CONNECT_TIMEOUT_MS;
    long connect_ms =
        total_ms < CALLBACK_CONNECT_TIMEOUT_MS ? total_ms : CALLBACK_CONNECT_TIMEOUT_MS;
    bool ok = transfer_limit_protocols(e) &&
              curl_easy_setopt(e, CURLOPT_URL, d->url) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, total_ms) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)strlen(t->body)) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_USERAGENT, "orderschedd/" ORDERSCHEDD_VERSION) ==
                  CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, transfer_body_cb) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, transfer_header_cb) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_HEADERDATA, t) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_PRIVATE, t) == CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name server that does not answer must hold up this transfer only: without this, giving
     * the transfer up waits for the thread that resolves its name. */
    ok = ok && curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
#endif
    return ok;
}

/* NULL, or what is wrong. */
static const char *transfer_prepare(struct transfer *t)
{
    /* The cluster's clock, not the machine's: a wall clock that stepped while the node ran would
     * make receivers take the request for a replay. */
    uint64_t now_ms = t->delivery->started_ms;

    t->body = callback_body(t->delivery, now_ms);
    t->easy = curl_easy_init();
    if (t->body == NULL || t->easy == NULL) {
        return "out of memory";
    }
    const char *why = transfer_write_headers(t, now_ms / 1000);
    if (why == NULL && !transfer_set_options(t)) {
        why = "libcurl refused the request's options";
    }
    return why;
}

struct transfer *callback_transfer_new(struct delivery *d)
{
    struct transfer *t = calloc(1, sizeof *t);

    if (t == NULL) {
        callback_delivery_fail(d, "out of memory");
        return NULL;
    }
    t->delivery = d;
    const char *why = transfer_prepare(t);
    if (why != NULL) {
        (void)callback_transfer_abort(t, why);
        return NULL;
    }
    return t;
}

struct delivery *callback_transfer_end(struct transfer *t, CURLcode result)
{
    struct delivery *d = t->delivery;
    long status = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    /* A refusal is one however it ended; only a consent must have arrived in full. (libcurl takes
     * a connection that is closed amid the headers for the end of an empty answer.) */
    if ((result == CURLE_OK && t->head_complete) || status >= 300) {
        callback_judge(d, status, t->answer, t->answer_len, t->retry_after, wall_ms() / 1000);
    } else if (result == CURLE_OK) {
        callback_delivery_fail(d, "the answer breaks off in its headers");
    } else if (t->answer_too_long) {
        callback_delivery_fail(d, "the answer is too long");
    } else {
        callback_delivery_fail(d, t->error[0] != '\0' ? t->error : curl_easy_strerror(result));
    }
    transfer_free(t);
    return d;
}

struct delivery *callback_transfer_abort(struct transfer *t, const char *reason)
{
    struct delivery *d = t->delivery;

    callback_delivery_fail(d, reason);
    transfer_free(t);
    return d;
}
