/* test_replay_files.c - the files that a replay reads, whole and damaged, and the orders that it
 * makes up.
 *
 * These parts belong to the program orderbench and are in no archive, hence the .c files here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../client/bench/replay/generate.c"
#include "../../client/bench/replay/journal.c"
#include "../../client/bench/replay/orders.c"
#include "../../client/ordersched.h"

#define WINDOW_MS 1830000u

/* ---- files ---- */

/* A file with this content; its path is in `path` and it is to be unlinked. */
static void write_file(char path[64], const char *content, size_t len)
{
    snprintf(path, 64, "/tmp/test_replay_XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), (ssize_t)len);
    close(fd);
}

static int read_orders_from(const char *content, const char *prefix, struct bench_orders *orders,
                            char reason[256])
{
    char path[64];

    write_file(path, content, strlen(content));
    reason[0] = 0;
    int rv = bench_orders_read(orders, path, prefix, reason, 256);
    unlink(path);
    return rv;
}

static void orders_are_read_with_and_without_a_payment(void **state)
{
    (void)state;
    struct bench_orders orders;
    char reason[256];

    assert_int_equal(read_orders_from("order_id,purchased_at,paid_at\r\nb,100,160\r\na,100,\r\n",
                                      "x-", &orders, reason),
                     0);
    assert_int_equal(orders.n, 2);
    assert_string_equal(orders.items[0].id, "x-b");
    assert_true(orders.items[0].has_payment);
    assert_int_equal(orders.items[0].pay_delay_ms, 60000);
    assert_false(orders.items[1].has_payment);
    assert_int_equal(bench_orders_find(&orders, "x-a"), 1);
    assert_int_equal(bench_orders_find(&orders, "x-b"), 0);
    assert_true(bench_orders_find(&orders, "x-c") == SIZE_MAX);
    bench_orders_free(&orders);
}

static void a_malformed_order_is_named_by_file_and_line(void **state)
{
    (void)state;
    const struct {
        const char *line;
        const char *reason;
    } bad[] = {
        {"b,1", "three fields"},     {"b,1,2,3", "three fields"},
        {",1,2", "empty"},           {"b,x,2", "purchased_at"},
        {"b,,2", "purchased_at"},    {"b,-1,2", "purchased_at"},
        {"b,1,2x", "paid_at"},       {"b,5,4", "before"},
        {"b c,1,2", "space"},        {"b,99999999999999999999,1", "purchased_at"},
        {"a,1,2", "that of line 2"}, {"", "three"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bench_orders orders;
        char content[256];
        char reason[256];
        snprintf(content, sizeof content, "order_id,purchased_at,paid_at\na,1,2\n%s\n",
                 bad[i].line);
        assert_int_equal(read_orders_from(content, "", &orders, reason), -1);
        assert_non_null(strstr(reason, ":3: "));
        assert_non_null(strstr(reason, bad[i].reason));
        bench_orders_free(&orders);
    }
}

static void a_file_without_orders_is_refused(void **state)
{
    (void)state;
    struct bench_orders orders;
    char reason[256];

    assert_int_equal(read_orders_from("", "", &orders, reason), -1);
    bench_orders_free(&orders);
    assert_int_equal(read_orders_from("order_id,purchased_at,paid_at\n", "", &orders, reason), -1);
    bench_orders_free(&orders);
    assert_int_equal(read_orders_from("id;paid\n", "", &orders, reason), -1);
    assert_non_null(strstr(reason, ":1: "));
    bench_orders_free(&orders);
    assert_int_equal(bench_orders_read(&orders, "/nonexistent/x.csv", "", reason, 256), -1);
    assert_non_null(strstr(reason, "/nonexistent/x.csv"));
    bench_orders_free(&orders);
}

#define LINE(kind, order, id, t, more)                                                      \
    "{\"t_ms\":" t ",\"kind\":\"" kind "\",\"webhook_id\":\"" id "\",\"order_id\":\"" order \
    "\",\"attempt\":1,\"fence\":\"2.9\",\"deadline_ms\":40" more "}\n"

static int read_journal_from(const char *content, uint64_t offset, struct bench_journal *journal,
                             char reason[256])
{
    struct bench_orders orders;
    char path[64];

    assert_int_equal(read_orders_from("order_id,purchased_at,paid_at\na,1,2\nb,1,2\n", "", &orders,
                                      reason),
                     0);
    write_file(path, content, strlen(content));
    assert_int_equal(bench_journal_length(path), strlen(content));
    int rv = bench_journal_read(journal, path, offset, &orders, reason, 256);
    unlink(path);
    bench_orders_free(&orders);
    return rv;
}

static void the_journal_gives_the_events_of_known_orders(void **state)
{
    (void)state;
    const char *before = LINE("effect", "a", "old", "1", "");
    const char *after = LINE("delivery", "b", "w1", "41", ",\"answer\":\"expired\"")
        LINE("effect", "b", "w1", "42", "") LINE("delivery", "stranger", "w2", "43", "")
            LINE("refused", "a", "w3", "44", "")
                LINE("delivery", "a", "w4", "45", ",\"answer\":\"paid\"") "{\"t_ms\":46,\"ki";
    struct bench_journal journal;
    char content[2048];
    char reason[256];

    snprintf(content, sizeof content, "%s%s", before, after);
    assert_int_equal(read_journal_from(content, strlen(before), &journal, reason), 0);
    assert_int_equal(journal.n, 3);
    assert_int_equal(journal.events[0].order, 1);
    assert_int_equal(journal.events[0].kind, JUDGE_DELIVERY);
    assert_int_equal(journal.events[0].t_ms, 41);
    assert_int_equal(journal.events[0].deadline_ms, 40);
    assert_false(journal.events[0].said_paid);
    assert_int_equal(journal.events[1].kind, JUDGE_EFFECT);
    assert_string_equal(journal.events[1].webhook_id, "w1");
    assert_int_equal(journal.events[2].order, 0);
    assert_true(journal.events[2].said_paid);
    bench_journal_free(&journal);
}

static void a_damaged_journal_is_named_by_line(void **state)
{
    (void)state;
    const char *const bad[] = {"nonsense\n", "[]\n", "{\"order_id\":\"a\"}\n",
                               LINE("delivery", "a", "w", "\"x\"", ""),
                               LINE("effect", "a", "w", "-1", "")};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bench_journal journal;
        char content[1024];
        char reason[256];
        snprintf(content, sizeof content, "%s%s", LINE("delivery", "a", "w", "1", ""), bad[i]);
        assert_int_equal(read_journal_from(content, 0, &journal, reason), -1);
        assert_non_null(strstr(reason, ":2: "));
        bench_journal_free(&journal);
    }
}

/* ---- generated orders ---- */

static char *generated(uint64_t count, uint64_t seed, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);

    assert_non_null(out);
    assert_int_equal(bench_generate(out, count, seed), 0);
    fclose(out);
    return text;
}

