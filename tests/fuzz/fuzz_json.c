/* fuzz_json.c - what a receiver answers: to a webhook, to a batch, or on a program's stdout.
 *
 * The first byte chooses the question. There is an outcome for each order, and of a failure a reason. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/callback/json_outcome.h"
#include "../../client/callback/program.h"
#include "../../node/callback/http.h"
#include "../../node/dispatch/receiver.h"
#include "input.h"

#define BATCH 3

static void check_outcome(enum outcome outcome, uint64_t delay_ms, const char *reason, size_t max)
{
    assert(outcome >= OUTCOME_EXPIRED && outcome <= OUTCOME_FAILED);
    assert(delay_ms <= ORDERSCHED_DEADLINE_MAX_MS);
    assert(memchr(reason, 0, max) != NULL);
    assert(outcome != OUTCOME_FAILED || reason[0] != '\0');
}

static void judge_webhook(struct callback_answer *answer, unsigned n)
{
    struct delivery *all = calloc(n, sizeof *all);

    assert(all != NULL);
    for (unsigned i = 0; i < n; i++) {
        snprintf(all[i].key, sizeof all[i].key, "k%u", i);
        all[i].batch_next = i + 1 < n ? &all[i + 1] : NULL;
    }
    if (n == 1) {
        callback_judge(all, answer);
    } else {
        (void)callback_judge_batch(all, answer);
    }
    for (unsigned i = 0; i < n; i++) {
        check_outcome(all[i].outcome, all[i].delay_ms, all[i].reason, sizeof all[i].reason);
    }
    free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    unsigned how = (unsigned)input_number(&in, 1);
    static const long statuses[] = {200, 429, 204, 503, 500, 413, 302, 200};
    char *retry_after = how % 8 == 1 || how % 8 == 3 ? input_text(input_piece(&in)) : NULL;
    struct slice rest = input_rest(&in);
    char *body = input_text(rest);
    struct callback_answer answer = {.status = statuses[how % 8],
                                     .body = body,
                                     .len = rest.len,
                                     .is_framed = (how & 8) != 0,
                                     .encoded = (how & 16) != 0,
                                     .retry_after = retry_after,
                                     .now_s = 1800000000};
    struct program_verdict verdict = {0};

    switch (how / 32 % 3) {
        case 0: judge_webhook(&answer, 1); break;
        case 1: judge_webhook(&answer, BATCH); break;
        default:
            program_judge((how % 4 == 0   ? 0
                           : how % 4 == 1 ? 11 << 8
                           : how % 4 == 2 ? 7 << 8
                                          : 9),
                          body, rest.len, body, &verdict);
            check_outcome(verdict.outcome, verdict.delay_ms, verdict.reason, sizeof verdict.reason);
            break;
    }
    free(retry_after);
    free(body);
    return 0;
}
