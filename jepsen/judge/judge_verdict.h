/* judge_verdict.h - what a checker says of a history: its validity, what it looked at, and each
 * contradiction that it found, with the invariant's name and the lines of both sides.
 *
 * A verdict has no pointers, so that a checker can run in a process of its own and leave its
 * verdict in shared memory (judge.c). */
#ifndef JUDGE_VERDICT_H
#define JUDGE_VERDICT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define VERDICT_FINDINGS_MAX 40 /* kept; all are counted */
#define VERDICT_FIGURES_MAX 40
#define VERDICT_LINES_MAX 8

/* In the order in which they win when merged. */
enum validity { VALID_TRUE, VALID_UNKNOWN, VALID_FALSE };

struct verdict_finding {
    enum validity validity; /* FALSE or UNKNOWN */
    char invariant[8];      /* "I1" */
    char text[480];
    uint32_t order;                    /* number of the order; UINT32_MAX: none */
    uint32_t lines[VERDICT_LINES_MAX]; /* indexes in the history */
    uint32_t n_lines;
};

struct verdict_figure {
    char name[48];
    int64_t value;
};

struct verdict {
    char checker[24];
    enum validity validity;
    uint32_t violations;                                   /* all of them */
    uint32_t doubts;                                       /* what could not be decided */
    struct verdict_finding findings[VERDICT_FINDINGS_MAX]; /* violations push out doubts */
    uint32_t n_findings;
    struct verdict_figure figures[VERDICT_FIGURES_MAX];
    uint32_t n_figures;
};

/* Lines of a finding: VERDICT_LINES(12, 40). UINT32_MAX is left out. */
struct verdict_lines {
    const uint32_t *lines;
    uint32_t n;
};
#define VERDICT_LINES(...)                                   \
    ((struct verdict_lines){(const uint32_t[]){__VA_ARGS__}, \
                            sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)})
#define VERDICT_NO_ORDER UINT32_MAX

/* A contradiction: `text` tells both sides. */
void verdict_violation(struct verdict *v, const char *invariant, uint32_t order,
                       struct verdict_lines lines, const char *text, ...)
    __attribute__((format(printf, 5, 6)));
/* Something that cannot be decided. */
void verdict_doubt(struct verdict *v, const char *invariant, uint32_t order,
                   struct verdict_lines lines, const char *text, ...)
    __attribute__((format(printf, 5, 6)));
/* What it looked at, or counted: "orders", 120. */
void verdict_figure(struct verdict *v, const char *name, int64_t value);

/* The worse of two. */
enum validity validity_merge(enum validity a, enum validity b);
/* "true", "unknown", "false". */
const char *validity_name(enum validity validity);

#endif
