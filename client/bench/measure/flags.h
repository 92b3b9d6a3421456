/* flags.h - the command lines of orderbench's commands: flags read against a table,
 * their values, the client that they lead to, and the sentence when one is wrong, or the call that
 * follows. */
#ifndef ORDERBENCH_FLAGS_H
#define ORDERBENCH_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../ordersched.h"
#include "../../text/flags.h"

/* Say what is wrong (and the value, which may be NULL). Returns the exit code, 2. */
int bench_usage(const char *what, const char *value);
/* The values of the flags that were given, by key; "" for one that takes none. No operands, no
 * flag twice; `more` (may be NULL) is a second table. 0; -1 when the flag `help_key` is there; else
 * 2 after a sentence. */
int bench_flags_read(const struct flag *table, const struct flag *more, int argc, char **argv,
                     const char **values, int help_key);
bool bench_parse_number(const char *text, double min, double max, double *out);
/* Digits only; false as well when it is outside of min..max. */
bool bench_parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* --endpoints, else ORDERSCHED_ENDPOINTS, else the default. */
const char *bench_endpoints(const char *flag);
/* One sentence on stderr. Returns the exit code, 3. */
int bench_out_of_memory(void);
/* A call failed: one sentence on stderr, and the exit code of its error. `text` may be NULL. */
int bench_explain(int error, const char *text, const char *doing);

/* The TLS of --tls-ca, --tls-cert and --tls-key stands in the environment, so that orderctl, and other
 * programs that a measurement starts, connect as its clients do. */

#define BENCH_WHY_SIZE 1024

/* Take these flags (NULL: not given). Before threads are started. 0, or an exit code after a sentence on
 * stderr. */
int bench_tls_take(const char *ca, const char *cert, const char *key);
/* A cluster of our own is plain, whatever the environment says. Before threads are started. */
void bench_tls_drop(void);
/* Open a client, by the environment's TLS. Returns ORDERSCHED_OK or an error; `why` (may be NULL) is then
 * a sentence. */
int bench_client_open(const char *endpoints, const char *cluster, unsigned timeout_ms,
                      ordersched_client **client, char why[BENCH_WHY_SIZE]) ORDERSCHED_MUST_CHECK;

#endif
