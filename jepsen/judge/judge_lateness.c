/* judge_lateness.c - lateness.svg: each first delivery as a point, when it was due and how late it
 * came, on a logarithmic scale; faults as shaded bands, the bound as a line, violations in red. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "judge_pictures.h"

#define WIDTH 1240
#define LEFT 70
#define RIGHT 1220
#define TOP 112
#define BOTTOM 520
#define EARLY 546 /* where those are shown that came before their deadline */
#define HEIGHT 620
#define LABEL_ROWS 4
#define LABEL_WIDTH 6.2 /* of a letter, in pixels */
#define LOWEST_MS 1.0

struct plot {
    const struct history *h;
    FILE *out;
    double from_s, to_s;
    double highest_ms;
    bool *violations;
};

static double x_of(const struct plot *p, double s)
{
    return LEFT + (s - p->from_s) / (p->to_s - p->from_s) * (RIGHT - LEFT);
}

static double y_of(const struct plot *p, double ms)
{
    double share = log10(ms < LOWEST_MS ? LOWEST_MS : ms) / log10(p->highest_ms);

    return BOTTOM - share * (BOTTOM - TOP);
}

static void write_text(FILE *out, const char *text)
{
    for (; *text != 0; text++) {
        switch (*text) {
            case '<': fputs("&lt;", out); break;
            case '>': fputs("&gt;", out); break;
            case '&': fputs("&amp;", out); break;
            default: fputc((unsigned char)*text < 0x20 ? '?' : *text, out);
        }
    }
}

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

/* ---- faults ---- */

static void draw_windows(const struct plot *p, const struct windows *windows)
{
    for (size_t i = 0; i < windows->n; i++) {
        double from = seconds(windows->all[i].begin_ns);
        double to = windows->all[i].end_ns == HISTORY_NEVER ? p->to_s
                                                            : seconds(windows->all[i].end_ns);
        from = from < p->from_s ? p->from_s : from;
        to = to > p->to_s ? p->to_s : to;
        if (to > from) {
            fprintf(p->out,
                    "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"recovery\"/>\n",
                    x_of(p, from), TOP, x_of(p, to) - x_of(p, from), EARLY + 12 - TOP);
        }
    }
}

/* The row where a label of this width starting at x has room; LABEL_ROWS: none. */
static unsigned row_for(double ends[LABEL_ROWS], double x, double width)
{
    unsigned row = 0;

    while (row < LABEL_ROWS && ends[row] > x) {
        row++;
    }
    if (row < LABEL_ROWS) {
        ends[row] = x + width + 6;
    }
    return row;
}

static void draw_fault(const struct plot *p, const struct history_fault *f, double ends[LABEL_ROWS])
{
    const char *name = names_text(&p->h->names, f->f);
    const char *details = names_text(&p->h->names, f->details);
    double to = f->end_ns == HISTORY_NEVER ? p->to_s : seconds(f->end_ns);
    double x = x_of(p, seconds(f->begin_ns)), width = x_of(p, to) - x;
    char label[64];

    width = width < 1 ? 1 : width;
    fprintf(p->out, "<g><title>");
    write_text(p->out, name);
    fprintf(p->out, " ");
    write_text(p->out, details);
    fprintf(p->out, ", %.1f s to %.1f s</title>", seconds(f->begin_ns), to);
    fprintf(p->out, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"fault\"/>", x,
            TOP, width, EARLY + 12 - TOP);
    const char *shape = strstr(details, "shape=");
    snprintf(label, sizeof label, "%s%s%.24s", name, shape != NULL ? " " : "",
             shape != NULL ? shape + 6 : "");
    unsigned row = row_for(ends, x, (double)strlen(label) * LABEL_WIDTH);
    if (row < LABEL_ROWS) {
        fprintf(p->out,
                "<path d=\"M%.1f %d V%d\" class=\"leader\"/><text x=\"%.1f\" y=\"%d\" "
                "class=\"label\">",
                x, TOP, TOP - 3 - 12 * (int)row, x + 2, TOP - 4 - 12 * (int)row);
        write_text(p->out, label);
        fprintf(p->out, "</text>");
    }
    fprintf(p->out, "</g>\n");
}

