/* foreign.h - receivers in other languages, as child processes. Include <cmocka.h> first. */
#ifndef FOREIGN_H
#define FOREIGN_H

#include <sys/types.h>

#define FOREIGN_PORTS_MAX 32

struct foreign {
    char dir[256];
    char log[300]; /* what it prints; the first line is its ports */
    char cert_path[300];
    char key_path[300];
    char *cert; /* PEM, for 127.0.0.1 and moving.test */
    unsigned ports[FOREIGN_PORTS_MAX];
    pid_t pid;
};

/* Start PROGRAM SCRIPT CERT KEY MORE..., and wait until it has its ports; `more` ends with a NULL, or
 * is NULL. Skips the test, with a word, where there is no such program. */
void foreign_open(struct foreign *f, char *program, char *script, char *const *more);
void foreign_close(struct foreign *f);
/* How many of the lines that it printed have these words. */
unsigned foreign_count(const struct foreign *f, const char *words);

#endif
