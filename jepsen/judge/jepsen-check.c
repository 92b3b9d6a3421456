/* jepsen-check.c - judges a recorded history offline: runs the checkers over it, and writes what
 * they say beside it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/text/flags.h"
#include "judge.h"
#include "judge_pictures.h"

enum { EXIT_VALID = 0, EXIT_INVALID = 1, EXIT_USAGE = 2, EXIT_UNKNOWN = 3 };
enum { FLAG_OUT, FLAG_ONLY, FLAG_FINDINGS, FLAG_HELP };

static const struct flag flags_table[] = {
    {FLAG_OUT, "out", 0, "DIR", "where to write the results (the history's folder)"},
    {FLAG_ONLY, "only", 0, "CHECKER,...", "run these checkers only"},
    {FLAG_FINDINGS, "findings", 0, "N", "how many findings of a checker to print (5)"},
    {FLAG_HELP, "help", 'h', NULL, "this text"},
    {0},
};

struct options {
    const char *history;
    const char *out;
    bool chosen[JUDGE_CHECKERS_MAX];
    unsigned findings;
};

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "jepsen-check: %s%s%s\nTry: jepsen-check --help\n", what,
            value != NULL ? ": " : "", value != NULL ? value : "");
    return EXIT_USAGE;
}

static int help(void)
{
    printf(
        "Usage: jepsen-check HISTORY.edn [FLAGS]\n\n"
        "Judges a history of a run (jepsen/HISTORY.md): a table to stdout, and beside the\n"
        "history results.edn, timeline.html and lateness.svg.\n\n"
        "Exit codes: 0 everything held; 1 something was violated; 2 wrong usage, or a file that\n"
        "cannot be read or written; 3 it cannot be decided.\n\nFlags:\n");
    flags_print(flags_table, NULL, stdout);
    printf("\nCheckers:\n");
    for (const struct checker *c = judge_checkers; c->name != NULL; c++) {
        printf("  %-14s%-8s%s\n", c->name, c->invariants, c->sentence);
    }
    return EXIT_VALID;
}

/* False: one is not known. */
static bool choose(struct options *o, const char *list)
{
    while (*list != 0) {
        size_t len = strcspn(list, ",");
        bool found = false;
        for (size_t i = 0; judge_checkers[i].name != NULL; i++) {
            const char *name = judge_checkers[i].name;
            if (strlen(name) == len && memcmp(name, list, len) == 0) {
                o->chosen[i] = found = true;
            }
        }
        if (!found) {
            return false;
        }
        list += len + (list[len] == ',');
    }
    return true;
}

/* -1: go on. Else the exit code. */
static int read_options(struct options *o, int argc, char **argv)
{
    struct flags f;
    const char *value;
    bool only = false;

    *o = (struct options){.findings = 5};
    flags_init(&f, argc - 1, argv + 1, flags_table, NULL);
    for (int key; (key = flags_next(&f, &value)) != FLAGS_END;) {
        if (key == FLAGS_ERROR) {
            return usage(f.error, NULL);
        }
        if (key == FLAG_HELP) {
            return help();
        }
        if (key == FLAG_OUT) {
            o->out = value;
        } else if (key == FLAG_ONLY) {
            only = true;
            if (!choose(o, value)) {
                return usage("no such checker in --only", value);
            }
        } else if (key == FLAG_FINDINGS) {
            char *end;
            o->findings = (unsigned)strtoul(value, &end, 10);
            if (*value < '0' || *value > '9' || *end != 0) {
                return usage("--findings must be a number", value);
            }
        } else if (o->history != NULL) {
            return usage("more than one history", value);
        } else {
            o->history = value;
        }
    }
    if (o->history == NULL) {
        return usage("which history?", NULL);
    }
    for (size_t i = 0; !only && judge_checkers[i].name != NULL; i++) {
        o->chosen[i] = true;
    }
    return -1;
}

/* Open NAME in the folder of the results. NULL: a sentence was printed. */
static FILE *create(const struct options *o, const char *name)
{
    char path[4096];
    const char *slash = strrchr(o->history, '/');
    int len = 0;

    if (o->out != NULL) {
        len = snprintf(path, sizeof path, "%s/%s", o->out, name);
    } else if (slash != NULL) {
        len = snprintf(path, sizeof path, "%.*s/%s", (int)(slash - o->history), o->history, name);
    } else {
        len = snprintf(path, sizeof path, "%s", name);
    }
    FILE *file = len < (int)sizeof path ? fopen(path, "w") : NULL;
    if (file == NULL) {
        fprintf(stderr, "jepsen-check: cannot write %s: %s\n", path, strerror(errno));
    }
    return file;
}

/* 0, or -1 after a sentence. */
static int finish(FILE *file, const char *name)
{
    bool failed = ferror(file) != 0;

    if (fclose(file) != 0 || failed) {
        fprintf(stderr, "jepsen-check: cannot write %s: %s\n", name, strerror(errno));
        return -1;
    }
    return 0;
}

static int write_files(const struct options *o, const struct judged *j, const struct report *r)
{
    static const char *const names[] = {"results.edn", "timeline.html", "lateness.svg"};

    for (int i = 0; i < 3; i++) {
        FILE *file = create(o, names[i]);
        if (file == NULL) {
            return -1;
        }
        if (i == 0) {
            report_write_edn(r, file);
        } else if (i == 1) {
            picture_timeline(r, file);
        } else {
            picture_lateness(r, &j->unrest, file);
        }
        if (finish(file, names[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Bad lines could make any checker say what is not so: then none is asked. */
static void judge_all(const struct options *o, const struct judged *j, struct verdict *verdicts,
                      struct report *r)
{
    r->valid = report_reading(j->h);
    for (size_t i = 0; j->h->n_bad == 0 && judge_checkers[i].name != NULL; i++) {
        if (o->chosen[i]) {
            judge_run(j, &judge_checkers[i], &verdicts[r->n]);
            r->valid = validity_merge(r->valid, verdicts[r->n].validity);
            r->n++;
        }
    }
}

static int judge_history(const struct options *o, const struct history *h)
{
    static const int exits[] = {
        [VALID_TRUE] = EXIT_VALID,
        [VALID_FALSE] = EXIT_INVALID,
        [VALID_UNKNOWN] = EXIT_UNKNOWN,
    };
    struct verdict *verdicts = judge_alloc(JUDGE_CHECKERS_MAX, sizeof *verdicts);
    struct judged judged;
    struct report report = {.h = h, .verdicts = verdicts};

    judged_init(&judged, h);
    judge_all(o, &judged, verdicts, &report);
    int rv = report_print(&report, o->findings, stdout);
    rv = rv == 0 && write_files(o, &judged, &report) == 0 ? exits[report.valid] : EXIT_USAGE;
    judged_free(&judged);
    free(verdicts);
    return rv;
}

int main(int argc, char **argv)
{
    struct options options;
    struct history history;
    char error[512];
    int rv = read_options(&options, argc, argv);

    if (rv >= 0) {
        return rv;
    }
    if (history_read_file(&history, options.history, error, sizeof error) != 0) {
        fprintf(stderr, "jepsen-check: %s\n", error);
        return EXIT_USAGE;
    }
    rv = judge_history(&options, &history);
    history_free(&history);
    return rv;
}
