/* process.c - faults of the nodes' processes and clocks: kill, pause, restart, transfer,
 * bump, strobe, a start with a wrong clock. */
#include <stdio.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../bed/command.h"
#include "nemesis.h"
#include "../ask/ask.h"

#define TRANSFER_TIMEOUT_MS 2000

static void kill_begin(struct nemesis *n, const struct fault *f)
{
    NEMESIS_EACH(n, place)
    {
        nodes_kill(&n->run->nodes, place);
    }
    nemesis_struck(n, f);
}

static void start_chosen(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        nodes_start(&n->run->nodes, place);
    }
}

static void pause_begin(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        nodes_pause(&n->run->nodes, place, true);
    }
}

static void pause_end(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        nodes_pause(&n->run->nodes, place, false);
    }
}

/* Long enough for a successor, and short enough for those who asked it last to be waiting still. */
#define BRIEF_NS 1600000000

static void brief_begin(struct nemesis *n, const struct fault *f)
{
    pause_begin(n, f);
    n->parameter = clocks_running_ns() + BRIEF_NS;
}

static void brief_end(struct nemesis *n, const struct fault *f)
{
    if (n->parameter != 0) {
        n->parameter = 0;
        pause_end(n, f);
    }
}

static void brief_tick(struct nemesis *n, const struct fault *f)
{
    if (clocks_running_ns() >= n->parameter) {
        brief_end(n, f);
    }
}

/* Everything down and up at once; the time until it serves again belongs to the fault. */
static void restart_begin(struct nemesis *n, const struct fault *f)
{
    kill_begin(n, f);
    start_chosen(n, f);
}

static void nothing(struct nemesis *n, const struct fault *f)
{
    (void)n;
    (void)f;
}

/* To whoever the cluster chooses. A refusal is no fault of ours; how many there were is told. */
static void transfer(struct nemesis *n)
{
    if (ask_transfer(n->run->admin, 0, TRANSFER_TIMEOUT_MS) == ORDERSCHED_OK) {
        n->parameter++;
    } else {
        n->refused++;
    }
}

static void transfer_begin(struct nemesis *n, const struct fault *f)
{
    (void)f;
    n->parameter = 0;
    n->refused = 0;
    transfer(n);
}

/* About once a second. */
static void transfer_tick(struct nemesis *n, const struct fault *f)
{
    (void)f;
    if (nemesis_between(n, 1, 20) == 1) {
        transfer(n);
    }
}

static void transfer_end(struct nemesis *n, const struct fault *f)
{
    (void)f;
    snprintf(n->details, sizeof n->details, ", :done %llu, :refused %u",
             (unsigned long long)n->parameter, n->refused);
}

/* --- clocks --- */

/* From 10 ms to an hour, by orders of magnitude, in both directions. */
static int64_t clock_offset_us(struct nemesis *n)
{
    static const uint64_t most_ms[] = {10, 100, 1000, 10000, 60000, 3600000};
    int64_t us = (int64_t)nemesis_between(n, 10, most_ms[nemesis_between(n, 0, 5)] + 10) * 1000;

    return nemesis_between(n, 0, 1) == 0 ? us : -us;
}

static bool clock_prepare(struct nemesis *n, const struct fault *f)
{
    snprintf(n->details, sizeof n->details, ", :kind :%s", f->name + strlen("clock-"));
    return true;
}

static void clock_bump(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        *n->run->nodes.nodes[place].clock_us = clock_offset_us(n);
    }
}

static void clock_strobe(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        volatile int64_t *us = n->run->nodes.nodes[place].clock_us;
        *us = *us != 0 ? 0 : clock_offset_us(n);
    }
}

static void clock_restore(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        *n->run->nodes.nodes[place].clock_us = 0;
    }
}

/* From a second to ten years, by orders of magnitude, in both directions. */
static int64_t wrong_clock_us(struct nemesis *n)
{
    static const uint64_t most_s[] = {2, 60, 3600, 86400, 31536000, 315360000};
    uint64_t s = nemesis_between(n, 1, most_s[nemesis_between(n, 0, 5)]);
    int64_t us = (int64_t)s * 1000000;

    return nemesis_between(n, 0, 1) == 0 ? us : -us;
}

/* It leads before it is put right, if it can. */
static void clock_start_lead(struct nemesis *n)
{
    NEMESIS_EACH(n, place)
    {
        (void)ask_transfer(n->run->admin, n->run->nodes.nodes[place].id, TRANSFER_TIMEOUT_MS);
    }
}

static void clock_start(struct nemesis *n, const struct fault *f)
{
    kill_begin(n, f);
    NEMESIS_EACH(n, place)
    {
        *n->run->nodes.nodes[place].clock_us = wrong_clock_us(n);
    }
    start_chosen(n, f);
}

static void clock_start_tick(struct nemesis *n, const struct fault *f)
{
    (void)f;
    if (nemesis_between(n, 1, 10) == 1) {
        clock_start_lead(n);
    }
}

#define KILL(kind, who)                                                                \
    {                                                                                  \
        .name = "kill-" kind, .family = "kill", .whom = who, .ends_leaderships = true, \
        .begin = kill_begin, .end = start_chosen                                       \
    }
#define PAUSE(kind, who)                                                             \
    {                                                                                \
        .name = "pause-" kind, .family = "pause", .whom = who, .begin = pause_begin, \
        .end = pause_end                                                             \
    }

const struct fault nemesis_process_faults[] = {
    KILL("leader", WHOM_LEADER),
    KILL("minority", WHOM_MINORITY),
    KILL("majority", WHOM_MAJORITY),
    KILL("all", WHOM_ALL),
    PAUSE("leader", WHOM_LEADER),
    PAUSE("minority", WHOM_MINORITY),
    PAUSE("majority", WHOM_MAJORITY),
    PAUSE("all", WHOM_ALL),
    {.name = "pause-brief",
     .family = "pause",
     .whom = WHOM_LEADER,
     .begin = brief_begin,
     .tick = brief_tick,
     .end = brief_end},
    {.name = "restart-all",
     .family = "restart-all",
     .whom = WHOM_ALL,
     .ends_leaderships = true,
     .begin = restart_begin,
     .end = nothing},
    {.name = "transfer",
     .family = "transfer",
     .whom = WHOM_NOBODY,
     .begin = transfer_begin,
     .tick = transfer_tick,
     .end = transfer_end},
    {.name = "clock-bump",
     .family = "clock",
     .whom = WHOM_MAJORITY,
     .moves_clocks = true,
     .prepare = clock_prepare,
     .begin = clock_bump,
     .end = clock_restore},
    {.name = "clock-strobe",
     .family = "clock",
     .whom = WHOM_MAJORITY,
     .moves_clocks = true,
     .prepare = clock_prepare,
     .begin = clock_bump,
     .tick = clock_strobe,
     .end = clock_restore},
    {.name = "clock-start",
     .family = "clock",
     .whom = WHOM_LEADER,
     .ends_leaderships = true,
     .starts_wrong = true,
     .prepare = clock_prepare,
     .begin = clock_start,
     .tick = clock_start_tick,
     .end = clock_restore},
    {.name = NULL},
};
