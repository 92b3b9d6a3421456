/* Quotas of grants: operations a second, pending orders and their bytes (docs/roles.md, "Quotas"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../raft/core/snapshot.h"
#include "../../../raft/core/snapshot_format.h"
#include "../../support/bench/snapshot_bench.h"
#include "../../support/book.h"

#define T BED_T0
#define FAR (T + 100000)

#define assert_quota(r, kind_, wait_ms_)                   \
    do {                                                   \
        struct result r_ = (r);                            \
        assert_int_equal(r_.error, ORDERSCHED_QUOTA);      \
        assert_int_equal(r_.quota, (kind_));               \
        assert_int_equal(r_.remaining_ms, (wait_ms_));     \
        assert_int_equal(r_.state, ORDERSCHED_STATE_NONE); \
        assert_int_equal(r_.deadline_ms, 0);               \
        assert_int_equal(r_.index, 0);                     \
        assert_false(r_.recent);                           \
    } while (0)

static const struct principal *principal(struct book *k, const char *name)
{
    return grants_find(&k->b->m.grants, bed_text(name));
}

static const struct quota_account *account(struct book *k, const char *name)
{
    return grants_accounts(&k->b->m.grants, principal(k, name));
}

/* The shop's grant from now on. */
static void limit(struct book *k, uint64_t rate, uint64_t orders, uint64_t bytes)
{
    k->quota = (struct quota){rate, orders, bytes};
    struct result r = book_ask(k, ROOT,
                               book_put(k, "shop", PRINCIPAL_TOKEN, ROLE_PRODUCER, "shop", "s"));
    assert_int_equal(r.error, ORDERSCHED_OK);
    k->quota = (struct quota){0};
}

static int error_of(struct book *k, struct operation op)
{
    return book_ask(k, SHOP, op).error;
}

static int schedule(struct book *k, const char *id)
{
    return error_of(k, bed_schedule(k->b, id, FAR));
}

static void a_second_has_so_many_operations(void **state)
{
    struct book *k = *state;

    limit(k, 4, 0, 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(error_of(k, bed_pay(k->b, "s1")), ORDERSCHED_NOT_FOUND);
    }
    assert_quota(book_ask(k, SHOP, bed_pay(k->b, "s1")), QUOTA_OPERATIONS, 250);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s1", FAR)), QUOTA_OPERATIONS, 250);
    bed_pass(k->b, T + 249);
    assert_quota(book_ask(k, SHOP, bed_pay(k->b, "s1")), QUOTA_OPERATIONS, 1);
    bed_pass(k->b, T + 250);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    assert_quota(book_ask(k, SHOP, bed_pay(k->b, "s1")), QUOTA_OPERATIONS, 250);
    /* however long nothing is asked for, no more than that */
    bed_pass(k->b, T + 60000);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(error_of(k, bed_extend(k->b, "s1", FAR)), ORDERSCHED_OK);
    }
    assert_quota(book_ask(k, SHOP, bed_extend(k->b, "s1", FAR)), QUOTA_OPERATIONS, 250);
}

static void in_one_entry_they_are_charged_in_order(void **state)
{
    struct book *k = *state;
    struct operation caller = book_by(k, SHOP);

    limit(k, 2, 0, 0);
    bed_add(k->b, &caller);
    for (unsigned i = 0; i < 3; i++) {
        char id[] = {'s', (char)('1' + i), 0};
        struct operation op = bed_schedule(k->b, id, FAR);
        bed_add(k->b, &op);
    }
    const struct result *r = bed_commit(k->b, T);
    assert_int_equal(r[1].error, ORDERSCHED_OK);
    assert_int_equal(r[2].error, ORDERSCHED_OK);
    assert_quota(r[3], QUOTA_OPERATIONS, 500);
}

