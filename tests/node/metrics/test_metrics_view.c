/* What a node shows of itself: samples on their way from the raft loop, and the text that is made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/base/clocks.h"
#include "../../../node/metrics/metrics_view.h"

/* --- samples --- */

static void the_newest_whole_sample_is_read(void **state)
{
    struct metrics_exchange x;

    (void)state;
    assert_int_equal(metrics_exchange_init(&x), 0);
    assert_int_equal(metrics_exchange_take(&x)->taken_ns, 0);
    metrics_exchange_begin(&x)->taken_ns = 1;
    assert_int_equal(metrics_exchange_take(&x)->taken_ns, 0); /* it is not whole */
    metrics_exchange_publish(&x);
    metrics_exchange_begin(&x)->taken_ns = 2;
    metrics_exchange_publish(&x);
    const struct metrics_sample *reading = metrics_exchange_take(&x);
    assert_int_equal(reading->taken_ns, 2);
    for (unsigned i = 3; i < 10; i++) { /* the writer never touches it */
        assert_ptr_not_equal(metrics_exchange_begin(&x), reading);
        metrics_exchange_publish(&x);
    }
    assert_int_equal(reading->taken_ns, 2);
    assert_int_equal(metrics_exchange_take(&x)->taken_ns, 0);
    assert_ptr_not_equal(metrics_exchange_take(&x), reading);
    metrics_exchange_close(&x);
}

/* Whoever renders it may take longer than the next ones need to come. */
static void a_sample_that_is_kept_stays(void **state)
{
    struct metrics_exchange x;

    (void)state;
    assert_int_equal(metrics_exchange_init(&x), 0);
    for (uint64_t i = 1; i < 20; i++) {
        metrics_exchange_begin(&x)->taken_ns = i;
        metrics_exchange_publish(&x);
        const struct metrics_sample *kept = metrics_exchange_keep(&x);
        assert_int_equal(kept->taken_ns, i);
        for (uint64_t k = 0; k < i % 4; k++) {
            assert_ptr_not_equal(metrics_exchange_begin(&x), kept);
            x.filling->taken_ns = 100 * i + k;
            metrics_exchange_publish(&x);
            if (i % 2 == 0) {
                assert_int_equal(metrics_exchange_take(&x)->taken_ns, 100 * i + k);
                assert_int_equal(metrics_exchange_take(&x)->taken_ns, 100 * i + k);
            }
        }
        assert_int_equal(kept->taken_ns, i);
    }
    metrics_exchange_close(&x);
}

/* --- the text --- */

static uint64_t beat_of_the_test(const void *arg)
{
    return *(const uint64_t *)arg;
}

/* A view, and the raft loop that it looks at. */
struct shown {
    struct metrics_exchange exchange;
    uint64_t beat_ns;
    struct metrics_view view;
};

static void shown_open(struct shown *s)
{
    *s = (struct shown){.beat_ns = clocks_running_ns()};
    assert_int_equal(metrics_exchange_init(&s->exchange), 0);
    s->view = (struct metrics_view){.exchange = &s->exchange,
                                    .beat_ns = beat_of_the_test,
                                    .beat_arg = &s->beat_ns};
}

static void shown_close(struct shown *s)
{
    metrics_view_close(&s->view);
    metrics_exchange_close(&s->exchange);
}

/* The raft loop tells what it did `age_ns` ago, of so many routes. */
static void shown_tell(struct shown *s, uint64_t age_ns, uint32_t routes)
{
    struct metrics_sample *sample = metrics_exchange_begin(&s->exchange);

    sample->taken_ns = clocks_running_ns() - age_ns;
    sample->leader = sample->time_known = 1;
    sample->n_routes = routes;
    for (uint32_t i = 0; i < routes; i++) {
        snprintf(sample->routes[i].name, sizeof sample->routes[i].name, "route-%u", i);
        sample->routes[i].measured = true;
    }
    metrics_exchange_publish(&s->exchange);
}

static struct shared_text *shown_text(struct shown *s)
{
    struct shared_text *text;
    enum metrics_view_state state;

    while ((state = metrics_view_text(&s->view, &text)) == METRICS_VIEW_MORE) {
        assert_null(text);
    }
    assert_int_equal(state, METRICS_VIEW_READY);
    return text;
}

