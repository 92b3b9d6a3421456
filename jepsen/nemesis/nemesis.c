/* nemesis.c - see nemesis.h. */
#include "nemesis.h"

#include <stdlib.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../bed/command.h"

#define TICK_MS 50
#define PAUSE_MS_MIN 1000 /* between two periods */
#define PAUSE_MS_MAX 2500
#define FIRST_QUIET_MS 3000
#define QUIET_IN 4 /* periods, but the first one */
#define FAULTS_MAX 64
#define DRAWN_MAX NEMESIS_DRAWN_MAX
#define NEMESES_MAX 2

struct nemeses {
    struct nemesis_peace peace;
    unsigned n;
    struct nemesis all[NEMESES_MAX];
};

static const struct fault *const tables[] = {nemesis_network_faults, nemesis_process_faults,
                                             nemesis_disk_faults, nemesis_flip_faults,
                                             nemesis_member_faults};

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

/* All faults of the names, whichever nemesis is to draw from them; the last name that is none goes
 * to `unknown`, if that is not NULL. */
static unsigned faults_chosen(const char *names, const struct fault *out[FAULTS_MAX], char *unknown,
                              size_t len)
{
    char list[512];
    char *rest = NULL;
    unsigned n = 0;

    snprintf(list, sizeof list, "%s", names);
    for (char *name = strtok_r(list, ",+", &rest); name != NULL;
         name = strtok_r(NULL, ",+", &rest)) {
        const struct fault *some[FAULTS_MAX];
        unsigned found = faults_named(name, some);
        if (found == 0 && strcmp(name, "none") != 0 && unknown != NULL) {
            snprintf(unknown, len, "%s", name);
        }
        for (unsigned i = 0; i < found && n < FAULTS_MAX; i++) {
            out[n++] = some[i];
        }
    }
    return n;
}

static bool is_of_network(const struct fault *f)
{
    for (const struct fault *at = nemesis_network_faults; at->name != NULL; at++) {
        if (at == f) {
            return true;
        }
    }
    return false;
}

/* The list of the i-th nemesis. False: there is none. */
static bool list_of(const char *names, unsigned i, char *out, size_t len)
{
    for (; i > 0; i--) {
        names = strchr(names, '+');
        if (names == NULL) {
            return false;
        }
        names++;
    }
    snprintf(out, len, "%.*s", (int)strcspn(names, "+"), names);
    return true;
}

/* Does a list break the network, the nodes, or both? */
static void list_breaks(const char *list, bool *the_network, bool *the_nodes)
{
    const struct fault *chosen[FAULTS_MAX];
    unsigned n = faults_chosen(list, chosen, NULL, 0);

    *the_network = *the_nodes = false;
    for (unsigned i = 0; i < n; i++) {
        *the_network = *the_network || is_of_network(chosen[i]);
        *the_nodes = *the_nodes || !is_of_network(chosen[i]);
    }
}

bool nemesis_check(const char *names, char *error, size_t len)
{
    const struct fault *chosen[FAULTS_MAX];
    char unknown[64] = "", list[512];
    bool network[2], nodes[2];

    (void)faults_chosen(names, chosen, unknown, sizeof unknown);
    if (unknown[0] != '\0') {
        snprintf(error, len, "there is no \"%s\"", unknown);
        return false;
    }
    if (list_of(names, NEMESES_MAX, list, sizeof list)) {
        snprintf(error, len, "more than two at the same time");
        return false;
    }
    for (unsigned i = 0; i < NEMESES_MAX && list_of(names, i, list, sizeof list); i++) {
        list_breaks(list, &network[i], &nodes[i]);
        if (i == 1 && ((network[0] && network[1]) || (nodes[0] && nodes[1]))) {
            snprintf(error, len, "both would break the %s",
                     network[0] && network[1] ? "network" : "nodes");
            return false;
        }
    }
    return true;
}

static bool any_chosen(const char *names, bool (*is)(const struct fault *f))
{
    const struct fault *chosen[FAULTS_MAX];
    unsigned n = faults_chosen(names, chosen, NULL, 0);

    for (unsigned i = 0; i < n; i++) {
        if (is(chosen[i])) {
            return true;
        }
    }
    return false;
}

static bool moves_clocks(const struct fault *f)
{
    return f->moves_clocks;
}

static bool starts_wrong(const struct fault *f)
{
    return f->starts_wrong;
}

bool nemesis_moves_clocks(const char *names)
{
    return any_chosen(names, moves_clocks);
}

