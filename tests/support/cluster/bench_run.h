/* bench_run.h - a run of orderbench as a process, and what its row must have. Include <cmocka.h> first: what is
 * not so fails the test. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define BENCH_RUN_END_MS 180000 /* soak and overload take 15 s, and more on a busy machine */

/* A run of orderbench with its data in a scratch directory of its own. */
struct bench_run {
    char dir[256];
    char out[300]; /* what it says, on both channels */
    pid_t pid;
};

/* Start it with these words; NULL ends them. */
void bench_run_begin(struct bench_run *b, const char *const *args);
/* It has ended: its files go. */
void bench_run_end(struct bench_run *b);
/* What it printed: with -q nothing but the row, which is the caller's. It must end well, and leave nothing. */
json_t *bench_run_row(const char *const *args);

/* A number of a row, which it must have. */
double bench_run_figure(const json_t *row, const char *name);
/* The latencies are there and in their order. */
void bench_run_expect_latencies(const json_t *row);
/* It is of this measurement, and has what all rows have. */
void bench_run_expect_row(const json_t *row, const char *bench, unsigned nodes, unsigned orders);

/* The beginning of a file, as text. */
void bench_run_read_text(const char *path, char *text, size_t size);
/* Has this directory no visible files? */
bool bench_run_is_empty(const char *path);

#endif
