/* judge_report.h - verdicts for people (a table) and for programs (results.edn). */
#ifndef JUDGE_REPORT_H
#define JUDGE_REPORT_H

#include <stdio.h>

#include "judge.h"

struct report {
    const struct history *h;
    const struct verdict *verdicts;
    size_t n;
    enum validity valid; /* of the whole */
};

/* What the reader says of the history itself: bad or missing lines are :unknown. */
enum validity report_reading(const struct history *h);
/* 0, or -1 when memory ran out. `findings`: how many of each checker. */
int report_print(const struct report *r, unsigned findings, FILE *out);
void report_write_edn(const struct report *r, FILE *out);

#endif
