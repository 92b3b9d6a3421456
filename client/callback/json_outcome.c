/* json_outcome.c - see json_outcome.h. */
#include "json_outcome.h"

#include <string.h>

#include "json_answer.h"

struct json_outcome json_outcome_read(const json_t *object)
{
    const char *outcome = json_answer_text(object, "outcome");
    struct json_outcome o = {.says = JSON_SAYS_STRANGE, .outcome = OUTCOME_FAILED};

    if (outcome == NULL) {
        o.says = JSON_SAYS_NOTHING;
    } else if (strcmp(outcome, "expired") == 0) {
        o.says = JSON_SAYS_OUTCOME;
        o.outcome = OUTCOME_EXPIRED;
    } else if (strcmp(outcome, "paid") == 0) {
        o.says = JSON_SAYS_OUTCOME;
        o.outcome = OUTCOME_PAID;
    } else if (strcmp(outcome, "later") == 0) {
        bool whole = json_answer_whole(json_object_get(object, "delay_ms"),
                                       ORDERSCHED_DEADLINE_MAX_MS, &o.delay_ms);
        o.says = whole ? JSON_SAYS_OUTCOME : JSON_SAYS_NO_DELAY;
        o.outcome = whole ? OUTCOME_LATER : OUTCOME_FAILED;
    } else if (strcmp(outcome, "failed") == 0) {
        o.says = JSON_SAYS_FAILED;
        const char *reason = json_string_value(json_object_get(object, "reason"));
        o.reason = reason != NULL && reason[0] != '\0' ? reason : NULL; /* an empty one is none */
    }
    return o;
}
