/* Is a leader whose connection has ended still running? Real sockets; the follower is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../node/leader_watch.h"
#include "../support/transport_bed.h"

struct scene {
    struct transport_bed *bed;
    struct leader_watch watch;
    uint64_t leader;
    char address[64];
    uint64_t told;  /* gone() was called for this one, */
    unsigned times; /* so often */
    unsigned stands, stands_wanted;
    uint64_t stood;
};

static uint64_t scene_leader(void *arg, const char **address)
{
    struct scene *s = arg;

    *address = s->leader != 0 ? s->address : NULL;
    return s->leader;
}

static bool scene_gone(void *arg, uint64_t id, unsigned *wait_ms)
{
    struct scene *s = arg;

    s->told = id;
    s->times++;
    *wait_ms = 20;
    return id == s->leader;
}

static bool scene_stand(void *arg, uint64_t id)
{
    struct scene *s = arg;

    s->stood = id;
    return ++s->stands >= s->stands_wanted;
}

static void scene_open(struct scene *s, struct transport_bed *bed)
{
    const struct leader_watch_follower follower = {s, scene_leader, scene_gone, scene_stand};

    *s = (struct scene){.bed = bed, .leader = 7, .stands_wanted = 1};
    leader_watch_init(&s->watch, &bed->loop, &bed->one.t, &follower);
}

static void scene_run_for(struct scene *s, unsigned ms)
{
    uint64_t until_ms = uv_hrtime() / 1000000 + ms;

    while (uv_hrtime() / 1000000 < until_ms) {
        bed_turn(&s->bed->loop);
    }
}

static void where_nobody_listens_the_follower_is_told_and_stands(void **state)
{
    struct scene s;

    scene_open(&s, *state);
    s.stands_wanted = 3; /* its disk is behind, twice */
    bed_free_address(s.address);
    leader_watch_ended(&s.watch, 8); /* who does not lead is not asked about */
    scene_run_for(&s, 30);
    assert_int_equal(s.times, 0);
    leader_watch_ended(&s.watch, 7);
    leader_watch_ended(&s.watch, 7);
    assert_true(bed_run_until(&s.bed->loop, s.stands == 3, 5000));
    assert_int_equal(s.told, 7);
    assert_int_equal(s.times, 1);
    assert_int_equal(s.stood, 7);
    scene_run_for(&s, 30);
    assert_int_equal(s.stands, 3);
    leader_watch_ended(&s.watch, 7); /* it came back, and died again */
    assert_true(bed_run_until(&s.bed->loop, s.times == 2 && s.stands == 4, 5000));
    leader_watch_close(&s.watch);
    bed_turn(&s.bed->loop);
}

static void who_is_just_ending_is_asked_again(void **state)
{
    struct scene s;

    scene_open(&s, *state);
    int listener = raw_listen(s.address);
    leader_watch_ended(&s.watch, 7);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    close(listener);
    assert_int_equal(s.times, 0);
    close(fd); /* dropped: nothing is known yet */
    assert_true(bed_run_until(&s.bed->loop, s.stands == 1, 5000));
    assert_int_equal(s.told, 7);
    leader_watch_close(&s.watch);
    bed_turn(&s.bed->loop);
}

static void who_answers_is_not_gone(void **state)
{
    struct scene s;

    scene_open(&s, *state);
    s.leader = 2;
    snprintf(s.address, sizeof s.address, "%s", s.bed->two.address);
    leader_watch_ended(&s.watch, 2);
    scene_run_for(&s, 300);
    assert_int_equal(s.times, 0);
    assert_int_equal(s.watch.id, 0);
    leader_watch_close(&s.watch);
    bed_turn(&s.bed->loop);
}

/* The machine of the first says nothing at all, for longer than the second leads. */
static void a_second_leaders_death_is_noticed_while_the_first_is_asked_about(void **state)
{
    struct scene s;

    scene_open(&s, *state);
    int silent = raw_listen(s.address);
    leader_watch_ended(&s.watch, 7);
    scene_run_for(&s, 50);
    assert_int_equal(s.times, 0);
    s.leader = 9;
    bed_free_address(s.address);
    leader_watch_ended(&s.watch, 9);
    assert_true(bed_run_until(&s.bed->loop, s.stands == 1, 1500));
    assert_int_equal(s.told, 9);
    assert_int_equal(s.stood, 9);
    close(silent); /* the first one's answer comes too late for anything */
    scene_run_for(&s, 100);
    assert_int_equal(s.times, 1);
    s.leader = 7;
    leader_watch_ended(&s.watch, 7);
    leader_watch_close(&s.watch); /* with an ask under way */
    scene_run_for(&s, 50);
    assert_int_equal(s.times, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_transport_bed(where_nobody_listens_the_follower_is_told_and_stands),
        on_transport_bed(who_is_just_ending_is_asked_again),
        on_transport_bed(who_answers_is_not_gone),
        on_transport_bed(a_second_leaders_death_is_noticed_while_the_first_is_asked_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
