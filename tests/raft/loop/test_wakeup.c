/* Waking a loop from other threads: nothing is missed, and no sender keeps the loop waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "../../../raft/loop/wakeup.h"

#define SENDERS 4
#define SENDS 50000

struct scene {
    uv_loop_t loop;
    struct wakeup wakeup;
    atomic_uint queued; /* what senders have put before they sent */
    unsigned seen;      /* of it, when the loop looked last */
    unsigned calls, closed;
    unsigned until; /* close when so much was seen */
};

static void scene_closed(void *arg)
{
    struct scene *s = arg;

    s->closed++;
}

static void scene_woken(void *arg)
{
    struct scene *s = arg;

    s->calls++;
    s->seen = atomic_load(&s->queued);
    if (s->seen == s->until) {
        wakeup_close(&s->wakeup, scene_closed);
    }
}

static void scene_init(struct scene *s, unsigned until)
{
    *s = (struct scene){.until = until};
    assert_int_equal(uv_loop_init(&s->loop), 0);
    assert_int_equal(wakeup_init(&s->wakeup, &s->loop, scene_woken, s), 0);
}

static void scene_end(struct scene *s)
{
    assert_int_equal(s->closed, 1);
    wakeup_free(&s->wakeup);
    assert_int_equal(uv_loop_close(&s->loop), 0);
}

static void put(struct scene *s)
{
    atomic_fetch_add(&s->queued, 1);
    wakeup_send(&s->wakeup);
}

static void *sender(void *arg)
{
    for (unsigned i = 0; i < SENDS; i++) {
        put(arg);
    }
    return NULL;
}

static void what_was_put_before_a_send_is_seen(void **state)
{
    struct scene s;
    pthread_t threads[SENDERS];

    (void)state;
    scene_init(&s, SENDERS * SENDS);
    for (unsigned i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, sender, &s), 0);
    }
    uv_run(&s.loop, UV_RUN_DEFAULT); /* for ever, if the last one was missed */
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(s.seen, SENDERS * SENDS);
    assert_true(s.calls >= 1 && s.calls <= SENDERS * SENDS);
    scene_end(&s);
}

static void several_sends_wake_once_and_a_later_one_again(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s, 4);
    put(&s);
    put(&s);
    put(&s);
    uv_run(&s.loop, UV_RUN_NOWAIT);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.seen, 3);
    uv_run(&s.loop, UV_RUN_NOWAIT);
    assert_int_equal(s.calls, 1);
    put(&s);
    uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.seen, 4);
    scene_end(&s);
}

static void put_again(void *arg)
{
    struct scene *s = arg;

    s->calls++;
    s->seen = atomic_load(&s->queued);
    if (s->seen < s->until) {
        put(s); /* after it was looked: it must be looked at again */
    } else {
        wakeup_close(&s->wakeup, scene_closed);
    }
}

static void a_send_from_within_the_callback_wakes_again(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s, 3);
    s.wakeup.cb = put_again;
    put(&s);
    for (unsigned i = 0; i < 10; i++) {
        uv_run(&s.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(s.calls, 3);
    assert_int_equal(s.seen, 3);
    scene_end(&s);
}

/* It has written, and has not come back from that: to the loop it makes no difference. */
static void a_sender_that_stands_still_within_a_send_keeps_nobody_waiting(void **state)
{
    struct scene s;
    const uint64_t one = 1;

    (void)state;
    scene_init(&s, 2);
    atomic_store(&s.wakeup.sent, true);
    assert_int_equal(write(s.wakeup.fd, &one, sizeof one), sizeof one);
    atomic_store(&s.queued, 1);
    uv_run(&s.loop, UV_RUN_NOWAIT);
    assert_int_equal(s.calls, 1);
    /* Not even written yet: the next round sees what is there, when it is. */
    atomic_store(&s.wakeup.sent, true);
    uv_run(&s.loop, UV_RUN_NOWAIT);
    assert_int_equal(s.calls, 1);
    atomic_store(&s.queued, 2);
    assert_int_equal(write(s.wakeup.fd, &one, sizeof one), sizeof one);
    uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_int_equal(s.calls, 2);
    scene_end(&s);
}

/* The owner's threads may still send while it ends. */
static void a_send_after_the_close_wakes_nobody(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s, 1);
    put(&s);
    uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_int_equal(s.closed, 1);
    put(&s);
    uv_run(&s.loop, UV_RUN_DEFAULT);
    assert_int_equal(s.calls, 1);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_before_a_send_is_seen),
        cmocka_unit_test(several_sends_wake_once_and_a_later_one_again),
        cmocka_unit_test(a_send_from_within_the_callback_wakes_again),
        cmocka_unit_test(a_sender_that_stands_still_within_a_send_keeps_nobody_waiting),
        cmocka_unit_test(a_send_after_the_close_wakes_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
