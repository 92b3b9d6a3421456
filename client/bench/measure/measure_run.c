/* measure_run.c - runs engines with progress on stderr, and looks at the cluster's
 * nodes. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../base/clocks.h"
#include "measure.h"

#define PROGRESS_MS 1000
#define PROGRESS_IN_A_LOG_MS 5000
#define LOAD_CLIENTS 2
#define LOAD_OUTSTANDING 8192
#define LOOK_MS 300 /* for a node to answer */
#define LOOK_POLL_US 2000

/* ---- running ---- */

struct progress {
    uint64_t begun_ms;
    uint64_t at_ms; /* of the last line */
    uint64_t ended; /* calls, then */
};

static void progress_print(struct progress *p, const struct measure *m, const struct engine *e,
                           const char *doing)
{
    uint64_t now_ms = clocks_running_ms();
    uint64_t since_ms = now_ms - p->at_ms;
    uint64_t ended = engine_ended(e);

    if (m->quiet || since_ms < (isatty(STDERR_FILENO) ? PROGRESS_MS : PROGRESS_IN_A_LOG_MS)) {
        return;
    }
    char of[32] = ""; /* how many there will be; not where that is left open */
    if (e->config.n < UINT64_MAX / 4) {
        snprintf(of, sizeof of, "/%llu", (unsigned long long)e->config.n);
    }
    fprintf(stderr, "%4llu s  %s %s: %llu%s, %llu/s\n",
            (unsigned long long)(now_ms - p->begun_ms) / 1000, m->command->name, doing,
            (unsigned long long)ended, of,
            (unsigned long long)((ended - p->ended) * 1000 / since_ms));
    p->at_ms = now_ms;
    p->ended = ended;
}

int measure_begin(struct engine *e, const struct engine_config *config, const char *doing)
{
    int rv = engine_start(e, config);

    return rv == ORDERSCHED_OK ? 0 : bench_explain(rv, NULL, doing);
}

void measure_watch(const struct measure *m, struct engine *e, const char *doing, uint64_t ms)
{
    uint64_t now_ms = clocks_running_ms();
    struct progress progress = {now_ms, now_ms, 0};
    uint64_t until_ms = now_ms + ms;

    while (now_ms < until_ms) {
        uint64_t left_ms = until_ms - now_ms;
        if (engine_wait(e, (unsigned)(left_ms < PROGRESS_MS ? left_ms : PROGRESS_MS))) {
            break;
        }
        progress_print(&progress, m, e, doing);
        now_ms = clocks_running_ms();
    }
}

int measure_end(struct engine *e, const char *doing, struct engine_result *result)
{
    engine_finish(e, result);
    return result->failed == 0 || e->config.go_on
               ? 0
               : bench_explain(result->first_error, result->text, doing);
}

int measure_run(struct measure *m, const struct engine_config *config, const char *doing,
                struct engine_result *result)
{
    struct engine e;
    int rv = measure_begin(&e, config, doing);

    if (rv != 0) {
        return rv;
    }
    measure_watch(m, &e, doing, UINT64_MAX / 4);
    return measure_end(&e, doing, result);
}

int measure_load(struct measure *m, uint64_t n)
{
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, n);
    struct engine_result result;

    if (n == 0) {
        return 0;
    }
    config.clients = LOAD_CLIENTS;
    config.outstanding = LOAD_OUTSTANDING;
    config.rate = 0;
    int rv = measure_run(m, &config, "loading", &result);
    m->next += n;
    return rv;
}

/* ---- looking ---- */

void measure_look(const struct measure *m, struct node_status status[CLUSTER_NODES_MAX],
                  bool up[CLUSTER_NODES_MAX])
{
    struct operation op = {.code = OPERATION_STATUS};
    struct ask asks[CLUSTER_NODES_MAX];

    for (unsigned i = 0; i < m->cluster.n; i++) {
        asks[i].target = m->cluster.nodes[i].api;
    }
    ask_nodes(m->client, &op, LOOK_MS, asks, m->cluster.n);
    for (unsigned i = 0; i < m->cluster.n; i++) {
        struct ask_reply *reply = &asks[i].reply;
        up[i] = reply->error == ORDERSCHED_OK &&
                node_status_decode(reply->body, reply->body_len, &status[i]);
        ask_reply_free(reply);
    }
}

/* The leader of the highest term among those that answered, or -1. */
static int leader_of(const struct measure *m, const struct node_status *status, const bool *up)
{
    int leader = -1;

    for (unsigned i = 0; i < m->cluster.n; i++) {
        if (up[i] && strcmp(status[i].role, "leader") == 0 &&
            (leader < 0 || status[i].term > status[leader].term)) {
            leader = (int)i;
        }
    }
    return leader;
}

int measure_leader(const struct measure *m, unsigned timeout_ms, struct node_status *status)
{
    struct node_status all[CLUSTER_NODES_MAX];
    bool up[CLUSTER_NODES_MAX];
    uint64_t until_ms = clocks_running_ms() + timeout_ms;

    do {
        measure_look(m, all, up);
        int leader = leader_of(m, all, up);
        if (leader >= 0) {
            if (status != NULL) {
                *status = all[leader];
            }
            return leader;
        }
        usleep(LOOK_POLL_US);
    } while (clocks_running_ms() < until_ms);
    fprintf(stderr, "orderbench: no node says that it leads\n");
    return -1;
}

static bool all_caught_up(const struct measure *m)
{
    struct node_status status[CLUSTER_NODES_MAX];
    bool up[CLUSTER_NODES_MAX];

    measure_look(m, status, up);
    int leader = leader_of(m, status, up);
    for (unsigned i = 0; leader >= 0 && i < m->cluster.n; i++) {
        if (!up[i] || status[i].applied < status[leader].commit) {
            return false;
        }
    }
    return leader >= 0;
}

int measure_wait_caught_up(const struct measure *m, unsigned timeout_ms)
{
    uint64_t until_ms = clocks_running_ms() + timeout_ms;

    while (!all_caught_up(m)) {
        if (clocks_running_ms() > until_ms) {
            fprintf(stderr, "orderbench: not all nodes have caught up within %u s\n",
                    timeout_ms / 1000);
            return 3;
        }
        usleep(LOOK_POLL_US);
    }
    return 0;
}
