/* nemesis.h - what breaks the cluster while it is loaded: one fault after the other, each begun,
 * held, healed and recorded as a window; a quarter of the periods is quiet.
 *
 * Two nemeses may be at it at the same time, one at the network and one at the nodes. Then it is
 * only probed whether all is well again when neither has a fault on.
 *
 * A fault is a row of a table, in network.c, process.c, disk.c,
 * flip.c or members.c. */
#ifndef NEMESIS_H
#define NEMESIS_H

#include <stdio.h>

#include "../../tests/support/random.h"
#include "../run.h"

#define NEMESIS_DRAWN_MAX 1024 /* of the faults so far, those that are remembered */

struct fault;
/* What nemeses that are at it at the same time have in common. */
struct nemesis_peace {
    pthread_mutex_t mutex;
    unsigned active; /* faults that are on */
};

struct nemesis {
    struct run *run;
    struct nemesis_peace *peace;
    struct random random;
    pthread_t thread;
    char names[512]; /* of the faults to draw from, separated by commas */
    /* Of the present fault. */
    bool chosen[BED_PLACES];
    char details[256];  /* EDN members behind :phase, such as `, :shape "ring"` */
    uint64_t parameter; /* the fault's own */
    unsigned refused;   /* of what the fault asked the cluster for */
    unsigned faults, periods;
    const struct fault *drawn[NEMESIS_DRAWN_MAX];
};

/* Whom a fault strikes. */
enum nemesis_whom { WHOM_NOBODY, WHOM_LEADER, WHOM_ONE, WHOM_MINORITY, WHOM_MAJORITY, WHOM_ALL };

struct fault {
    const char *name;   /* on the command line: "FAMILY" or "FAMILY-KIND" */
    const char *family; /* :f in the history */
    enum nemesis_whom whom;
    /* Wall clocks of a majority: none but the cluster's own time says what was early. */
    bool moves_clocks;
    /* Those of a minority, at their start: what is early may be so by their error. */
    bool starts_wrong;
    bool ends_leaderships; /* whom it strikes is gone at once, with all that it had under way */
    /* Choose, into n->chosen, n->details and n->parameter; false: not possible now. May be NULL. */
    bool (*prepare)(struct nemesis *n, const struct fault *f);
    void (*begin)(struct nemesis *n, const struct fault *f);
    void (*tick)(struct nemesis *n, const struct fault *f); /* every 50 ms; may be NULL */
    void (*end)(struct nemesis *n, const struct fault *f);
};

extern const struct fault nemesis_network_faults[], nemesis_process_faults[], nemesis_disk_faults[],
    nemesis_flip_faults[], nemesis_member_faults[]; /* each ends with a name of NULL */

/* Names are those of faults and of families of faults, `mix` and `none`, separated by commas; two
 * such lists with a '+' between them are for two nemeses, of which one must break the network and
 * the other the nodes. False: a sentence in `error` says what is wrong. */
bool nemesis_check(const char *names, char *error, size_t len);
bool nemesis_moves_clocks(const char *names);
bool nemesis_starts_wrong(const char *names);
void nemesis_print_names(FILE *out);

/* Start; they end with the load, and leave nothing broken. */
struct nemeses;
struct nemeses *nemesis_start(struct run *r);
/* Wait for the end; says how many faults there were. */
unsigned nemesis_join(struct nemeses *n);

/* For faults. */
/* All whom it stops are stopped by now, and none has been started again: that is recorded. */
void nemesis_struck(struct nemesis *n, const struct fault *f);
/* Remove the member of a place from the cluster, kill it, and add it again under a new id. */
void nemesis_replace_member(struct nemesis *n, unsigned place);
uint64_t nemesis_between(struct nemesis *n, uint64_t least, uint64_t most);
/* A place out of 1 to n. */
unsigned nemesis_any(struct nemesis *n);
unsigned nemesis_count(const struct nemesis *n);
#define NEMESIS_EACH(n, place)                                    \
    for (unsigned place = 1; place <= (n)->run->nodes.n; place++) \
        if ((n)->chosen[place])

#endif
