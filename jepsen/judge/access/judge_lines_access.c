/* judge_lines_access.c - the lines about principals: a change of one, its answer, and its log index. */
#include <string.h>

#include "../judge_lines.h"

static int kind_number(const struct edn *kind)
{
    for (int i = 0; kind != NULL && i < CHANGE_KINDS; i++) {
        if (strcmp(history_change_name((enum change_kind)i), kind->text) == 0) {
            return i;
        }
    }
    return -1;
}

static int role_number(const struct edn *role)
{
    for (int i = 0; role->type == EDN_STRING && i < ROLES; i++) {
        if (strcmp(history_role_name((enum history_role)i), role->text) == 0) {
            return i;
        }
    }
    return -1;
}

/* [["producer" "shop-*" "eu/"] ...] */
static const char *take_grants(struct lines *l, const struct edn *list, struct history_change *c)
{
    struct names *names = &l->history->names;

    if (list == NULL || list->n > HISTORY_GRANTS_MAX) {
        return "a change that gives grants needs 1 to 8 :grants";
    }
    for (size_t i = 0; i < list->n; i++) {
        const struct edn *grant = &list->items[i];
        int role = grant->type == EDN_VECTOR && grant->n == 3 ? role_number(&grant->items[0]) : -1;
        if (role < 0 || grant->items[1].type != EDN_STRING || grant->items[2].type != EDN_STRING) {
            return "a grant is [ROLE ROUTES PREFIX]";
        }
        c->grants[c->n_grants++] = (struct history_grant){
            .role = (enum history_role)role,
            .routes = names_number(names, grant->items[1].text, grant->items[1].len),
            .prefix = names_number(names, grant->items[2].text, grant->items[2].len)};
    }
    return NULL;
}

/* The latest change of the number, or of the principal; NULL: there is none. */
static struct history_change *find_number(struct history *h, uint64_t number)
{
    for (size_t i = h->n_changes; i > 0; i--) {
        if (h->changes[i - 1].number == number) {
            return &h->changes[i - 1];
        }
    }
    return NULL;
}

static const struct history_change *find_principal(const struct history *h, uint32_t principal)
{
    for (size_t i = h->n_changes; i > 0; i--) {
        if (h->changes[i - 1].principal == principal) {
            return &h->changes[i - 1];
        }
    }
    return NULL;
}

static const char *take_begin(struct lines *l, const struct line *line, uint64_t number)
{
    struct history *h = l->history;
    const struct edn *v = line->value;
    int kind = kind_number(edn_get_type(v, "kind", EDN_KEYWORD));
    uint64_t token = 0;
    struct history_change c = {.number = number,
                               .kind = (enum change_kind)kind,
                               .principal = lines_name(l, v, "principal"),
                               .invoked_ns = line->time_ns,
                               .ended_ns = HISTORY_NEVER,
                               .line = line->index,
                               .end_line = HISTORY_NO_LINE};

    if (kind < 0 || c.principal == NAME_NONE) {
        return "a change without a known :kind or its :principal";
    }
    if (find_number(h, number) != NULL) {
        return lines_error(l, "the :change %llu is there already", (unsigned long long)number);
    }
    const struct history_change *before = find_principal(h, c.principal);
    if (before != NULL && before->ended_ns == HISTORY_NEVER) {
        return lines_error(l, "a change of a principal whose change of index %u is open",
                           before->line);
    }
    bool brings_token = kind == CHANGE_CREATE || kind == CHANGE_ROTATE;
    if (brings_token && (!lines_number(v, "token", &token) || token == 0 || token > UINT32_MAX)) {
        return "a change that brings a token needs its :token, from 1";
    }
    c.token = (uint32_t)token;
    (void)lines_number(v, "overlap-ms", &c.overlap_ms); /* 0 where it is not said */
    const char *why = kind == CHANGE_PUT || kind == CHANGE_CREATE
                          ? take_grants(l, edn_get_type(v, "grants", EDN_VECTOR), &c)
                          : NULL;
    if (why == NULL) {
        *JUDGE_ADD(h->changes, h->n_changes, h->cap_changes) = c;
    }
    return why;
}

static const char *take_end(struct lines *l, const struct line *line, struct history_change *c)
{
    const struct edn *error = edn_get_type(line->value, "error", EDN_KEYWORD);
    int number = error != NULL ? history_error_number(error->text) : -1;

    if (number < 0 || number >= ORDERSCHED_INVALID || number == ORDERSCHED_STALE_REQUEST) {
        return "a change ends with an :error that the log decided";
    }
    if (c->ended_ns != HISTORY_NEVER) {
        return lines_error(l, "the change of index %u has ended already", c->line);
    }
    c->error = number;
    c->ended_ns = line->time_ns;
    c->end_line = line->index;
    return NULL;
}

const char *lines_take_change(struct lines *l, const struct line *line)
{
    const struct edn *phase = edn_get(line->value, "phase");
    uint64_t number;

    if (line->value->type != EDN_MAP || !lines_number(line->value, "change", &number)) {
        return "the value of :grant is a map with the number of its :change";
    }
    if (edn_is_keyword(phase, "begin")) {
        return take_begin(l, line, number);
    }
    struct history_change *c = find_number(l->history, number);
    if (c == NULL) {
        return "the end of a change that did not begin";
    }
    if (edn_is_keyword(phase, "end")) {
        return take_end(l, line, c);
    }
    return edn_is_keyword(phase, "index") && lines_number(line->value, "index", &c->index)
               ? NULL
               : "the :phase of a change is :begin, :end or :index";
}
