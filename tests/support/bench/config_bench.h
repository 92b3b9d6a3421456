/* config_bench.h - config_parse with a file of its own, and what it says. Include <cmocka.h> first. */
#ifndef CONFIG_BENCH_H
#define CONFIG_BENCH_H

#include "../../../node/config/parts.h"

struct config_bench {
    struct config config;
    char file[64];
    char out[8192];
    char err[4096];
};

int config_bench_open(void **state);
int config_bench_close(void **state);
#define on_config_bench(test) \
    cmocka_unit_test_setup_teardown(test, config_bench_open, config_bench_close)

/* What the file holds from now on. */
void config_bench_write(struct config_bench *f, const char *text);
/* Parse words separated by spaces; FILE stands for the bench's file, '' for an empty word. */
enum config_status config_bench_parse(struct config_bench *f, const char *line);
/* Taken, or the test fails with what was said. */
void assert_config_parsed(struct config_bench *f, const char *line);
/* Refused with one sentence, which holds the given words. */
void assert_config_refused(struct config_bench *f, const char *line, const char *words);

#endif
