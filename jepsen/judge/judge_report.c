/* judge_report.c - see judge_report.h. */
#include "judge_report.h"

#include <stdlib.h>
#include <string.h>

#include "../../client/text/table.h"

enum validity report_reading(const struct history *h)
{
    return h->n_bad > 0 || h->torn || h->n_lines == 0 ? VALID_UNKNOWN : VALID_TRUE;
}

/* ---- for people ---- */

static const char *shown(enum validity validity)
{
    return validity == VALID_TRUE ? "true" : validity == VALID_FALSE ? "FALSE" : "unknown";
}

/* "orders 12, answers 40": the figures that are not zero, but the first in any case. */
static void sum_up(const struct verdict *v, char *out, size_t len)
{
    size_t n = 0;

    out[0] = 0;
    for (uint32_t i = 0; i < v->n_figures && n < len; i++) {
        const struct verdict_figure *f = &v->figures[i];
        if (f->value != 0 || i == 0) {
            n += (size_t)snprintf(out + n, len - n, "%s%s %lld", n > 0 ? "; " : "", f->name,
                                  (long long)f->value);
        }
    }
}

static int print_table(const struct report *r, FILE *out)
{
    static const char *const headers[] = {"CHECKER",    "PROVES",    "VALID",
                                          "VIOLATIONS", "LOOKED AT", NULL};
    struct table t;
    char text[1024];

    table_init(&t, headers);
    for (size_t i = 0; i < r->n; i++) {
        const struct verdict *v = &r->verdicts[i];
        const char *invariants = "";
        for (const struct checker *c = judge_checkers; c->name != NULL; c++) {
            invariants = strcmp(c->name, v->checker) == 0 ? c->invariants : invariants;
        }
        sum_up(v, text, sizeof text);
        table_text(&t, v->checker);
        table_text(&t, invariants);
        table_text(&t, shown(v->validity));
        table_printf(&t, "%u", v->violations);
        table_text(&t, text);
    }
    int rv = table_print(&t, out);
    table_free(&t);
    return rv;
}

static void print_finding(const struct verdict *v, const struct verdict_finding *f, FILE *out)
{
    char *text = table_escape(f->text, strlen(f->text));

    fprintf(out, "\n%s %s %s%s\n", f->validity == VALID_FALSE ? "VIOLATION of" : "unknown:",
            f->invariant[0] != 0 ? f->invariant : v->checker, f->invariant[0] != 0 ? "by " : "",
            f->invariant[0] != 0 ? v->checker : "");
    fprintf(out, "  %s\n", text != NULL ? text : "");
    if (f->n_lines > 0) {
        fprintf(out, "  lines:");
        for (uint32_t i = 0; i < f->n_lines; i++) {
            fprintf(out, " %u", f->lines[i]);
        }
        fprintf(out, "\n");
    }
    free(text);
}

static void print_findings(const struct verdict *v, unsigned max, FILE *out)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < v->n_findings && n < max; i++, n++) {
        print_finding(v, &v->findings[i], out);
    }
    if (v->violations + v->doubts > n) {
        fprintf(out, "\n... and %u more by %s\n", v->violations + v->doubts - n, v->checker);
    }
}

static void print_reading(const struct history *h, FILE *out)
{
    for (size_t i = 0; i < h->n_bad && i < HISTORY_FAULTS_OF_READING; i++) {
        fprintf(out, "unknown: %s\n", h->bad[i]);
    }
    if (h->n_bad > HISTORY_FAULTS_OF_READING) {
        fprintf(out, "... and %zu more bad lines\n", h->n_bad - HISTORY_FAULTS_OF_READING);
    }
    if (h->torn) {
        fprintf(out, "unknown: the last line is torn; the harness died\n");
    }
    if (h->n_lines == 0 && h->n_bad == 0) {
        fprintf(out, "unknown: the history is empty\n");
    }
}

