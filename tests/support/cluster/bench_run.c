/* bench_run.c - see bench_run.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_run.h"
#include "process.h"

#define ARGS_MAX 24

void bench_run_read_text(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    text[fread(text, 1, size - 1, f)] = 0;
    fclose(f);
}

void bench_run_begin(struct bench_run *b, const char *const *args)
{
    char program[600];
    char *argv[ARGS_MAX] = {program};
    unsigned n = 1;

    scratch_make(b->dir, sizeof b->dir);
    snprintf(b->out, sizeof b->out, "%s.out", b->dir);
    process_path("orderbench", program, sizeof program);
    for (; *args != NULL; args++) {
        assert_true(n + 3 < ARGS_MAX);
        argv[n++] = (char *)*args;
    }
    if (strcmp(argv[1], "with") != 0) {
        argv[n++] = "--data";
        argv[n++] = b->dir;
    }
    b->pid = process_start(argv, b->out, NULL, NULL);
}

void bench_run_end(struct bench_run *b)
{
    scratch_remove(b->dir);
    unlink(b->out);
}

bool bench_run_is_empty(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool empty = true;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        empty = empty && entry->d_name[0] == '.';
    }
    closedir(dir);
    return empty;
}

/* What it printed: with -q nothing but the row. */
json_t *bench_run_row(const char *const *args)
{
    struct bench_run b;
    json_error_t error;

    bench_run_begin(&b, args);
    int status = process_wait_long(b.pid, BENCH_RUN_END_MS);
    json_t *row = json_load_file(b.out, 0, &error);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || row == NULL) {
        char text[4096];
        bench_run_read_text(b.out, text, sizeof text);
        fail_msg("orderbench %s: wait status %d, and in %s: %s", args[0], status, b.out, text);
    }
    assert_true(bench_run_is_empty(b.dir));
    bench_run_end(&b);
    return row;
}

double bench_run_figure(const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);

    if (!json_is_number(value)) {
        fail_msg("the row has no figure %s", name);
    }
    return json_number_value(value);
}

void bench_run_expect_latencies(const json_t *row)
{
    assert_true(bench_run_figure(row, "ops_per_s") > 0);
    assert_true(bench_run_figure(row, "seconds") > 0);
    assert_true(bench_run_figure(row, "p50_ms") > 0);
    assert_true(bench_run_figure(row, "p50_ms") <= bench_run_figure(row, "p99_ms"));
    assert_true(bench_run_figure(row, "p99_ms") <= bench_run_figure(row, "p999_ms"));
    assert_true(bench_run_figure(row, "p999_ms") <= bench_run_figure(row, "max_ms"));
}

void bench_run_expect_row(const json_t *row, const char *bench, unsigned nodes, unsigned orders)
{
    assert_string_equal(json_string_value(json_object_get(row, "bench")), bench);
    assert_true(bench_run_figure(row, "nodes") == nodes);
    assert_true(bench_run_figure(row, "orders") == orders);
    assert_int_equal(json_array_size(json_object_get(row, "cpu_s")), nodes);
    json_t *rss = json_object_get(row, "rss_bytes");
    assert_int_equal(json_array_size(rss), nodes);
    for (unsigned i = 0; i < nodes; i++) {
        assert_in_range(json_integer_value(json_array_get(rss, i)), 1 << 20, 1 << 30);
    }
    assert_true(json_is_object(json_object_get(row, "settings")));
    assert_true(json_is_string(json_object_get(row, "version")));
}
