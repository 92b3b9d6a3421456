/* ordersim.c - the simulator's command line: one seed, a range of seeds, a named regression, or the
 * self-test. docs/testing.md is its manual. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../../raft/mutant.h"
#include "batch.h"
#include "mutants.h"

static const char usage[] =
    "ordersim - runs a whole orderschedd cluster from one seed, and judges it\n"
    "\n"
    "  --seed N          one run; its last line is the command that repeats it\n"
    "  --trace           print the trace of that run\n"
    "  --seeds A..B      many runs; they fail also when a coverage counter stays 0\n"
    "  --jobs N          in so many processes (default 1)\n"
    "  --no-coverage     do not ask for coverage: for small batches\n"
    "  --with A,B        of the options that have a stream of their own exactly these are on\n"
    "                    (\"none\": none), not those that the seed draws\n"
    "  --regress FILE    the seeds of a named regression: lines \"seed N\" or \"seed N with A,B\", "
    "and\n"
    "                    comments; behind a line \"hazard NAME\" they must find it where it is\n"
    "                    compiled in\n"
    "  --mutant NAME     with a deliberate bug compiled in (needs -DORDERSCHEDD_MUTANTS)\n"
    "  --only NAME       look for one invariant\n"
    "  --self-test       each mutant must be caught by the invariant named for it\n"
    "\n"
    "Exit code 0: nothing found; 1: something found; 2: usage.\n";

struct command {
    bool has_seed, has_range, trace, coverage, self_test;
    uint64_t seed, first, last;
    unsigned jobs;
    const char *regress, *only, *mutant, *with;
    char replay[128]; /* options that a replay needs as well */
};

static double seconds_now(void)
{
    return (double)clocks_running_ns() / 1e9;
}

/* --- one run --- */

static int run_one(const struct command *c, uint64_t seed, const char *with)
{
    struct run_result *r = calloc(1, sizeof *r);

    if (r == NULL) {
        abort();
    }
    run_describe(seed, with, stdout);
    fflush(stdout);
    run_seed(seed, with, c->trace ? stdout : NULL, c->only, r);
    bool bad = r->violation[0] != '\0';
    if (bad) {
        printf("%s\n", r->report);
    }
    printf("%s: %.3f s of cluster time, %" PRIu64 " events, trace hash %016" PRIx64 "\n",
           bad ? "violated" : "ok", (double)r->simulated_us / 1e6, r->events, r->trace_hash);
    printf("replay: ordersim --seed %" PRIu64 " --with %s%s\n", seed, r->extras, c->replay);
    free(r);
    return bad ? 1 : 0;
}

/* --- many --- */

static int run_range(const struct command *c)
{
    struct batch batch = {c->first, c->last, c->jobs, c->only, c->replay, false, c->with, stdout};
    struct batch_report *r = calloc(1, sizeof *r);
    double begin = seconds_now();
    unsigned missing = 0;

    if (r == NULL) {
        abort();
    }
    printf("seeds %" PRIu64 "..%" PRIu64 " version %s\n", c->first, c->last, ORDERSCHEDD_VERSION);
    batch_run(&batch, r);
    double took = seconds_now() - begin;
    if (c->coverage) {
        coverage_print(&r->coverage, stdout);
        missing = coverage_missing(&r->coverage, stdout);
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " violations, %" PRIu64 " crashes, %u counters at 0; "
           "%.0f s of cluster time and %" PRIu64 " events in %.1f s: %.1f seeds/s, %.0f events/s; "
           "sum of trace hashes %016" PRIx64 "\n",
           r->runs, r->violations, r->crashes, missing, (double)r->simulated_us / 1e6, r->events,
           took, (double)r->runs / took, (double)r->events / took, r->hashes);
    int rv = r->violations + r->crashes + missing > 0 ? 1 : 0;
    free(r);
    return rv;
}

/* --- a named regression --- */

/* With the guard that was its answer taken away, where that is compiled in, the seed must still
 * find it: other seeds follow when options or events change. */