static void generated_orders_are_the_same_for_the_same_seed(void **state)
{
    (void)state;
    size_t len[3];
    char *a = generated(100, 7, &len[0]);
    char *b = generated(100, 7, &len[1]);
    char *c = generated(100, 8, &len[2]);

    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    /* On every machine, today and later: */
    assert_non_null(strstr(a, "\n53fcd6513d02befe225ec07a99506761,1767225716,1767225883\n"));
    free(a);
    free(b);
    free(c);
}

static void generated_orders_have_the_spread_they_promise(void **state)
{
    (void)state;
    struct bench_orders orders;
    char reason[256];
    size_t len;
    char *text = generated(20000, 3, &len);
    unsigned in_time = 0;
    unsigned never = 0;
    unsigned within_minutes = 0;
    unsigned days = 0;

    assert_int_equal(read_orders_from(text, "", &orders, reason), 0);
    free(text);
    assert_int_equal(orders.n, 20000);
    for (size_t i = 0; i < orders.n; i++) {
        const struct bench_order *o = &orders.items[i];
        never += !o->has_payment;
        in_time += o->has_payment && o->pay_delay_ms <= WINDOW_MS;
        within_minutes += o->has_payment && o->pay_delay_ms <= 300000;
        days += o->has_payment && o->pay_delay_ms > 86400000;
        if (o->has_payment) {
            assert_false(o->pay_delay_ms > WINDOW_MS - 30000 &&
                         o->pay_delay_ms < WINDOW_MS + 30000);
        }
    }
    assert_in_range(in_time, 20000 * 56 / 100, 20000 * 58 / 100);
    assert_in_range(never, 20000 * 5 / 1000, 20000 * 15 / 1000);
    assert_true(within_minutes > in_time / 2);
    assert_true(days > 20000 / 10);
    bench_orders_free(&orders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_read_with_and_without_a_payment),
        cmocka_unit_test(a_malformed_order_is_named_by_file_and_line),
        cmocka_unit_test(a_file_without_orders_is_refused),
        cmocka_unit_test(the_journal_gives_the_events_of_known_orders),
        cmocka_unit_test(a_damaged_journal_is_named_by_line),
        cmocka_unit_test(generated_orders_are_the_same_for_the_same_seed),
        cmocka_unit_test(generated_orders_have_the_spread_they_promise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
