/* certificates.c - see certificates.h. */
#include "certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

#define PAST_US (-15 * INT64_C(365) * 24 * 3600 * 1000000)
#define VALID "10950d" /* thirty years */

static void write_past(const struct bed_certificates *c)
{
    const int64_t past_us = PAST_US;
    int fd = open(c->past, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, &past_us, sizeof past_us) != sizeof past_us) {
        bed_fail("%s: %s", c->past, strerror(errno));
    }
    close(fd);
}

/* orderctl cert WHAT NAME FLAG VALUE, as of years ago; of flags with NULL nothing is said. */
static void make(const struct bed_certificates *c, const char *what, const char *name,
                 const char *flag, const char *value)
{
    char shim[128], preload[600];
    const char *environment[] = {shim, preload, "ASAN_OPTIONS=verify_asan_link_order=0", NULL};
    const char *argv[12] = {c->orderctl, "cert", what, "--out", c->folder, "--valid", VALID};
    struct command command = {.netns = COMMAND_HERE, .output = c->log, .environment = environment};
    unsigned n = 7;

    snprintf(shim, sizeof shim, "CLOCK_SHIM_FILE=%s", c->past);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", c->preload);
    if (flag != NULL) {
        argv[n++] = flag;
        argv[n++] = value;
    }
    if (name != NULL) {
        argv[n++] = name;
    }
    if (command_run(&command, argv) != 0) {
        bed_fail("orderctl cert %s %s does not work; see %s", what, name != NULL ? name : "",
                 c->log);
    }
}

void certificates_open(struct bed_certificates *c, bool none, const char *root,
                       const char *orderctl, const char *preload, const char *log)
{
    *c = (struct bed_certificates){.none = none,
                                   .orderctl = orderctl,
                                   .preload = preload,
                                   .log = log};
    if (none) {
        return;
    }
    snprintf(c->folder, sizeof c->folder, "%s/tls", root);
    snprintf(c->past, sizeof c->past, "%s/past", c->folder);
    snprintf(c->ca, sizeof c->ca, "%s/ca.crt", c->folder);
    if (mkdir(c->folder, 0700) != 0) {
        bed_fail("%s: %s", c->folder, strerror(errno));
    }
    write_past(c);
    make(c, "create-ca", NULL, NULL, NULL);
}

void certificates_add_node(const struct bed_certificates *c, uint64_t id, const char *host)
{
    char name[24];

    snprintf(name, sizeof name, "%" PRIu64, id);
    if (!c->none) {
        make(c, "node", name, "--host", host);
    }
}

void certificates_add_client(const struct bed_certificates *c, const char *name)
{
    if (!c->none) {
        make(c, "client", name, NULL, NULL);
    }
}

char *certificates_file(const struct bed_certificates *c, const char *kind, const char *name,
                        const char *extension, char *out, size_t len)
{
    snprintf(out, len, "%s/%s-%s.%s", c->folder, kind, name, extension);
    return out;
}
