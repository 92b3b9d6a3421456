/* journal.h - reads the journal that ordersink keeps: one JSON object a line. */
#ifndef ORDERBENCH_JOURNAL_H
#define ORDERBENCH_JOURNAL_H

#include "judge.h"
#include "orders.h"

struct bench_journal {
    struct judge_event *events; /* deliveries and effects of the replay's orders */
    size_t n;
    size_t cap;
};

/* The journal's present length, to read later only what was added; 0 when it does not exist. */
uint64_t bench_journal_length(const char *path);
/* Read from byte `offset` to the end. A last line without its newline is one that is being
 * written, and left out. 0, or -1 with "FILE:LINE: what is wrong" in errbuf (lines are counted
 * from the offset). Free in both cases. */
int bench_journal_read(struct bench_journal *journal, const char *path, uint64_t offset,
                       const struct bench_orders *orders, char *errbuf, size_t errbuf_len);
void bench_journal_free(struct bench_journal *journal);

#endif
