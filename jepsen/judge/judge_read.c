/* judge_read.c - reads the lines of a history file, and says which are bad and why; what each
 * line means is in judge_lines.c. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/judge_access.h"
#include "judge_edn.h"
#include "judge_lines.h"

/* `why`: a sentence. */
static void add_bad(struct history *h, size_t number, const char *why)
{
    if (h->n_bad < HISTORY_FAULTS_OF_READING) {
        snprintf(h->bad[h->n_bad], sizeof h->bad[0], "line %zu: %s", number, why);
    }
    h->n_bad++;
}

/* `ended`: there was a newline. A last line without one is what a harness that died leaves. */
static void take_line(struct lines *l, struct edn_reader *reader, size_t number, const char *line,
                      size_t len, bool ended)
{
    const char *why = NULL;

    if (len > HISTORY_LINE_MAX) {
        why = "too long";
    } else {
        const struct edn *value = edn_read(reader, line, len);
        why = value != NULL ? lines_take(l, value) : edn_reader_error(reader);
    }
    if (why != NULL && !ended) {
        l->history->torn = true;
    } else if (why != NULL) {
        add_bad(l->history, number, why);
    }
}

static size_t trim(const char *line, ssize_t len)
{
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }
    return (size_t)len;
}

/* The positions of each order's calls (and so on), grouped: a counting sort, which keeps order. */
struct grouping {
    struct history *h;
    size_t start;           /* offset of struct history_list in struct history_order */
    const uint32_t *orders; /* of the elements */
    size_t n;
    uint32_t *places; /* memory, n of them */
};

static void group(const struct grouping *g)
{
    uint32_t *ends = judge_alloc(g->h->n_orders + 1, sizeof *ends);
    uint32_t sum = 0;

    for (size_t i = 0; i < g->n; i++) {
        ends[g->orders[i]]++;
    }
    for (size_t o = 0; o < g->h->n_orders; o++) {
        struct history_list *list = (struct history_list *)((char *)&g->h->orders[o] + g->start);
        *list = (struct history_list){.at = g->places + sum, .n = ends[o]};
        uint32_t n = ends[o];
        ends[o] = sum;
        sum += n;
    }
    for (size_t i = 0; i < g->n; i++) {
        g->places[ends[g->orders[i]]++] = (uint32_t)i;
    }
    free(ends);
}

#define GROUP(h, array, count, member, places)                                    \
    do {                                                                          \
        uint32_t *orders_ = judge_alloc((h)->count, sizeof *orders_);             \
        for (size_t i_ = 0; i_ < (h)->count; i_++) {                              \
            orders_[i_] = (h)->array[i_].order;                                   \
        }                                                                         \
        group(&(struct grouping){.h = (h),                                        \
                                 .start = offsetof(struct history_order, member), \
                                 .orders = orders_,                               \
                                 .n = (h)->count,                                 \
                                 .places = (places)});                            \
        (places) += (h)->count;                                                   \
        free(orders_);                                                            \
    } while (0)

static void index_orders(struct history *h)
{
    size_t n = h->n_calls + h->n_deliveries + h->n_effects + h->n_final_orders;
    uint32_t *places = judge_alloc(n, sizeof *places);

    h->order_places = places;
    h->orders = judge_alloc(h->n_orders, sizeof *h->orders);
    GROUP(h, calls, n_calls, calls, places);
    GROUP(h, deliveries, n_deliveries, deliveries, places);
    GROUP(h, effects, n_effects, effects, places);
    GROUP(h, final_orders, n_final_orders, finals, places);
}

static int read_stream(struct history *h, FILE *file)
{
    struct edn_reader *reader = edn_reader_new();
    struct lines *lines = lines_new(h);
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t len;

    if (reader == NULL) {
        fprintf(stderr, "jepsen-check: out of memory\n");
        exit(3);
    }
    while ((len = getline(&line, &cap, file)) > 0) {
        take_line(lines, reader, ++number, line, trim(line, len), line[len - 1] == '\n');
    }
    int rv = ferror(file) ? -1 : 0;
    free(line);
    lines_free(lines);
    edn_reader_free(reader);
    if (rv == 0 && number > 0 && !h->header.present && h->n_bad == 0) {
        add_bad(h, 1, "there is no header (:f :test)");
    }
    index_orders(h);
    access_mark_blind(h);
    return rv;
}

int history_read_file(struct history *h, const char *path, char *errbuf, size_t errbuf_len)
{
    FILE *file = fopen(path, "r");

    *h = (struct history){0};
    if (file == NULL) {
        snprintf(errbuf, errbuf_len, "%s: %s", path, strerror(errno));
        return -1;
    }
    int rv = read_stream(h, file);
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "%s: %s", path, strerror(errno));
        history_free(h);
    }
    fclose(file);
    return rv;
}

void history_read_text(struct history *h, const char *text, size_t len)
{
    *h = (struct history){0};
    FILE *file = len > 0 ? fmemopen((void *)(uintptr_t)text, len, "r") : fopen("/dev/null", "r");

    if (file == NULL || read_stream(h, file) != 0) {
        add_bad(h, 0, "the text cannot be read");
    }
    if (file != NULL) {
        fclose(file);
    }
}
