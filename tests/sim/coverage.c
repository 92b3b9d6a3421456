/* coverage.c - see coverage.h. */
#include "coverage.h"

#include <inttypes.h>

void coverage_add_cluster(struct coverage *c, const struct sim_counters *counters)
{
#define ADD(name) c->name += counters->name;
    COVERAGE_CLUSTER(ADD)
#undef ADD
}

void coverage_add(struct coverage *to, const struct coverage *from)
{
#define ADD(name) to->name += from->name;
    COVERAGE_CLUSTER(ADD)
    COVERAGE_LOAD(ADD)
#undef ADD
}

void coverage_print(const struct coverage *c, FILE *out)
{
    unsigned column = 0;

#define PRINT(name) \
    fprintf(out, "%s%-26s %10" PRIu64, column++ % 3 == 0 ? "\n  " : "   ", #name, c->name);
    fprintf(out, "coverage:");
    COVERAGE_CLUSTER(PRINT)
    COVERAGE_LOAD(PRINT)
#undef PRINT
    fprintf(out, "\n");
}

unsigned coverage_missing(const struct coverage *c, FILE *out)
{
    unsigned missing = 0;

#define LOOK(name)                                                            \
    if (c->name == 0) {                                                       \
        fprintf(out, "coverage: '%s' never happened in this batch\n", #name); \
        missing++;                                                            \
    }
    COVERAGE_CLUSTER(LOOK)
    COVERAGE_LOAD(LOOK)
#undef LOOK
    return missing;
}