static int run_hazard(const struct command *c, const char *name, uint64_t seed, const char *with)
{
    struct run_result *r = calloc(1, sizeof *r);

    if (r == NULL) {
        abort();
    }
    if (!mutants_choose(name)) {
        free(r);
        return 2;
    }
    run_seed(seed, with, NULL, c->only, r);
    bool found = r->violation[0] != '\0';
    printf("seed %" PRIu64 " with %s: %s\n", seed, name,
           found ? r->report : "finds nothing any more; look for another seed, with --mutant");
    free(r);
    mutants_choose("none");
    return found ? 0 : 1;
}

static int run_regress(const struct command *c)
{
    char line[512], hazard[64] = "";
    unsigned n = 0;
    int rv = 0;
    FILE *file = fopen(c->regress, "r");

    if (file == NULL) {
        perror(c->regress);
        return 2;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        char with[SIM_EXTRAS_MAX] = "none"; /* so that extras that come later shift no seed */
        uint64_t seed;
        if (sscanf(line, "hazard %63s", hazard) == 1) {
            continue;
        }
        if (sscanf(line, "seed %" SCNu64 " with %255s", &seed, with) >= 1) {
            rv |= run_one(c, seed, with);
            rv |= hazard[0] != '\0' && mutants_compiled() ? run_hazard(c, hazard, seed, with) : 0;
            n++;
        }
    }
    fclose(file);
    if (n == 0) {
        fprintf(stderr, "%s: no line \"seed N\"\n", c->regress);
        return 2;
    }
    return rv;
}

/* --- the command line --- */

static bool parse_u64(const char *text, uint64_t *value)
{
    char *end;

    *value = strtoull(text, &end, 10);
    return end != text && *end == '\0';
}

static bool parse_range(const char *text, struct command *c)
{
    return sscanf(text, "%" SCNu64 "..%" SCNu64, &c->first, &c->last) == 2 && c->first <= c->last;
}

static bool parse(int argc, char **argv, struct command *c)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"trace", no_argument, NULL, 't'},
        {"seeds", required_argument, NULL, 'r'},
        {"jobs", required_argument, NULL, 'j'},
        {"no-coverage", no_argument, NULL, 'c'},
        {"regress", required_argument, NULL, 'g'},
        {"mutant", required_argument, NULL, 'm'},
        {"only", required_argument, NULL, 'o'},
        {"self-test", no_argument, NULL, 'S'},
        {"with", required_argument, NULL, 'w'},
        {NULL, 0, NULL, 0},
    };
    uint64_t jobs = 1;
    bool fine = true;
    int option;

    while (fine && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
            case 's': fine = c->has_seed = parse_u64(optarg, &c->seed); break;
            case 't': c->trace = true; break;
            case 'r': fine = c->has_range = parse_range(optarg, c); break;
            case 'j': fine = parse_u64(optarg, &jobs) && jobs >= 1 && jobs <= 16; break;
            case 'c': c->coverage = false; break;
            case 'g': c->regress = optarg; break;
            case 'm': c->mutant = optarg; break;
            case 'o': c->only = optarg; break;
            case 'w': c->with = optarg; break;
            case 'S': c->self_test = true; break;
            default: fine = false;
        }
    }
    c->jobs = (unsigned)jobs;
    snprintf(c->replay, sizeof c->replay, "%s%s%s%s", c->mutant != NULL ? " --mutant " : "",
             c->mutant != NULL ? c->mutant : "", c->only != NULL ? " --only " : "",
             c->only != NULL ? c->only : "");
    return fine && optind == argc &&
           c->has_seed + c->has_range + (c->regress != NULL) + c->self_test == 1;
}

int main(int argc, char **argv)
{
    struct command c = {.coverage = true};

    if (!parse(argc, argv, &c)) {
        fputs(usage, stderr);
        return 2;
    }
    if (c.mutant != NULL && !mutants_choose(c.mutant)) {
        return 2;
    }
    if (c.self_test) {
        return mutants_self_test(c.jobs);
    }
    return c.has_seed ? run_one(&c, c.seed, c.with) : c.has_range ? run_range(&c) : run_regress(&c);
}
