/* Who may do what, by the log alone: docs/roles.md, rule by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../support/book.h"

#define T BED_T0

static void nobody_and_unknown_tokens_may_do_nothing(void **state)
{
    struct book *k = *state;

    assert_denied(bed_apply(k->b, T, bed_schedule(k->b, "s1", T + 1000)), LACK_CALLER);
    assert_denied(book_ask(k, 0, bed_schedule(k->b, "s1", T + 1000)), LACK_CALLER);
    assert_denied(book_ask(k, 77, bed_schedule(k->b, "s1", T + 1000)), LACK_KNOWN);
    assert_null(bed_order(k->b, "s1"));
    assert_int_equal(book_ask(k, SHOP, bed_schedule(k->b, "s1", T + 1000)).error, ORDERSCHED_OK);
    assert_non_null(bed_order(k->b, "s1"));
}

static void what_is_missing_is_named(void **state)
{
    struct book *k = *state;
    struct operation on_other = bed_schedule(k->b, "s1", T + 1000);

    book_ask(k, ROOT, bed_route_put(k->b, "other"));
    on_other.route = bed_text("other");
    assert_denied(book_ask(k, SHOP, on_other), LACK_ROUTE);
    assert_denied(book_ask(k, SHOP, bed_schedule(k->b, "x1", T + 1000)), LACK_PREFIX);
    struct result r = book_ask(k, SHOP, bed_route_put(k->b, "shop"));
    assert_denied(r, LACK_ROLE);
    assert_int_equal(r.role, ROLE_ADMIN);
    r = book_ask(k, SHOP, book_change(k, OPERATION_DEAD_DROP, "s1"));
    assert_denied(r, LACK_ROLE);
    assert_int_equal(r.role, ROLE_OPERATOR);
}

/* Of each role, what it may do of all there is. */
static void each_role_may_do_what_the_table_says(void **state)
{
    static const struct {
        enum operation_code code;
        const char *roles; /* o: observer, p: producer, w: worker, O: operator; an admin always */
    } table[] = {
        {OPERATION_SCHEDULE, "p"},       {OPERATION_PAY, "p"},
        {OPERATION_CANCEL, "p"},         {OPERATION_EXTEND, "p"},
        {OPERATION_GET, "opO"},          {OPERATION_HISTORY, "opO"},
        {OPERATION_LIST, "oO"},          {OPERATION_DEAD_LIST, "oO"},
        {OPERATION_STATUS, "oO"},        {OPERATION_ROUTE_LIST, "oO"},
        {OPERATION_DIGEST, "oO"},        {OPERATION_MEMBER_LIST, "oO"},
        {OPERATION_RESERVE, "w"},        {OPERATION_LEASE, "w"},
        {OPERATION_SETTLE, "w"},         {OPERATION_DEAD_REDRIVE, "O"},
        {OPERATION_DEAD_DROP, "O"},      {OPERATION_ROUTE_PAUSE, "O"},
        {OPERATION_ROUTE_RETRY, "O"},    {OPERATION_CLOCK_TRUST, "O"},
        {OPERATION_CLOCK_SET_BACK, "O"}, {OPERATION_MEMBER_ADD, "O"},
        {OPERATION_MEMBER_REMOVE, "O"},  {OPERATION_TRANSFER, "O"},
        {OPERATION_ROUTE_PUT, ""},       {OPERATION_ROUTE_SET, ""},
        {OPERATION_ROUTE_DELETE, ""},    {OPERATION_ROUTE_ROTATE, ""},
        {OPERATION_GRANT_PUT, ""},       {OPERATION_GRANT_REVOKE, ""},
        {OPERATION_TOKEN_CREATE, ""},    {OPERATION_TOKEN_ROTATE, ""},
        {OPERATION_AUTHORIZE, ""},       {OPERATION_GRANT_LIST, ""},
        {OPERATION_FILTERED_LIST, "oO"},
    };
    static const char letters[] = {
        [ROLE_OBSERVER] = 'o', [ROLE_PRODUCER] = 'p', [ROLE_WORKER] = 'w', [ROLE_OPERATOR] = 'O'};

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct operation op = {.code = table[i].code, .id = bed_text("x")};
        for (enum role role = ROLE_OBSERVER; role <= ROLE_ADMIN; role++) {
            struct principal p = {.n_grants = 1,
                                  .grants = {{role, bed_text("*"), bed_text(""), {0}}}};
            enum role least;
            bool may = role == ROLE_ADMIN || strchr(table[i].roles, letters[role]) != NULL;
            assert_int_equal(roles_decide(&p, &op, &least), may ? LACK_NOTHING : LACK_ROLE);
        }
    }
}