static void a_copy_is_charged_once_and_answered_without_room(void **state)
{
    struct book *k = *state;

    limit(k, 2, 0, 0);
    struct operation make = bed_schedule(k->b, "s1", FAR), lost = bed_pay(k->b, "s9");
    assert_int_equal(error_of(k, make), ORDERSCHED_OK);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(error_of(k, make), ORDERSCHED_OK);
    }
    assert_int_equal(error_of(k, lost), ORDERSCHED_NOT_FOUND);
    assert_quota(book_ask(k, SHOP, bed_pay(k->b, "s1")), QUOTA_OPERATIONS, 500);
    assert_int_equal(error_of(k, make), ORDERSCHED_OK);
    assert_int_equal(error_of(k, lost), ORDERSCHED_NOT_FOUND);
    /* nor is it given anything back */
    assert_quota(book_ask(k, SHOP, bed_pay(k->b, "s1")), QUOTA_OPERATIONS, 500);
}

static void what_was_refused_by_a_quota_may_come_again_as_it_is(void **state)
{
    struct book *k = *state;

    limit(k, 1, 0, 0);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    struct operation pay = bed_pay(k->b, "s1");
    assert_quota(book_ask(k, SHOP, pay), QUOTA_OPERATIONS, 1000);
    bed_pass(k->b, T + 1000);
    assert_int_equal(error_of(k, pay), ORDERSCHED_OK);
    assert_int_equal(bed_order(k->b, "s1")->state, ORDERSCHED_PAID);
}

static void what_is_not_remembered_is_not_charged(void **state)
{
    struct book *k = *state;
    uint8_t early[ORDERSCHED_REQUEST_ID_SIZE];

    limit(k, 1, 0, 0);
    struct operation pay = bed_pay(k->b, "s1");
    memcpy(early, pay.request_id, sizeof early);
    early[0] = 0xff;
    pay.request_id = early;
    assert_int_equal(error_of(k, pay), ORDERSCHED_EARLY_REQUEST);
    assert_denied(book_ask(k, SHOP, bed_pay(k->b, "other")), LACK_PREFIX);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
}

static void pending_orders_count_until_they_are_decided(void **state)
{
    struct book *k = *state;

    limit(k, 0, 2, 0);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s2"), ORDERSCHED_OK);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s3", FAR)), QUOTA_ORDERS, 0);
    assert_int_equal(error_of(k, bed_extend(k->b, "s1", FAR + 1)), ORDERSCHED_OK);
    assert_int_equal(error_of(k, bed_pay(k->b, "s1")), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s3"), ORDERSCHED_OK);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s4", FAR)), QUOTA_ORDERS, 0);
    /* who decides does not matter */
    assert_int_equal(book_ask(k, ROOT, bed_cancel(k->b, "s2")).error, ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s4"), ORDERSCHED_OK);
    assert_int_equal(account(k, "shop")->orders, 2);
    uint64_t bytes = bed_order(k->b, "s3")->payload_len + bed_order(k->b, "s4")->payload_len + 4u;
    assert_int_equal(account(k, "shop")->bytes, bytes);
}

