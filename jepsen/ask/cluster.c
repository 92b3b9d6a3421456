/* cluster.c - what is asked of the cluster as a whole, and its programs. See run.h. */
#include <stdio.h>

#include "../bed/command.h"
#include "../run.h"
#include "ask.h"

char *run_program(const struct run *r, const char *name, char *out, size_t len)
{
    snprintf(out, len, "%s/%s", r->programs, name);
    return out;
}

int run_orderctl(struct run *r, const char *const arguments[])
{
    char program[600], log[600], cert[128], key[128];
    const char *argv[40] = {run_program(r, "orderctl", program, sizeof program), "--endpoints",
                            r->endpoints};
    struct command c = {.netns = COMMAND_HERE, .output = log};
    const char *name = run_harness_certificate();
    unsigned n = 3;

    if (!r->certificates.none) {
        argv[n++] = "--tls-ca";
        argv[n++] = r->certificates.ca;
        argv[n++] = "--tls-cert";
        argv[n++] = certificates_file(&r->certificates, "client", name, "crt", cert, sizeof cert);
        argv[n++] = "--tls-key";
        argv[n++] = certificates_file(&r->certificates, "client", name, "key", key, sizeof key);
    }

    snprintf(log, sizeof log, "%s/orderctl.log", r->store);
    for (unsigned i = 0; arguments[i] != NULL && n < 39; i++) {
        argv[n++] = arguments[i];
    }
    return command_run(&c, argv);
}

unsigned run_leader(struct run *r, uint64_t *term)
{
    uint64_t highest = 0;
    unsigned leader = 0;

    for (unsigned place = 1; place <= r->nodes.n; place++) {
        char endpoint[64];
        if (!nodes_running(&r->nodes, place)) {
            continue;
        }
        struct asked_status s = ask_status(r->admin,
                                           node_endpoint(place, endpoint, sizeof endpoint),
                                           ASK_STATUS_TIMEOUT_MS);
        if (s.leader && s.term > highest) {
            highest = s.term;
            leader = place;
        }
    }
    if (term != NULL) {
        *term = highest;
    }
    return leader;
}
