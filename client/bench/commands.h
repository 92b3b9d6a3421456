/* commands.h - the commands of orderbench that measure a cluster, or start one: each
 * takes the arguments after its name and returns the exit code, 0, or 1 refused, 2 wrong usage, 3
 * unreachable or not to be measured. */
#ifndef ORDERBENCH_COMMANDS_H
#define ORDERBENCH_COMMANDS_H

int bench_schedule(int argc, char **argv);
int bench_pay(int argc, char **argv);
int bench_memory(int argc, char **argv);
int bench_restart(int argc, char **argv);
int bench_failover(int argc, char **argv);
int bench_growth(int argc, char **argv);
int bench_stall(int argc, char **argv);
/* Exit code 1 here: an order had another fate than the right one. */
int bench_soak(int argc, char **argv);
int bench_overload(int argc, char **argv);
int bench_http(int argc, char **argv);
/* Runs a program beside a cluster of its own. */
int bench_with(int argc, char **argv);
/* Sets the rows of a file beside the goals. */
int bench_goals(int argc, char **argv);

#endif
