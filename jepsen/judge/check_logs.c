/* check_logs.c - I13: no assertion, sanitizer report or core dump in any node's logs, and no node
 * that stops by itself, unless a fault of the nemesis explains it. */
#include "judge.h"

void check_logs(const struct judged *j, struct verdict *v)
{
    const struct history *h = j->h;
    int64_t expected = 0;

    for (uint32_t i = 0; i < h->logs.n; i++) {
        const struct history_note *log = &h->logs.all[i];
        verdict_violation(v, "I13", VERDICT_NO_ORDER, VERDICT_LINES(log->line),
                          "node %lld: %s (index %u): %s", (long long)log->node,
                          names_text(&h->names, log->kind), log->line,
                          names_text(&h->names, log->text));
    }
    for (uint32_t i = 0; i < h->exits.n; i++) {
        const struct history_note *e = &h->exits.all[i];
        expected += e->ok;
        if (!e->ok) {
            verdict_violation(v, "I13", VERDICT_NO_ORDER, VERDICT_LINES(e->line),
                              "node %lld stopped by itself (index %u): %s: %s", (long long)e->node,
                              e->line, names_text(&h->names, e->kind),
                              names_text(&h->names, e->text));
        }
    }
    if (history_phase(h, "final") == NULL) {
        verdict_doubt(v, "I13", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                      "the run did not reach its end, so the logs were not searched");
    }
    verdict_figure(v, "findings in logs", h->logs.n);
    verdict_figure(v, "exits that a fault explains", expected);
}
