/* judge_lines.c - see judge_lines.h: all lines, and the client operations. */
#include "judge_lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROCESSES_MAX (1 << 24)

enum { PROCESS_IDLE = -1, PROCESS_RETIRED = -2 };

struct lines *lines_new(struct history *h)
{
    struct lines *l = judge_alloc(1, sizeof *l);

    l->history = h;
    l->final_of_node = -1;
    return l;
}

void lines_free(struct lines *l)
{
    free(l->order_of);
    free(l->process_call);
    free(l);
}

/* ---- client operations ---- */

/* The place of a process's open call. NULL: no number of a process. */
static int64_t *call_of_process(struct lines *l, const struct edn *process)
{
    if (process->number < 0 || process->number >= PROCESSES_MAX) {
        return NULL;
    }
    size_t number = (size_t)process->number;
    if (number >= l->n_processes) {
        size_t n = 2 * (number + 64);
        int64_t *grown = judge_alloc(n, sizeof *grown);
        for (size_t i = 0; i < n; i++) {
            grown[i] = i < l->n_processes ? l->process_call[i] : PROCESS_IDLE;
        }
        free(l->process_call);
        l->process_call = grown;
        l->n_processes = n;
    }
    return &l->process_call[number];
}

static int call_f_number(const char *f)
{
    for (int i = 0; i < CALL_FS; i++) {
        if (strcmp(history_call_name((enum call_f)i), f) == 0) {
            return i;
        }
    }
    return -1;
}

/* [ID REQUEST MAP]; the request may be nil. */
static bool is_call_value(const struct edn *value)
{
    return value->type == EDN_VECTOR && value->n == 3 && value->items[0].type == EDN_STRING &&
           value->items[0].len > 0 && value->items[0].len <= ORDERSCHED_ID_MAX &&
           (value->items[1].type == EDN_STRING || value->items[1].type == EDN_NIL) &&
           value->items[2].type == EDN_MAP;
}

static const char *take_times(struct lines *l, const struct edn *args, struct history_call *call)
{
    uint64_t delay_ms = 0, deadline_ms = 0;
    bool delay = lines_number(args, "delay-ms", &delay_ms);
    bool deadline = lines_number(args, "deadline-ms", &deadline_ms);

    if (call->f != CALL_SCHEDULE && call->f != CALL_EXTEND) {
        return NULL;
    }
    if (delay == deadline) {
        return lines_error(l, ":%s needs either :delay-ms or :deadline-ms",
                           history_call_name(call->f));
    }
    call->relative = delay;
    call->time_ms = delay ? delay_ms : deadline_ms;
    return NULL;
}

/* Who asks, where that is said. */
static const char *take_caller(struct lines *l, const struct edn *args, struct history_call *call)
{
    uint64_t token = 0;

    call->principal = lines_name(l, args, "principal");
    if (edn_get(args, "token") != NULL &&
        (!lines_number(args, "token", &token) || token > UINT32_MAX)) {
        return "a :token is the number of a token";
    }
    call->token = (uint32_t)token;
    return NULL;
}

/* Over HTTP: whom it asked, and for which version. */
static const char *take_way(const struct edn *args, struct history_call *call)
{
    (void)lines_number(args, "match", &call->match);
    (void)lines_number(args, "wait-ms", &call->wait_ms);
    if (edn_get(args, "node") != NULL &&
        (!lines_number(args, "node", &call->node) || call->node == 0 || call->node > 63)) {
        return "a :node is a number from 1 to 63";
    }
    return NULL;
}

