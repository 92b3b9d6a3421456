/* A picture of characters gets onto a terminal by what changed in it, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "../../../client/text/printable.h"
#include "../../../client/top/columns.h"
#include "../../../client/top/screen.h"
#include "../../support/random.h"

#define SIDE_MAX 24

/* A terminal that knows what screen_update() sends, and fails at anything else. */
struct terminal {
    unsigned rows, columns, row, column;
    uint32_t cells[SIDE_MAX][SIDE_MAX]; /* 0: the second half of a wide character */
};

static void blank_at(struct terminal *t, unsigned column) /* no half of a character stays */
{
    uint32_t *row = t->cells[t->row];

    if (row[column] == 0) {
        row[column - 1] = ' ';
    }
    if (column + 1 < t->columns && row[column + 1] == 0) {
        row[column + 1] = ' ';
    }
    row[column] = ' ';
}

static void show(struct terminal *t, uint32_t c)
{
    int width = wcwidth((wchar_t)c);

    assert_true(printable_is(c) && width >= 1 && width <= 2);
    assert_true(t->row < t->rows && t->column + (unsigned)width <= t->columns);
    for (int i = 0; i < width; i++) {
        blank_at(t, t->column + (unsigned)i);
    }
    t->cells[t->row][t->column] = c;
    if (width == 2) {
        t->cells[t->row][t->column + 1] = 0;
    }
    t->column += (unsigned)width;
}

static void obey(struct terminal *t, char command, unsigned a, unsigned b)
{
    switch (command) {
        case 'H':
            t->row = a - 1;
            t->column = b - 1;
            assert_true(t->row < t->rows && t->column < t->columns);
            break;
        case 'J':
            assert_int_equal(a, 2);
            for (unsigned i = 0; i < SIDE_MAX * SIDE_MAX; i++) {
                t->cells[i / SIDE_MAX][i % SIDE_MAX] = ' ';
            }
            break;
        case 'K':
            for (unsigned i = t->column; i < t->columns; i++) {
                blank_at(t, i);
            }
            break;
        case 'm': break;
        default: fail_msg("an unknown command: %c", command);
    }
}

static void feed(struct terminal *t, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        if (bytes[i] == '\33') {
            unsigned numbers[3] = {0}, n = 0;
            assert_int_equal(bytes[i + 1], '[');
            for (i += 2; i < len && strchr("0123456789;", bytes[i]) != NULL; i++) {
                if (bytes[i] == ';') {
                    assert_true(++n < 3);
                } else {
                    numbers[n] = 10 * numbers[n] + (unsigned)(bytes[i] - '0');
                }
            }
            assert_true(i < len);
            obey(t, bytes[i++], numbers[0], numbers[1]);
        } else {
            size_t size = printable_decode((const uint8_t *)bytes + i, len - i, &c);
            assert_true(size > 0);
            show(t, c);
            i += size;
        }
    }
}

static void update(struct screen *s, struct terminal *t, size_t *sent)
{
    char *bytes = screen_update(s, sent);

    assert_non_null(bytes);
    assert_true(*sent <= (size_t)screen_rows(s) * screen_columns(s) * SCREEN_CELL_BYTES + 16);
    feed(t, bytes, *sent);
    free(bytes);
}

/* The picture as lines is what the terminal shows. */
static void expect_same(const struct screen *s, const struct terminal *t)
{
    char *lines = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&lines, &len);
    struct terminal drawn = {.rows = t->rows, .columns = t->columns};

    screen_print(s, out);
    fclose(out);
    obey(&drawn, 'J', 2, 0);
    for (const char *line = lines, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        drawn.column = 0;
        feed(&drawn, line, (size_t)(end - line));
        drawn.row++;
    }
    free(lines);
    assert_memory_equal(drawn.cells, t->cells, sizeof drawn.cells);
}

static struct screen *make(unsigned rows, unsigned columns, bool utf8)
{
    struct screen *s = screen_make(utf8, true);

    assert_non_null(s);
    assert_true(screen_resize(s, rows, columns));
    return s;
}

static void expect_line(struct screen *s, const char *text, size_t len, const char *line)
{
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);

    screen_clear(s);
    screen_put(s, 0, 0, SCREEN_PLAIN, text, len);
    screen_print(s, out);
    fclose(out);
    assert_string_equal(lines, line);
    free(lines);
}
#define EXPECT_LINE(s, text, line) expect_line(s, text, sizeof(text) - 1, line)

