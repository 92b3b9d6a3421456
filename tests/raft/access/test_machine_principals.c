/* The principals: made, changed, found, kept (docs/roles.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../raft/core/snapshot.h"
#include "../../support/bench/snapshot_bench.h"
#include "../../support/book.h"

#define DAY_MS (24u * 3600 * 1000)

#define T BED_T0

static void a_rotated_token_is_the_same_principals(void **state)
{
    struct book *k = *state;
    struct operation mine = bed_schedule(k->b, "s1", T + 1000);

    assert_int_equal(book_ask(k, SHOP, mine).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, ROOT, book_rotate(k, "shop", 9, 1000)).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, 9, mine).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, SHOP, mine).error, ORDERSCHED_OK); /* both are good */
    bed_pass(k->b, T + 999);
    assert_int_equal(book_ask(k, SHOP, mine).error, ORDERSCHED_OK);
    bed_pass(k->b, T + 1000);
    assert_denied(book_ask(k, SHOP, mine), LACK_EXPIRED);
    assert_int_equal(book_ask(k, 9, mine).error, ORDERSCHED_OK);
}

static void without_an_overlap_the_old_token_is_gone_at_once(void **state)
{
    struct book *k = *state;

    assert_int_equal(book_ask(k, ROOT, book_rotate(k, "shop", 9, 0)).error, ORDERSCHED_OK);
    assert_denied(book_ask(k, SHOP, bed_schedule(k->b, "s1", T + 1000)), LACK_KNOWN);
    assert_int_equal(book_ask(k, 9, bed_schedule(k->b, "s1", T + 1000)).error, ORDERSCHED_OK);
}

static void of_five_tokens_the_oldest_leaves(void **state)
{
    struct book *k = *state;

    for (uint8_t n = 10; n < 14; n++) {
        assert_int_equal(book_ask(k, ROOT, book_rotate(k, "shop", n, DAY_MS)).error, ORDERSCHED_OK);
    }
    assert_denied(book_ask(k, SHOP, bed_pay(k->b, "s1")), LACK_KNOWN);
    for (uint8_t n = 10; n < 14; n++) {
        assert_int_equal(book_ask(k, n, bed_pay(k->b, "s1")).error, ORDERSCHED_NOT_FOUND);
    }
}

static void a_token_expires_by_the_clusters_time(void **state)
{
    struct book *k = *state;

    assert_int_equal(
        book_ask(k, ROOT, book_create(k, "brief", 9, 500, ROLE_PRODUCER, "*", "")).error, 0);
    bed_pass(k->b, T + 499);
    assert_int_equal(book_ask(k, 9, bed_schedule(k->b, "b1", T + 1000)).error, ORDERSCHED_OK);
    /* The time of its own entry counts. */
    struct operation caller = book_by(k, 9), pay = bed_pay(k->b, "b1");
    bed_add(k->b, &caller);
    bed_add(k->b, &pay);
    assert_denied(bed_commit(k->b, T + 500)[1], LACK_EXPIRED);
}

static void a_name_given_again_is_another_principal(void **state)
{
    struct book *k = *state;
    struct operation extend = bed_extend(k->b, "s1", T + 5000);

    book_ask(k, SHOP, bed_schedule(k->b, "s1", T + 1000));
    assert_int_equal(book_ask(k, SHOP, extend).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, ROOT, book_change(k, OPERATION_GRANT_REVOKE, "shop")).error, 0);
    assert_denied(book_ask(k, SHOP, extend), LACK_KNOWN);
    assert_int_equal(book_ask(k, ROOT, book_create(k, "shop", 9, 0, ROLE_PRODUCER, "*", "")).error,
                     0);
    assert_int_equal(book_ask(k, 9, extend).error, ORDERSCHED_OK);
    assert_int_equal(bed_order(k->b, "s1")->version, 3); /* a request of its own */
}

static void only_an_admin_switches_it_on(void **state)
{
    struct book *k = *state;

    book_ask(k, ROOT, book_authorize(k, false));
    assert_denied(book_ask(k, 0, book_authorize(k, true)), LACK_CALLER);
    assert_denied(book_ask(k, SHOP, book_authorize(k, true)), LACK_ROLE);
    assert_int_equal(book_ask(k, 0, book_change(k, OPERATION_GRANT_REVOKE, "root")).error,
                     ORDERSCHED_OK);
    assert_int_equal(book_ask(k, 0, book_authorize(k, true)).error, ORDERSCHED_NO_ADMIN);
    /* for some routes only, or expired: no admin */
    book_ask(k, 0, book_create(k, "part", 20, 0, ROLE_ADMIN, "shop*", ""));
    book_ask(k, 0, book_create(k, "past", 21, 10, ROLE_ADMIN, "*", ""));
    bed_pass(k->b, T + 10);
    assert_int_equal(book_ask(k, 20, book_authorize(k, true)).error, ORDERSCHED_NO_ADMIN);
    assert_false(k->b->m.grants.on);
}

