/* What administrative operations leave in the audit trail (docs/security.md, "The audit trail"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../raft/core/snapshot.h"
#include "../support/bench/snapshot_bench.h"
#include "../support/book.h"

#define T BED_T0
#define HERE "192.0.2.7"

/* An operation in an entry of its own, asked for from an address. */
static struct result ask_from(struct book *k, uint8_t token, const char *from, struct operation op)
{
    struct operation caller = book_by(k, token);

    caller.address = bed_text(from);
    bed_add(k->b, &caller);
    bed_add(k->b, &op);
    return bed_commit(k->b, k->b->m.now_ms)[1];
}

static struct operation pause_route(struct book *k, bool paused)
{
    struct operation op = book_change(k, OPERATION_ROUTE_PAUSE, BED_ROUTE);

    op.paused = paused;
    return op;
}

static const struct audit_row *row(struct book *k, uint64_t number)
{
    const struct audit_row *r = audit_after(&k->b->m.audit, number - 1);

    assert_non_null(r);
    assert_int_equal(r->number, number);
    return r;
}

static bool is(struct slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static void an_operation_leaves_who_whence_when_and_what_became_of_it(void **state)
{
    struct book *k = *state;

    assert_int_equal(
        ask_from(k, ROOT, HERE, book_create(k, "ops", OPS, 0, ROLE_OPERATOR, "shop-*", "")).error,
        ORDERSCHED_OK);
    const struct audit_row *r = row(k, 1);
    assert_int_equal(r->code, OPERATION_TOKEN_CREATE);
    assert_int_equal(r->error, ORDERSCHED_OK);
    assert_int_equal(r->time_ms, T);
    assert_int_equal(r->index, k->b->m.applied);
    assert_int_equal(r->kind, CALLER_TOKEN);
    assert_true(is(r->name, "root"));
    assert_true(is(r->from, HERE));
    assert_true(is(r->about, "ops"));
    assert_true(is(r->detail, "operator shop-*"));
    assert_int_equal(r->count, 1);
}

static void nobody_the_owner_and_a_certificate_are_told_apart(void **state)
{
    struct book *k = *state;
    struct operation owner = {.code = OPERATION_CALLER,
                              .kind = CALLER_OWNER,
                              .address = bed_text("local")};
    struct operation named = {.code = OPERATION_CALLER,
                              .kind = CALLER_CERTIFICATE,
                              .secret = bed_text("ann"),
                              .address = bed_text(HERE)};
    struct operation op[3];

    op[0] = book_authorize(k, false);
    op[1] = pause_route(k, true);
    op[2] = pause_route(k, false);
    bed_add(k->b, &owner);
    bed_add(k->b, &op[0]);
    bed_add(k->b, &named);
    bed_add(k->b, &op[1]);
    bed_commit(k->b, T);
    ask_from(k, 0, "", op[2]);
    assert_true(is(audit_who(row(k, 1)), "owner"));
    assert_true(is(row(k, 1)->from, "local"));
    assert_true(is(row(k, 1)->detail, "off"));
    assert_true(is(audit_who(row(k, 2)), "ann"));
    assert_true(is(row(k, 2)->detail, "paused"));
    assert_true(is(audit_who(row(k, 3)), "nobody"));
    assert_true(is(row(k, 3)->from, ""));
    assert_true(is(row(k, 3)->detail, "resumed"));
}

static void who_revokes_itself_is_named(void **state)
{
    struct book *k = *state;

    book_ask(k, ROOT, book_create(k, "second", OTHER, 0, ROLE_ADMIN, "*", ""));
    assert_int_equal(
        ask_from(k, OTHER, HERE, book_change(k, OPERATION_GRANT_REVOKE, "second")).error,
        ORDERSCHED_OK);
    assert_true(is(row(k, 1)->name, "second"));
    assert_true(is(row(k, 1)->about, "second"));
}

static void a_repeated_request_is_one_row(void **state)
{
    struct book *k = *state;
    struct operation op = pause_route(k, true);

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ask_from(k, ROOT, HERE, op).error, ORDERSCHED_OK);
    }
    assert_int_equal(audit_count(&k->b->m.audit), 1);
    assert_int_equal(k->b->m.audit.made, 1);
}

