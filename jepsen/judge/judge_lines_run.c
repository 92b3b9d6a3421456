/* judge_lines_run.c - the lines of a history that are no client operation: the header, receivers,
 * faults, final reads, and notes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge_lines.h"

static const char *need_map(const struct line *line)
{
    return line->value->type == EDN_MAP ? NULL : "the value must be a map";
}

/* A number of a map, or `otherwise`. */
static int64_t number_or(const struct edn *map, const char *key, int64_t otherwise)
{
    const struct edn *value = edn_get_type(map, key, EDN_INT);

    return value != NULL ? value->number : otherwise;
}

const char *lines_take_header(struct lines *l, const struct line *line)
{
    struct history_header *header = &l->history->header;
    const struct edn *v = line->value;

    if (line->index != 0) {
        return "a header that is not the first line";
    }
    if (need_map(line) != NULL) {
        return need_map(line);
    }
    if (!lines_number(v, "epoch-ms", &header->epoch_ms) ||
        !lines_number(v, "lateness-bound-ms", &header->lateness_bound_ms) ||
        !lines_number(v, "recovery-bound-ms", &header->recovery_bound_ms)) {
        return "the header lacks :epoch-ms, :lateness-bound-ms or :recovery-bound-ms";
    }
    if (header->lateness_bound_ms > HISTORY_BOUND_MAX_MS ||
        header->recovery_bound_ms > HISTORY_BOUND_MAX_MS) {
        return ":lateness-bound-ms or :recovery-bound-ms is above a day";
    }
    header->present = true;
    header->workload = lines_name(l, v, "workload");
    header->nemesis = lines_name(l, v, "nemesis");
    header->mutant = lines_name(l, v, "mutant");
    header->commit = lines_name(l, v, "commit");
    header->version = lines_name(l, v, "version");
    header->nodes = number_or(v, "nodes", 0);
    header->seed = (uint64_t)number_or(v, "seed", 0);
    header->time_limit_s = number_or(v, "time-limit-s", 0);
    header->retries = number_or(v, "retries", -1);
    header->authorisation = lines_flag(v, "authorisation");
    header->http = lines_flag(v, "http");
    header->traces = lines_flag(v, "traces");
    header->clock_faults = lines_flag(v, "clock-faults");
    header->clock_error_ms = number_or(v, "clock-error-ms", 0);
    return NULL;
}

/* ---- receivers ---- */

static bool parse_fence(const struct edn *fence, struct history_delivery *d)
{
    char rest;

    d->has_fence = fence != NULL && sscanf(fence->text, "%" SCNu64 ".%" SCNu64 "%c",
                                           &d->fence_epoch, &d->fence_index, &rest) == 2;
    return d->has_fence;
}

static int verdict_number(const struct edn *verdict)
{
    for (int i = 0; verdict != NULL && i < VERDICTS; i++) {
        if (strcmp(history_verdict_name((enum delivery_verdict)i), verdict->text) == 0) {
            return i;
        }
    }
    return -1;
}

const char *lines_take_delivery(struct lines *l, const struct line *line, bool effect)
{
    struct history *h = l->history;
    const struct edn *v = line->value;
    const struct edn *order = edn_get_type(v, "order", EDN_STRING);
    struct history_delivery d = {.line = line->index};
    int verdict = verdict_number(edn_get_type(v, "verdict", EDN_KEYWORD));
    bool fence = parse_fence(edn_get_type(v, "fence", EDN_STRING), &d);

    if (order == NULL || !lines_number(v, "at-ms", &d.at_ms) || (!effect && verdict < 0)) {
        return "a delivery or effect lacks :order, :at-ms or :verdict";
    }
    d.receiver = lines_name(l, v, "receiver");
    d.key = lines_name(l, v, "key");
    d.trace = lines_name(l, v, "traceparent");
    d.attempt = (uint32_t)number_or(v, "attempt", 0);
    d.verdict = (enum delivery_verdict)verdict;
    (void)lines_number(v, "committed-ms", &d.committed_ms);
    /* What a receiver refused may lack anything. */
    bool whole = lines_number(v, "deadline-ms", &d.deadline_ms) && fence && d.key != NAME_NONE;
    if (!whole && (effect || (verdict != VERDICT_REFUSED && verdict != VERDICT_FAILED))) {
        return "a delivery or effect lacks :key, :fence or :deadline-ms";
    }
    d.order = lines_order(l, order);
    if (effect) {
        *JUDGE_ADD(h->effects, h->n_effects, h->cap_effects) = d;
    } else {
        *JUDGE_ADD(h->deliveries, h->n_deliveries, h->cap_deliveries) = d;
    }
    return NULL;
}

/* ---- faults ---- */

