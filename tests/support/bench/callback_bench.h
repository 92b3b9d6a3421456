/* callback_bench.h - the HTTP callback under a loop of the test's own, and deliveries for it that
 * count how often they are done. Include <cmocka.h> first. */
#ifndef CALLBACK_BENCH_H
#define CALLBACK_BENCH_H

#include <pthread.h>

#include "../../../node/callback/http.h"

#define PARCEL_STARTED_MS 1700000000000ull
#define PARCEL_KEY "osd_0123456789abcdef0123456789abcdef"
#define PARCEL_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define PARCEL_DEADLINE_MS 1800000000001ull
#define PARCEL_TIMEOUT_MS 5000

struct bench {
    uv_loop_t loop;
    uv_timer_t patience;
    struct callback_http *http;
    unsigned started;
    unsigned done;
    bool closing;
    bool closed;
    pthread_t thread;
};

struct parcel {
    struct delivery d;
    struct route_copy copy;
    char url[160];
    struct bench *bench;
    unsigned done; /* times */
    bool done_after_close;
};

void bench_open(struct bench *b);
/* With connections to public addresses alone. */
void bench_open_guarded(struct bench *b, bool public_only);
/* With connections that are used for so many seconds. */
void bench_open_aging(struct bench *b, unsigned connection_age_s);
void bench_close(struct bench *b);
/* A delivery to this URL, with all settings at their defaults. */
void parcel_fill(struct parcel *p, struct bench *b, const char *url);
/* Make parcels that are filled a batch with the settings of the first. */
void parcel_bind(struct parcel *p, unsigned n, uint32_t batch);
void bench_start(struct bench *b, struct parcel *p);
/* Until all that was started is done. */
void bench_wait(struct bench *b);
void bench_close_early(struct bench *b); /* the bench is still to be closed */
struct slice parcel_text(const char *s);

#define assert_failed(parcel, words)                                                      \
    do {                                                                                  \
        assert_int_equal((parcel).d.outcome, OUTCOME_FAILED);                             \
        if (strstr((parcel).d.reason, (words)) == NULL) {                                 \
            fail_msg("the reason is \"%s\", without \"%s\"", (parcel).d.reason, (words)); \
        }                                                                                 \
    } while (0)

#endif