static void what_would_steer_a_terminal_is_written_out(void **state)
{
    struct screen *s = make(1, 40, true);

    (void)state;
    EXPECT_LINE(s, "a\33[2Jb\7\0c", "a\\x1b[2Jb\\x07\\x00c\n");
    EXPECT_LINE(s,
                "\xc2\x9b"
                "1m\xff\xe2\x80\xae",
                "\\xc2\\x9b1m\\xff\\xe2\\x80\\xae\n");
    EXPECT_LINE(s, "e\xcc\x81", "e\\xcc\\x81\n"); /* takes no column of its own */
    EXPECT_LINE(s, "号é", "号é\n");
    screen_free(s);
    s = make(1, 40, false);
    EXPECT_LINE(s, "号é", "\\xe5\\x8f\\xb7\\xc3\\xa9\n");
    screen_free(s);
}

static void what_has_no_room_is_cut_off(void **state)
{
    struct screen *s = make(2, 5, true);

    (void)state;
    EXPECT_LINE(s, "1234567", "12345\n");
    EXPECT_LINE(s, "1234号", "1234\n"); /* not half of it */
    assert_int_equal(screen_put(s, 7, 1, SCREEN_PLAIN, "x", 1), 2);
    assert_int_equal(screen_put(s, 0, 9, SCREEN_PLAIN, "x", 1), 9);
    screen_free(s);
}

static void a_picture_that_is_there_is_not_sent(void **state)
{
    struct screen *s = make(10, 20, true);
    struct terminal t = {.rows = 10, .columns = 20};
    size_t sent;

    (void)state;
    screen_put(s, 4, 3, SCREEN_BAD, "late", 4);
    update(s, &t, &sent);
    assert_true(sent > 0);
    update(s, &t, &sent);
    assert_int_equal(sent, 0);
    screen_put(s, 4, 6, SCREEN_BAD, "3", 1);
    update(s, &t, &sent);
    assert_in_range(sent, 1, 20);
    expect_same(s, &t);
    screen_free(s);
}

/* Words, some of them wide or hostile, at any place of a picture of any size. */
static void any_picture_follows_any_other(void **state)
{
    static const char *const words[] = {"late", "号",     "订单号", " ",
                                        "    ", "\33[2J", "é",      "0123456789"};
    struct random r = random_start();

    (void)state;
    for (unsigned size = 0; size < 50; size++) {
        struct terminal t = {.rows = 1 + (unsigned)random_below(&r, SIDE_MAX),
                             .columns = 1 + (unsigned)random_below(&r, SIDE_MAX)};
        struct screen *s = make(t.rows, t.columns, true);
        for (unsigned n = 0; n < 100; n++) {
            size_t sent;
            if (random_below(&r, 3) == 0) {
                screen_clear(s);
            }
            for (unsigned i = 0; i < 6; i++) {
                const char *word = words[random_below(&r, sizeof words / sizeof *words)];
                screen_put(s, (unsigned)random_below(&r, t.rows + 1),
                           2 * (unsigned)random_below(&r, t.columns),
                           (enum screen_style)random_below(&r, SCREEN_STYLES), word, strlen(word));
            }
            if (random_below(&r, 10) == 0) {
                screen_forget(s);
            }
            update(s, &t, &sent);
            expect_same(s, &t);
        }
        screen_free(s);
    }
}

static void columns_that_matter_most_stay_where_it_is_narrow(void **state)
{
    static const struct column columns[] = {{"NAME", 0, false}, {"N", 2, true}, {"SIZE", 1, true}};
    static const struct {
        unsigned room;
        const char *lines;
    } cases[] = {{20, "NAME    N  SIZE\nalpha  12   345\n"},
                 {12, "NAME   SIZE\nalpha   345\n"},
                 {4, "NAME\nalph\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct screen *s = make(3, cases[i].room, true);
        struct columns c;
        char *lines = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&lines, &len);
        assert_true(columns_begin(&c, columns, 3, 1));
        columns_next(&c);
        columns_printf(&c, "alpha");
        columns_printf(&c, "12");
        columns_printf(&c, "345");
        assert_int_equal(columns_draw(&c, s, 0), 2);
        screen_print(s, out);
        fclose(out);
        assert_string_equal(lines, cases[i].lines);
        free(lines);
        columns_free(&c);
        screen_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_steer_a_terminal_is_written_out),
        cmocka_unit_test(what_has_no_room_is_cut_off),
        cmocka_unit_test(a_picture_that_is_there_is_not_sent),
        cmocka_unit_test(any_picture_follows_any_other),
        cmocka_unit_test(columns_that_matter_most_stay_where_it_is_narrow),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
