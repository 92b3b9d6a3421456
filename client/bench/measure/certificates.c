/* certificates.c - see certificates.h. */
#include "certificates.h"

#include <stdio.h>
#include <string.h>

#include "flags.h"
#include "process.h"

#define PATH_SIZE 512
#define WORDS_MAX 10

/* orderctl cert and these words; what it says is kept in a log. */
static int run(const char *directory, const char *const words[])
{
    char program[600], log[PATH_SIZE];
    char *argv[WORDS_MAX + 5] = {program, "cert"};
    unsigned n = 2;

    if (bench_program_path("orderctl", program, sizeof program) != 0) {
        return 3;
    }
    for (unsigned i = 0; words[i] != NULL; i++) {
        argv[n++] = (char *)words[i];
    }
    argv[n++] = "--out";
    argv[n++] = (char *)directory;
    snprintf(log, sizeof log, "%s.log", directory);
    pid_t pid = bench_process_start(argv, log);
    if (pid > 0 && bench_process_wait(pid) == 0) {
        return 0;
    }
    fprintf(stderr, "orderbench: orderctl cert %s failed: see %s\n", words[0], log);
    return 3;
}

static int make_nodes(const char *directory, const char *const hosts[], unsigned n)
{
    int rv = 0;

    for (unsigned i = 0; rv == 0 && i < n; i++) {
        const char *colon = strrchr(hosts[i], ':');
        char id[16], host[256];
        snprintf(id, sizeof id, "%u", i + 1);
        snprintf(host, sizeof host, "%.*s",
                 (int)(colon != NULL ? (size_t)(colon - hosts[i]) : strlen(hosts[i])), hosts[i]);
        rv = run(directory, (const char *const[]){"node", id, "--host", host, NULL});
    }
    return rv;
}

int bench_certificates_make(const char *directory, const char *cluster, const char *const hosts[],
                            unsigned n)
{
    char ca[PATH_SIZE], cert[PATH_SIZE], key[PATH_SIZE];
    int rv = run(directory, (const char *const[]){"create-ca", "--cluster", cluster, NULL});

    rv = rv == 0 ? make_nodes(directory, hosts, n) : rv;
    rv = rv == 0 ? run(directory, (const char *const[]){"client", "orderbench", NULL}) : rv;
    if (rv != 0) {
        return rv;
    }
    snprintf(ca, sizeof ca, "%s/ca.crt", directory);
    snprintf(cert, sizeof cert, "%s/client-orderbench.crt", directory);
    snprintf(key, sizeof key, "%s/client-orderbench.key", directory);
    return bench_tls_take(ca, cert, key);
}
