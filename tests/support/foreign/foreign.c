/* foreign.c - see foreign.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../certificate.h"
#include "foreign.h"
#include "../cluster/process.h"

static bool foreign_ports(struct foreign *f)
{
    char line[512] = "";
    FILE *in = fopen(f->log, "r");
    unsigned n = 0;

    bool whole = in != NULL && fgets(line, sizeof line, in) != NULL && strchr(line, '\n') != NULL &&
                 strncmp(line, "port", 4) == 0;
    for (char *at = strchr(line, ' '); whole && at != NULL && n < FOREIGN_PORTS_MAX;
         at = strchr(at + 1, ' ')) {
        f->ports[n++] = (unsigned)strtoul(at, NULL, 10);
    }
    if (in != NULL) {
        fclose(in);
    }
    return n > 0;
}

void foreign_open(struct foreign *f, char *program, char *script, char *const *more)
{
    char *const look[] = {"/bin/sh", "-c", "command -v \"$0\" >/dev/null", program, NULL};
    char *argv[FOREIGN_PORTS_MAX + 6] = {"/usr/bin/env", program, script, f->cert_path,
                                         f->key_path};

    *f = (struct foreign){0};
    scratch_make(f->dir, sizeof f->dir);
    snprintf(f->log, sizeof f->log, "%s/log", f->dir);
    snprintf(f->cert_path, sizeof f->cert_path, "%s/cert.pem", f->dir);
    snprintf(f->key_path, sizeof f->key_path, "%s/key.pem", f->dir);
    if (process_wait(process_start(look, f->log, NULL, NULL)) != 0) {
        print_message("skipped: there is no %s here\n", program);
        scratch_remove(f->dir);
        skip();
    }
    certificate_make(f->cert_path, f->key_path, "IP:127.0.0.1,DNS:moving.test", -86400, 86400);
    f->cert = certificate_read(f->cert_path);
    for (unsigned i = 0; more != NULL && more[i] != NULL; i++) {
        argv[5 + i] = more[i];
    }
    f->pid = process_start(argv, f->log, NULL, NULL);
    for (unsigned i = 0; !foreign_ports(f); i++) {
        assert_true(i < 2000 && process_alive(f->pid));
        sleep_ms(10);
    }
}

void foreign_close(struct foreign *f)
{
    process_end(f->pid, SIGKILL);
    free(f->cert);
    scratch_remove(f->dir);
}

unsigned foreign_count(const struct foreign *f, const char *words)
{
    char line[512];
    FILE *in = fopen(f->log, "r");
    unsigned n = 0;

    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        n += strstr(line, words) != NULL;
    }
    fclose(in);
    return n;
}
