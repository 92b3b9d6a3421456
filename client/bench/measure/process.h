/* process.h - programs that were built beside orderbench, as child processes: started,
 * ended by pid, and what they use.
 *
 * A child dies with the process that started it. Start children from the main thread: the kernel
 * counts the end of the thread that started one as the parent's. */
#ifndef ORDERBENCH_PROCESS_H
#define ORDERBENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The path of a program beside this one, such as "orderschedd". 0, or -1 after a sentence. */
int bench_program_path(const char *program, char *out, size_t len);
/* Start argv[0] (looked for in PATH when it has no slash). Its output is appended to log_path;
 * with NULL it has ours. -1 after a sentence. */
pid_t bench_process_start(char *const argv[], const char *log_path);
/* Wait for its end. The exit code, 128 + N after signal N. */
int bench_process_wait(pid_t pid);
/* SIGKILL, and wait. */
void bench_process_kill(pid_t pid);
bool bench_process_is_alive(pid_t pid);

struct bench_usage {
    double cpu_s;       /* user and system time so far */
    uint64_t rss_bytes; /* resident now */
};
/* The most that it ever had resident, in bytes; 0: not known. */
uint64_t bench_process_peak(pid_t pid);
/* False: not known (the process has ended). */
bool bench_process_usage(pid_t pid, struct bench_usage *usage);

/* Seconds that the hypervisor gave processors of this machine to others while they were wanted
 * here, since the boot, over all of them ("steal", proc(5)); 0 where there is none. NAN: not
 * known. */
double bench_stolen_s(void);

/* TCP ports base..base+n-1 of 127.0.0.1 that nobody listens on now, below the range from which
 * connections get theirs. 0: none. */
unsigned bench_ports_free(unsigned n);
/* Remove a directory with all that is in it. */
void bench_directory_remove(const char *path);

#endif
