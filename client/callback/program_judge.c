/* program_judge.c - what a program's end means for its order. See program.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "json_answer.h"
#include "json_outcome.h"
#include "program.h"

#define EXIT_PAID 10
#define EXIT_LATER 11

__attribute__((format(printf, 2, 3))) static void judge_failed(struct program_verdict *v,
                                                               const char *format, ...)
{
    va_list args;

    v->outcome = OUTCOME_FAILED;
    va_start(args, format);
    vsnprintf(v->reason, sizeof v->reason, format, args);
    va_end(args);
}

/* The object that stdout is, or NULL. Saying two things says nothing: duplicate keys are refused. */
static json_t *parse_object(const char *out, size_t len)
{
    char why[JSON_ANSWER_WHY_SIZE];
    json_t *value = json_answer_read(out, len, why);

    if (!json_is_object(value)) {
        json_decref(value);
        return NULL;
    }
    return value;
}

static void judge_object(const json_t *object, struct program_verdict *v)
{
    struct json_outcome o = json_outcome_read(object);

    v->outcome = o.outcome;
    v->delay_ms = o.delay_ms;
    switch (o.says) {
        case JSON_SAYS_OUTCOME: break;
        case JSON_SAYS_FAILED:
            judge_failed(v, "%s", o.reason != NULL ? o.reason : "the program says failed");
            break;
        case JSON_SAYS_NOTHING:
            judge_failed(v, "the output must be a JSON object with an outcome");
            break;
        case JSON_SAYS_STRANGE:
            judge_failed(v, "the output's outcome is not expired, paid, later or failed");
            break;
        case JSON_SAYS_NO_DELAY:
            judge_failed(v, "outcome \"later\" without a delay_ms in whole milliseconds");
            break;
    }
}

static void judge_success(const char *out, size_t len, struct program_verdict *v)
{
    while (len > 0 && memchr(" \t\r\n", *out, 4) != NULL) {
        out++;
        len--;
    }
    if (len == 0 || *out != '{') {
        v->outcome = OUTCOME_EXPIRED; /* what a program says to people is not for us */
        return;
    }
    json_t *object = parse_object(out, len);
    judge_object(object, v);
    json_decref(object);
}

static void judge_later(const char *out, size_t len, struct program_verdict *v)
{
    json_t *object = parse_object(out, len);
    const json_t *delay = json_object_get(object, "delay_ms");

    v->outcome = OUTCOME_LATER;
    v->delay_ms = PROGRAM_LATER_MS;
    if (delay != NULL && !json_answer_whole(delay, ORDERSCHED_DEADLINE_MAX_MS, &v->delay_ms)) {
        judge_failed(v, "exit code %d with a delay_ms that is not in whole milliseconds",
                     EXIT_LATER);
    }
    json_decref(object);
}

void program_judge(int wait_status, const char *out, size_t out_len, const char *err,
                   struct program_verdict *v)
{
    *v = (struct program_verdict){0};
    if (WIFSIGNALED(wait_status)) {
        judge_failed(v, "killed by signal %d%s%s", WTERMSIG(wait_status), *err != 0 ? ": " : "",
                     err);
    } else if (out_len > PROGRAM_OUTPUT_MAX) {
        judge_failed(v, "more than %u bytes of output", PROGRAM_OUTPUT_MAX);
    } else if (WEXITSTATUS(wait_status) == 0) {
        judge_success(out, out_len, v);
    } else if (WEXITSTATUS(wait_status) == EXIT_PAID) {
        v->outcome = OUTCOME_PAID;
    } else if (WEXITSTATUS(wait_status) == EXIT_LATER) {
        judge_later(out, out_len, v);
    } else {
        judge_failed(v, "exit code %d%s%s", WEXITSTATUS(wait_status), *err != 0 ? ": " : "", err);
    }
}
