/* core_dump.h - what the kernel writes of this process's memory when it crashes: nothing.
 *
 * The secrets of routes and of the cluster are in many places at a time: in the state, in the log that
 * libraft keeps, in messages on their way, in libcurl and OpenSSL. So no part of the memory is left out,
 * but all of it: a core holds the threads' registers and what is mapped, which tells where each thread was.
 * The kernel's filter (core(5)) goes over to programs that the node runs, and can be set back from outside
 * by the same user, for a diagnosis: echo 0x33 >/proc/PID/coredump_filter (docs/security.md). */
#ifndef CORE_DUMP_H
#define CORE_DUMP_H

#include <stdbool.h>

/* Leave all memory out of cores of this process from now on, also of those that gcore takes. False: there
 * is no such filter here; errno says why. */
bool core_dump_without_memory(void);

#endif
