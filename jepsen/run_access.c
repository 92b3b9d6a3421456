/* run_access.c - who the run's clients are: the harness's own certificate, an administrator's, and a
 * token for its workers. See run.h. */
#include <stdio.h>
#include <string.h>

#include "../client/base/clocks.h"
#include "ask/principals.h"
#include "bed/command.h"
#include "run.h"

#define HARNESS "jepsen" /* the name in its certificate */
#define TRY_MS 20000
#define TIMEOUT_MS 5000

ordersched_client *run_client(struct run *r, const char *endpoints, unsigned timeout_ms,
                              const char *token, const char *certificate)
{
    char cert[128], key[128], why[256] = "";
    bool tls = !r->certificates.none;
    struct ordersched_config config = {.endpoints = endpoints,
                                       .timeout_ms = timeout_ms,
                                       .token = token != NULL ? token : "",
                                       .tls_ca = tls ? r->certificates.ca : NULL,
                                       .why = why,
                                       .why_size = sizeof why};
    ordersched_client *client;

    if (tls && certificate != NULL) {
        config.tls_cert = certificates_file(&r->certificates, "client", certificate, "crt", cert,
                                            sizeof cert);
        config.tls_key = certificates_file(&r->certificates, "client", certificate, "key", key,
                                           sizeof key);
    }
    if (ordersched_open(&config, &client) != ORDERSCHED_OK) {
        bed_fail("no client of %s: %s", endpoints, why);
    }
    return client;
}

void run_access_open(struct run *r)
{
    certificates_add_client(&r->certificates, HARNESS);
    r->admin = run_client(r, r->endpoints, TIMEOUT_MS, NULL, HARNESS);
}

const char *run_harness_certificate(void)
{
    return HARNESS;
}

/* The first administrator, by the socket in the directory of the node that leads: until one of them
 * does. */
static void name_first_admin(struct run *r)
{
    uint64_t until_ns = clocks_running_ns() + (uint64_t)TRY_MS * 1000000;
    char program[600], log[600];

    run_program(r, "orderctl", program, sizeof program);
    snprintf(log, sizeof log, "%s/orderctl.log", r->store);
    while (clocks_running_ns() < until_ns) {
        unsigned leader = run_leader(r, NULL);
        const char *put[] = {
            program,  "--local",     leader != 0 ? r->nodes.nodes[leader].data : "",
            "grant",  "put",         HARNESS,
            "--kind", "certificate", "--role",
            "admin",  NULL};
        struct command c = {.netns = COMMAND_HERE, .output = log};
        if (leader != 0 && command_run(&c, put) == 0) {
            return;
        }
        sleep_ms(100);
    }
    bed_fail("no first administrator can be named; see %s", log);
}

static void make_workers_token(struct run *r)
{
    struct ask_change change = {.kind = ASK_CREATE,
                                .name = "workers",
                                .n_grants = 1,
                                .grants = {{ASK_PRODUCER, "*", ""}}};

    ask_make_token(change.token);
    int error = ordersched_request_id(r->admin, TIMEOUT_MS, change.request);
    error = error == ORDERSCHED_OK ? ask_change(r->admin, &change, TIMEOUT_MS) : error;
    if (error != ORDERSCHED_OK) {
        bed_fail("no token for the workers: %s", ordersched_error_name(error));
    }
    snprintf(r->token, sizeof r->token, "%s", change.token);
}

void run_access_begin(struct run *r)
{
    static const char *const on[] = {"auth", "on", NULL};

    if (r->certificates.none) {
        return;
    }
    name_first_admin(r);
    make_workers_token(r);
    if (run_orderctl(r, on) != 0) {
        bed_fail("authorisation cannot be switched on; see %s/orderctl.log", r->store);
    }
}
