/* test_acquaintance.c - who may talk to whom (raft/peer/acquaintance.h), and the lists that are compared
 * (raft/peer/standing.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/peer/acquaintance.h"

static const struct standing_founder three[] = {{1, "127.0.0.1:7410"},
                                                {2, "127.0.0.1:7420"},
                                                {3, "127.0.0.1:7430"}};
static const struct standing_founder moved[] = {{1, "127.0.0.1:7410"},
                                                {2, "127.0.0.1:7420"},
                                                {3, "127.0.0.1:7431"}};

/* What a node can be: a cluster's identity or none, and how it came. */
static struct standing founding(const struct standing_founder *list, unsigned n)
{
    struct standing s;

    standing_found(&s, "shop", list, n);
    return s;
}

static struct standing member(uint8_t identity, const struct standing_founder *list, unsigned n)
{
    struct standing s = {0};

    if (n > 0) {
        s = founding(list, n);
    }
    s.state = STANDING_MEMBER;
    s.identity[0] = identity;
    return s;
}

static struct handshake hello(uint64_t from, uint64_t to, const struct standing *standing)
{
    struct handshake h = {.sender = from, .receiver = to, .standing = *standing, .cluster = "shop"};

    snprintf(h.address, sizeof h.address, "127.0.0.1:74%u0", (unsigned)from);
    return h;
}

/* Both judge, 1 having dialed 2; `sentence`: a part of what 1 and 2 must say. */
static void expect(struct standing one, struct standing two, enum acquaintance first,
                   enum acquaintance second, const char *sentence)
{
    struct handshake a = hello(1, 2, &one), b = hello(2, 1, &two);
    char reason[1024] = "";

    assert_int_equal(acquaintance_judge(&a, &b, reason, sizeof reason), first);
    if (sentence != NULL) {
        assert_non_null(strstr(reason, sentence));
    }
    b.receiver = 0; /* it was dialed, and judges before it knows whom it speaks to */
    struct handshake from_one = a;
    assert_int_equal(acquaintance_judge(&b, &from_one, reason, sizeof reason), second);
    if (sentence != NULL) {
        assert_non_null(strstr(reason, sentence));
    }
}

#define FITS ACQUAINTANCE_FITS
#define ADOPT ACQUAINTANCE_ADOPT
#define REFUSED ACQUAINTANCE_REFUSED

static const struct standing joining = {.state = STANDING_JOINING};

static void members_of_one_identity_fit_and_of_two_do_not(void **state)
{
    (void)state;
    expect(member(7, three, 3), member(7, three, 3), FITS, FITS, NULL);
    expect(member(7, three, 3), member(7, NULL, 0), FITS, FITS, NULL);
    expect(member(7, three, 3), member(8, three, 3), REFUSED, REFUSED, "07000000");
    expect(member(7, three, 3), member(8, three, 3), REFUSED, REFUSED, "08000000");
    expect(member(7, three, 3), member(8, three, 3), REFUSED, REFUSED, "--join");
}

static void who_founds_together_has_the_same_list(void **state)
{
    (void)state;
    expect(founding(three, 3), founding(three, 3), FITS, FITS, NULL);
    expect(founding(three, 3), founding(moved, 3), REFUSED, REFUSED,
           "would found another cluster, its --peers differ: node 3 is at 127.0.0.1:743");
    expect(founding(three, 3), founding(three, 2), REFUSED, REFUSED,
           "node 3=127.0.0.1:7430 is in the list");
    expect(founding(three, 3), founding(three + 1, 1), REFUSED, REFUSED, "is in the list");
}

