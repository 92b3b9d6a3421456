/* config_bench.c - see config_bench.h. */
#include "config_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int config_bench_open(void **state)
{
    struct config_bench *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return -1;
    }
    strcpy(f->file, "/tmp/test_config.XXXXXX");
    int fd = mkstemp(f->file);
    if (fd < 0) {
        free(f);
        return -1;
    }
    close(fd);
    *state = f;
    return 0;
}

int config_bench_close(void **state)
{
    struct config_bench *f = *state;
    config_free(&f->config);
    unlink(f->file);
    free(f);
    return 0;
}

void config_bench_write(struct config_bench *f, const char *text)
{
    FILE *file = fopen(f->file, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Send a stream of this process into a file while config_parse runs. */
struct redirect {
    FILE *stream;
    FILE *file;
    int saved;
};

static void redirect_begin(struct redirect *r, FILE *stream)
{
    fflush(stream);
    r->stream = stream;
    r->file = tmpfile();
    r->saved = dup(fileno(stream));
    assert_non_null(r->file);
    assert_true(dup2(fileno(r->file), fileno(stream)) >= 0);
}

static void redirect_end(struct redirect *r, char *text, size_t len)
{
    fflush(r->stream);
    dup2(r->saved, fileno(r->stream));
    close(r->saved);
    rewind(r->file);
    size_t n = fread(text, 1, len - 1, r->file);
    text[n] = '\0';
    fclose(r->file);
}

enum config_status config_bench_parse(struct config_bench *f, const char *line)
{
    char words[2048];
    char *argv[64] = {"orderschedd"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = strcmp(word, "FILE") == 0 ? f->file : strcmp(word, "''") == 0 ? "" : word;
    }
    struct redirect out, err;
    config_free(&f->config);
    redirect_begin(&out, stdout);
    redirect_begin(&err, stderr);
    enum config_status status = config_parse(&f->config, argc, argv);
    redirect_end(&err, f->err, sizeof f->err);
    redirect_end(&out, f->out, sizeof f->out);
    return status;
}

void assert_config_parsed(struct config_bench *f, const char *line)
{
    enum config_status status = config_bench_parse(f, line);
    if (status != CONFIG_OK) {
        fail_msg("refused: %s\n%s", line, f->err);
    }
    assert_string_equal(f->err, "");
    assert_string_equal(f->out, "");
}

void assert_config_refused(struct config_bench *f, const char *line, const char *words)
{
    if (config_bench_parse(f, line) != CONFIG_ERROR) {
        fail_msg("taken: %s", line);
    }
    if (strstr(f->err, words) == NULL || strncmp(f->err, "orderschedd: ", 13) != 0) {
        fail_msg("%s: expected \"%s\" in: %s", line, words, f->err);
    }
    assert_ptr_equal(strchr(f->err, '\n'), f->err + strlen(f->err) - 1);
    assert_string_equal(f->out, "");
}
