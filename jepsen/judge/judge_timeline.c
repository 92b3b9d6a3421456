/* judge_timeline.c - timeline.html: the page of timeline.html with a run's data in it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "judge_pictures.h"

/* The page, as it stands in jepsen/judge/timeline.html; the data goes where its mark is. */
__asm__(".section .rodata\n"
        ".global judge_timeline_page\n"
        ".hidden judge_timeline_page\n"
        "judge_timeline_page:\n"
        ".incbin \"jepsen/judge/timeline.html\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char judge_timeline_page[];

#define MARK "/*DATA*/"

bool *picture_violations(const struct report *r)
{
    bool *lines = judge_alloc((size_t)r->h->n_lines + 1, sizeof *lines);

    for (size_t i = 0; i < r->n; i++) {
        for (uint32_t k = 0; k < r->verdicts[i].n_findings; k++) {
            const struct verdict_finding *f = &r->verdicts[i].findings[k];
            for (uint32_t n = 0; n < f->n_lines && f->validity == VALID_FALSE; n++) {
                if (f->lines[n] < r->h->n_lines) {
                    lines[f->lines[n]] = true;
                }
            }
        }
    }
    return lines;
}

/* As a string of JavaScript inside a page. */
static void write_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != 0; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == '"' || c == '\\') {
            fprintf(out, "\\u%04x", c);
        } else {
            fputc(c, out);
        }
    }
    fputc('"', out);
}

/* ---- lanes ---- */

/* When a process was at work. */
struct shift {
    int64_t process;
    int64_t begin_ns, end_ns;
    uint32_t lane;
};

static int by_begin(const void *a, const void *b)
{
    const struct shift *x = a, *y = b;

    return (x->begin_ns > y->begin_ns) - (x->begin_ns < y->begin_ns);
}

static int by_process(const void *a, const void *b)
{
    const struct shift *x = a, *y = b;

    return (x->process > y->process) - (x->process < y->process);
}

static int64_t end_of(const struct history *h, const struct history_call *c)
{
    return c->ended_ns == HISTORY_NEVER ? h->end_ns : c->ended_ns;
}

static size_t find_shifts(const struct history *h, struct shift *shifts)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_calls; i++) {
        shifts[i] = (struct shift){.process = h->calls[i].process,
                                   .begin_ns = h->calls[i].invoked_ns,
                                   .end_ns = end_of(h, &h->calls[i])};
    }
    if (h->n_calls > 0) {
        qsort(shifts, h->n_calls, sizeof *shifts, by_process);
    }
    for (size_t i = 0; i < h->n_calls; i++) {
        struct shift *last = n > 0 ? &shifts[n - 1] : NULL;
        if (last == NULL || last->process != shifts[i].process) {
            shifts[n++] = shifts[i];
            continue;
        }
        last->begin_ns = shifts[i].begin_ns < last->begin_ns ? shifts[i].begin_ns : last->begin_ns;
        last->end_ns = shifts[i].end_ns > last->end_ns ? shifts[i].end_ns : last->end_ns;
    }
    return n;
}

/* A retired process leaves its lane to a later one. Returns the number of lanes. */
static uint32_t give_lanes(struct shift *shifts, size_t n)
{
    int64_t *busy_until = judge_alloc(n, sizeof *busy_until);
    uint32_t lanes = 0;

    if (n > 0) {
        qsort(shifts, n, sizeof *shifts, by_begin);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t lane = 0;
        while (lane < lanes && busy_until[lane] > shifts[i].begin_ns) {
            lane++;
        }
        shifts[i].lane = lane;
        busy_until[lane] = shifts[i].end_ns;
        lanes = lane == lanes ? lanes + 1 : lanes;
    }
    if (n > 0) {
        qsort(shifts, n, sizeof *shifts, by_process);
    }
    free(busy_until);
    return lanes;
}

/* ---- the data ---- */

static void write_head(const struct report *r, FILE *out)
{
    const struct history_header *header = &r->h->header;

    fprintf(out, "{valid:\"%s\",workload:", validity_name(r->valid));
    write_text(out, names_text(&r->h->names, header->workload));
    fprintf(out, ",nemesis:");
    write_text(out, names_text(&r->h->names, header->nemesis));
    fprintf(out, ",mutant:");
    write_text(out, names_text(&r->h->names, header->mutant));
    fprintf(out, ",seed:\"%" PRIu64 "\",nodes:%" PRId64 ",end:%" PRId64 ",\nnames:{f:[",
            header->seed, header->nodes, r->h->end_ns / 1000);
    for (int f = 0; f < CALL_FS; f++) {
        fprintf(out, "\"%s\",", history_call_name((enum call_f)f));
    }
    fprintf(out, "],verdict:[");
    for (int v = 0; v < VERDICTS; v++) {
        fprintf(out, "\"%s\",", history_verdict_name((enum delivery_verdict)v));
    }
    fprintf(out, "],error:{");
    for (int e = 0; e < 128; e++) {
        if (history_error_number(ordersched_error_name(e)) == e) {
            fprintf(out, "%d:\"%s\",", e, ordersched_error_name(e));
        }
    }
    fprintf(out, "},state:[");
    for (int s = 0; s <= ORDERSCHED_DEAD; s++) {
        fprintf(out, "\"%s\",", ordersched_state_name(s));
    }
    fprintf(out, "]},\n");
}

