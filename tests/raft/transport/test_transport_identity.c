/* test_transport_identity.c - who belongs together: nodes of two clusters refuse each other, and who
 * joins takes over the identity that it finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../support/transport_bed.h"

static void connect_is_refused(struct outlet *o, struct side *from, const struct side *to)
{
    assert_int_equal(outlet_connect(o, from, to->id, to->address), 0);
    assert_true(bed_run_until(from->loop, o->done, 5000));
    assert_int_equal(o->status, RAFT_NOCONNECTION);
    assert_int_equal(to->n_inlets, 0);
}

static void members_of_two_clusters_refuse_each_other_and_both_say_so(void **state)
{
    struct transport_bed *bed = *state;
    struct standing red = {.state = STANDING_MEMBER, .identity = {0xaa}};
    struct standing blue = {.state = STANDING_MEMBER, .identity = {0xbb}};
    struct transport_config config = {.cluster = "shop", .standing = &red};
    struct side one, two;
    struct outlet o;
    side_open_with(&one, &bed->loop, 11, &config);
    config.standing = &blue;
    side_open_with(&two, &bed->loop, 12, &config);
    for (int i = 0; i < 3; i++) {
        connect_is_refused(&o, &one, &two);
    }
    assert_non_null(side_find_line(&one, "node 12 at"));
    assert_non_null(side_find_line(&one, "identity bb000000"));
    assert_non_null(side_find_line(&one, "--join"));
    assert_non_null(side_find_line(&two, "node 11 at"));
    assert_non_null(side_find_line(&two, "identity aa000000"));
    assert_int_equal(one.n_lines, 1); /* it is tried again and again, and said once */
    assert_int_equal(two.n_lines, 1);
    side_close(&one);
    side_close(&two);
}

struct adopted {
    struct standing standing;
    unsigned times;
    int answer;
};

static int adopt_cb(void *arg, const struct standing *standing)
{
    struct adopted *a = arg;
    a->standing = *standing;
    a->times++;
    return a->answer;
}

static void who_joins_stores_the_identity_before_libraft_hears_a_byte(void **state)
{
    struct transport_bed *bed = *state;
    struct standing red = {.state = STANDING_MEMBER, .identity = {0xaa}, .founding = 5};
    struct standing blue = {.state = STANDING_MEMBER, .identity = {0xbb}, .founding = 6};
    struct standing joining = {.state = STANDING_JOINING};
    struct adopted adopted = {.answer = -1};
    struct transport_config config = {.cluster = "shop",
                                      .standing = &joining,
                                      .adopt = adopt_cb,
                                      .cluster_arg = &adopted};
    struct side fresh, one, two;
    struct outlet o, other;
    side_open_with(&fresh, &bed->loop, 13, &config);
    config = (struct transport_config){.cluster = "shop", .standing = &red};
    side_open_with(&one, &bed->loop, 11, &config);
    config.standing = &blue;
    side_open_with(&two, &bed->loop, 12, &config);
    connect_is_refused(&o, &one, &fresh); /* it could not be stored */
    adopted.answer = 0;
    outlet_open(&o, &one, &fresh);
    assert_int_equal(adopted.times, 2);
    assert_int_equal(adopted.standing.identity[0], 0xaa);
    assert_int_equal(adopted.standing.founding, 5);
    assert_int_equal(adopted.standing.state, STANDING_JOINING);
    assert_int_equal(outlet_connect(&other, &two, 13, fresh.address), 0);
    assert_true(bed_run_until(&bed->loop, other.done, 5000));
    assert_int_equal(other.status, RAFT_NOCONNECTION);
    assert_int_equal(adopted.times, 2);
    assert_non_null(side_find_line(&fresh, "node 12 at"));
    outlet_close(&o);
    side_close(&fresh);
    side_close(&one);
    side_close(&two);
}

static void founded_elsewhere_cb(void *arg, const char *sentence)
{
    snprintf(arg, 1024, "%s", sentence);
}

static void a_founder_whose_list_names_a_member_of_a_cluster_is_told(void **state)
{
    struct transport_bed *bed = *state;
    struct standing member, founder;
    struct standing_founder list[] = {{11, "127.0.0.1:7410"}, {12, "127.0.0.1:7420"}};
    char told[1024] = "";
    struct side one, two;
    struct outlet o;
    standing_found(&member, "shop", list, 1);
    member.identity[0] = 0xaa;
    standing_found(&founder, "shop", list, 2);
    struct transport_config config = {.cluster = "shop", .standing = &member};
    side_open_with(&one, &bed->loop, 11, &config);
    config = (struct transport_config){.cluster = "shop",
                                       .standing = &founder,
                                       .founded_elsewhere = founded_elsewhere_cb,
                                       .cluster_arg = told};
    side_open_with(&two, &bed->loop, 12, &config);
    connect_is_refused(&o, &two, &one);
    assert_non_null(strstr(told, "founded by 11=127.0.0.1:7410"));
    assert_non_null(side_find_line(&one, "node 12 at"));
    side_close(&one);
    side_close(&two);
}