static void what_is_refused_again_is_counted(void **state)
{
    struct book *k = *state;

    ask_from(k, ROOT, HERE, pause_route(k, true));
    for (unsigned i = 0; i < 20; i++) {
        struct operation op = pause_route(k, false);
        bed_pass(k->b, T + i);
        assert_denied(ask_from(k, SHOP, HERE, op), LACK_ROLE);
    }
    ask_from(k, SHOP, "192.0.2.8", pause_route(k, false));
    ask_from(k, 77, HERE, pause_route(k, false)); /* a token nobody has */
    assert_int_equal(audit_count(&k->b->m.audit), 4);
    const struct audit_row *r = row(k, 21);
    assert_int_equal(r->error, ORDERSCHED_DENIED);
    assert_int_equal(r->count, 20);
    assert_int_equal(r->first_ms, T);
    assert_int_equal(r->time_ms, T + 19);
    assert_true(is(r->name, "shop"));
    assert_int_equal(row(k, 22)->count, 1);
    assert_true(is(audit_who(row(k, 23)), "unknown"));
    assert_int_equal(row(k, 1)->error, ORDERSCHED_OK);
    machine_check(&k->b->m);
}

static void without_an_address_in_the_log_there_is_no_row(void **state)
{
    struct book *k = *state;
    uint64_t before;

    book_ask(k, ROOT, pause_route(k, true));
    ask_from(k, ROOT, HERE, bed_schedule(k->b, "s1", T + 1000));
    assert_int_equal(k->b->m.audit.made, 0);
    before = machine_digest(&k->b->m);
    ask_from(k, ROOT, HERE, pause_route(k, true));
    assert_int_equal(k->b->m.audit.made, 1);
    assert_true(machine_digest(&k->b->m) != before);
}

static void nothing_secret_is_in_a_row(void **state)
{
    static const char url[] = "https://user:hush@shop.example/cb?key=hush";
    static const char secret[] = "whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNo";
    struct book *k = *state;
    struct operation put = bed_route_put(k->b, "other");
    struct buffer out = {0};

    put.settings.url = bed_text(url);
    put.settings.n_secrets = 1;
    put.settings.secrets[0] = bed_text(secret);
    put.settings.n_headers = 1;
    put.settings.headers[0] = (struct route_header){bed_text("authorization"), bed_text("hush")};
    assert_int_equal(ask_from(k, ROOT, HERE, put).error, ORDERSCHED_OK);
    const struct audit_row *r = row(k, 1);
    assert_true(is(r->detail, "http https://***@shop.example/cb?***"));
    audit_row_write(&out, r);
    assert_null(memmem(out.data, out.len, "hush", 4));
    assert_null(memmem(out.data, out.len, "whsec", 5));
    buffer_free(&out);
}

static void a_note_of_the_leaders_is_a_row(void **state)
{
    struct book *k = *state;
    struct operation note = {
        .code = OPERATION_NOTE,
        .state = OPERATION_MEMBER_ADD,
        .payload = bed_text("node 4 10.0.0.4:7400"),
        .version = 1,
        .kind = CALLER_TOKEN,
        .secret = book_hash(k, ROOT),
        .address = bed_text(HERE),
    };

    bed_apply(k->b, T, note);
    note.attempt = ORDERSCHED_DENIED;
    note.version = 12;
    bed_apply(k->b, T, note);
    assert_true(is(row(k, 1)->name, "root"));
    assert_int_equal(row(k, 1)->code, OPERATION_MEMBER_ADD);
    assert_int_equal(row(k, 1)->error, ORDERSCHED_OK);
    assert_int_equal(row(k, 2)->count, 12);
}

static void a_set_back_names_who_asked_for_it(void **state)
{
    struct book *k = *state;
    struct buffer tokens = {0};

    bed_pass(k->b, T + 5000);
    struct operation op = machine_set_back_operation(&k->b->m, T + 2000, &tokens);
    op.kind = CALLER_TOKEN;
    op.secret = book_hash(k, ROOT);
    op.address = bed_text(HERE);
    assert_int_equal(bed_apply(k->b, T + 5000, op).error, ORDERSCHED_OK);
    assert_int_equal(row(k, 1)->code, OPERATION_CLOCK_SET_BACK);
    assert_int_equal(row(k, 1)->time_ms, T + 5000);
    assert_true(is(row(k, 1)->name, "root"));
    assert_true(is(row(k, 1)->detail, "by 3000 ms"));
    assert_int_equal(k->b->m.now_ms, T + 2000);
    buffer_free(&tokens);
}

/* --- bounds --- */

static void fill(struct audit_trail *a, unsigned n, int error, size_t about)
{
    static uint8_t id[AUDIT_ABOUT_MAX];
    char name[16];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "c%u", i);
        audit_add(a, &(struct audit_row){.code = OPERATION_DEAD_DROP,
                                         .error = error,
                                         .kind = CALLER_TOKEN,
                                         .name = bed_text(name),
                                         .from = bed_text(HERE),
                                         .about = {id, about},
                                         .count = 1});
    }
}

