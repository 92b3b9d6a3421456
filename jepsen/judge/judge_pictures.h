/* judge_pictures.h - a run to look at: its timeline (a page of HTML that needs nothing else) and
 * how late its deliveries were against its faults (SVG). */
#ifndef JUDGE_PICTURES_H
#define JUDGE_PICTURES_H

#include <stdio.h>

#include "judge_report.h"

void picture_timeline(const struct report *r, FILE *out);
void picture_lateness(const struct report *r, const struct windows *windows, FILE *out);

/* Is the line part of a violation? By line, for all lines of the history; malloc'ed. */
bool *picture_violations(const struct report *r);

#endif