static const char *take_invoke(struct lines *l, const struct line *line, int64_t *open)
{
    struct history *h = l->history;
    struct history_call call = {.invoked_ns = line->time_ns,
                                .ended_ns = HISTORY_NEVER,
                                .line = line->index,
                                .end_line = HISTORY_NO_LINE,
                                .end = CALL_INFO,
                                .process = line->process->number,
                                .request = NAME_NONE,
                                .principal = NAME_NONE,
                                .route = NAME_NONE,
                                .trace = NAME_NONE,
                                .answer = {.trace = NAME_NONE}};
    int f = call_f_number(line->f);

    if (f < 0) {
        return lines_error(l, "no client operation :%.40s is known", line->f);
    }
    if (*open != PROCESS_IDLE) {
        return lines_error(l,
                           *open == PROCESS_RETIRED ? "process %lld is retired since its :info"
                                                    : "process %lld has an operation open",
                           (long long)line->process->number);
    }
    call.f = (enum call_f)f;
    if (!is_call_value(line->value)) {
        return "the value of an operation is [ID REQUEST ARGS]";
    }
    const struct edn *request = &line->value->items[1];
    if ((request->type == EDN_NIL) != (call.f == CALL_GET)) {
        return "reads have no request id, and all else has one";
    }
    const char *why = take_times(l, &line->value->items[2], &call);
    if (why != NULL) {
        return why;
    }
    if (request->type == EDN_STRING) {
        call.request = names_number(&h->names, request->text, request->len);
    }
    why = take_caller(l, &line->value->items[2], &call);
    why = why != NULL ? why : take_way(&line->value->items[2], &call);
    if (why != NULL) {
        return why;
    }
    call.route = lines_name(l, &line->value->items[2], "route");
    call.trace = lines_name(l, &line->value->items[2], "traceparent");
    call.order = lines_order(l, &line->value->items[0]);
    *open = (int64_t)h->n_calls;
    *JUDGE_ADD(h->calls, h->n_calls, h->cap_calls) = call;
    return NULL;
}

static const char *take_answer(struct lines *l, const struct edn *map,
                               struct history_answer *answer)
{
    const struct edn *error = edn_get_type(map, "error", EDN_KEYWORD);
    const struct edn *state = edn_get_type(map, "state", EDN_KEYWORD);

    *answer = (struct history_answer){.trace = lines_name(l, map, "traceparent")};
    answer->error = error != NULL ? history_error_number(error->text) : -1;
    if (answer->error < 0) {
        return lines_error(l, "no error :%.40s is known", error != NULL ? error->text : "");
    }
    if (edn_get(map, "state") != NULL) {
        answer->state = state != NULL ? history_state_number(state->text) : -1;
        if (answer->state < 0) {
            return lines_error(l, "no state :%.40s is known", state != NULL ? state->text : "");
        }
    }
    (void)lines_number(map, "deadline-ms", &answer->deadline_ms); /* 0 where it is not said */
    (void)lines_number(map, "remaining-ms", &answer->remaining_ms);
    (void)lines_number(map, "index", &answer->index);
    (void)lines_number(map, "version", &answer->version);
    (void)lines_number(map, "status", &answer->status);
    answer->broken = lines_flag(map, "broken");
    return NULL;
}

/* :ok, :fail or :info, as the answer's error has it. */
static bool type_fits(enum call_end end, const struct history_call *call,
                      const struct history_answer *answer)
{
    if (call->f == CALL_GET && answer->error == ORDERSCHED_NOT_FOUND) {
        return end == CALL_OK;
    }
    switch (ordersched_error_class(answer->error)) {
        case ORDERSCHED_DONE: return end == CALL_OK;
        case ORDERSCHED_DEFINITE: return end == CALL_FAIL;
        default: return end == CALL_INFO;
    }
}

static const char *take_completion(struct lines *l, const struct line *line, int64_t *open,
                                   enum call_end end)
{
    struct history *h = l->history;
    struct history_answer answer;