static void a_grant_covers_an_operation_as_a_whole(void **state)
{
    struct principal some = {.n_grants = 1,
                             .grants = {{ROLE_ADMIN, bed_text("a*"), bed_text(""), {0}}}};
    struct principal few = {.n_grants = 1,
                            .grants = {{ROLE_ADMIN, bed_text("*"), bed_text("p"), {0}}}};
    struct principal two = {.n_grants = 2,
                            .grants = {{ROLE_PRODUCER, bed_text("a"), bed_text("x"), {0}},
                                       {ROLE_PRODUCER, bed_text("b"), bed_text("y"), {0}}}};
    struct operation list = {.code = OPERATION_LIST};
    struct operation filtered = {.code = OPERATION_FILTERED_LIST};
    struct operation pause = {.code = OPERATION_ROUTE_PAUSE, .id = bed_text("a1")};
    struct operation status = {.code = OPERATION_STATUS};
    struct operation order = {.code = OPERATION_SCHEDULE,
                              .id = bed_text("y1"),
                              .route = bed_text("a")};
    enum role role;

    (void)state;
    assert_int_equal(roles_decide(&some, &list, &role), LACK_ROUTE);
    list.route = bed_text("a1");
    assert_int_equal(roles_decide(&some, &list, &role), LACK_NOTHING);
    assert_int_equal(roles_decide(&few, &list, &role), LACK_PREFIX);
    assert_int_equal(roles_decide(&some, &pause, &role), LACK_NOTHING);
    assert_int_equal(roles_decide(&few, &pause, &role), LACK_PREFIX);
    filtered.route = bed_text("x");
    assert_int_equal(roles_decide(&some, &filtered, &role), LACK_ROUTE);
    filtered.route = bed_text("");
    assert_int_equal(roles_decide(&some, &filtered, &role), LACK_ROUTE);
    assert_int_equal(roles_decide(&few, &filtered, &role), LACK_PREFIX);
    filtered.id = bed_text("q");
    assert_int_equal(roles_decide(&few, &filtered, &role), LACK_PREFIX);
    filtered.id = bed_text("p");
    assert_int_equal(roles_decide(&few, &filtered, &role), LACK_NOTHING);
    filtered.id = bed_text("p/1");
    assert_int_equal(roles_decide(&few, &filtered, &role), LACK_NOTHING);
    pause.id = bed_text("b");
    assert_int_equal(roles_decide(&some, &pause, &role), LACK_ROUTE);
    assert_int_equal(roles_decide(&some, &status, &role), LACK_ROUTE);
    assert_int_equal(roles_decide(&few, &status, &role), LACK_PREFIX);
    /* the route of one grant and the ids of the other are no grant */
    assert_int_equal(roles_decide(&two, &order, &role), LACK_PREFIX);
    order.route = bed_text("b");
    assert_int_equal(roles_decide(&two, &order, &role), LACK_NOTHING);
    assert_true(roles_cover_order(&two, OPERATION_PAY, bed_text("x1"), bed_text("a")));
    assert_false(roles_cover_order(&two, OPERATION_PAY, bed_text("x1"), bed_text("b")));
    assert_false(roles_cover_order(&two, OPERATION_DEAD_DROP, bed_text("x1"), bed_text("a")));
}

static void an_order_of_another_route_is_not_there(void **state)
{
    struct book *k = *state;

    book_ask(k, ROOT, bed_route_put(k->b, "other"));
    struct operation theirs = bed_schedule(k->b, "s-theirs", T + 1000);
    theirs.route = bed_text("other");
    assert_int_equal(book_ask(k, ROOT, theirs).error, ORDERSCHED_OK);
    const struct result none = book_ask(k, SHOP, bed_pay(k->b, "s-nobodys"));
    const struct result pay = book_ask(k, SHOP, bed_pay(k->b, "s-theirs"));
    assert_int_equal(none.error, ORDERSCHED_NOT_FOUND);
    assert_memory_equal(&pay, &none, sizeof pay);
    assert_int_equal(book_ask(k, SHOP, bed_cancel(k->b, "s-theirs")).error, ORDERSCHED_NOT_FOUND);
    struct result r = book_ask(k, SHOP, bed_extend(k->b, "s-theirs", T + 2000));
    assert_int_equal(r.error, ORDERSCHED_NOT_FOUND);
    /* an id is one order's, whoever asks: this alone cannot be kept from it */
    r = book_ask(k, SHOP, bed_schedule(k->b, "s-theirs", T + 1000));
    assert_int_equal(r.error, ORDERSCHED_EXISTS);
    assert_int_equal(r.state, ORDERSCHED_STATE_NONE);
    assert_int_equal(r.deadline_ms, 0);
    assert_int_equal(bed_get(k->b, "s-theirs").state, ORDERSCHED_PENDING);
}