struct asked {
    enum transport_answer answer;
    char sentence[1024];
    unsigned times;
};

static void asked_cb(void *arg, enum transport_answer answer, const char *sentence)
{
    struct asked *a = arg;
    a->answer = answer;
    a->times++;
    snprintf(a->sentence, sizeof a->sentence, "%s", sentence);
}

static void who_only_asks_is_told_whether_it_fits_and_neither_side_has_a_connection(void **state)
{
    struct transport_bed *bed = *state;
    struct standing red = {.state = STANDING_MEMBER, .identity = {0xaa}};
    struct standing blue = {.state = STANDING_MEMBER, .identity = {0xbb}};
    struct standing joining = {.state = STANDING_JOINING};
    struct adopted adopted = {.answer = 0};
    struct transport_config config = {.cluster = "shop", .standing = &red};
    struct side one, two, fresh;
    struct asked a = {0}, b = {0};
    side_open_with(&one, &bed->loop, 11, &config);
    config.standing = &blue;
    side_open_with(&two, &bed->loop, 12, &config);
    config = (struct transport_config){.cluster = "shop",
                                       .standing = &joining,
                                       .adopt = adopt_cb,
                                       .cluster_arg = &adopted};
    side_open_with(&fresh, &bed->loop, 13, &config);
    assert_int_equal(transport_ask(&one.t, 12, two.address, 5000, asked_cb, &a), 0);
    assert_int_equal(transport_ask(&one.t, 13, fresh.address, 0, asked_cb, &b), 0);
    assert_int_equal(a.times + b.times, 0); /* never from inside the call */
    assert_true(bed_run_until(&bed->loop, a.times == 1 && b.times == 1, 5000));
    assert_int_equal(a.answer, TRANSPORT_REFUSED);
    assert_non_null(strstr(a.sentence, "identity bb000000"));
    assert_int_equal(b.answer, TRANSPORT_FITS);
    assert_int_equal(adopted.times, 0); /* it may still become another cluster's */
    assert_int_equal(two.n_inlets + fresh.n_inlets, 0);
    assert_int_equal(one.n_lines, 0); /* whoever asked says it */
    side_close(&one);
    side_close(&two);
    side_close(&fresh);
}

static void nobody_there_is_asked_again_until_the_patience_ends_or_the_transport(void **state)
{
    struct transport_bed *bed = *state;
    struct asked a = {0}, b = {0};
    struct side s;
    char address[64];
    bed_free_address(address);
    uint64_t begin_ms = uv_hrtime() / 1000000;
    assert_int_equal(transport_ask(&bed->one.t, 7, address, 300, asked_cb, &a), 0);
    assert_true(bed_run_until(&bed->loop, a.times == 1, 5000));
    assert_int_equal(a.answer, TRANSPORT_GONE); /* as its machine says */
    assert_string_equal(a.sentence, "connection refused");
    assert_true(uv_hrtime() / 1000000 - begin_ms >= 290);
    side_open(&s, &bed->loop, 3, "shop");
    assert_int_equal(transport_ask(&s.t, 7, address, 60000, asked_cb, &b), 0);
    side_close(&s);
    assert_int_equal(b.times, 1);
    assert_int_equal(b.answer, TRANSPORT_SILENT);
}

/* As the kernel of a process that is just ending does: it may or may not be gone. */
static void who_takes_a_connection_and_drops_it_is_not_gone(void **state)
{
    struct transport_bed *bed = *state;
    struct asked a = {0};
    char address[64];
    int listener = raw_listen(address);
    assert_int_equal(transport_ask(&bed->one.t, 7, address, 0, asked_cb, &a), 0);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
    assert_true(bed_run_until(&bed->loop, a.times == 1, 5000));
    assert_int_equal(a.answer, TRANSPORT_SILENT);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_transport_bed(members_of_two_clusters_refuse_each_other_and_both_say_so),
        on_transport_bed(who_joins_stores_the_identity_before_libraft_hears_a_byte),
        on_transport_bed(a_founder_whose_list_names_a_member_of_a_cluster_is_told),
        on_transport_bed(who_only_asks_is_told_whether_it_fits_and_neither_side_has_a_connection),
        on_transport_bed(nobody_there_is_asked_again_until_the_patience_ends_or_the_transport),
        on_transport_bed(who_takes_a_connection_and_drops_it_is_not_gone),
    };
    return cmocka_run_group_tests_name("transport_identity", tests, NULL, NULL);
}
