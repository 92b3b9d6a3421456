/* callback_bench.c - see callback_bench.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callback_bench.h"

#define PATIENCE_MS 30000

static void patience_cb(uv_timer_t *timer)
{
    (void)timer;
    fprintf(stderr, "the test has waited long enough\n");
    abort();
}

static void bench_open_as(struct bench *b, const struct callback_http_config *config)
{
    memset(b, 0, sizeof *b);
    b->thread = pthread_self();
    assert_int_equal(uv_loop_init(&b->loop), 0);
    uv_timer_init(&b->loop, &b->patience);
    uv_timer_start(&b->patience, patience_cb, PATIENCE_MS, 0);
    uv_unref((uv_handle_t *)&b->patience);
    b->http = callback_http_new(&b->loop, config);
    assert_non_null(b->http);
}

void bench_open_guarded(struct bench *b, bool public_only)
{
    bench_open_as(b, &(struct callback_http_config){.allow_private = !public_only});
}

void bench_open_aging(struct bench *b, unsigned connection_age_s)
{
    bench_open_as(b, &(struct callback_http_config){.allow_private = true,
                                                    .connection_age_s = connection_age_s});
}

void bench_open(struct bench *b)
{
    bench_open_guarded(b, false);
}

static void bench_closed_cb(void *arg)
{
    struct bench *b = arg;

    assert_false(b->closed);
    b->closed = true;
}

void bench_close_early(struct bench *b)
{
    b->closing = true;
    callback_http_close(b->http, bench_closed_cb, b);
}

void bench_close(struct bench *b)
{
    if (!b->closing) {
        bench_close_early(b);
    }
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_true(b->closed);
    assert_int_equal(b->started, b->done);
    callback_http_free(b->http);
    uv_close((uv_handle_t *)&b->patience, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
}

static void parcel_done(struct delivery *d, void *arg)
{
    struct parcel *p = arg;

    assert_ptr_equal(d, &p->d);
    assert_true(pthread_equal(pthread_self(), p->bench->thread));
    p->done++;
    p->done_after_close = p->bench->closed;
    p->bench->done++;
}

struct slice parcel_text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

void parcel_fill(struct parcel *p, struct bench *b, const char *url)
{
    memset(p, 0, sizeof *p);
    p->bench = b;
    assert_true((size_t)snprintf(p->url, sizeof p->url, "%s", url) < sizeof p->url);
    p->copy = (struct route_copy){
        .holders = 1,
        .route = "shop",
        .settings = {.kind = ROUTE_HTTP,
                     .url = parcel_text(p->url),
                     .n_secrets = 1,
                     .secrets = {parcel_text(PARCEL_SECRET)},
                     .connect_timeout_ms = 3000,
                     .timeout_ms = PARCEL_TIMEOUT_MS,
                     .window = 64,
                     .batch = 1,
                     .ca_pem = parcel_text("")},
    };
    p->d = (struct delivery){.fence_epoch = 7,
                             .fence_index = 123456789012ull,
                             .deadline_ms = PARCEL_DEADLINE_MS,
                             .version = 1,
                             .attempt = 2,
                             .route = "shop",
                             .settings = &p->copy,
                             .started_ms = PARCEL_STARTED_MS,
                             .id = "order-42",
                             .id_len = 8,
                             .payload = (uint8_t *)"",
                             .payload_len = 0,
                             .done = parcel_done,
                             .done_arg = p};
    strcpy(p->d.key, PARCEL_KEY);
}

void parcel_bind(struct parcel *p, unsigned n, uint32_t batch)
{
    p[0].copy.settings.batch = batch;
    for (unsigned i = 0; i < n; i++) {
        snprintf(p[i].d.key, sizeof p[i].d.key, "osd_%032x", i + 1);
        p[i].d.settings = &p[0].copy;
        p[i].d.batch_next = i + 1 < n ? &p[i + 1].d : NULL;
    }
}

void bench_start(struct bench *b, struct parcel *p)
{
    struct receiver *r = callback_http_receiver(b->http);

    for (const struct delivery *d = &p->d; d != NULL; d = d->batch_next) {
        b->started++;
    }
    r->start(r, &p->d);
    r->flush(r);
    assert_int_equal(p->done, 0); /* never from inside start() */
}

void bench_wait(struct bench *b)
{
    while (b->done < b->started) {
        uv_run(&b->loop, UV_RUN_ONCE);
    }
}
