/* judge_verdict.c - see judge_verdict.h. */
#include "judge_verdict.h"

#include <stdio.h>
#include <string.h>

enum validity validity_merge(enum validity a, enum validity b)
{
    return a > b ? a : b;
}

const char *validity_name(enum validity validity)
{
    switch (validity) {
        case VALID_TRUE: return "true";
        case VALID_UNKNOWN: return "unknown";
        case VALID_FALSE: break;
    }
    return "false";
}

/* Where to keep a finding; NULL: nowhere. */
static struct verdict_finding *place_for(struct verdict *v, enum validity validity)
{
    if (v->n_findings < VERDICT_FINDINGS_MAX) {
        return &v->findings[v->n_findings++];
    }
    for (uint32_t i = 0; validity == VALID_FALSE && i < v->n_findings; i++) {
        if (v->findings[i].validity == VALID_UNKNOWN) {
            return &v->findings[i];
        }
    }
    return NULL;
}

static void add_finding(struct verdict *v, enum validity validity, const char *invariant,
                        uint32_t order, struct verdict_lines lines, const char *text, va_list args)
{
    struct verdict_finding *f = place_for(v, validity);

    v->validity = validity_merge(v->validity, validity);
    if (f == NULL) {
        return;
    }
    *f = (struct verdict_finding){.validity = validity, .order = order};
    snprintf(f->invariant, sizeof f->invariant, "%s", invariant);
    vsnprintf(f->text, sizeof f->text, text, args);
    for (uint32_t i = 0; i < lines.n && f->n_lines < VERDICT_LINES_MAX; i++) {
        if (lines.lines[i] != UINT32_MAX) {
            f->lines[f->n_lines++] = lines.lines[i];
        }
    }
}

void verdict_violation(struct verdict *v, const char *invariant, uint32_t order,
                       struct verdict_lines lines, const char *text, ...)
{
    va_list args;

    v->violations++;
    va_start(args, text);
    add_finding(v, VALID_FALSE, invariant, order, lines, text, args);
    va_end(args);
}

void verdict_doubt(struct verdict *v, const char *invariant, uint32_t order,
                   struct verdict_lines lines, const char *text, ...)
{
    va_list args;

    v->doubts++;
    va_start(args, text);
    add_finding(v, VALID_UNKNOWN, invariant, order, lines, text, args);
    va_end(args);
}

void verdict_figure(struct verdict *v, const char *name, int64_t value)
{
    if (v->n_figures < VERDICT_FIGURES_MAX) {
        struct verdict_figure *f = &v->figures[v->n_figures++];
        snprintf(f->name, sizeof f->name, "%s", name);
        f->value = value;
    }
}