static void in_one_entry_each_operation_has_the_state_in_front_of_it(void **state)
{
    struct book *k = *state;
    const struct result *r;
    struct operation ops[] = {
        book_by(k, SHOP),  bed_schedule(k->b, "s1", T + 1000),
        book_by(k, ROOT),  book_change(k, OPERATION_GRANT_REVOKE, "shop"),
        book_by(k, SHOP),  bed_schedule(k->b, "s2", T + 1000),
        book_by(k, ROOT),  book_create(k, "shop", OTHER, 0, ROLE_PRODUCER, "*", ""),
        book_by(k, OTHER), bed_schedule(k->b, "s3", T + 1000),
        book_by(k, SHOP),  bed_pay(k->b, "s1"),
        book_by(k, 0),     bed_pay(k->b, "s3"),
    };

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        bed_add(k->b, &ops[i]);
    }
    r = bed_commit(k->b, T);
    assert_int_equal(r[1].error, ORDERSCHED_OK);
    assert_int_equal(r[3].error, ORDERSCHED_OK);
    assert_denied(r[5], LACK_KNOWN);
    assert_int_equal(r[7].error, ORDERSCHED_OK);
    assert_int_equal(r[9].error, ORDERSCHED_OK);
    assert_denied(r[11], LACK_KNOWN);
    assert_denied(r[13], LACK_CALLER);
    assert_null(bed_order(k->b, "s2"));
}

static void a_caller_holds_until_the_next_and_not_in_the_next_entry(void **state)
{
    struct book *k = *state;
    struct operation caller = book_by(k, SHOP);
    struct operation first = bed_schedule(k->b, "s1", T + 1000);
    struct operation second = bed_schedule(k->b, "s2", T + 1000);

    bed_add(k->b, &caller);
    bed_add(k->b, &first);
    bed_add(k->b, &second);
    assert_int_equal(bed_commit(k->b, T)[2].error, ORDERSCHED_OK);
    assert_denied(bed_apply(k->b, T, bed_pay(k->b, "s1")), LACK_CALLER);
}

static void a_request_id_is_its_principals_own(void **state)
{
    struct book *k = *state;
    struct operation mine = bed_schedule(k->b, "s1", T + 1000);
    struct operation extend = bed_extend(k->b, "s1", T + 5000);

    book_ask(k, ROOT, book_create(k, "other", OTHER, 0, ROLE_PRODUCER, "*", ""));
    assert_int_equal(book_ask(k, SHOP, mine).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, SHOP, mine).error, ORDERSCHED_OK); /* a copy */
    assert_int_equal(book_ask(k, OTHER, mine).error, ORDERSCHED_EXISTS);
    assert_int_equal(book_ask(k, SHOP, extend).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, SHOP, bed_pay(k->b, "s1")).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, SHOP, extend).error, ORDERSCHED_OK); /* its first answer */
    assert_int_equal(book_ask(k, OTHER, extend).error, ORDERSCHED_DECIDED);
    assert_int_equal(bed_order(k->b, "s1")->version, 2);
}

static void a_certificates_name_has_grants_too(void **state)
{
    struct book *k = *state;

    struct result r = book_ask_as_certificate(k, "bob", bed_schedule(k->b, "s1", T + 1000));
    assert_denied(r, LACK_ROLE);
    assert_int_equal(r.role, ROLE_PRODUCER);
    r = book_ask(k, ROOT, book_put(k, "bob", PRINCIPAL_CERTIFICATE, ROLE_PRODUCER, "*", ""));
    assert_int_equal(r.error, ORDERSCHED_OK);
    r = book_ask_as_certificate(k, "bob", bed_schedule(k->b, "s1", T + 1000));
    assert_int_equal(r.error, ORDERSCHED_OK);
    /* A token's name is no certificate's. */
    assert_denied(book_ask_as_certificate(k, "root", bed_pay(k->b, "s1")), LACK_ROLE);
}

