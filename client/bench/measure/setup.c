/* setup.c - see setup.h. */
#include "setup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../../lib/ask.h"
#include "../../base/clocks.h"
#include "../../text/units.h"

#define LEAD_MIN_MS 2000
#define LEAD_PER_ORDER_US 60 /* a small cluster schedules more than 16,000 a second */
#define HOST_MAX 64

const struct flag setup_flags[] = {
    {SETUP_ENDPOINTS, "endpoints", 0, "HOST:PORT,...",
     "client API of any nodes (ORDERSCHED_ENDPOINTS; 127.0.0.1:7401)"},
    {SETUP_CLUSTER, "cluster", 0, "NAME", "the cluster's name (orderschedd)"},
    {SETUP_TIMEOUT, "timeout", 0, "DURATION", "how long to try each call (30s)"},
    {SETUP_HOST, "host", 0, "ADDRESS", "of this machine, where receivers listen (127.0.0.1)"},
    {SETUP_WINDOW, "window", 0, "N", "orders under way at once for each route (64 requests)"},
    {SETUP_LEAD, "lead", 0, "DURATION", "from the first schedule to the first deadline"},
    {SETUP_SETTLE, "settle", 0, "DURATION", "how long to wait after the last deadline (60s)"},
    {SETUP_WRITE, "write", 'w', "table|json", "how to print the figures (table)"},
    {SETUP_QUIET, "quiet", 'q', NULL, "no progress lines"},
    {SETUP_HELP, "help", 'h', NULL, "this text"},
    {0},
};

/* ---- flags ---- */

static const char *text_or(const char *value, const char *otherwise)
{
    return value != NULL ? value : otherwise;
}

static bool duration_or(const char *value, uint64_t otherwise_ms, uint64_t max_ms, uint64_t *ms)
{
    *ms = otherwise_ms;
    return value == NULL || (units_parse_duration(value, ms) && *ms > 0 && *ms <= max_ms);
}

int bench_setup_read(struct bench_setup *setup, const char *const *values)
{
    const uint64_t day_ms = 24ull * 3600 * 1000;
    const char *write = text_or(values[SETUP_WRITE], "table");
    uint64_t timeout_ms;

    setup->endpoints = bench_endpoints(values[SETUP_ENDPOINTS]);
    setup->cluster = text_or(values[SETUP_CLUSTER], "orderschedd");
    setup->host = text_or(values[SETUP_HOST], "127.0.0.1");
    setup->json = strcmp(write, "json") == 0;
    setup->quiet = values[SETUP_QUIET] != NULL;
    setup->window = SETUP_REQUESTS;
    if (*setup->cluster == 0 || strlen(setup->cluster) > PROTOCOL_CLUSTER_MAX) {
        return bench_usage("--cluster must have 1 to 64 bytes", setup->cluster);
    }
    if (*setup->host == 0 || strlen(setup->host) > HOST_MAX) {
        return bench_usage("--host must have 1 to 64 bytes", setup->host);
    }
    if (!setup->json && strcmp(write, "table") != 0) {
        return bench_usage("-w is neither table nor json", write);
    }
    if (values[SETUP_WINDOW] != NULL &&
        !bench_parse_count(values[SETUP_WINDOW], 1, SETUP_WINDOW_MAX, &setup->window)) {
        return bench_usage("--window must be a number from 1 to 65536", values[SETUP_WINDOW]);
    }
    if (!duration_or(values[SETUP_TIMEOUT], 30000, 3600000, &timeout_ms)) {
        return bench_usage("--timeout must be a duration from 1ms to 1h", values[SETUP_TIMEOUT]);
    }
    if (!duration_or(values[SETUP_LEAD], 0, day_ms, &setup->lead_ms)) {
        return bench_usage("--lead must be a duration from 1ms to 24h", values[SETUP_LEAD]);
    }
    if (!duration_or(values[SETUP_SETTLE], 60000, day_ms, &setup->settle_ms)) {
        return bench_usage("--settle must be a duration from 1ms to 24h", values[SETUP_SETTLE]);
    }
    setup->timeout_ms = (unsigned)timeout_ms;
    return 0;
}

void bench_setup_widen(struct bench_setup *setup, uint64_t requests, uint64_t batch)
{
    uint64_t orders = requests * batch;

    setup->window = orders < SETUP_WINDOW_MAX ? orders : SETUP_WINDOW_MAX;
}

/* ---- the cluster ---- */

int bench_setup_open(struct bench_setup *setup)
{
    struct ordersched_config config = {.endpoints = setup->endpoints,
                                       .cluster = setup->cluster,
                                       .timeout_ms = setup->timeout_ms};
    int rv = ordersched_open(&config, &setup->client);

    return rv == ORDERSCHED_OK ? 0 : bench_explain(rv, NULL, "opening --endpoints");
}

int bench_put_route(const struct bench_setup *setup, const char *name,
                    struct route_settings settings)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = {.code = OPERATION_ROUTE_PUT,
                           .request_id = request_id,
                           .id = {(const uint8_t *)name, strlen(name)},
                           .settings = settings};
    struct ask_reply reply = {0};

    op.settings.window = (uint32_t)setup->window;
    int rv = ordersched_request_id(setup->client, setup->timeout_ms, request_id);
    if (rv == ORDERSCHED_OK) {
        rv = ask_leader(setup->client, &op, setup->timeout_ms, &reply);
    }
    int code = rv == ORDERSCHED_OK ? 0 : bench_explain(rv, reply.text, "putting a route");
    ask_reply_free(&reply);
    return code;
}

/* ---- small things ---- */

uint64_t bench_first_deadline_ms(const struct bench_setup *setup, size_t orders)
{
    uint64_t lead_ms = setup->lead_ms > 0 ? setup->lead_ms
                                          : LEAD_MIN_MS + orders * LEAD_PER_ORDER_US / 1000;

    return clocks_wall_ms() + lead_ms;
}

void bench_make_prefix(const char *word, char *out, size_t len)
{
    uint32_t random = 0;

    (void)!getrandom(&random, sizeof random, 0); /* the clock alone tells runs apart, too */
    snprintf(out, len, "%s-%llx%04x", word, (unsigned long long)clocks_wall_ms(), random & 0xffff);
}

static int printed(int rv)
{
    if (rv != 0 || fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "orderbench: the figures could not be written\n");
        return 3;
    }
    return 0;
}

int bench_print_json(json_t *object)
{
    int rv = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));

    putchar('\n');
    json_decref(object);
    return printed(rv);
}

int bench_print_table(const struct table *table)
{
    return printed(table_print(table, stdout));
}