static void a_founder_that_comes_late_fits_the_cluster_of_its_list_only(void **state)
{
    (void)state;
    expect(founding(three, 3), member(7, three, 3), ADOPT, FITS, NULL);
    expect(member(7, three, 3), founding(three, 3), FITS, ADOPT, NULL);
    /* a cluster of one, and an empty node with a list in which that one stands */
    expect(member(7, three, 1), founding(three, 3), REFUSED, REFUSED,
           "founded by 1=127.0.0.1:7410");
    expect(member(7, three, 1), founding(three, 3), REFUSED, REFUSED,
           "under an id that no member of it ever had, then orderctl member add ID 127.0.0.1:7420");
    expect(member(7, NULL, 0), founding(three, 3), REFUSED, REFUSED, "a list not known");
}

static void who_joins_takes_over_the_identity_of_a_member_and_no_other_afterwards(void **state)
{
    struct standing joined = joining, first = member(7, three, 3);

    (void)state;
    expect(first, joining, FITS, ADOPT, NULL);
    standing_adopt(&joined, &first);
    assert_int_equal(joined.state, STANDING_JOINING);
    assert_int_equal(joined.founding, first.founding);
    expect(first, joined, FITS, FITS, NULL);
    expect(member(8, three, 3), joined, REFUSED, REFUSED, "07000000");
    expect(joining, joining, REFUSED, REFUSED, "waits to be added");
    expect(founding(three, 3), joining, REFUSED, REFUSED, "waits to be added");
}

static void members_from_before_identities_fit_each_other_and_their_cluster_only(void **state)
{
    struct standing old = {.state = STANDING_MEMBER};

    (void)state;
    expect(old, old, FITS, FITS, NULL);
    expect(old, member(7, NULL, 0), ADOPT, FITS, NULL);
    expect(old, member(7, three, 3), REFUSED, REFUSED, "before clusters had an identity");
    expect(old, founding(three, 3), REFUSED, REFUSED, "before clusters had an identity");
}

static void only_the_right_peer_of_the_right_cluster_is_no_stranger(void **state)
{
    struct standing s = member(7, three, 3);
    struct handshake own = hello(1, 0, &s), peer = hello(2, 1, &s);
    char reason[1024];

    (void)state;
    assert_int_equal(acquaintance_judge(&own, &peer, reason, sizeof reason), FITS);
    own.receiver = 3; /* another was dialed */
    assert_int_equal(acquaintance_judge(&own, &peer, reason, sizeof reason), ACQUAINTANCE_STRANGER);
    own.receiver = 2;
    peer.receiver = 3; /* it wants another */
    assert_int_equal(acquaintance_judge(&own, &peer, reason, sizeof reason), ACQUAINTANCE_STRANGER);
    peer.receiver = 1;
    peer.sender = 1; /* it has our id */
    assert_int_equal(acquaintance_judge(&own, &peer, reason, sizeof reason), ACQUAINTANCE_STRANGER);
    peer.sender = 2;
    strcpy(peer.cluster, "other");
    assert_int_equal(acquaintance_judge(&own, &peer, reason, sizeof reason), ACQUAINTANCE_STRANGER);
}

/* What ends a founding: a member of the list that is a member elsewhere, and nothing else. */
static void a_founding_ends_where_one_of_its_list_is_a_member_already(void **state)
{
    struct standing mine = founding(three, 3), alone = member(7, three, 1);
    struct standing same = member(7, three, 3), other = founding(moved, 3);
    struct handshake own = hello(2, 0, &mine), peer = hello(1, 2, &alone);

    (void)state;
    assert_true(acquaintance_ends_founding(&own, &peer));
    peer = hello(1, 2, &same);
    assert_false(acquaintance_ends_founding(&own, &peer));
    peer = hello(1, 2, &other);
    assert_false(acquaintance_ends_founding(&own, &peer));
    peer = hello(9, 2, &alone); /* whoever that is, this founding does not need it */
    assert_false(acquaintance_ends_founding(&own, &peer));
    own.standing = member(8, three, 3);
    peer = hello(1, 2, &alone);
    assert_false(acquaintance_ends_founding(&own, &peer));
}

/* --- what was seen --- */