int report_print(const struct report *r, unsigned findings, FILE *out)
{
    const struct history_header *header = &r->h->header;
    const struct names *names = &r->h->names;

    fprintf(out,
            "workload %s, nemesis %s, %lld nodes, seed %llu: %u lines, %zu operations on %zu "
            "orders, %zu deliveries in %lld s\n\n",
            names_text(names, header->workload), names_text(names, header->nemesis),
            (long long)header->nodes, (unsigned long long)header->seed, r->h->n_lines,
            r->h->n_calls, r->h->n_orders, r->h->n_deliveries,
            (long long)(r->h->end_ns / 1000000000));
    print_reading(r->h, out);
    if (r->n > 0 && print_table(r, out) != 0) {
        return -1;
    }
    for (size_t i = 0; i < r->n; i++) {
        print_findings(&r->verdicts[i], findings, out);
    }
    fprintf(out, "\nvalid: %s\n", validity_name(r->valid));
    return 0;
}

/* ---- for programs ---- */

static void write_string(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != 0; text++) {
        if (*text == '"' || *text == '\\') {
            fprintf(out, "\\%c", *text);
        } else if ((unsigned char)*text < 0x20) {
            fprintf(out, "\\u%04x", (unsigned)*text);
        } else {
            fputc(*text, out);
        }
    }
    fputc('"', out);
}

static void write_name(const char *key, const struct names *names, uint32_t name, FILE *out)
{
    fprintf(out, " %s ", key);
    if (name == NAME_NONE) {
        fprintf(out, "nil");
    } else {
        write_string(names_text(names, name), out);
    }
}

static void write_validity(enum validity validity, FILE *out)
{
    fprintf(out, "%s%s", validity == VALID_UNKNOWN ? ":" : "", validity_name(validity));
}

static void write_finding(const struct report *r, const struct verdict_finding *f, FILE *out)
{
    fprintf(out, "\n    {:valid? ");
    write_validity(f->validity, out);
    fprintf(out, ", :invariant ");
    write_string(f->invariant, out);
    if (f->order != VERDICT_NO_ORDER) {
        fprintf(out, ", :order ");
        write_string(history_order_name(r->h, f->order), out);
    }
    fprintf(out, ", :lines [");
    for (uint32_t i = 0; i < f->n_lines; i++) {
        fprintf(out, "%s%u", i > 0 ? " " : "", f->lines[i]);
    }
    fprintf(out, "], :text ");
    write_string(f->text, out);
    fprintf(out, "}");
}

static void write_verdict(const struct report *r, const struct verdict *v, FILE *out)
{
    fprintf(out, " :%s {:valid? ", v->checker);
    write_validity(v->validity, out);
    fprintf(out, ", :violations %u, :doubts %u,\n   :figures {", v->violations, v->doubts);
    for (uint32_t i = 0; i < v->n_figures; i++) {
        fprintf(out, "%s", i > 0 ? ", " : "");
        write_string(v->figures[i].name, out);
        fprintf(out, " %lld", (long long)v->figures[i].value);
    }
    fprintf(out, "},\n   :findings [");
    for (uint32_t i = 0; i < v->n_findings; i++) {
        write_finding(r, &v->findings[i], out);
    }
    fprintf(out, "]}\n");
}

void report_write_edn(const struct report *r, FILE *out)
{
    const struct history_header *header = &r->h->header;

    fprintf(out, "{:valid? ");
    write_validity(r->valid, out);
    write_name(":workload", &r->h->names, header->workload, out);
    write_name(":nemesis", &r->h->names, header->nemesis, out);
    write_name(":mutant", &r->h->names, header->mutant, out);
    write_name(":commit", &r->h->names, header->commit, out);
    fprintf(out, " :seed %llu\n :bad-lines [", (unsigned long long)header->seed);
    for (size_t i = 0; i < r->h->n_bad && i < HISTORY_FAULTS_OF_READING; i++) {
        fprintf(out, "%s", i > 0 ? " " : "");
        write_string(r->h->bad[i], out);
    }
    fprintf(out, "] :torn %s\n", r->h->torn ? "true" : "false");
    for (size_t i = 0; i < r->n; i++) {
        write_verdict(r, &r->verdicts[i], out);
    }
    fprintf(out, "}\n");
}
