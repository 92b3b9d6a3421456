/* sinkbed.h - the reference receiver on a test bed: the process, its journal, and requests to it
 * that are signed as they should be, or not. Include <cmocka.h> first. */
#ifndef SINKBED_H
#define SINKBED_H

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "../../../client/callback/webhook.h"
#include "process.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECRET_2 "whsec_b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldA=="
#define DEADLINE "2027-01-15T08:00:00.001Z"
#define DEADLINE_MS 1800000000001

struct sinkbed {
    pid_t pid;
    unsigned port;
    char dir[256];
    char journal[300];
    char log[300];
    char listen[32];
};

/* A directory and a port, without a process. */
void sinkbed_init(struct sinkbed *s);
/* Start it, and wait until it listens. It accepts SECRET; `extra` flags end with NULL, or it is
 * NULL. */
void sinkbed_run(struct sinkbed *s, const char *const *extra);
void sinkbed_open(struct sinkbed *s, const char *const *extra); /* both */
/* SIGTERM must end it with exit code 0. */
void sinkbed_end(struct sinkbed *s);
void sinkbed_close(struct sinkbed *s); /* ends it if need be; removes the directory */
/* Start it: it must end with this exit code, and name the reason. */
void sinkbed_assert_does_not_start(struct sinkbed *s, const char *const *extra, int code,
                                   const char *words);

struct sinkbed_seen {
    unsigned deliveries;
    unsigned effects;
    unsigned refused;
    json_t *last; /* last line that counted */
};

/* What the journal says about a webhook-id (NULL: about all). Each line must be sound. Release
 * `last`. */
struct sinkbed_seen sinkbed_journal(const struct sinkbed *s, const char *webhook_id);
void sinkbed_assert_journal(const struct sinkbed *s, const char *webhook_id, unsigned deliveries,
                            unsigned effects, unsigned refused);
/* A string member of the last line. */
void sinkbed_assert_last_line(const struct sinkbed *s, const char *key, const char *value);
/* The client gave up; the receiver may still be at it. */
void sinkbed_wait_for_delivery(const struct sinkbed *s, const char *webhook_id);

struct sinkbed_post {
    const char *webhook_id;
    const char *order_id; /* as it stands in JSON, without the quotes */
    const char *fence;
    /* Zero for the usual. */
    const char *secret;
    const char *signature; /* instead of the right one; "" = none */
    const char *body;      /* instead of the usual one */
    const char *traceparent;
    int64_t age_s; /* of the timestamp */
    long timeout_ms;
    bool chunked;
    /* The answer. */
    CURL *easy;
    struct curl_slist *headers;
    char text[2048];
    long status; /* 0 = none */
    char answer[2048];
    size_t answer_len;
};

/* Send it, and wait for the answer. */
struct sinkbed_post sinkbed_post(const struct sinkbed *s, struct sinkbed_post p);
#define POST(s, ...) sinkbed_post((s), (struct sinkbed_post){__VA_ARGS__})
/* The usual request about an order, with the fence 1.1. */
struct sinkbed_post sinkbed_tell(const struct sinkbed *s, const char *webhook_id,
                                 const char *order_id);
/* The two halves of sinkbed_post(), for many at once: `p` must stay where it is in between, and
 * is the CURLOPT_PRIVATE of p->easy. */
void sinkbed_post_prepare(struct sinkbed_post *p, const struct sinkbed *s);
void sinkbed_post_finish(struct sinkbed_post *p, CURLcode rv);

#define assert_answered(p, want_status, words)                                  \
    do {                                                                        \
        struct sinkbed_post p_ = (p);                                           \
        if (p_.status != (want_status) || strstr(p_.answer, (words)) == NULL) { \
            fail_msg("answered %ld %s", p_.status, p_.answer);                  \
        }                                                                       \
    } while (0)

#define EXPIRED "{\"outcome\":\"expired\"}"
#define PAID "{\"outcome\":\"paid\"}"

#endif