static void the_last_ten_thousand_are_kept_whatever_is_refused(void **state)
{
    struct audit_trail a = {0};

    (void)state;
    fill(&a, AUDIT_DONE_MAX + 7, ORDERSCHED_OK, 0);
    fill(&a, 3000, ORDERSCHED_DENIED, 0);
    assert_int_equal(a.done.n, AUDIT_DONE_MAX);
    assert_int_equal(a.refused.n, AUDIT_REFUSED_MAX);
    assert_int_equal(audit_after(&a, 0)->number, 8);
    assert_int_equal(audit_after(&a, AUDIT_DONE_MAX + 7)->number,
                     AUDIT_DONE_MAX + 7 + 3000 - AUDIT_REFUSED_MAX + 1);
    assert_null(audit_after(&a, a.made));
    assert_true(audit_is_sound(&a));
    audit_clear(&a);
}

static void the_trail_is_bounded_in_bytes(void **state)
{
    struct audit_trail a = {0};
    struct buffer out = {0};

    (void)state;
    for (unsigned i = 0; i < AUDIT_DONE_MAX; i++) {
        static char detail[AUDIT_DETAIL_MAX];
        static uint8_t id[AUDIT_ABOUT_MAX];
        audit_add(&a, &(struct audit_row){.code = OPERATION_ROUTE_PUT,
                                          .about = {id, sizeof id},
                                          .detail = {(uint8_t *)detail, sizeof detail},
                                          .count = 1});
    }
    assert_true(a.done.n < AUDIT_DONE_MAX);
    assert_true(a.done.bytes <= AUDIT_DONE_BYTES_MAX && a.done.bytes > AUDIT_DONE_BYTES_MAX - 512);
    audit_write(&out, &a);
    assert_true(out.len <= audit_bound(&a));
    buffer_free(&out);
    audit_clear(&a);
}

/* --- snapshots --- */

static void the_trail_is_in_snapshots(void **state)
{
    struct book *k = *state;
    struct machine m;

    ask_from(k, ROOT, HERE, pause_route(k, true));
    ask_from(k, SHOP, HERE, pause_route(k, false));
    ask_from(k, SHOP, HERE, pause_route(k, false));
    struct snapshot_bytes snapshot = snapshot_of(&k->b->m);
    assert_int_equal(snapshot.data[8], SNAPSHOT_VERSION - 1);
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    machine_check(&m);
    assert_int_equal(machine_digest(&m), machine_digest(&k->b->m));
    assert_int_equal(audit_count(&m.audit), 2);
    assert_int_equal(audit_after(&m.audit, 1)->count, 2);
    free(snapshot.data);
    machine_close(&m);
}

static bool is_read(const struct audit_row *rows, unsigned n, uint64_t made, bool refused)
{
    struct audit_trail a = {0};
    struct buffer b = {0};
    struct cursor c;

    write_array(&b, 3);
    write_uint(&b, made);
    write_array(&b, refused ? 0 : n);
    for (unsigned i = 0; i < n; i++) {
        if (i == 0 && refused) {
            write_array(&b, n);
        }
        audit_row_write(&b, &rows[i]);
    }
    if (!refused) {
        write_array(&b, 0);
    }
    cursor_init(&c, b.data, b.len);
    bool read = audit_read(&c, &a, 50);
    audit_clear(&a);
    buffer_free(&b);
    return read;
}

static void unsound_trails_are_refused(void **state)
{
    struct audit_row rows[2] = {
        {.number = 1, .index = 50, .code = OPERATION_ROUTE_PUT, .count = 1},
        {.number = 2, .index = 50, .code = OPERATION_ROUTE_PUT, .count = 1},
    };

    (void)state;
    assert_true(is_read(rows, 2, 2, false));
    assert_false(is_read(rows, 2, 1, false)); /* of a number that was not given yet */
    assert_false(is_read(rows, 2, 2, true));  /* done, and among the refused */
    rows[1].number = 1;
    assert_false(is_read(rows, 2, 2, false));
    rows[1].number = 2;
    rows[1].index = 51; /* of an entry that was not applied yet */
    assert_false(is_read(rows, 2, 2, false));
    rows[1].index = 50;
    rows[1].code = OPERATION_PAY;
    assert_false(is_read(rows, 2, 2, false));
    rows[1].code = OPERATION_DEAD_DROP;
    rows[1].name = bed_text("no name");
    assert_false(is_read(rows, 2, 2, false));
    rows[1].name = bed_text("name");
    assert_true(is_read(rows, 2, 2, false));
}