static void draw_faults(const struct plot *p)
{
    double ends[LABEL_ROWS] = {0};

    for (size_t i = 0; i < p->h->n_faults; i++) {
        if (!p->h->faults[i].quiet) {
            draw_fault(p, &p->h->faults[i], ends);
        }
    }
}

/* ---- axes ---- */

static double step_of(double span)
{
    double step = pow(10, floor(log10(span / 6)));

    return span / step > 30 ? 5 * step : span / step > 12 ? 2 * step : step;
}

static void draw_axes(const struct plot *p)
{
    double step = step_of(p->to_s - p->from_s);

    for (double s = ceil(p->from_s / step) * step; s <= p->to_s; s += step) {
        fprintf(p->out,
                "<path d=\"M%.1f %d V%d\" class=\"grid\"/><text x=\"%.1f\" y=\"%d\" "
                "class=\"tick\" text-anchor=\"middle\">%g s</text>\n",
                x_of(p, s), TOP, EARLY + 12, x_of(p, s), EARLY + 30, s);
    }
    for (double ms = 1; ms <= p->highest_ms; ms *= 10) {
        fprintf(p->out,
                "<path d=\"M%d %.1f H%d\" class=\"grid\"/><text x=\"%d\" y=\"%.1f\" "
                "class=\"tick\" text-anchor=\"end\">%g %s</text>\n",
                LEFT, y_of(p, ms), RIGHT, LEFT - 8, y_of(p, ms) + 4, ms < 1000 ? ms : ms / 1000,
                ms < 1000 ? "ms" : "s");
    }
    double bound = (double)p->h->header.lateness_bound_ms;
    fprintf(p->out,
            "<path d=\"M%d %.1f H%d\" class=\"bound\"/><text x=\"%d\" y=\"%.1f\" class=\"label\" "
            "text-anchor=\"end\">bound in quiet times: %g ms</text>\n",
            LEFT, y_of(p, bound), RIGHT, RIGHT - 4, y_of(p, bound) - 4, bound);
    fprintf(p->out,
            "<path d=\"M%d %d H%d\" class=\"grid\"/><text x=\"%d\" y=\"%d\" class=\"tick\" "
            "text-anchor=\"end\">early</text>\n",
            LEFT, EARLY, RIGHT, LEFT - 8, EARLY + 4);
    fprintf(p->out, "<text x=\"%d\" y=\"%d\" class=\"tick\">when the delivery came</text>\n", LEFT,
            HEIGHT - 28);
}

/* ---- points ---- */

enum { POINT_FIRST, POINT_REPEAT, POINT_VIOLATION, POINTS };

/* Is there an earlier one of the same order in the journals? */
static bool is_repeat(const struct history *h, const struct history_delivery *d)
{
    const struct history_list *list = &h->orders[d->order].deliveries;

    return list->n > 0 && &h->deliveries[list->at[0]] != d;
}

static int kind_of(const struct plot *p, const struct history_delivery *d)
{
    return p->violations[d->line] ? POINT_VIOLATION
           : is_repeat(p->h, d)   ? POINT_REPEAT
                                  : POINT_FIRST;
}

/* All of a kind are one path of lines without length: small, and quick to draw. */
static void draw_points(const struct plot *p, int kind, const char *class)
{
    fprintf(p->out, "<path class=\"%s\" d=\"", class);
    for (size_t i = 0; i < p->h->n_deliveries; i++) {
        const struct history_delivery *d = &p->h->deliveries[i];
        if (d->deadline_ms == 0 || kind_of(p, d) != kind) {
            continue;
        }
        double late_ms = (double)d->at_ms - (double)d->deadline_ms;
        double y = late_ms < 0 ? EARLY : y_of(p, late_ms);
        fprintf(p->out, "M%.1f %.1fh0", x_of(p, seconds(history_wall_ns(p->h, d->at_ms))), y);
    }
    fprintf(p->out, "\"/>\n");
}