/* A node, by its id (1 or 2) and standing, after so many starts, who has seen the other. */
static struct handshake known(uint64_t id, struct standing standing, const struct lives *lives,
                              const struct lives *seen_lives, bool seen_member)
{
    struct handshake h = hello(id, 3 - id, &standing);
    struct lives_seen seen = {0};

    if (seen_lives != NULL) {
        (void)lives_note(&seen, 3 - id, seen_lives, seen_member);
    }
    acquaintance_tell(&h, lives, &seen, 3 - id);
    return h;
}

static void expect_of(const struct handshake *a, const struct handshake *b, enum acquaintance want,
                      const char *sentence)
{
    char reason[1024] = "";

    assert_int_equal(acquaintance_judge(a, b, reason, sizeof reason), want);
    if (sentence != NULL && strstr(reason, sentence) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", sentence, reason);
    }
}

static void expect_lost(const struct handshake *victim, const struct handshake *witness,
                        const char *sentence)
{
    expect_of(witness, victim, REFUSED, "node 2 at 127.0.0.1:7420 has lost what it had confirmed");
    expect_of(victim, witness, REFUSED, "node 2 at 127.0.0.1:7420 has lost what it had confirmed");
    expect_of(witness, victim, REFUSED, sentence);
    expect_of(victim, witness, REFUSED, "member remove 2");
    assert_true(acquaintance_has_lost(victim, witness));
    assert_false(acquaintance_has_lost(witness, victim));
}

static void a_member_whose_starts_are_not_the_ones_that_were_seen_is_refused(void **state)
{
    struct standing m = member(7, three, 3);
    struct lives own = {0}, five = {0}, copy, next;
    struct handshake witness, peer;

    (void)state;
    lives_begin(&own, 1);
    for (uint64_t mark = 51; mark <= 55; mark++) {
        copy = five;
        lives_begin(&five, mark);
    }
    witness = known(1, m, &own, &five, true);
    peer = known(2, m, &five, &own, true);
    expect_of(&witness, &peer, FITS, NULL);
    expect_of(&peer, &witness, FITS, NULL);
    next = five;
    lives_begin(&next, 56); /* it was killed, and comes back */
    peer = known(2, m, &next, &own, true);
    expect_of(&witness, &peer, FITS, NULL);
    peer = known(2, m, &copy, &own, true); /* a copy that was made before start 5 */
    expect_lost(&peer, &witness, "this is its start 4, and node 1 has seen its start 5");
    lives_begin(&copy, 65);
    peer = known(2, m, &copy, &own, true);
    expect_lost(&peer, &witness, "or a copy runs elsewhere: node 1 has seen another start 5");
    lives_begin(&copy, 66);
    peer = known(2, m, &copy, &own, true);
    expect_lost(&peer, &witness, "another start 5");
}

static void who_comes_empty_under_an_id_that_was_seen_is_refused(void **state)
{
    struct standing m = member(7, three, 3), found = founding(three, 3);
    struct lives own = {0}, old = {0}, none = {0}, fresh = {0};
    struct handshake witness, peer;

    (void)state;
    lives_begin(&own, 1);
    lives_begin(&old, 51);
    lives_begin(&fresh, 61);
    witness = known(1, m, &own, &old, true);
    peer = known(2, found, &fresh, NULL, false);
    expect_lost(&peer, &witness, "it starts with an empty directory, and node 1 has seen it");
    assert_true(acquaintance_ends_founding(&peer, &witness));
    assert_false(acquaintance_ends_founding(&witness, &peer));
    peer = known(2, joining, &fresh, NULL, false);
    expect_lost(&peer, &witness, "empty directory");
    witness = known(1, m, &own, &none, true); /* it was of a version that told no starts */
    expect_lost(&peer, &witness, "empty directory");
    witness = known(1, found, &own, &old, false); /* the founding had begun: it may have voted */
    peer = known(2, found, &fresh, NULL, false);
    expect_lost(&peer, &witness, "empty directory");
    lives_begin(&fresh, 62);
    peer = known(2, found, &fresh, NULL, false);
    expect_lost(&peer, &witness, "empty directory");
}

