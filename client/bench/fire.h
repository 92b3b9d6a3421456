/* fire.h - measures how late orders fire that are due one after the other, and what a
 * dead route beside them does to that. */
#ifndef ORDERBENCH_FIRE_H
#define ORDERBENCH_FIRE_H

/* `orderbench fire`. The exit code: 0 every order had its one effect, 1 not so, or refused, 2 wrong
 * usage, 3 unreachable. */
int bench_fire(int argc, char **argv);
void fire_help(void);

#endif
