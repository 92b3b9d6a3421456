/* command.h - starting other programs, in a network namespace of the test bed if need be, and
 * giving up with a sentence when the bed itself does not work. */
#ifndef BED_COMMAND_H
#define BED_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COMMAND_HERE (-1) /* in the network namespace of the caller */

/* How a program is to be started. */
struct command {
    int netns;          /* descriptor of a network namespace, or COMMAND_HERE */
    const char *input;  /* its standard input, or NULL for none */
    const char *output; /* file that gets its output and errors, appended; NULL: discarded */
    const char *const *environment; /* "NAME=value" beside the caller's, NULL-terminated; or NULL */
};

/* Start it and return its process id; the caller waits for it. */
pid_t command_start(const struct command *c, const char *const argv[]);
/* Start it and wait. Returns the exit code, 128 + signal if killed by one. */
int command_run(const struct command *c, const char *const argv[]);
/* command_run in `netns`, with `input`; anything but exit code 0 ends the harness. */
void command_must(int netns, const char *input, const char *const argv[]);
/* Is there a program of that name on PATH? */
bool command_exists(const char *name);

/* The harness cannot go on: a sentence to stderr, exit code 2. No verdict is given. */
__attribute__((format(printf, 1, 2), noreturn)) void bed_fail(const char *format, ...);

void sleep_ms(uint64_t ms);

#endif