/* --- the list --- */

/* The numbers of the rows of one page; *cursor goes on, *more tells whether there are. */
static unsigned page(struct book *k, struct operation op, uint64_t *cursor, bool *more,
                     uint64_t numbers[PROTOCOL_LIST_MAX])
{
    struct buffer body = {0};
    struct result result;
    struct cursor c;

    op.code = OPERATION_AUDIT_LIST;
    op.since_ms = *cursor;
    machine_read(&k->b->m, &op, &body, &result);
    assert_int_equal(result.error, ORDERSCHED_OK);
    cursor_init(&c, result.body.data, result.body.len);
    assert_int_equal(cursor_array(&c), 3);
    *cursor = cursor_uint(&c);
    *more = cursor_bool(&c);
    unsigned n = cursor_array(&c);
    for (unsigned i = 0; i < n; i++) {
        struct audit_row r;
        assert_true(audit_row_read(&c, &r));
        numbers[i] = r.number;
    }
    assert_true(cursor_ok(&c));
    buffer_free(&body);
    return n;
}

static void the_list_is_filtered_and_goes_on_behind_its_cursor(void **state)
{
    struct book *k = *state;
    uint64_t numbers[PROTOCOL_LIST_MAX], cursor = 0;
    bool more;

    for (unsigned i = 0; i < 3; i++) {
        bed_pass(k->b, T + 10 * i);
        ask_from(k, ROOT, HERE, pause_route(k, i % 2 == 0));
        ask_from(k, SHOP, HERE, pause_route(k, true)); /* rows 2, 4, then 6 */
    }
    ask_from(k, ROOT, HERE, book_create(k, "x", OTHER, 0, ROLE_ADMIN, "*", "")); /* row 7 */
    assert_int_equal(page(k, (struct operation){.limit = 2}, &cursor, &more, numbers), 2);
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], 3);
    assert_int_equal(cursor, 3);
    assert_true(more);
    assert_int_equal(page(k, (struct operation){.limit = 0}, &cursor, &more, numbers), 3);
    assert_int_equal(numbers[0], 5);
    assert_int_equal(numbers[2], 7);
    assert_false(more);
    assert_int_equal(page(k, (struct operation){.limit = 0}, &cursor, &more, numbers), 0);
    assert_int_equal(cursor, 7);
    cursor = 0;
    struct operation since = {.time_ms = T + 20};
    assert_int_equal(page(k, since, &cursor, &more, numbers), 3); /* 5, 6, 7 */
    cursor = 0;
    struct operation who = {.id = bed_text("shop")};
    assert_int_equal(page(k, who, &cursor, &more, numbers), 1);
    assert_int_equal(numbers[0], 6);
    cursor = 0;
    struct operation what = {.route = bed_text("token")};
    assert_int_equal(page(k, what, &cursor, &more, numbers), 1);
    assert_int_equal(numbers[0], 7);
    cursor = 0;
    what.route = bed_text("rout");
    assert_int_equal(page(k, what, &cursor, &more, numbers), 0);
    cursor = 0;
    what.route = bed_text(BED_ROUTE);
    assert_int_equal(page(k, what, &cursor, &more, numbers), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_BOOK(test) cmocka_unit_test_setup_teardown(test, book_setup, book_teardown)
        WITH_BOOK(an_operation_leaves_who_whence_when_and_what_became_of_it),
        WITH_BOOK(nobody_the_owner_and_a_certificate_are_told_apart),
        WITH_BOOK(who_revokes_itself_is_named),
        WITH_BOOK(a_repeated_request_is_one_row),
        WITH_BOOK(what_is_refused_again_is_counted),
        WITH_BOOK(without_an_address_in_the_log_there_is_no_row),
        WITH_BOOK(nothing_secret_is_in_a_row),
        WITH_BOOK(a_note_of_the_leaders_is_a_row),
        WITH_BOOK(a_set_back_names_who_asked_for_it),
        cmocka_unit_test(the_last_ten_thousand_are_kept_whatever_is_refused),
        cmocka_unit_test(the_trail_is_bounded_in_bytes),
        WITH_BOOK(the_trail_is_in_snapshots),
        cmocka_unit_test(unsound_trails_are_refused),
        WITH_BOOK(the_list_is_filtered_and_goes_on_behind_its_cursor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
