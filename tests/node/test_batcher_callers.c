/* Who asks, and from where: what stands of it in an entry, in front of which operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "../support/bench/batcher_bench.h"

static void message_by(struct message *m, unsigned n_pays, unsigned n_gets, uint8_t *hash)
{
    bench_message_init(m, n_pays, n_gets);
    m->in.caller.kind = hash ? CALLER_TOKEN : CALLER_NOBODY;
    m->in.caller.who = (struct slice){hash, hash ? 32 : 0};
}

/* One letter for each operation of an entry: who asks (a, b, 0: nobody; a capital: and from where), or . */
static void letters_of(const struct bench *t, unsigned i, char *out)
{
    struct operation op;
    struct entry entry;
    size_t at = 0;

    assert_int_equal(entry_decode(t->proposed[i].data, t->proposed[i].len, &entry), 0);
    for (uint32_t k = 0; k < entry.n_operations; k++, at += op.bytes.len) {
        int rv = operation_decode(entry.operations.data + at, entry.operations.len - at, &op);
        assert_int_equal(rv, 0);
        bool says = op.code == OPERATION_CALLER;
        char who = !says ? '.' : op.kind == CALLER_NOBODY ? '0' : (char)op.secret.data[0];
        *out++ = says && op.address.data != NULL ? (char)toupper(who == '0' ? 'n' : who) : who;
    }
    assert_int_equal(at, entry.operations.len);
    *out = '\0';
}

/* As a client of an address does, whatever it asks for. */
static void message_from(struct message *m, bool administrative, const char *from, uint8_t *hash)
{
    message_by(m, 1, 0, hash);
    m->in.caller.from = (struct slice){(const uint8_t *)from, strlen(from)};
    m->in.is_administrative = administrative;
}

static void an_entry_says_that_it_has_keyed_request_ids(void **state)
{
    struct message m[3];
    struct bench t;
    struct entry e;

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    for (unsigned i = 0; i < 3; i++) {
        bench_message_init(&m[i], 1, 0);
        m[i].in.keyed = i == 1;
        assert_true(batcher_submit(&t.batcher, &m[i].in));
        if (i != 1) {
            batcher_pump(&t.batcher);
        }
    }
    for (unsigned i = 0; i < t.n_proposed; i++) {
        assert_int_equal(entry_decode(t.proposed[i].data, t.proposed[i].len, &e), 0);
        assert_int_equal(e.keyed, i == 1); /* with the message behind it */
        assert_int_equal(e.n_operations, 1 + i);
    }
    assert_int_equal(t.n_proposed, 2);
    batcher_bench_commit(&t);
    batcher_bench_commit(&t);
    for (unsigned i = 0; i < 3; i++) {
        bench_message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

static void whence_it_is_asked_stands_in_front_of_what_is_administrative(void **state)
{
    uint8_t a[TOKEN_HASH_SIZE] = "a";
    struct message m[9];
    struct bench t;
    char letters[64];

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    message_from(&m[0], false, "1.1.1.1", NULL);
    message_from(&m[1], true, "1.1.1.1", NULL); /* N */
    message_from(&m[2], false, "2.2.2.2", NULL);
    message_from(&m[3], true, "1.1.1.1", NULL); /* it is known still */
    message_from(&m[4], true, "2.2.2.2", NULL); /* N */
    message_from(&m[5], false, "2.2.2.2", a);   /* a */
    message_from(&m[6], true, "2.2.2.2", a);    /* A */
    message_from(&m[7], true, "", a);           /* A: not known, and that is told, too */
    message_from(&m[8], false, "", NULL);       /* 0 */
    for (unsigned i = 0; i < 9; i++) {
        assert_true(batcher_submit(&t.batcher, &m[i].in));
    }
    batcher_pump(&t.batcher);
    letters_of(&t, 0, letters);
    assert_string_equal(letters, ".N...N.a.A.A.0.");
    batcher_bench_commit(&t);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(m[i].answers, 1);
        bench_message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

static void who_asks_stands_in_front_of_what_another_asks(void **state)
{
    uint8_t a[TOKEN_HASH_SIZE] = "a", same[TOKEN_HASH_SIZE] = "a", b[TOKEN_HASH_SIZE] = "b";
    struct operation own = {.code = OPERATION_HURRY, .id = {(const uint8_t *)"x", 1}, .epoch = 1};
    struct message m[9];
    struct bench t;
    char letters[64];

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    message_by(&m[0], 1, 0, NULL);
    message_by(&m[1], 2, 0, a);
    message_by(&m[2], 0, 1, b); /* reads: nothing of it is in the log */
    message_by(&m[3], 1, 1, same);
    message_by(&m[4], 1, 0, b);
    message_by(&m[5], 1, 0, NULL);
    message_by(&m[6], 1, 0, NULL);
    message_by(&m[7], 1, 0, a);
    message_by(&m[8], 1, 0, a);
    (void)batcher_submit_internal(&t.batcher, &own);
    for (unsigned i = 0; i < 8; i++) {
        assert_true(batcher_submit(&t.batcher, &m[i].in));
    }
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, 1);
    letters_of(&t, 0, letters);
    assert_string_equal(letters, "..a...b.0..a.");
    assert_true(batcher_submit(&t.batcher, &m[8].in));
    batcher_pump(&t.batcher);
    letters_of(&t, 1, letters);
    assert_string_equal(letters, "a."); /* an entry begins with nobody */
    batcher_bench_commit(&t);
    batcher_bench_commit(&t);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(m[i].answers, 1);
        bench_message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

static void a_full_entry_has_room_for_who_asks(void **state)
{
    enum { N = 4 };
    uint8_t hashes[N][TOKEN_HASH_SIZE] = {"a", "b", "c", "d"};
    static struct message m[N];
    struct bench t;

    (void)state;
    batcher_bench_init(&t, N, 1 << 24);
    for (unsigned i = 0; i < N; i++) {
        message_by(&m[i], i == 0 ? BATCHER_ENTRY_OPERATIONS : 512, 0, hashes[i]);
        assert_true(batcher_submit(&t.batcher, &m[i].in));
    }
    batcher_pump(&t.batcher);
    assert_int_equal(batcher_bench_operations(&t, 0), BATCHER_ENTRY_OPERATIONS + 1);
    assert_int_equal(batcher_bench_operations(&t, 1),
                     513); /* two more with their callers are one too many */
    for (; t.n_settled < t.n_proposed; batcher_pump(&t.batcher)) {
        batcher_bench_commit(&t);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(m[i].answers, 1);
        bench_message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_says_that_it_has_keyed_request_ids),
        cmocka_unit_test(who_asks_stands_in_front_of_what_another_asks),
        cmocka_unit_test(whence_it_is_asked_stands_in_front_of_what_is_administrative),
        cmocka_unit_test(a_full_entry_has_room_for_who_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
