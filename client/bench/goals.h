/* goals.h - the goals for the figures of orderbench, and which row of a file of rows
 * (build/bench.json) holds the figure of each. Pure. */
#ifndef ORDERBENCH_GOALS_H
#define ORDERBENCH_GOALS_H

#include <jansson.h>
#include <stdbool.h>

struct goal {
    const char *name;
    const char *bench; /* the row's command... */
    const char *key;   /* ...and, unless NULL, a number in it (path with dots)... */
    double key_min;    /* ...that lies between these */
    double key_max;
    const char *figure; /* path with dots */
    double value;
    bool at_least; /* else at most */
};

extern const struct goal goals[];
extern const unsigned goals_n;

struct goal_result {
    bool found;
    double orders; /* of the row */
    double measured;
    bool met;
    double away; /* not met: how many times the measured is worse than the goal */
};

/* Look a goal up in an array of rows; the last row that fits counts. */
struct goal_result goal_judge(const struct goal *goal, const json_t *rows);

#endif
