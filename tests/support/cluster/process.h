/* process.h - programs under test as child processes: started, signalled and reaped by pid.
 *
 * Children die with the test process (PR_SET_PDEATHSIG), so that nothing is left behind. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The path of a program built beside this test binary, e.g. "orderschedd". */
void process_path(const char *program, char *out, size_t len);
/* Start argv[0] with stdout and stderr appended to log_path; `preload` (LD_PRELOAD) and `env`
 * ("NAME=value") may be NULL. Fails the test when it cannot. */
pid_t process_start(char *const argv[], const char *log_path, const char *preload, const char *env);
/* Wait for the end; returns the wait status. Bounded: SIGKILL after 20 s. */
int process_wait(pid_t pid);
/* The same with another patience than the 20 s. */
int process_wait_long(pid_t pid, uint64_t ms);
/* Send the signal, then wait as above. */
int process_end(pid_t pid, int signal);
bool process_alive(pid_t pid);

/* A fresh directory below $TMPDIR or /tmp, and its removal with everything in it. */
void scratch_make(char *out, size_t len);
void scratch_remove(const char *dir);

/* `n` consecutive TCP ports on 127.0.0.1 that nobody listens on now. */
unsigned ports_free(unsigned n);
/* Does nobody listen on this TCP port of 127.0.0.1 now? */
bool port_is_free(unsigned port);
/* A socket that listens on 127.0.0.1, where the kernel connects and nobody reads. */
int listen_somewhere(unsigned *port);
/* A socket that is connected to this port of 127.0.0.1; -1: nobody listens there. */
int connect_to_port(unsigned port);

uint64_t wall_ms(void);
uint64_t monotonic_ms(void);
void sleep_ms(unsigned ms);

#endif