static void draw_legend(const struct plot *p)
{
    static const struct {
        const char *class, *text;
    } entries[] = {
        {"first", "first delivery"},
        {"repeat", "later attempt or repeat"},
        {"violation", "part of a violation"},
    };
    double x = LEFT + 240;

    for (size_t i = 0; i < 3; i++) {
        fprintf(p->out,
                "<path class=\"%s\" d=\"M%.1f %dh0\"/><text x=\"%.1f\" y=\"%d\" class=\"tick\">%s"
                "</text>\n",
                entries[i].class, x, HEIGHT - 32, x + 9, HEIGHT - 28, entries[i].text);
        x += 30 + (double)strlen(entries[i].text) * 7;
    }
    fprintf(p->out,
            "<rect x=\"%.1f\" y=\"%d\" width=\"14\" height=\"12\" class=\"fault\"/>"
            "<text x=\"%.1f\" y=\"%d\" class=\"tick\">fault</text>"
            "<rect x=\"%.1f\" y=\"%d\" width=\"14\" height=\"12\" class=\"recovery\"/>"
            "<text x=\"%.1f\" y=\"%d\" class=\"tick\">its recovery</text>\n",
            x, HEIGHT - 38, x + 20, HEIGHT - 28, x + 70, HEIGHT - 38, x + 90, HEIGHT - 28);
}

static void draw_head(const struct plot *p, const struct report *r)
{
    const struct history_header *header = &p->h->header;

    fprintf(p->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" font-family=\"system-ui,sans-serif\">\n<style>\n"
            ".grid{stroke:#d9dde3;fill:none}.tick{font-size:12px;fill:#4a5563}\n"
            ".label{font-size:10.5px;fill:#5b4a1e}.leader{stroke:#b99a4a;fill:none}\n"
            ".fault{fill:#e8b94a;fill-opacity:.34}.recovery{fill:#f3dfae;fill-opacity:.38}\n"
            ".bound{stroke:#8a5a00;stroke-dasharray:6 4;fill:none}\n"
            ".first,.repeat,.violation{fill:none;stroke-linecap:round;stroke-width:4}\n"
            ".first{stroke:#1f5fa8;stroke-opacity:.65}.repeat{stroke:#7d4bb3;stroke-opacity:.75}\n"
            ".violation{stroke:#d01818;stroke-width:8}\n"
            "</style>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT);
    fprintf(p->out,
            "<text x=\"%d\" y=\"28\" font-size=\"18\" fill=\"#1d2530\">How late deliveries "
            "came: workload ",
            LEFT);
    write_text(p->out, names_text(&p->h->names, header->workload));
    fprintf(p->out, ", nemesis ");
    write_text(p->out, names_text(&p->h->names, header->nemesis));
    fprintf(p->out, ", seed %" PRIu64 ", valid: %s</text>\n", header->seed,
            validity_name(r->valid));
    if (header->clock_faults) {
        fprintf(p->out,
                "<text x=\"%d\" y=\"46\" class=\"tick\">Clocks of nodes were moved: by the "
                "receivers' clock, for orientation only.</text>\n",
                LEFT);
    }
}

void picture_lateness(const struct report *r, const struct windows *windows, FILE *out)
{
    struct plot p = {.h = r->h,
                     .out = out,
                     .highest_ms = 10000,
                     .violations = picture_violations(r)};
    int64_t last_ns = 0;

    for (size_t i = 0; i < p.h->n_deliveries; i++) {
        const struct history_delivery *d = &p.h->deliveries[i];
        int64_t ns = history_wall_ns(p.h, d->at_ms);
        last_ns = ns > last_ns ? ns : last_ns;
        while (d->deadline_ms > 0 && (double)d->at_ms - (double)d->deadline_ms > p.highest_ms) {
            p.highest_ms *= 10;
        }
    }
    const struct history_note *heal = history_phase(p.h, "settle");
    p.to_s = seconds(last_ns) + 1;
    if (heal != NULL && seconds(heal->time_ns) > p.to_s) {
        p.to_s = seconds(heal->time_ns);
    }
    draw_head(&p, r);
    draw_windows(&p, windows);
    draw_faults(&p);
    draw_axes(&p);
    draw_points(&p, POINT_FIRST, "first");
    draw_points(&p, POINT_REPEAT, "repeat");
    draw_points(&p, POINT_VIOLATION, "violation");
    draw_legend(&p);
    fprintf(out, "</svg>\n");
    free(p.violations);
}