static void a_dead_letter_counts_until_it_is_dropped_and_an_expired_order_does_not(void **state)
{
    struct book *k = *state;

    limit(k, 0, 2, 0);
    assert_int_equal(error_of(k, bed_schedule(k->b, "s1", T + 10)), ORDERSCHED_OK);
    assert_int_equal(error_of(k, bed_schedule(k->b, "s2", T + 10)), ORDERSCHED_OK);
    bed_pass(k->b, T + 10);
    assert_int_equal(schedule(k, "s3"), ORDERSCHED_QUOTA); /* closing */
    bed_apply(k->b, T + 10, bed_outcome(k->b, "s1", 1, 1, OUTCOME_EXPIRED, 0));
    assert_int_equal(schedule(k, "s3"), ORDERSCHED_OK);
    for (uint32_t attempt = 1; bed_order(k->b, "s2")->state == ORDERSCHED_PENDING; attempt++) {
        bed_pass(k->b, k->b->m.now_ms + 5000);
        bed_apply(k->b, k->b->m.now_ms, bed_outcome(k->b, "s2", 1, attempt, OUTCOME_FAILED, 0));
    }
    assert_int_equal(bed_order(k->b, "s2")->state, ORDERSCHED_DEAD);
    assert_int_equal(schedule(k, "s4"), ORDERSCHED_QUOTA);
    struct operation redrive = bed_pay(k->b, "s2");
    redrive.code = OPERATION_DEAD_REDRIVE;
    assert_int_equal(book_ask(k, ROOT, redrive).error, ORDERSCHED_OK);
    assert_int_equal(account(k, "shop")->orders, 2);
    for (uint32_t attempt = bed_order(k->b, "s2")->extra->attempts + 1;
         bed_order(k->b, "s2")->state == ORDERSCHED_PENDING; attempt++) {
        bed_pass(k->b, k->b->m.now_ms + 5000);
        bed_apply(k->b, k->b->m.now_ms, bed_outcome(k->b, "s2", 1, attempt, OUTCOME_FAILED, 0));
    }
    struct operation drop = bed_pay(k->b, "s2");
    drop.code = OPERATION_DEAD_DROP;
    assert_int_equal(book_ask(k, ROOT, drop).error, ORDERSCHED_OK);
    assert_int_equal(account(k, "shop")->orders, 1);
}

static void bytes_are_those_of_ids_and_payloads(void **state)
{
    struct book *k = *state;
    struct operation op = bed_schedule(k->b, "s1", FAR);

    limit(k, 0, 0, 10);
    op.payload = bed_text("12345678");
    assert_int_equal(error_of(k, op), ORDERSCHED_OK);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s", FAR)), QUOTA_BYTES, 0);
    assert_int_equal(error_of(k, bed_cancel(k->b, "s1")), ORDERSCHED_OK);
    op = bed_schedule(k->b, "s22", FAR);
    op.payload = bed_text("12345678");
    assert_quota(book_ask(k, SHOP, op), QUOTA_BYTES, 0); /* nor ever */
    assert_int_equal(schedule(k, "s"), ORDERSCHED_OK);
}

static void a_refusal_does_not_tell_whether_an_order_exists(void **state)
{
    struct book *k = *state;

    limit(k, 0, 1, 0);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    assert_int_equal(book_ask(k, ROOT, bed_schedule(k->b, "s2", FAR)).error, ORDERSCHED_OK);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s1", FAR)), QUOTA_ORDERS, 0);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s2", FAR)), QUOTA_ORDERS, 0);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s3", FAR)), QUOTA_ORDERS, 0);
}

/* Two grants of different prefixes, the second without a quota. */
static struct operation put_two(struct book *k, struct quota first, struct quota second)
{
    struct operation op = book_put(k, "shop", PRINCIPAL_TOKEN, ROLE_PRODUCER, "shop", "s");

    buffer_reset(&k->elements);
    grant_write(&k->elements, &(struct grant){ROLE_PRODUCER, bed_text("*"), bed_text("s"), first});
    grant_write(&k->elements,
                &(struct grant){ROLE_PRODUCER, bed_text("shop"), bed_text("s1"), second});
    op.n_tokens = 2;
    op.tokens = (struct slice){k->elements.data, k->elements.len};
    return op;
}

static void the_first_grant_that_covers_it_and_has_room_is_charged(void **state)
{
    struct book *k = *state;

    struct operation op = put_two(k, (struct quota){0, 1, 0}, (struct quota){0, 1, 0});
    assert_int_equal(book_ask(k, ROOT, op).error, ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s10"), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s11"), ORDERSCHED_OK);
    assert_int_equal(account(k, "shop")[0].orders, 1);
    assert_int_equal(account(k, "shop")[1].orders, 1);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s12", FAR)), QUOTA_ORDERS, 0);
    assert_int_equal(error_of(k, bed_pay(k->b, "s11")), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s2"), ORDERSCHED_QUOTA); /* not the second's */
    assert_int_equal(schedule(k, "s12"), ORDERSCHED_OK);
    op = put_two(k, (struct quota){1, 0, 0}, (struct quota){0});
    assert_int_equal(book_ask(k, ROOT, op).error, ORDERSCHED_OK);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(error_of(k, bed_extend(k->b, "s12", FAR)), ORDERSCHED_OK);
    }
}

