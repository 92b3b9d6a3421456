/* judge_lines.h - what each line of a history means: lines go in one by one, and the history grows
 * by what they say. */
#ifndef JUDGE_LINES_H
#define JUDGE_LINES_H

#include "judge_edn.h"
#include "judge_history.h"

struct lines {
    struct history *history;
    uint32_t n;         /* lines taken: the :index of the next */
    int64_t time_ns;    /* of the latest */
    uint32_t *order_of; /* by name: number of the order + 1, or 0 */
    size_t n_order_of;
    int64_t *process_call; /* by process: its open call; or one of the values below */
    size_t n_processes;
    int64_t final_of_node; /* the :final whose orders follow, or -1 */
    char error[160];
};

/* Never NULL. */
struct lines *lines_new(struct history *h);
void lines_free(struct lines *l);
/* Take a line. NULL, or what is wrong with it, until the next call. */
const char *lines_take(struct lines *l, const struct edn *line);

/* --- shared by judge_lines*.c --- */

/* A line taken apart. */
struct line {
    uint32_t index;
    int64_t time_ns;
    const struct edn *process;
    const char *type;
    const char *f;
    const struct edn *value; /* never NULL */
};
const char *lines_error(struct lines *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The number of the order with this id. */
uint32_t lines_order(struct lines *l, const struct edn *id);
const char *lines_take_client(struct lines *l, const struct line *line);
const char *lines_take_header(struct lines *l, const struct line *line);
const char *lines_take_final(struct lines *l, const struct line *line);
const char *lines_take_delivery(struct lines *l, const struct line *line, bool effect);
const char *lines_take_nemesis(struct lines *l, const struct line *line);
const char *lines_take_change(struct lines *l, const struct line *line);
const char *lines_take_leadership(struct lines *l, const struct line *line);
const char *lines_take_note(struct lines *l, const struct line *line);
/* A value of a map as a whole number of 0 or more; false: it is something else, or missing. */
bool lines_number(const struct edn *map, const char *key, uint64_t *number);
/* A value of a map that is true. */
bool lines_flag(const struct edn *map, const char *key);
/* The name of a map's text or keyword, or NAME_NONE. */
uint32_t lines_name(struct lines *l, const struct edn *map, const char *key);

#endif