/* A value as short text: names, numbers, and lists of them. */
static void describe(const struct edn *v, char *out, size_t len)
{
    size_t n = strlen(out);

    switch (v->type) {
        case EDN_INT: snprintf(out + n, len - n, "%" PRId64, v->number); break;
        case EDN_STRING:
        case EDN_KEYWORD: snprintf(out + n, len - n, "%s", v->text); break;
        case EDN_BOOL: snprintf(out + n, len - n, "%s", v->boolean ? "yes" : "no"); break;
        case EDN_VECTOR:
            for (size_t i = 0; i < v->n && n + 1 < len; i++) {
                if (i > 0) {
                    strncat(out, ",", len - strlen(out) - 1);
                }
                describe(&v->items[i], out, len);
            }
            break;
        case EDN_NIL:
        case EDN_MAP: strncat(out, "-", len - n - 1); break;
    }
}

/* What the value says beside the phase, and the term, which may be told at the beginning only:
 * "shape=ring nodes=1,2". */
static uint32_t describe_fault(struct lines *l, const struct edn *v)
{
    char text[256] = "";

    for (size_t i = 0; i < v->n; i++) {
        const char *key = v->items[2 * i].text;
        size_t n = strlen(text);
        if (strcmp(key, "phase") != 0 && strcmp(key, "term") != 0 && n + 1 < sizeof text) {
            snprintf(text + n, sizeof text - n, "%s%s=", n > 0 ? " " : "", key);
            describe(&v->items[2 * i + 1], text, sizeof text);
        }
    }
    return names_number(&l->history->names, text, strlen(text));
}

/* The fault's nodes: bit N of node N. */
static uint64_t nodes_of(const struct edn *v)
{
    const struct edn *nodes = edn_get_type(v, "nodes", EDN_VECTOR);
    uint64_t mask = 0;

    for (size_t i = 0; nodes != NULL && i < nodes->n; i++) {
        const struct edn *node = &nodes->items[i];
        if (node->type == EDN_INT && node->number > 0 && node->number < 64) {
            mask |= UINT64_C(1) << node->number;
        }
    }
    return mask;
}

/* The latest that has begun and not ended, of these details if there is one. NULL: none. */
static struct history_fault *open_fault(struct history *h, uint32_t f, uint32_t details)
{
    struct history_fault *found = NULL;

    for (size_t i = h->n_faults; i > 0; i--) {
        struct history_fault *fault = &h->faults[i - 1];
        if (fault->f == f && fault->end_ns == HISTORY_NEVER) {
            if (found == NULL || fault->details == details) {
                found = fault;
            }
            if (fault->details == details) {
                break;
            }
        }
    }
    return found;
}

/* It goes on: it has struck, or it ends. */
static const char *continue_fault(struct lines *l, const struct line *line, uint32_t f,
                                  uint32_t details, bool ends)
{
    struct history_fault *found = open_fault(l->history, f, details);

    if (found == NULL) {
        return lines_error(l, "the %s of a fault :%.40s that did not begin",
                           ends ? "end" : "stroke", line->f);
    }
    if (ends) {
        found->end_ns = line->time_ns;
        found->end_line = line->index;
    } else {
        found->struck_ns = line->time_ns;
    }
    return NULL;
}

const char *lines_take_nemesis(struct lines *l, const struct line *line)
{
    struct history *h = l->history;
    const struct edn *phase = edn_get(line->value, "phase");

    if (need_map(line) != NULL) {
        return need_map(line);
    }
    uint32_t f = names_number(&h->names, line->f, strlen(line->f));
    uint32_t details = describe_fault(l, line->value);
    if (edn_is_keyword(phase, "end") || edn_is_keyword(phase, "struck")) {
        return continue_fault(l, line, f, details, edn_is_keyword(phase, "end"));
    }
    *JUDGE_ADD(h->faults, h->n_faults, h->cap_faults) = (struct history_fault){
        .f = f,
        .details = details,
        .all_nodes = h->header.nodes > 0 &&
                     __builtin_popcountll(nodes_of(line->value)) == h->header.nodes,
        .nodes = nodes_of(line->value),
        .term = (uint64_t)number_or(line->value, "term", 0),
        .quiet = strcmp(line->f, "quiet") == 0,
        .begin_ns = line->time_ns,
        .struck_ns = HISTORY_NEVER,
        /* Without a phase it is over at once. */
        .end_ns = edn_is_keyword(phase, "begin") ? HISTORY_NEVER : line->time_ns,
        .line = line->index,
        .end_line = HISTORY_NO_LINE,
    };
    return NULL;
}

const char *lines_take_leadership(struct lines *l, const struct line *line)
{
    struct history *h = l->history;
    const struct edn *v = line->value;
    struct history_leadership leadership = {.from_ns = number_or(v, "from-ns", -1),
                                            .to_ns = number_or(v, "to-ns", -1)};

    if (!lines_number(v, "node", &leadership.node) || leadership.node == 0 ||
        leadership.node > 63 || !lines_number(v, "term", &leadership.term) ||
        leadership.from_ns < 0 || leadership.to_ns < leadership.from_ns ||
        leadership.to_ns > line->time_ns) {
        return "a leadership needs :node, :term, and :from-ns and :to-ns that have passed";
    }
    *JUDGE_ADD(h->leaderships, h->n_leaderships, h->cap_leaderships) = leadership;
    return NULL;
}