static void of_two_shortages_the_one_that_is_over_first_is_told(void **state)
{
    struct book *k = *state;

    struct operation op = put_two(k, (struct quota){1, 0, 0}, (struct quota){4, 0, 0});
    assert_int_equal(book_ask(k, ROOT, op).error, ORDERSCHED_OK);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(error_of(k, bed_pay(k->b, "s1")), ORDERSCHED_NOT_FOUND);
    }
    struct result r = book_ask(k, SHOP, bed_pay(k->b, "s1"));
    assert_quota(r, QUOTA_OPERATIONS, 250);
    assert_int_equal(r.grant, 1);
}

static void a_changed_grant_keeps_what_was_counted(void **state)
{
    struct book *k = *state;

    limit(k, 0, 3, 0);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s2"), ORDERSCHED_OK);
    limit(k, 0, 1, 0);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s3", FAR)), QUOTA_ORDERS, 0);
    limit(k, 0, 0, 0);
    assert_int_equal(schedule(k, "s3"), ORDERSCHED_OK); /* and is counted nowhere */
    limit(k, 0, 3, 0);
    assert_int_equal(schedule(k, "s4"), ORDERSCHED_OK);
    assert_int_equal(account(k, "shop")->orders, 3);
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s5", FAR)), QUOTA_ORDERS, 0);
}

static void who_is_named_again_begins_anew(void **state)
{
    struct book *k = *state;

    limit(k, 0, 1, 0);
    uint16_t slot = principal(k, "shop")->slot;
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    assert_int_equal(book_ask(k, ROOT, book_change(k, OPERATION_GRANT_REVOKE, "shop")).error, 0);
    assert_true(grants_have_quotas(&k->b->m.grants)); /* s1 is counted still */
    k->quota = (struct quota){0, 1, 0};
    assert_int_equal(
        book_ask(k, ROOT, book_create(k, "shop", SHOP, 0, ROLE_PRODUCER, "shop", "s")).error, 0);
    assert_int_not_equal(principal(k, "shop")->slot, slot);
    assert_int_equal(schedule(k, "s2"), ORDERSCHED_OK);
    assert_int_equal(error_of(k, bed_pay(k->b, "s1")), ORDERSCHED_OK); /* another's */
    assert_quota(book_ask(k, SHOP, bed_schedule(k->b, "s3", FAR)), QUOTA_ORDERS, 0);
    /* the slot is free again */
    assert_int_equal(
        book_ask(k, ROOT, book_create(k, "next", OTHER, 0, ROLE_PRODUCER, "*", "")).error, 0);
    assert_int_equal(principal(k, "next")->slot, slot);
    machine_check(&k->b->m);
}

static int put_limited(struct book *k, const char *name, uint64_t orders)
{
    k->quota = (struct quota){0, orders, 0};
    struct result r = book_ask(k, ROOT,
                               book_put(k, name, PRINCIPAL_CERTIFICATE, ROLE_PRODUCER, "*", ""));
    k->quota = (struct quota){0};
    return r.error;
}

