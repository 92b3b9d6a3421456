/* sinkbed.c - see sinkbed.h. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "sinkbed.h"

/* ---- the program ---- */

static void wait_until_it_listens(const struct sinkbed *s)
{
    char url[64];
    uint64_t until = monotonic_ms() + 10000;
    CURLcode rv = CURLE_COULDNT_CONNECT;

    snprintf(url, sizeof url, "telnet://%s", s->listen);
    while (rv != CURLE_OK && monotonic_ms() < until) {
        CURL *e = curl_easy_init();
        curl_easy_setopt(e, CURLOPT_URL, url);
        curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
        rv = curl_easy_perform(e);
        curl_easy_cleanup(e);
        sleep_ms(2);
    }
    assert_int_equal(rv, CURLE_OK);
}

/* `extra` flags end with NULL, or is NULL. */
static pid_t sinkbed_spawn(struct sinkbed *s, const char *const *extra)
{
    char program[600];
    char *argv[24] = {program, "--listen", s->listen, "--journal", s->journal, "--secret", SECRET};
    unsigned n = 7;

    process_path("ordersink", program, sizeof program);
    for (unsigned i = 0; extra != NULL && extra[i] != NULL; i++) {
        argv[n++] = (char *)extra[i];
    }
    return process_start(argv, s->log, NULL, NULL);
}

void sinkbed_run(struct sinkbed *s, const char *const *extra)
{
    s->pid = sinkbed_spawn(s, extra);
    wait_until_it_listens(s);
}

void sinkbed_init(struct sinkbed *s)
{
    memset(s, 0, sizeof *s);
    scratch_make(s->dir, sizeof s->dir);
    s->port = ports_free(1);
    snprintf(s->journal, sizeof s->journal, "%s/journal.jsonl", s->dir);
    snprintf(s->log, sizeof s->log, "%s/log", s->dir);
    snprintf(s->listen, sizeof s->listen, "127.0.0.1:%u", s->port);
}

void sinkbed_open(struct sinkbed *s, const char *const *extra)
{
    sinkbed_init(s);
    sinkbed_run(s, extra);
}

/* SIGTERM ends it cleanly, always. */
void sinkbed_end(struct sinkbed *s)
{
    int status = process_end(s->pid, SIGTERM);

    s->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("wait status %#x; see %s", status, s->log);
    }
}

void sinkbed_close(struct sinkbed *s)
{
    if (s->pid != 0) {
        sinkbed_end(s);
    }
    scratch_remove(s->dir);
}

/* Exit code of a start that must fail, and whether the log names the reason. */
void sinkbed_assert_does_not_start(struct sinkbed *s, const char *const *extra, int code,
                                   const char *words)
{
    char log[4096] = "";

    unlink(s->log);
    pid_t pid = sinkbed_spawn(s, extra);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    FILE *f = fopen(s->log, "r");
    assert_non_null(f);
    log[fread(log, 1, sizeof log - 1, f)] = '\0';
    fclose(f);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code || strstr(log, words) == NULL) {
        fail_msg("status %d, log: %s", status, log);
    }
}

/* ---- its journal ---- */

/* What the journal says about a webhook-id; NULL: about all. */
struct sinkbed_seen sinkbed_journal(const struct sinkbed *s, const char *webhook_id)
{
    struct sinkbed_seen seen = {0};
    char *text = NULL;
    size_t cap = 0;
    FILE *f = fopen(s->journal, "r");

    assert_non_null(f);
    for (ssize_t len; (len = getline(&text, &cap, f)) > 0 && text[len - 1] == '\n';) {
        json_t *line = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        assert_non_null(line);
        const char *id = json_string_value(json_object_get(line, "webhook_id"));
        const char *kind = json_string_value(json_object_get(line, "kind"));
        assert_non_null(kind);
        assert_true(json_integer_value(json_object_get(line, "t_ms")) > 0);
        if (webhook_id == NULL || (id != NULL && strcmp(id, webhook_id) == 0)) {
            seen.deliveries += strcmp(kind, "delivery") == 0;
            seen.effects += strcmp(kind, "effect") == 0;
            seen.refused += strcmp(kind, "refused") == 0;
            json_decref(seen.last);
            seen.last = json_incref(line);
        }
        json_decref(line);
    }
    free(text);
    fclose(f);
    return seen;
}

void sinkbed_assert_journal(const struct sinkbed *s, const char *webhook_id, unsigned deliveries,
                            unsigned effects, unsigned refused)
{
    struct sinkbed_seen seen = sinkbed_journal(s, webhook_id);

    assert_int_equal(seen.deliveries, deliveries);
    assert_int_equal(seen.effects, effects);
    assert_int_equal(seen.refused, refused);
    json_decref(seen.last);
}