    if (*open < 0) {
        return "a completion without its invoke";
    }
    struct history_call *call = &h->calls[*open];
    if (!is_call_value(line->value) || strcmp(history_call_name(call->f), line->f) != 0 ||
        strcmp(line->value->items[0].text, history_order_name(h, call->order)) != 0) {
        return lines_error(l, "not the completion of :%s of index %u, which is open",
                           history_call_name(call->f), call->line);
    }
    const char *why = take_answer(l, &line->value->items[2], &answer);
    if (why != NULL) {
        return why;
    }
    if (!type_fits(end, call, &answer)) {
        return lines_error(l, ":%s does not go with the error %s", line->type,
                           ordersched_error_name(answer.error));
    }
    call->answer = answer;
    call->end = end;
    call->ended_ns = line->time_ns;
    call->end_line = line->index;
    *open = end == CALL_INFO ? PROCESS_RETIRED : PROCESS_IDLE;
    return NULL;
}

const char *lines_take_client(struct lines *l, const struct line *line)
{
    int64_t *open = call_of_process(l, line->process);

    if (open == NULL) {
        return "no number of a process";
    }
    if (strcmp(line->type, "invoke") == 0) {
        return take_invoke(l, line, open);
    }
    return take_completion(l, line, open,
                           strcmp(line->type, "ok") == 0     ? CALL_OK
                           : strcmp(line->type, "fail") == 0 ? CALL_FAIL
                                                             : CALL_INFO);
}

/* ---- all lines ---- */

static const char *take_other(struct lines *l, const struct line *line)
{
    static const struct {
        const char *f;
        const char *(*take)(struct lines *l, const struct line *line);
    } kinds[] = {
        {"test", lines_take_header},       {"final", lines_take_final},
        {"final-order", lines_take_final}, {"final-end", lines_take_final},
        {"phase", lines_take_note},        {"probe", lines_take_note},
        {"log", lines_take_note},          {"exit", lines_take_note},
        {"grant", lines_take_change},      {"leadership", lines_take_leadership},
    };

    if (strcmp(line->type, "info") != 0) {
        return "what is not a client operation must be :info";
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].f, line->f) == 0) {
            return kinds[i].take(l, line);
        }
    }
    if (strcmp(line->f, "delivery") == 0 || strcmp(line->f, "effect") == 0) {
        return lines_take_delivery(l, line, line->f[0] == 'e');
    }
    return edn_is_keyword(line->process, "nemesis") ? lines_take_nemesis(l, line) : NULL;
}

const char *lines_take(struct lines *l, const struct edn *map)
{
    static const struct edn nil = {.type = EDN_NIL};
    const struct edn *index = edn_get_type(map, "index", EDN_INT);
    const struct edn *time = edn_get_type(map, "time", EDN_INT);
    const struct edn *type = edn_get_type(map, "type", EDN_KEYWORD);
    const struct edn *f = edn_get_type(map, "f", EDN_KEYWORD);
    const struct edn *value = edn_get(map, "value");
    struct line line = {.index = l->n,
                        .process = edn_get(map, "process"),
                        .value = value != NULL ? value : &nil};

    if (map->type != EDN_MAP) {
        return "not a map";
    }
    if (index == NULL || time == NULL || type == NULL || f == NULL || line.process == NULL) {
        return ":index, :time, :process, :type or :f is missing";
    }
    if (index->number != (int64_t)l->n) {
        return lines_error(l, ":index %lld where %u is expected", (long long)index->number, l->n);
    }
    l->n++;
    if (time->number < l->time_ns || time->number > HISTORY_TIME_MAX) {
        return time->number < l->time_ns ? "the time goes back" : "the time is out of bounds";
    }
    l->time_ns = line.time_ns = time->number;
    l->history->n_lines = l->n;
    l->history->end_ns = line.time_ns;
    line.type = type->text;
    line.f = f->text;
    if (strcmp(line.type, "invoke") != 0 && strcmp(line.type, "ok") != 0 &&
        strcmp(line.type, "fail") != 0 && strcmp(line.type, "info") != 0) {
        return "no such :type is known";
    }
    return line.process->type == EDN_INT ? lines_take_client(l, &line) : take_other(l, &line);
}