static void there_are_2047_slots_and_each_is_used_again_once_its_orders_are_decided(void **state)
{
    struct book *k = *state;
    char name[16];

    for (unsigned i = 1; i < QUOTA_SLOTS; i++) {
        snprintf(name, sizeof name, "q%u", i);
        assert_int_equal(put_limited(k, name, 1), ORDERSCHED_OK);
        struct operation op = bed_schedule(k->b, name, FAR);
        assert_int_equal(book_ask_as_certificate(k, name, op).error, ORDERSCHED_OK);
        op = book_change(k, OPERATION_GRANT_REVOKE, name);
        assert_int_equal(book_ask(k, ROOT, op).error, ORDERSCHED_OK);
    }
    assert_int_equal(put_limited(k, "more", 1), ORDERSCHED_TOO_MANY_PRINCIPALS);
    assert_int_equal(put_limited(k, "more", 0), ORDERSCHED_OK);
    assert_int_equal(put_limited(k, "more", 1), ORDERSCHED_TOO_MANY_PRINCIPALS);
    assert_int_equal(book_ask(k, ROOT, bed_pay(k->b, "q1000")).error, ORDERSCHED_OK);
    assert_int_equal(put_limited(k, "more", 1), ORDERSCHED_OK);
    assert_int_equal(principal(k, "more")->slot, 1000);
    machine_check(&k->b->m);
}

static void while_authorisation_is_off_nothing_is_charged(void **state)
{
    struct book *k = *state;

    limit(k, 1, 1, 0);
    assert_int_equal(book_ask(k, ROOT, book_authorize(k, false)).error, ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s2"), ORDERSCHED_OK);
    assert_int_equal(account(k, "shop")->orders, 0);
}

static void an_administrators_changes_are_charged_too(void **state)
{
    struct book *k = *state;

    k->quota = (struct quota){1, 0, 0};
    assert_int_equal(book_ask(k, ROOT, book_create(k, "second", OPS, 0, ROLE_ADMIN, "*", "")).error,
                     0);
    k->quota = (struct quota){0};
    assert_int_equal(book_ask(k, OPS, book_change(k, OPERATION_GRANT_REVOKE, "second")).error, 0);
    assert_int_equal(book_ask(k, ROOT, book_create(k, "second", OPS, 0, ROLE_ADMIN, "*", "")).error,
                     0);
    assert_int_equal(account(k, "second") == NULL, true);
    k->quota = (struct quota){1, 0, 0};
    assert_int_equal(
        book_ask(k, ROOT, book_put(k, "second", PRINCIPAL_TOKEN, ROLE_ADMIN, "*", "")).error, 0);
    assert_int_equal(book_ask(k, OPS, bed_clock_trust(k->b, 2)).error, ORDERSCHED_OK);
    assert_quota(book_ask(k, OPS, bed_clock_trust(k->b, 3)), QUOTA_OPERATIONS, 1000);
    assert_int_equal(k->b->m.clock_trusted, 2);
}

static void a_time_set_back_fills_the_bucket(void **state)
{
    struct book *k = *state;
    struct buffer tokens = {0};

    limit(k, 1, 0, 0);
    bed_pass(k->b, T + 50000);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s2"), ORDERSCHED_QUOTA);
    bed_apply(k->b, T + 50000, machine_set_back_operation(&k->b->m, T + 10, &tokens));
    assert_int_equal(k->b->m.now_ms, T + 10);
    assert_int_equal(schedule(k, "s2"), ORDERSCHED_OK);
    assert_quota(book_ask(k, SHOP, bed_pay(k->b, "s2")), QUOTA_OPERATIONS, 1000);
    buffer_free(&tokens);
}

/* --- snapshots --- */

static void take_and_compare(struct machine *m, uint32_t version)
{
    struct snapshot_bytes snapshot = snapshot_of(m);
    struct machine other;

    machine_init(&other);
    assert_int_equal(snapshot.data[8], version);
    assert_int_equal(snapshot_restore(&other, snapshot.data, snapshot.len), SNAPSHOT_OK);
    machine_check(&other);
    assert_int_equal(machine_digest(&other), machine_digest(m));
    for (uint32_t i = 0; m->grants.accounts != NULL && i < QUOTA_CHARGES; i++) {
        struct quota_account none = {0};
        const struct quota_account *a = &m->grants.accounts[i], *b = other.grants.accounts != NULL
                                                                         ? &other.grants.accounts[i]
                                                                         : &none;
        assert_int_equal(a->orders, b->orders);
        assert_int_equal(a->bytes, b->bytes);
        assert_int_equal(a->bucket.time_ms, b->bucket.time_ms);
        assert_int_equal(a->bucket.level, b->bucket.level);
    }
    machine_close(&other);
    free(snapshot.data);
}

static void what_is_used_comes_back_from_a_snapshot(void **state)
{
    struct book *k = *state;

    take_and_compare(&k->b->m, SNAPSHOT_VERSION_GRANTS);
    limit(k, 3, 5, 0);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s2"), ORDERSCHED_OK);
    assert_int_equal(error_of(k, bed_extend(k->b, "s2", FAR)), ORDERSCHED_OK);
    take_and_compare(&k->b->m, SNAPSHOT_VERSION_QUOTAS);
    assert_int_equal(book_ask(k, ROOT, book_change(k, OPERATION_GRANT_REVOKE, "shop")).error, 0);
    take_and_compare(&k->b->m, SNAPSHOT_VERSION_QUOTAS);
    assert_int_equal(book_ask(k, ROOT, bed_pay(k->b, "s1")).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, ROOT, bed_pay(k->b, "s2")).error, ORDERSCHED_OK);
    take_and_compare(&k->b->m, SNAPSHOT_VERSION_GRANTS); /* nobody has, or had, a quota any more */
}