/* The client gave up; the receiver may still be at it. */
void sinkbed_wait_for_delivery(const struct sinkbed *s, const char *webhook_id)
{
    uint64_t until = monotonic_ms() + 10000;
    unsigned deliveries = 0;

    while (deliveries == 0 && monotonic_ms() < until) {
        struct sinkbed_seen seen = sinkbed_journal(s, webhook_id);
        deliveries = seen.deliveries;
        json_decref(seen.last);
        sleep_ms(5);
    }
}

void sinkbed_assert_last_line(const struct sinkbed *s, const char *key, const char *value)
{
    struct sinkbed_seen seen = sinkbed_journal(s, NULL);

    assert_string_equal(json_string_value(json_object_get(seen.last, key)), value);
    json_decref(seen.last);
}

/* ---- requests ---- */

static size_t answer_cb(char *data, size_t one, size_t len, void *arg)
{
    struct sinkbed_post *p = arg;

    (void)one;
    if (p->answer_len + len < sizeof p->answer) {
        memcpy(p->answer + p->answer_len, data, len);
        p->answer_len += len;
        p->answer[p->answer_len] = '\0';
    }
    return len;
}

static void post_header(struct sinkbed_post *p, const char *name, const char *value)
{
    char line[512];

    snprintf(line, sizeof line, "%s: %s", name, value);
    p->headers = curl_slist_append(p->headers, line);
}

void sinkbed_post_prepare(struct sinkbed_post *p, const struct sinkbed *s)
{
    char url[64], timestamp[24], signature[WEBHOOK_SIGNATURE_SIZE];
    uint64_t timestamp_s = (uint64_t)((int64_t)time(NULL) - p->age_s);

    snprintf(url, sizeof url, "http://%s/hook", s->listen);
    snprintf(p->text, sizeof p->text,
             "{\"type\":\"order.expired\",\"timestamp\":\"2027-01-15T08:00:01Z\",\"data\":{"
             "\"order_id\":\"%s\",\"deadline\":\"" DEADLINE "\",\"attempt\":1,"
             "\"payload\":{\"big\":123456789012345678901234567890}}}",
             p->order_id);
    const char *body = p->body != NULL ? p->body : p->text;
    const char *secret = p->secret != NULL ? p->secret : SECRET;
    snprintf(timestamp, sizeof timestamp, "%llu", (unsigned long long)timestamp_s);
    assert_true(webhook_sign(secret, p->webhook_id, timestamp_s, body, strlen(body), signature));
    post_header(p, "webhook-id", p->webhook_id);
    post_header(p, "webhook-timestamp", timestamp);
    if (p->signature == NULL || *p->signature != '\0') {
        post_header(p, "webhook-signature", p->signature != NULL ? p->signature : signature);
    }
    if (p->fence != NULL) {
        post_header(p, "orderschedd-fence", p->fence);
    }
    if (p->traceparent != NULL) {
        post_header(p, "traceparent", p->traceparent);
    }
    if (p->chunked) {
        post_header(p, "transfer-encoding", "chunked");
    }
    post_header(p, "expect", "");
    p->easy = curl_easy_init();
    curl_easy_setopt(p->easy, CURLOPT_URL, url);
    curl_easy_setopt(p->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(p->easy, CURLOPT_TIMEOUT_MS, p->timeout_ms > 0 ? p->timeout_ms : 20000L);
    curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    curl_easy_setopt(p->easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(p->easy, CURLOPT_WRITEFUNCTION, answer_cb);
    curl_easy_setopt(p->easy, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(p->easy, CURLOPT_PRIVATE, p);
}

void sinkbed_post_finish(struct sinkbed_post *p, CURLcode rv)
{
    if (rv == CURLE_OK || p->chunked) {
        curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &p->status);
    }
    curl_easy_cleanup(p->easy);
    curl_slist_free_all(p->headers);
    p->easy = NULL;
    p->headers = NULL;
}

struct sinkbed_post sinkbed_post(const struct sinkbed *s, struct sinkbed_post p)
{
    if (p.order_id == NULL) {
        p.order_id = "order-1";
    }
    if (p.webhook_id == NULL) {
        p.webhook_id = "osd_1";
    }
    sinkbed_post_prepare(&p, s);
    sinkbed_post_finish(&p, curl_easy_perform(p.easy));
    return p;
}

/* The usual request about an order. */
struct sinkbed_post sinkbed_tell(const struct sinkbed *s, const char *webhook_id,
                                 const char *order_id)
{
    return sinkbed_post(s, (struct sinkbed_post){.webhook_id = webhook_id,
                                                 .order_id = order_id,
                                                 .fence = "1.1"});
}