/* ---- final reads ---- */

static const char *take_final_begin(struct lines *l, const struct line *line)
{
    struct history *h = l->history;
    const struct edn *v = line->value;
    struct history_final final = {.time_ns = line->time_ns,
                                  .line = line->index,
                                  .node = number_or(v, "node", -1),
                                  .applied = number_or(v, "applied", -1),
                                  .digest = lines_name(l, v, "digest"),
                                  .error = lines_name(l, v, "error"),
                                  .count = number_or(v, "count", -1)};

    if (final.node < 0) {
        return "a final read without its :node";
    }
    if (final.error == NAME_NONE && (final.applied < 0 || final.digest == NAME_NONE)) {
        return "a final read with neither :applied and :digest nor :error";
    }
    final.has_digest = final.digest != NAME_NONE;
    l->final_of_node = (int64_t)h->n_finals;
    *JUDGE_ADD(h->finals, h->n_finals, h->cap_finals) = final;
    return NULL;
}

/* The latest :final of a node, or NULL. */
static struct history_final *final_of(struct lines *l, int64_t node)
{
    struct history *h = l->history;

    for (size_t i = h->n_finals; i > 0; i--) {
        if (h->finals[i - 1].node == node) {
            return &h->finals[i - 1];
        }
    }
    return NULL;
}

static const char *take_final_order(struct lines *l, const struct line *line)
{
    struct history *h = l->history;
    const struct edn *v = line->value;

    if (v->type != EDN_VECTOR || v->n != 3 || v->items[0].type != EDN_INT ||
        v->items[1].type != EDN_STRING || v->items[2].type != EDN_MAP) {
        return "the value of a final order is [NODE ID {...}]";
    }
    struct history_final *final = final_of(l, v->items[0].number);
    const struct edn *state = edn_get_type(&v->items[2], "state", EDN_KEYWORD);
    int number = state != NULL ? history_state_number(state->text) : -1;
    if (final == NULL) {
        return "a final order without the :final of its node";
    }
    if (number <= ORDERSCHED_STATE_NONE) {
        return "a final order without a known :state";
    }
    struct history_final_order o = {.final = (uint32_t)(final - h->finals),
                                    .order = lines_order(l, &v->items[1]),
                                    .line = line->index,
                                    .state = number};
    (void)lines_number(&v->items[2], "deadline-ms", &o.deadline_ms);
    final->begins = true;
    final->listed++;
    *JUDGE_ADD(h->final_orders, h->n_final_orders, h->cap_final_orders) = o;
    return NULL;
}

const char *lines_take_final(struct lines *l, const struct line *line)
{
    if (strcmp(line->f, "final-order") == 0) {
        return take_final_order(l, line);
    }
    if (need_map(line) != NULL) {
        return need_map(line);
    }
    if (strcmp(line->f, "final") == 0) {
        return take_final_begin(l, line);
    }
    struct history_final *final = final_of(l, number_or(line->value, "node", -1));
    if (final == NULL) {
        return "the end of final reads that did not begin";
    }
    final->complete = true;
    return NULL;
}

/* ---- notes ---- */

static const char *take_phase(struct lines *l, const struct line *line)
{
    struct history_notes *phases = &l->history->phases;

    if (line->value->type != EDN_KEYWORD) {
        return "a phase is a keyword";
    }
    *JUDGE_ADD(phases->all, phases->n, phases->cap) = (struct history_note){
        .time_ns = line->time_ns,
        .line = line->index,
        .kind = names_number(&l->history->names, line->value->text, line->value->len),
        .text = NAME_NONE,
    };
    return NULL;
}

const char *lines_take_note(struct lines *l, const struct line *line)
{
    struct history *h = l->history;
    const struct edn *v = line->value;
    bool probe = strcmp(line->f, "probe") == 0, log = strcmp(line->f, "log") == 0;
    struct history_notes *notes = probe ? &h->probes : log ? &h->logs : &h->exits;

    if (strcmp(line->f, "phase") == 0) {
        return take_phase(l, line);
    }
    if (need_map(line) != NULL) {
        return need_map(line);
    }
    uint64_t after_ms;
    if (probe && (edn_get_type(v, "ok", EDN_BOOL) == NULL ||
                  !lines_number(v, "after-ms", &after_ms) || after_ms > HISTORY_BOUND_MAX_MS)) {
        return "a probe without :ok, or :after-ms within a day";
    }
    *JUDGE_ADD(notes->all, notes->n, notes->cap) = (struct history_note){
        .time_ns = line->time_ns,
        .line = line->index,
        .node = number_or(v, "node", -1),
        .kind = lines_name(l, v, log ? "kind" : "status"),
        .text = lines_name(l, v, log ? "line" : "reason"),
        .ok = lines_flag(v, probe ? "ok" : "expected"),
        .after_ms = number_or(v, "after-ms", -1),
    };
    return NULL;
}