bool nemesis_starts_wrong(const char *names)
{
    return any_chosen(names, starts_wrong);
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

static void choose(struct nemesis *n, enum nemesis_whom whom)
{
    unsigned all = n->run->nodes.n, want = 0;

    memset(n->chosen, 0, sizeof n->chosen);
    switch (whom) {
        case WHOM_NOBODY: return;
        case WHOM_LEADER:
            want = run_leader(n->run, NULL);
            n->chosen[want != 0 ? want : nemesis_any(n)] = true;
            return;
        case WHOM_ONE: want = 1; break;
        case WHOM_MINORITY: want = (all - 1) / 2; break;
        case WHOM_MAJORITY: want = all / 2 + 1; break;
        case WHOM_ALL: want = all; break;
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

    NEMESIS_EACH(n, place)
    {
        at += (size_t)snprintf(nodes + at, sizeof nodes - at, "%s%u", at > 0 ? " " : "", place);
    }
    record_line(n->run->record, RECORD_NEMESIS, RECORD_INFO, family, "{:phase :%s, :nodes [%s]%s}",
                phase, nodes, n->details);
}

/* Does this fault end a leadership for good? Then say which: nothing of its term can come
 * any more. */
static void record_begin(struct nemesis *n, const struct fault *f)
{
    size_t kept = strlen(n->details);
    uint64_t term;

    if (f->ends_leaderships) {
        unsigned leader = run_leader(n->run, &term);
        if (leader != 0 && n->chosen[leader]) {
            snprintf(n->details + kept, sizeof n->details - kept, ", :term %llu",
                     (unsigned long long)term);
        }
    }
    record_phase(n, f->family, "begin");
    n->details[kept] = '\0';
}

void nemesis_struck(struct nemesis *n, const struct fault *f)
{
    record_phase(n, f->family, "struck");
}

/* Until the time has passed or the load ends. */
static void hold(struct nemesis *n, const struct fault *f, uint64_t ms)
{
    uint64_t until_ns = clocks_running_ns() + ms * 1000000;

    while (clocks_running_ns() < until_ns && atomic_load(&n->run->loading)) {
        sleep_ms(TICK_MS);
        if (f != NULL && f->tick != NULL) {
            f->tick(n, f);
        }
    }
}

static uint64_t hold_ms(struct nemesis *n)
{
    uint64_t most = n->run->options.hold_ms;

    return nemesis_between(n, most * 2 / 5, most);
}

static void quiet_period(struct nemesis *n, uint64_t ms)
{
    memset(n->chosen, 0, sizeof n->chosen);
    n->details[0] = '\0';
    record_phase(n, "quiet", "begin");
    hold(n, NULL, ms);
    record_phase(n, "quiet", "end");
}

/* Nobody begins while another one probes. */
static void peace_break(struct nemesis_peace *p)
{
    pthread_mutex_lock(&p->mutex);
    p->active++;
    pthread_mutex_unlock(&p->mutex);
}

static void peace_make(struct nemesis_peace *p, struct run *r)
{
    pthread_mutex_lock(&p->mutex);
    p->active--;
    if (p->active == 0) {
        run_probe(r);
    }
    pthread_mutex_unlock(&p->mutex);
}

static void fault_period(struct nemesis *n, const struct fault *f)
{
    n->details[0] = '\0';
    choose(n, f->whom);
    if (f->prepare != NULL && !f->prepare(n, f)) {
        quiet_period(n, hold_ms(n));
        return;
    }
    peace_break(n->peace);
    n->drawn[n->faults++ % DRAWN_MAX] = f;
    fprintf(stderr, "jepsen: %5.1f s  %s\n", (double)record_now_ns(n->run->record) / 1e9, f->name);
    record_begin(n, f);
    f->begin(n, f);
    hold(n, f, hold_ms(n));
    f->end(n, f);
    record_phase(n, f->family, "end");
    peace_make(n->peace, n->run);
}

/* The one used least so far of the family used least so far, at random among equals: so a short run
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
    unsigned n_chosen = faults_chosen(n->names, chosen, NULL, 0);

    quiet_period(n, FIRST_QUIET_MS);
    while (atomic_load(&n->run->loading)) {
        n->periods++;
        bool quiet = n->periods > 1 && nemesis_between(n, 1, QUIET_IN) == 1;
        if (n_chosen == 0 || quiet) {
            quiet_period(n, hold_ms(n));
        } else {
            fault_period(n, draw(n, chosen, n_chosen));
        }
        hold(n, NULL, nemesis_between(n, PAUSE_MS_MIN, PAUSE_MS_MAX));
    }
    return NULL;
}

struct nemeses *nemesis_start(struct run *r)
{
    struct nemeses *all = calloc(1, sizeof *all);

    if (all == NULL) {
        bed_fail("out of memory");
    }
    pthread_mutex_init(&all->peace.mutex, NULL);
    for (; all->n < NEMESES_MAX; all->n++) {
        struct nemesis *n = &all->all[all->n];
        if (!list_of(r->options.nemesis, all->n, n->names, sizeof n->names)) {
            break;
        }
        n->run = r;
        n->peace = &all->peace;
        n->random = (struct random){r->options.seed + all->n};
        if (pthread_create(&n->thread, NULL, nemesis_main, n) != 0) {
            bed_fail("no thread");
        }
    }
    return all;
}

unsigned nemesis_join(struct nemeses *all)
{
    unsigned faults = 0;

    for (unsigned i = 0; i < all->n; i++) {
        pthread_join(all->all[i].thread, NULL);
        faults += all->all[i].faults;
    }
    pthread_mutex_destroy(&all->peace.mutex);
    free(all);
    return faults;
}
