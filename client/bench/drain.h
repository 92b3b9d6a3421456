/* drain.h - measures how fast many orders that are due at one instant are settled. */
#ifndef ORDERBENCH_DRAIN_H
#define ORDERBENCH_DRAIN_H

/* `orderbench drain`. The exit code: 0 every order had its one effect, 1 not so, or refused, 2 wrong
 * usage, 3 unreachable. */
int bench_drain(int argc, char **argv);
void drain_help(void);

#endif
