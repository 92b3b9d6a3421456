/* check_stats.c - did the run test what it claims to? Each kind of operation of its workload
 * succeeded at least once, and its nemesis broke something. */
#include <stdio.h>
#include <string.h>

#include "judge.h"

struct workload {
    const char *name;
    enum call_f needs[CALL_FS];
    size_t n;
};

static const struct workload workloads[] = {
    {"register", {CALL_SCHEDULE, CALL_PAY, CALL_CANCEL, CALL_EXTEND, CALL_GET}, 5},
    {"set", {CALL_SCHEDULE}, 1},
    {"conserve", {CALL_SCHEDULE}, 1},
    {"race", {CALL_SCHEDULE, CALL_PAY}, 2},
    {"delivery", {CALL_SCHEDULE}, 1},
    {"grants", {CALL_SCHEDULE, CALL_PAY, CALL_CANCEL, CALL_EXTEND, CALL_GET}, 5},
};

struct counts {
    int64_t made;
    int64_t by_end[3];
};

static void need(const struct judged *j, struct counts *counts)
{
    const char *name = names_text(&j->h->names, j->h->header.workload);

    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        for (size_t k = 0; strcmp(workloads[i].name, name) == 0 && k < workloads[i].n; k++) {
            counts[workloads[i].needs[k]].made++;
        }
    }
}

static void count_errors(const struct judged *j, struct verdict *v)
{
    int64_t errors[128] = {0};

    for (size_t i = 0; i < j->h->n_calls; i++) {
        if (j->h->calls[i].end_line != HISTORY_NO_LINE) {
            errors[j->h->calls[i].answer.error & 127]++;
        }
    }
    for (int e = 1; e < 128; e++) {
        if (errors[e] > 0) {
            verdict_figure(v, ordersched_error_name(e), errors[e]);
        }
    }
}

static void check_faults(const struct judged *j, struct verdict *v)
{
    const char *nemesis = names_text(&j->h->names, j->h->header.nemesis);
    int64_t n = 0;

    for (size_t i = 0; i < j->h->n_faults; i++) {
        n += !j->h->faults[i].quiet;
    }
    verdict_figure(v, "faults", n);
    if (n == 0 && nemesis[0] != 0 && strcmp(nemesis, "none") != 0 &&
        strcmp(nemesis, "quiet") != 0 && strcmp(nemesis, "nil") != 0) {
        verdict_doubt(v, "stats", VERDICT_NO_ORDER, VERDICT_LINES(0),
                      "the nemesis \"%s\" broke nothing in this run", nemesis);
    }
}

void check_stats(const struct judged *j, struct verdict *v)
{
    struct counts counts[CALL_FS] = {0};
    struct counts wanted[CALL_FS] = {0};
    char name[48];

    for (size_t i = 0; i < j->h->n_calls; i++) {
        counts[j->h->calls[i].f].made++;
        counts[j->h->calls[i].f].by_end[j->h->calls[i].end]++;
    }
    need(j, wanted);
    for (int f = 0; f < CALL_FS; f++) {
        const struct counts *c = &counts[f];
        for (int end = CALL_OK; end <= CALL_INFO && c->made > 0; end++) {
            snprintf(name, sizeof name, "%s %s", history_call_name((enum call_f)f),
                     history_end_name((enum call_end)end));
            verdict_figure(v, name, c->by_end[end]);
        }
        if ((c->made > 0 || wanted[f].made > 0) && c->by_end[CALL_OK] == 0) {
            verdict_violation(v, "stats", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                              "of %lld %s operations none succeeded", (long long)c->made,
                              history_call_name((enum call_f)f));
        }
    }
    if (j->h->n_calls == 0) {
        verdict_doubt(v, "stats", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                      "no client did anything");
    }
    check_faults(j, v);
    count_errors(j, v);
}