static void each_order_that_changes_under_a_snapshot_is_counted_once(void **state)
{
    struct book *k = *state;
    struct snapshot_part *parts;
    struct machine other;
    size_t len;
    unsigned n;

    limit(k, 0, 3, 0);
    assert_int_equal(schedule(k, "s1"), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s2"), ORDERSCHED_OK);
    struct snapshot_build *build = snapshot_begin(&k->b->m);
    assert_int_equal(error_of(k, bed_pay(k->b, "s1")), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s3"), ORDERSCHED_OK);
    assert_int_equal(schedule(k, "s4"), ORDERSCHED_OK);
    while (!snapshot_step(build, 1)) {
    }
    snapshot_finish(build, &parts, &n);
    uint8_t *data = snapshot_parts_join(parts, n, malloc, &len);
    machine_init(&other);
    assert_int_equal(snapshot_restore(&other, data, len), SNAPSHOT_OK);
    machine_check(&other);
    assert_int_equal(machine_digest(&other), machine_digest(&k->b->m));
    assert_int_equal(
        grants_accounts(&other.grants, grants_find(&other.grants, bed_text("shop")))->orders, 3);
    machine_close(&other);
    snapshot_parts_free(parts, n);
    free(data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, book_setup, book_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_has_so_many_operations),
        TEST(in_one_entry_they_are_charged_in_order),
        TEST(a_copy_is_charged_once_and_answered_without_room),
        TEST(what_was_refused_by_a_quota_may_come_again_as_it_is),
        TEST(what_is_not_remembered_is_not_charged),
        TEST(pending_orders_count_until_they_are_decided),
        TEST(a_dead_letter_counts_until_it_is_dropped_and_an_expired_order_does_not),
        TEST(bytes_are_those_of_ids_and_payloads),
        TEST(a_refusal_does_not_tell_whether_an_order_exists),
        TEST(the_first_grant_that_covers_it_and_has_room_is_charged),
        TEST(of_two_shortages_the_one_that_is_over_first_is_told),
        TEST(a_changed_grant_keeps_what_was_counted),
        TEST(who_is_named_again_begins_anew),
        TEST(there_are_2047_slots_and_each_is_used_again_once_its_orders_are_decided),
        TEST(while_authorisation_is_off_nothing_is_charged),
        TEST(an_administrators_changes_are_charged_too),
        TEST(a_time_set_back_fills_the_bucket),
        TEST(what_is_used_comes_back_from_a_snapshot),
        TEST(each_order_that_changes_under_a_snapshot_is_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