static void who_tells_no_starts_or_is_not_remembered_is_judged_as_before(void **state)
{
    struct standing m = member(7, three, 3), found = founding(three, 3);
    struct lives own = {0}, old = {0}, none = {0};
    struct handshake witness, peer;

    (void)state;
    lives_begin(&own, 1);
    lives_begin(&old, 51);
    witness = known(1, m, &own, &old, true);
    peer = known(2, m, &none, &own, true); /* of a version that tells none */
    expect_of(&witness, &peer, FITS, NULL);
    witness = known(1, m, &own, NULL, false);
    peer = known(2, found, &old, NULL, false); /* a founder that comes late */
    expect_of(&witness, &peer, FITS, NULL);
    expect_of(&peer, &witness, ADOPT, NULL);
    witness = known(1, m, &own, &old, false); /* it was seen while it founded */
    expect_of(&witness, &peer, FITS, NULL);
    expect_of(&peer, &witness, ADOPT, NULL);
    assert_false(acquaintance_ends_founding(&peer, &witness));
}

static void a_list_is_the_same_in_any_order_and_letter_case(void **state)
{
    const struct standing_founder turned[] = {{10, "Host-B:7400"}, {9, "host-a:7400"}};
    const struct standing_founder plain[] = {{9, "host-a:7400"}, {10, "host-b:7400"}};
    struct standing a, b;

    (void)state;
    standing_found(&a, "shop", turned, 2);
    standing_found(&b, "shop", plain, 2);
    assert_int_equal(a.founding, b.founding);
    assert_string_equal(a.founders, "9=host-a:7400,10=host-b:7400");
    standing_found(&b, "shop2", plain, 2);
    assert_int_not_equal(a.founding, b.founding);
    assert_true(standing_names(&a, 10));
    assert_false(standing_names(&a, 1));
}

static void an_identity_is_read_back_from_its_text(void **state)
{
    struct standing s = member(0xab, three, 3), back = {0};
    char text[STANDING_IDENTITY_TEXT], brief[9];

    (void)state;
    s.identity[15] = 0x0f;
    standing_identity_text(s.identity, text);
    assert_string_equal(text, "ab00000000000000000000000000000f");
    assert_true(standing_identity_parse(text, back.identity));
    assert_memory_equal(back.identity, s.identity, sizeof s.identity);
    assert_false(standing_identity_parse("ab", back.identity));
    assert_false(standing_identity_parse("xb00000000000000000000000000000f", back.identity));
    assert_string_equal(standing_brief(s.identity, brief), "ab000000");
    assert_string_equal(standing_brief(joining.identity, brief), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_one_identity_fit_and_of_two_do_not),
        cmocka_unit_test(who_founds_together_has_the_same_list),
        cmocka_unit_test(a_founder_that_comes_late_fits_the_cluster_of_its_list_only),
        cmocka_unit_test(who_joins_takes_over_the_identity_of_a_member_and_no_other_afterwards),
        cmocka_unit_test(members_from_before_identities_fit_each_other_and_their_cluster_only),
        cmocka_unit_test(only_the_right_peer_of_the_right_cluster_is_no_stranger),
        cmocka_unit_test(a_founding_ends_where_one_of_its_list_is_a_member_already),
        cmocka_unit_test(a_member_whose_starts_are_not_the_ones_that_were_seen_is_refused),
        cmocka_unit_test(who_comes_empty_under_an_id_that_was_seen_is_refused),
        cmocka_unit_test(who_tells_no_starts_or_is_not_remembered_is_judged_as_before),
        cmocka_unit_test(a_list_is_the_same_in_any_order_and_letter_case),
        cmocka_unit_test(an_identity_is_read_back_from_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