static void the_last_admin_stays_while_it_is_on(void **state)
{
    struct book *k = *state;
    struct operation revoke = book_change(k, OPERATION_GRANT_REVOKE, "root");

    assert_int_equal(book_ask(k, ROOT, revoke).error, ORDERSCHED_NO_ADMIN);
    struct result r = book_ask(k, ROOT,
                               book_put(k, "root", PRINCIPAL_TOKEN, ROLE_OPERATOR, "*", ""));
    assert_int_equal(r.error, ORDERSCHED_NO_ADMIN);
    assert_int_equal(book_ask(k, ROOT, book_create(k, "root2", 9, 0, ROLE_ADMIN, "*", "")).error,
                     0);
    revoke = book_change(k, OPERATION_GRANT_REVOKE, "root");
    assert_int_equal(book_ask(k, ROOT, revoke).error, ORDERSCHED_OK);
    assert_denied(book_ask(k, ROOT, revoke), LACK_KNOWN);
}

static void names_and_tokens_are_given_once(void **state)
{
    struct book *k = *state;
    struct result r;

    r = book_ask(k, ROOT, book_create(k, "shop", 9, 0, ROLE_ADMIN, "*", ""));
    assert_int_equal(r.error, ORDERSCHED_EXISTS);
    r = book_ask(k, ROOT, book_create(k, "shop2", SHOP, 0, ROLE_ADMIN, "*", ""));
    assert_int_equal(r.error, ORDERSCHED_EXISTS);
    assert_int_equal(book_ask(k, ROOT, book_rotate(k, "root", SHOP, 0)).error, ORDERSCHED_EXISTS);
    assert_int_equal(book_ask(k, ROOT, book_rotate(k, "none", 9, 0)).error, ORDERSCHED_NOT_FOUND);
    r = book_ask(k, ROOT, book_put(k, "shop", PRINCIPAL_CERTIFICATE, ROLE_OBSERVER, "*", ""));
    assert_int_equal(r.error, ORDERSCHED_EXISTS);
    r = book_ask(k, ROOT, book_put(k, "none", PRINCIPAL_TOKEN, ROLE_OBSERVER, "*", ""));
    assert_int_equal(r.error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(book_ask(k, ROOT, book_change(k, OPERATION_GRANT_REVOKE, "none")).error,
                     ORDERSCHED_NOT_FOUND);
}

static void a_copy_of_a_change_has_no_second_effect(void **state)
{
    struct book *k = *state;
    struct operation revoke = book_change(k, OPERATION_GRANT_REVOKE, "shop");
    struct operation make = book_create(k, "shop", 9, 0, ROLE_PRODUCER, "*", "");

    assert_int_equal(book_ask(k, ROOT, revoke).error, ORDERSCHED_OK);
    make.tokens = book_grants(k, ROLE_PRODUCER, "*", "");
    assert_int_equal(book_ask(k, ROOT, make).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, ROOT, revoke).error, ORDERSCHED_OK);
    assert_non_null(grants_find(&k->b->m.grants, bed_text("shop")));
}

static void there_are_at_most_1024_principals(void **state)
{
    struct book *k = *state;
    struct result r;
    char name[16];

    for (unsigned i = k->b->m.grants.n; i < GRANTS_PRINCIPALS_MAX; i++) {
        snprintf(name, sizeof name, "c%u", i);
        r = book_ask(k, ROOT, book_put(k, name, PRINCIPAL_CERTIFICATE, ROLE_OBSERVER, "*", ""));
        assert_int_equal(r.error, ORDERSCHED_OK);
    }
    r = book_ask(k, ROOT, book_put(k, "more", PRINCIPAL_CERTIFICATE, ROLE_OBSERVER, "*", ""));
    assert_int_equal(r.error, ORDERSCHED_TOO_MANY_PRINCIPALS);
    r = book_ask(k, ROOT, book_create(k, "more", 9, 0, ROLE_OBSERVER, "*", ""));
    assert_int_equal(r.error, ORDERSCHED_TOO_MANY_PRINCIPALS);
    book_ask(k, ROOT, book_change(k, OPERATION_GRANT_REVOKE, "shop"));
    r = book_ask(k, ROOT, book_create(k, "more", 9, 0, ROLE_OBSERVER, "*", ""));
    assert_int_equal(r.error, ORDERSCHED_OK);
}

