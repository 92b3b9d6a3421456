/* nemesis.c - see nemesis.h. */
#include "nemesis.h"

#include <stdlib.h>
#include <string.h>

#include "bed_command.h"

#define TICK_MS 50
#define HOLD_MS_MIN 2500
#define HOLD_MS_MAX 6000
#define PAUSE_MS_MIN 1000 /* between two periods */
#define PAUSE_MS_MAX 2500
#define QUIET_IN 4
#define FAULTS_MAX 64
#define DRAWN_MAX NEMESIS_DRAWN_MAX

static const struct fault *const tables[] = {nemesis_network_faults, nemesis_process_faults,
                                             nemesis_disk_faults, nemesis_flip_faults};

/* All faults of that name or family. Returns how many. */
static unsigned faults_named(const char *name, const struct fault *out[FAULTS_MAX])
{
    unsigned found = 0;

    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (const struct fault *f = tables[t]; f->name != NULL; f++) {
            if (strcmp(name, "mix") == 0 || strcmp(name, f->name) == 0 ||
                strcmp(name, f->family) == 0) {
                out[found++] = f;
            }
        }
    }
    return found;
}

/* All faults of the comma-separated names. */
static unsigned faults_chosen(const char *names, const struct fault *out[FAULTS_MAX],
                              char *unknown, size_t len)
{
    char list[512];
    char *rest = NULL;
    unsigned n = 0;

    snprintf(list, sizeof list, "%s", names);
    unknown[0] = '\0';
    for (char *name = strtok_r(list, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest)) {
        const struct fault *some[FAULTS_MAX];
        unsigned found = faults_named(name, some);
        if (found == 0 && strcmp(name, "none") != 0) {
            snprintf(unknown, len, "%s", name);
        }
        for (unsigned i = 0; i < found && n < FAULTS_MAX; i++) {
            out[n++] = some[i];
        }
    }
    return n;
}

bool nemesis_known(const char *names, char *unknown, size_t len)
{
    const struct fault *chosen[FAULTS_MAX];

    (void)faults_chosen(names, chosen, unknown, len);
    return unknown[0] == '\0';
}

bool nemesis_moves_clocks(const char *names)
{
    const struct fault *chosen[FAULTS_MAX];
    char unknown[8];
    unsigned n = faults_chosen(names, chosen, unknown, sizeof unknown);

    for (unsigned i = 0; i < n; i++) {
        if (chosen[i]->moves_clocks) {
            return true;
        }
    }
    return false;
}

void nemesis_print_names(FILE *out)
{
    fputs("mix none", out);
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (const struct fault *f = tables[t]; f->name != NULL; f++) {
            fprintf(out, " %s", f->name);
        }
    }
}

/* --- for faults --- */

uint64_t nemesis_between(struct nemesis *n, uint64_t least, uint64_t most)
{
    return least + random_below(&n->random, most - least + 1);
}

unsigned nemesis_any(struct nemesis *n)
{
    return (unsigned)nemesis_between(n, 1, n->run->nodes.n);
}

unsigned nemesis_count(const struct nemesis *n)
{
    unsigned count = 0;

    NEMESIS_EACH(n, place) {
        count++;
    }
    return count;
}

static void choose(struct nemesis *n, enum nemesis_whom whom)
{
    unsigned all = n->run->nodes.n, want = 0;

    memset(n->chosen, 0, sizeof n->chosen);
    switch (whom) {
    case WHOM_NOBODY:
        return;
    case WHOM_LEADER:
        want = run_leader(n->run, NULL);
        n->chosen[want != 0 ? want : nemesis_any(n)] = true;
        return;
    case WHOM_ONE:
        want = 1;
        break;
    case WHOM_MINORITY:
        want = (all - 1) / 2;
        break;
    case WHOM_MAJORITY:
        want = all / 2 + 1;
        break;
    case WHOM_ALL:
        want = all;
        break;
    }
    for (unsigned left = want; left > 0;) {
        unsigned place = nemesis_any(n);
        left -= !n->chosen[place];
        n->chosen[place] = true;
    }
}

/* --- periods --- */

static void record_phase(struct nemesis *n, const char *family, const char *phase)
{
    char nodes[64] = "";
    size_t at = 0;

    NEMESIS_EACH(n, place) {
        at += (size_t)snprintf(nodes + at, sizeof nodes - at, "%s%u", at > 0 ? " " : "", place);
    }
    record_line(n->run->record, RECORD_NEMESIS, RECORD_INFO, family,
                "{:phase :%s, :nodes [%s]%s}", phase, nodes, n->details);
}

