/* program.h - a program run for one order: no shell, its own process group, the order as
 * environment and as JSON on stdin, its exit code and stdout as the outcome.
 *
 * Environment: ORDERSCHED_ORDER_ID (or ORDERSCHED_ORDER_ID_BASE64, where the id has a NUL byte),
 * ORDERSCHED_ROUTE, ORDERSCHED_DEADLINE (RFC 3339), ORDERSCHED_ATTEMPT, ORDERSCHED_KEY,
 * ORDERSCHED_FENCE.
 *
 * Outcome:
 *
 *   exit code 0    EXPIRED; or, where stdout begins with {, what it says: {"outcome":"expired"},
 *                  {"outcome":"paid"}, {"outcome":"later","delay_ms":N},
 *                  {"outcome":"failed","reason":"..."}; anything else after a { is FAILED
 *   exit code 10   PAID
 *   exit code 11   LATER, after the {"delay_ms":N} of stdout, else PROGRAM_LATER_MS
 *   another        FAILED: "exit code 7: " and the first line of stderr
 *   a signal       FAILED; so is a program that does not end in its time: SIGTERM to the group,
 *                  SIGKILL to what is left of it PROGRAM_GRACE_MS later
 *
 * At most PROGRAM_OUTPUT_MAX bytes of stdout count (more is FAILED); of stderr the first line; the
 * rest is read and thrown away. When the program has ended, what is left of its group is killed.
 * It starts with no descriptors but 0, 1 and 2, no blocked and no ignored signals.
 *
 * Never blocks: the owner polls the descriptors of program_fds() and calls program_step(). The
 * owner must ignore SIGPIPE, and not reap children that are not its own. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <poll.h>
#include <sys/types.h>

#include "../wire/protocol.h"

#define PROGRAM_OUTPUT_MAX 65536u
#define PROGRAM_LATER_MS 60000u
#define PROGRAM_GRACE_MS 2000u
#define PROGRAM_FDS 4

/* What it is about. Everything is copied by program_start. */
struct program_order {
    const char *route;
    const uint8_t *id;
    size_t id_len;
    uint64_t deadline_ms;
    uint32_t attempt;
    const char *key;
    const char *fence;
    const char *input; /* for stdin */
};

struct program_verdict {
    enum outcome outcome;
    uint64_t delay_ms;
    char reason[PROTOCOL_REASON_MAX];
};

struct program; /* opaque */

struct program_options {
    const char *const *argv; /* argv[0] is looked for in PATH unless it has a slash */
    bool own_environment;    /* only PATH, and what is said above; else the caller's too */
    const char *directory;   /* to start in; NULL: the caller's */
    uint64_t until_ms;       /* SIGTERM then; UINT64_MAX: never */
    bool echo_stderr;        /* copy it to the caller's as well */
};

/* Could it be started, as things are: is there an executable file of this name, looked for as argv[0] is? Else errno
 * says why not. Any thread. */
bool program_is_there(const char *name);
/* Start it. NULL: it could not be started; *verdict says why, as FAILED. */
struct program *program_start(const struct program_options *options,
                              const struct program_order *order, struct program_verdict *verdict);
/* Fill PROGRAM_FDS places (fd -1: none). */
void program_fds(const struct program *p, struct pollfd *fds);
/* When to step at the latest, by the clock of until_ms. */
uint64_t program_wake_ms(const struct program *p);
/* Do what can be done now. True: it has ended, *verdict is filled, and `p` is freed. */
bool program_step(struct program *p, uint64_t now_ms, struct program_verdict *verdict);
/* Ask it to end now (as if its time were up, for this reason). */
void program_stop(struct program *p, uint64_t now_ms, const char *reason);

/* What exit status and output mean; pure. */
void program_judge(int wait_status, const char *out, size_t out_len, const char *err,
                   struct program_verdict *verdict);

#endif