static void write_orders(const struct history *h, FILE *out)
{
    fprintf(out, "orders:[");
    for (uint32_t i = 0; i < h->n_orders; i++) {
        write_text(out, history_order_name(h, i));
        fputc(',', out);
    }
    fprintf(out, "],\n");
}

/* [begin, end, lane, f, end type, order, line, end line, error, state, deadline, index, process] */
static void write_calls(const struct history *h, FILE *out)
{
    struct shift *shifts = judge_alloc(h->n_calls, sizeof *shifts);
    size_t n = find_shifts(h, shifts);
    uint32_t lanes = give_lanes(shifts, n);

    fprintf(out, "lanes:%u,\nops:[", lanes);
    for (size_t i = 0; i < h->n_calls; i++) {
        const struct history_call *c = &h->calls[i];
        struct shift key = {.process = c->process};
        const struct shift *s = bsearch(&key, shifts, n, sizeof *shifts, by_process);
        fprintf(out,
                "[%" PRId64 ",%" PRId64 ",%u,%d,%d,%u,%u,%d,%d,%d,%" PRIu64 ",%" PRIu64 ",%" PRId64
                "],",
                c->invoked_ns / 1000, end_of(h, c) / 1000, s->lane, (int)c->f, (int)c->end,
                c->order, c->line, c->end_line == HISTORY_NO_LINE ? -1 : (int)c->end_line,
                c->answer.error, c->answer.state, c->answer.deadline_ms, c->answer.index,
                c->process);
    }
    fprintf(out, "],\n");
    free(shifts);
}

/* [time, order, verdict, line, attempt, lateness in ms, fence] */
static void write_deliveries(const struct history *h, FILE *out)
{
    fprintf(out, "deliveries:[");
    for (size_t i = 0; i < h->n_deliveries; i++) {
        const struct history_delivery *d = &h->deliveries[i];
        int64_t late_ms = d->deadline_ms > 0 ? (int64_t)(d->at_ms - d->deadline_ms) : 0;
        fprintf(out, "[%" PRId64 ",%u,%d,%u,%u,%" PRId64 ",\"%" PRIu64 ".%" PRIu64 "\"],",
                history_wall_ns(h, d->at_ms) / 1000, d->order, (int)d->verdict, d->line, d->attempt,
                late_ms, d->fence_epoch, d->fence_index);
    }
    fprintf(out, "],\neffects:[");
    for (size_t i = 0; i < h->n_effects; i++) {
        const struct history_delivery *e = &h->effects[i];
        fprintf(out, "[%" PRId64 ",%u,%u],", history_wall_ns(h, e->at_ms) / 1000, e->order,
                e->line);
    }
    fprintf(out, "],\n");
}

static void write_faults(const struct history *h, FILE *out)
{
    fprintf(out, "faults:[");
    for (size_t i = 0; i < h->n_faults; i++) {
        const struct history_fault *f = &h->faults[i];
        int64_t end_ns = f->end_ns == HISTORY_NEVER ? h->end_ns : f->end_ns;
        fprintf(out, "[%" PRId64 ",%" PRId64 ",", f->begin_ns / 1000, end_ns / 1000);
        write_text(out, names_text(&h->names, f->f));
        fputc(',', out);
        write_text(out, names_text(&h->names, f->details));
        fprintf(out, ",%d,%u],", f->quiet, f->line);
    }
    fprintf(out, "],\nphases:[");
    for (uint32_t i = 0; i < h->phases.n; i++) {
        fprintf(out, "[%" PRId64 ",", h->phases.all[i].time_ns / 1000);
        write_text(out, names_text(&h->names, h->phases.all[i].kind));
        fprintf(out, "],");
    }
    fprintf(out, "],\n");
}

static void write_verdicts(const struct report *r, FILE *out)
{
    fprintf(out, "verdicts:[");
    for (size_t i = 0; i < r->n; i++) {
        const struct verdict *v = &r->verdicts[i];
        fprintf(out, "[\"%s\",\"%s\",%u],", v->checker, validity_name(v->validity), v->violations);
    }
    fprintf(out, "],\nfindings:[");
    for (size_t i = 0; i < r->n; i++) {
        for (uint32_t k = 0; k < r->verdicts[i].n_findings; k++) {
            const struct verdict_finding *f = &r->verdicts[i].findings[k];
            fprintf(out, "{c:\"%s\",i:\"%s\",v:\"%s\",o:%d,lines:[", r->verdicts[i].checker,
                    f->invariant, validity_name(f->validity),
                    f->order == VERDICT_NO_ORDER ? -1 : (int)f->order);
            for (uint32_t n = 0; n < f->n_lines; n++) {
                fprintf(out, "%u,", f->lines[n]);
            }
            fprintf(out, "],t:");
            write_text(out, f->text);
            fprintf(out, "},\n");
        }
    }
    fprintf(out, "]}");
}

void picture_timeline(const struct report *r, FILE *out)
{
    const char *mark = strstr(judge_timeline_page, MARK);

    fwrite(judge_timeline_page, 1, (size_t)(mark - judge_timeline_page), out);
    write_head(r, out);
    write_orders(r->h, out);
    write_calls(r->h, out);
    write_deliveries(r->h, out);
    write_faults(r->h, out);
    write_verdicts(r, out);
    fputs(mark + strlen(MARK), out);
}