/* Each part of it, and all of it comes back from a snapshot. */
static void the_digest_and_snapshots_have_all_of_it(void **state)
{
    struct book *k = *state;
    struct machine *m = &k->b->m;
    uint64_t digests[8];
    struct machine copy;
    unsigned n = 0;

    digests[n++] = machine_digest(m);
    book_ask(k, ROOT, book_put(k, "shop", PRINCIPAL_TOKEN, ROLE_PRODUCER, "shop", "t"));
    digests[n++] = machine_digest(m);
    struct principal *shop = grants_find(&m->grants, bed_text("shop"));
    shop->tokens[0].expires_ms = T + DAY_MS;
    digests[n++] = machine_digest(m);
    shop->tokens[0].created_ms++;
    digests[n++] = machine_digest(m);
    shop->mark[9] ^= 1;
    digests[n++] = machine_digest(m);
    m->grants.made++;
    digests[n++] = machine_digest(m);
    m->grants.on = false;
    digests[n++] = machine_digest(m);
    shop->index--;
    digests[n++] = machine_digest(m);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(digests[i], digests[j]);
        }
    }
    m->grants.on = true;
    struct snapshot_bytes snapshot = snapshot_of(m);
    assert_int_equal(snapshot.data[8], 6); /* 7 only once something was audited */
    machine_init(&copy);
    assert_int_equal(snapshot_restore(&copy, snapshot.data, snapshot.len), SNAPSHOT_OK);
    machine_check(&copy);
    assert_int_equal(machine_digest(&copy), machine_digest(m));
    assert_true(copy.grants.on);
    assert_int_equal(copy.grants.n, 2);
    struct actor actor = machine_actor(&copy, (struct caller){.kind = CALLER_TOKEN,
                                                              .who = book_hash(k, SHOP)});
    assert_non_null(actor.principal);
    assert_int_equal(copy.grants.bytes, m->grants.bytes);
    /* Restored into a machine that has others. */
    assert_int_equal(snapshot_restore(m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    free(snapshot.data);
    machine_close(&copy);
}

static struct operation use(struct book *k, uint8_t token, const char *from)
{
    return (struct operation){
        .code = OPERATION_TOKEN_USED,
        .secret = book_hash(k, token),
        .address = bed_text(from),
    };
}

static void when_a_token_was_used_last_is_kept_with_it(void **state)
{
    struct book *k = *state;
    struct machine *m = &k->b->m, copy;
    struct buffer body = {0};
    struct result result;

    uint64_t digest = machine_digest(m);
    bed_apply(k->b, T + 5, use(k, 9, "192.0.2.7")); /* nobody's: it was revoked meanwhile */
    bed_apply(k->b, T, use(k, SHOP, "192.0.2.7"));
    assert_int_not_equal(machine_digest(m), digest);
    const struct token *t = &grants_find(&m->grants, bed_text("shop"))->tokens[0];
    assert_int_equal(t->used_ms, T + 5);
    bed_apply(k->b, T + 9, use(k, SHOP, ""));
    assert_int_equal(t->used_ms, T + 9);
    assert_int_equal(t->from_len, 0);
    bed_apply(k->b, T + 9, use(k, SHOP, "192.0.2.8"));
    digest = machine_digest(m);
    struct snapshot_bytes snapshot = snapshot_of(m);
    assert_int_equal(snapshot.data[8], 8);
    machine_init(&copy);
    assert_int_equal(snapshot_restore(&copy, snapshot.data, snapshot.len), SNAPSHOT_OK);
    machine_check(&copy);
    assert_int_equal(machine_digest(&copy), digest);
    machine_close(&copy);
    free(snapshot.data);
    machine_read(m, &(struct operation){.code = OPERATION_GRANT_LIST}, &body, &result);
    assert_non_null(memmem(result.body.data, result.body.len, "192.0.2.8", 9));
    buffer_free(&body);
    assert_int_equal(book_ask(k, ROOT, book_rotate(k, "shop", 9, 1000)).error, ORDERSCHED_OK);
    assert_int_equal(t->used_ms, 0); /* the new one */
    assert_int_equal(grants_find(&m->grants, bed_text("shop"))->tokens[1].used_ms, T + 9);
}

static void damaged_principals_are_refused(void **state)
{
    struct book *k = *state;
    struct buffer b = {0};
    unsigned refused = 0;

    book_ask(k, ROOT, book_put(k, "cert", PRINCIPAL_CERTIFICATE, ROLE_OBSERVER, "a*", "p"));
    bed_apply(k->b, T, use(k, SHOP, "192.0.2.7"));
    k->quota = (struct quota){5, 6, 7};
    book_ask(k, ROOT, book_put(k, "limited", PRINCIPAL_CERTIFICATE, ROLE_PRODUCER, "a*", "p"));
    grants_write(&b, &k->b->m.grants, true);
    assert_true(b.len <= grants_bound(&k->b->m.grants));
    for (size_t len = 0; len < b.len; len++) {
        struct grants g = {0};
        struct cursor c;
        cursor_init(&c, b.data, len);
        assert_false(grants_read(&c, &g, UINT64_MAX, true));
        grants_clear(&g);
    }
    for (size_t at = 0; at < b.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct grants g = {0};
            struct cursor c;
            b.data[at] ^= (uint8_t)(1u << bit);
            cursor_init(&c, b.data, b.len);
            refused += !grants_read(&c, &g, UINT64_MAX, true);
            grants_clear(&g);
            b.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_true(refused > b.len); /* many are as good as others: a name, a hash, a time */
    struct grants g = {0};
    struct cursor c;
    cursor_init(&c, b.data, b.len);
    assert_false(grants_read(&c, &g, 1, true)); /* changed after the snapshot's index */
    grants_clear(&g);
    buffer_free(&b);
}

static void a_cluster_without_principals_is_as_it_was(void **state)
{
    struct bed *b = bed_open();
    struct operation nobody = {.code = OPERATION_CALLER, .kind = CALLER_NOBODY};

    (void)state;
    uint64_t digest = machine_digest(&b->m);
    bed_apply(b, T, nobody);
    assert_int_equal(machine_digest(&b->m), digest);
    assert_int_equal(bed_apply(b, T, bed_schedule(b, "a", T + 1)).error, ORDERSCHED_OK);
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    assert_int_equal(snapshot.data[8], 5);
    free(snapshot.data);
    bed_close(b);
}

static void the_list_has_every_principal_once_and_no_hash(void **state)
{
    struct book *k = *state;
    struct buffer body = {0};
    struct operation op = {.code = OPERATION_GRANT_LIST};
    struct result result;
    unsigned n = 0;
    char name[16], after[GRANT_NAME_MAX + 1] = "";

    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "c%03u", i);
        book_ask(k, ROOT, book_put(k, name, PRINCIPAL_CERTIFICATE, ROLE_OBSERVER, "*", ""));
    }
    do {
        struct cursor c;
        buffer_reset(&body);
        op.id = bed_text(after);
        machine_read(&k->b->m, &op, &body, &result);
        assert_int_equal(result.error, ORDERSCHED_OK);
        assert_null(memmem(result.body.data, result.body.len, book_hash(k, ROOT).data, 8));
        cursor_init(&c, result.body.data, result.body.len);
        assert_int_equal(cursor_array(&c), 2);
        struct slice next = cursor_bytes(&c);
        n += cursor_array(&c);
        snprintf(after, sizeof after, "%.*s", (int)next.len, (const char *)next.data);
    } while (after[0] != '\0');
    assert_int_equal(n, 202);
    buffer_free(&body);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, book_setup, book_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rotated_token_is_the_same_principals),
        TEST(without_an_overlap_the_old_token_is_gone_at_once),
        TEST(of_five_tokens_the_oldest_leaves),
        TEST(a_token_expires_by_the_clusters_time),
        TEST(a_name_given_again_is_another_principal),
        TEST(only_an_admin_switches_it_on),
        TEST(the_last_admin_stays_while_it_is_on),
        TEST(names_and_tokens_are_given_once),
        TEST(a_copy_of_a_change_has_no_second_effect),
        TEST(there_are_at_most_1024_principals),
        TEST(the_digest_and_snapshots_have_all_of_it),
        TEST(when_a_token_was_used_last_is_kept_with_it),
        TEST(damaged_principals_are_refused),
        TEST(a_cluster_without_principals_is_as_it_was),
        TEST(the_list_has_every_principal_once_and_no_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