static void a_certificates_requests_are_its_own_before_its_grant_too(void **state)
{
    struct book *k = *state;
    struct operation extend = bed_extend(k->b, "s1", T + 5000);

    assert_int_equal(book_ask(k, ROOT, book_authorize(k, false)).error, ORDERSCHED_OK);
    book_ask_as_certificate(k, "bob", bed_schedule(k->b, "s1", T + 1000));
    assert_int_equal(book_ask_as_certificate(k, "bob", extend).error, ORDERSCHED_OK);
    book_ask(k, 0, book_put(k, "bob", PRINCIPAL_CERTIFICATE, ROLE_PRODUCER, "*", ""));
    assert_int_equal(book_ask_as_certificate(k, "bob", extend).error, ORDERSCHED_OK);
    book_ask(k, 0, book_change(k, OPERATION_GRANT_REVOKE, "bob"));
    assert_int_equal(book_ask_as_certificate(k, "bob", extend).error, ORDERSCHED_OK);
    assert_int_equal(bed_order(k->b, "s1")->version, 2);
}

static void switched_off_everybody_may_but_a_stated_token_must_be_good(void **state)
{
    struct book *k = *state;

    assert_denied(book_ask(k, SHOP, book_authorize(k, false)), LACK_ROLE);
    assert_int_equal(book_ask(k, ROOT, book_authorize(k, false)).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(k->b, T, bed_schedule(k->b, "x", T + 1000)).error, ORDERSCHED_OK);
    assert_int_equal(book_ask(k, SHOP, bed_pay(k->b, "x")).error, ORDERSCHED_OK);
    assert_denied(book_ask(k, 77, bed_pay(k->b, "x")), LACK_KNOWN);
}

static void the_leaders_own_operations_need_no_role(void **state)
{
    struct book *k = *state;

    book_ask(k, SHOP, bed_schedule(k->b, "s1", T + 10));
    bed_pass(k->b, T + 10);
    assert_non_null(bed_take(k->b, 0));
    struct result r = bed_apply(k->b, T + 10, bed_outcome(k->b, "s1", 1, 1, OUTCOME_EXPIRED, 0));
    assert_int_equal(r.error, ORDERSCHED_OK);
    assert_int_equal(r.state, ORDERSCHED_EXPIRED);
}

static void the_owner_may_do_everything_and_is_nobody_else(void **state)
{
    struct book *k = *state;
    struct operation ops[] = {
        {.code = OPERATION_CALLER, .kind = CALLER_OWNER},
        bed_schedule(k->b, "o1", T + 1000),
        bed_extend(k->b, "o1", T + 2000),
        book_change(k, OPERATION_GRANT_REVOKE, "shop"),
        book_by(k, ROOT), /* the same request id as the owner's */
    };

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        bed_add(k->b, &ops[i]);
    }
    bed_add(k->b, &ops[2]);
    const struct result *r = bed_commit(k->b, T);
    assert_int_equal(r[1].error, ORDERSCHED_OK);
    assert_int_equal(r[2].error, ORDERSCHED_OK);
    assert_int_equal(r[3].error, ORDERSCHED_OK);
    assert_int_equal(r[5].error, ORDERSCHED_OK);
    assert_int_equal(bed_order(k->b, "o1")->version, 3);
    /* while it is on, the last admin is not the owner's to take away either */
    struct operation owner = {.code = OPERATION_CALLER, .kind = CALLER_OWNER};
    struct operation revoke = book_change(k, OPERATION_GRANT_REVOKE, "root");
    bed_add(k->b, &owner);
    bed_add(k->b, &revoke);
    assert_int_equal(bed_commit(k->b, T)[1].error, ORDERSCHED_NO_ADMIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, book_setup, book_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_and_unknown_tokens_may_do_nothing),
        TEST(what_is_missing_is_named),
        TEST(each_role_may_do_what_the_table_says),
        TEST(a_grant_covers_an_operation_as_a_whole),
        TEST(an_order_of_another_route_is_not_there),
        TEST(in_one_entry_each_operation_has_the_state_in_front_of_it),
        TEST(a_caller_holds_until_the_next_and_not_in_the_next_entry),
        TEST(a_request_id_is_its_principals_own),
        TEST(a_certificates_name_has_grants_too),
        TEST(a_certificates_requests_are_its_own_before_its_grant_too),
        TEST(switched_off_everybody_may_but_a_stated_token_must_be_good),
        TEST(the_leaders_own_operations_need_no_role),
        TEST(the_owner_may_do_everything_and_is_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