/* Does this fault end the office of a leader for good? Then say which: nothing of its term can come
 * any more. */
static void record_begin(struct nemesis *n, const struct fault *f)
{
    size_t kept = strlen(n->details);
    uint64_t term;

    if (f->ends_offices) {
        unsigned leader = run_leader(n->run, &term);
        if (leader != 0 && n->chosen[leader]) {
            snprintf(n->details + kept, sizeof n->details - kept, ", :term %llu",
                     (unsigned long long)term);
        }
    }
    record_phase(n, f->family, "begin");
    n->details[kept] = '\0';
}

/* Until the time has passed or the load ends. */
static void hold(struct nemesis *n, const struct fault *f, uint64_t ms)
{
    uint64_t until_ns = monotonic_ns() + ms * 1000000;

    while (monotonic_ns() < until_ns && atomic_load(&n->run->loading)) {
        sleep_ms(TICK_MS);
        if (f != NULL && f->tick != NULL) {
            f->tick(n, f);
        }
    }
}

static void quiet_period(struct nemesis *n)
{
    memset(n->chosen, 0, sizeof n->chosen);
    n->details[0] = '\0';
    record_phase(n, "quiet", "begin");
    hold(n, NULL, nemesis_between(n, HOLD_MS_MIN, HOLD_MS_MAX));
    record_phase(n, "quiet", "end");
}

static void fault_period(struct nemesis *n, const struct fault *f)
{
    n->details[0] = '\0';
    choose(n, f->whom);
    if (f->prepare != NULL && !f->prepare(n, f)) {
        quiet_period(n);
        return;
    }
    n->drawn[n->faults++ % DRAWN_MAX] = f;
    fprintf(stderr, "jepsen: %5.1f s  %s\n", (double)record_now_ns(n->run->record) / 1e9, f->name);
    record_begin(n, f);
    f->begin(n, f);
    hold(n, f, nemesis_between(n, HOLD_MS_MIN, HOLD_MS_MAX));
    f->end(n, f);
    record_phase(n, f->family, "end");
    run_probe(n->run);
}

/* The one used least so far of the family used least so far, by chance among equals: so a short run
 * meets many, and a family of many kinds comes no more often than another. */
static const struct fault *draw(struct nemesis *n, const struct fault *const faults[],
                                unsigned count)
{
    const struct fault *best = NULL;
    uint64_t best_rank = UINT64_MAX;

    for (unsigned i = 0; i < count; i++) {
        uint64_t family_uses = 0, own_uses = 0;
        for (unsigned k = 0; k < n->faults && k < DRAWN_MAX; k++) {
            family_uses += strcmp(n->drawn[k]->family, faults[i]->family) == 0;
            own_uses += n->drawn[k] == faults[i];
        }
        uint64_t rank = family_uses << 40 | own_uses << 16 | nemesis_between(n, 0, 0xffff);
        if (rank < best_rank) {
            best_rank = rank;
            best = faults[i];
        }
    }
    return best;
}

static void *nemesis_main(void *arg)
{
    struct nemesis *n = arg;
    const struct fault *chosen[FAULTS_MAX];
    char unknown[64];
    unsigned n_chosen = faults_chosen(n->names, chosen, unknown, sizeof unknown);

    quiet_period(n);
    while (atomic_load(&n->run->loading)) {
        n->periods++;
        if (n_chosen == 0 || nemesis_between(n, 1, QUIET_IN) == 1) {
            quiet_period(n);
        } else {
            fault_period(n, draw(n, chosen, n_chosen));
        }
        hold(n, NULL, nemesis_between(n, PAUSE_MS_MIN, PAUSE_MS_MAX));
    }
    return NULL;
}

struct nemesis *nemesis_start(struct run *r)
{
    struct nemesis *n = calloc(1, sizeof *n);

    if (n == NULL) {
        bed_fail("out of memory");
    }
    n->run = r;
    n->random = (struct random){r->options.seed};
    snprintf(n->names, sizeof n->names, "%s", r->options.nemesis);
    if (pthread_create(&n->thread, NULL, nemesis_main, n) != 0) {
        bed_fail("no thread");
    }
    return n;
}

unsigned nemesis_join(struct nemesis *n)
{
    pthread_join(n->thread, NULL);
    unsigned faults = n->faults;
    free(n);
    return faults;
}