/* A scraper that asks a thousand times a second has the text made once. */
static void the_text_is_made_once_a_sample(void **state)
{
    struct shown s;
    char reason[HEALTH_REASON_MAX];
    struct health h;

    (void)state;
    shown_open(&s);
    uint64_t made_ns, until_ns;
    struct shared_text *text, *again = NULL;
    do { /* often within a second, however slow the machine */
        text = shown_text(&s);
        made_ns = s.view.text_made_ns;
        for (unsigned i = 0; i < 1000; i++) {
            again = shown_text(&s);
        }
        until_ns = clocks_running_ns();
    } while (until_ns - made_ns >= 1000000000);
    assert_ptr_equal(again, text);
    assert_int_equal(s.view.text_made_ns, made_ns);
    assert_int_equal(text->holders, 1);
    assert_false(metrics_view_is_ready(&s.view, &h));
    shown_tell(&s, 0, 0);
    (void)shown_text(&s);
    assert_int_not_equal(s.view.text_made_ns, made_ns);
    assert_true(metrics_view_is_alive(&s.view, reason));
    assert_true(metrics_view_is_ready(&s.view, &h));
    shown_close(&s);
}

/* The raft loop may hang: it is told for how long. */
static void a_second_later_the_text_is_made_anew(void **state)
{
    struct shown s;

    (void)state;
    shown_open(&s);
    shown_tell(&s, 5000000000, 0);
    struct shared_text *text = shared_text_hold(shown_text(&s));
    s.view.text_made_ns -= 1000000000;
    assert_ptr_not_equal(shown_text(&s), text);
    assert_int_equal(text->holders, 1); /* who was answered with it has it still */
    assert_int_equal(strncmp(text->data, "# HELP ", 7), 0);
    shared_text_release(text);
    shown_close(&s);
}

/* What a text says of the sample's age holds, but for the second for which the text is shown. */
static void no_text_is_older_than_it_says(void **state)
{
    static const char line[] = "\norderschedd_sample_age_seconds ";
    struct shown s;

    (void)state;
    shown_open(&s);
    for (uint64_t age_ns = 0; age_ns < 4000000000; age_ns += 700000000) {
        shown_tell(&s, age_ns, 0);
        uint64_t taken_ns = s.exchange.ready->taken_ns;
        struct shared_text *text = shown_text(&s);
        uint64_t now_ns = clocks_running_ns();
        char *copy = strndup(text->data, text->len);
        const char *at = strstr(copy, line);
        assert_non_null(at);
        double told_s = strtod(at + strlen(line), NULL);
        assert_true(told_s >= (double)age_ns / 1e9 - 1e-6);
        assert_true(told_s <= (double)(now_ns - taken_ns) / 1e9);
        free(copy);
    }
    shown_close(&s);
}

/* Somebody may go whose calls made it; whoever comes next goes on, but not with what is old by now. */
static void a_text_that_was_left_half_made_is_begun_anew(void **state)
{
    struct shown s;
    struct shared_text *text;

    (void)state;
    shown_open(&s);
    shown_tell(&s, 0, 100);
    assert_int_equal(metrics_view_text(&s.view, &text), METRICS_VIEW_MORE);
    uint64_t begun_ns = s.view.render.present.now_ns;
    size_t len = s.view.rendered.len;
    while (metrics_view_text(&s.view, &text) == METRICS_VIEW_MORE &&
           s.view.render.present.now_ns == begun_ns) {
        assert_true(s.view.rendered.len > len);
        len = s.view.rendered.len;
        shown_tell(&s, 0, 50); /* others come meanwhile */
        s.view.rendered_on_ns -= len > (400u << 10) ? 1000000000 : 0;
    }
    assert_int_not_equal(s.view.render.present.now_ns, begun_ns);
    assert_int_equal(s.view.render.sample->n_routes, 50);
    text = shown_text(&s);
    char *copy = strndup(text->data, text->len);
    assert_non_null(strstr(copy, "{route=\"route-49\"}"));
    assert_null(strstr(copy, "{route=\"route-50\"}"));
    free(copy);
    shown_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_whole_sample_is_read),
        cmocka_unit_test(a_sample_that_is_kept_stays),
        cmocka_unit_test(the_text_is_made_once_a_sample),
        cmocka_unit_test(a_second_later_the_text_is_made_anew),
        cmocka_unit_test(no_text_is_older_than_it_says),
        cmocka_unit_test(a_text_that_was_left_half_made_is_begun_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
