/* receivers.c - see receivers.h. */
#include "receivers.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

#define RECEIVER_PORT 7500
#define TEMPER_MAX 6

struct temper {
    const char *name;
    const char *flags[TEMPER_MAX]; /* of ordersink, NULL-terminated */
};

static const struct temper tempers[] = {
    {"shop", {NULL}},
    {"slow", {"--slow", "300ms", NULL}},
    {"flaky", {"--fail", "0.4", NULL}},
    {"veto", {"--paid-share", "0.5", NULL}},
    {"later", {"--later-share", "0.6", "--later-delay", "1s", NULL}},
    {"hang", {"--hang-share", "0.3", NULL}},
};

static const struct temper *temper_find(const char *name)
{
    for (size_t i = 0; i < sizeof tempers / sizeof *tempers; i++) {
        if (strcmp(tempers[i].name, name) == 0) {
            return &tempers[i];
        }
    }
    bed_fail("no receiver \"%s\"", name);
}

static void receiver_start(struct bed_receiver *r, unsigned number, int netns, const char *program,
                           const char *store, const struct temper *temper, uint64_t seed)
{
    char listen[64], log[576], seed_text[24];
    const char *argv[TEMPER_MAX + 12] = {program,         "--listen", listen,
                                         "--journal",     r->journal, "--secret",
                                         RECEIVER_SECRET, "--seed",   seed_text};
    struct command c = {.netns = netns, .output = log};
    unsigned n = 9;

    r->name = temper->name;
    snprintf(listen, sizeof listen, "%s:%u", network_host(BED_RECEIVERS), RECEIVER_PORT + number);
    snprintf(r->url, sizeof r->url, "http://%s/", listen);
    snprintf(r->journal, sizeof r->journal, "%s/%s.jsonl", store, r->name);
    snprintf(log, sizeof log, "%s/%s.log", store, r->name);
    snprintf(seed_text, sizeof seed_text, "%" PRIu64, seed + number);
    for (unsigned i = 0; temper->flags[i] != NULL; i++) {
        argv[n++] = temper->flags[i];
    }
    r->pid = command_start(&c, argv);
}

void receivers_open(struct bed_receivers *r, const struct bed_network *network, const char *program,
                    const char *store, const char *const names[], uint64_t seed)
{
    for (r->n = 0; names[r->n] != NULL; r->n++) {
        receiver_start(&r->receivers[r->n], r->n, network->netns[BED_RECEIVERS], program, store,
                       temper_find(names[r->n]), seed);
    }
}

void receivers_close(struct bed_receivers *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        int status;
        kill(r->receivers[i].pid, SIGTERM);
        if (waitpid(r->receivers[i].pid, &status, 0) != r->receivers[i].pid || status != 0) {
            bed_fail("the receiver %s did not end well: its journal may be short",
                     r->receivers[i].name);
        }
    }
}

/* --- journals --- */

static const char *member(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    return text != NULL ? text : "";
}

/* What HISTORY.md calls the verdict. */
static const char *verdict(const json_t *line)
{
    const char *answer = member(line, "answer");

    if (json_is_true(json_object_get(line, "hung"))) {
        return "hung";
    }
    if (json_is_true(json_object_get(line, "repeat"))) {
        return "duplicate";
    }
    return answer;
}

/* A request that was not even read (a wrong signature) has no order: it is no delivery. */
static void journal_line(const struct bed_receiver *r, const json_t *line, struct record *record)
{
    const char *kind = member(line, "kind");
    char order[320], key[128], trace[300], committed[48] = "", traced[320] = "";
    json_int_t committed_ms = json_integer_value(json_object_get(line, "cluster_ms"));

    if (*member(line, "order_id") == '\0') {
        return;
    }
    record_string(order, sizeof order, member(line, "order_id"));
    record_string(key, sizeof key, member(line, "webhook_id"));
    if (committed_ms > 0) {
        snprintf(committed, sizeof committed, ", :committed-ms %lld", (long long)committed_ms);
    }
    if (*member(line, "traceparent") != '\0') {
        snprintf(traced, sizeof traced, ", :traceparent %s",
                 record_string(trace, sizeof trace, member(line, "traceparent")));
    }
    bool effect = strcmp(kind, "effect") == 0;
    char tail[480] = "";
    if (!effect) {
        snprintf(tail, sizeof tail, ", :attempt %lld, :verdict :%s%s%s",
                 (long long)json_integer_value(json_object_get(line, "attempt")), verdict(line),
                 committed, traced);
    }
    record_line(record, RECORD_RECEIVER, RECORD_INFO, effect ? "effect" : "delivery",
                "{:receiver \"%s\", :at-ms %lld, :order %s, :key %s, :fence \"%s\", "
                ":deadline-ms %lld%s}",
                r->name, (long long)json_integer_value(json_object_get(line, "t_ms")), order, key,
                member(line, "fence"),
                (long long)json_integer_value(json_object_get(line, "deadline_ms")), tail);
}

static void journal_record(const struct bed_receiver *r, struct record *record)
{
    FILE *f = fopen(r->journal, "r");
    char *text = NULL;
    size_t cap = 0;

    if (f == NULL) {
        bed_fail("%s cannot be read", r->journal);
    }
    while (getline(&text, &cap, f) > 0) {
        json_t *line = json_loads(text, 0, NULL);
        if (line == NULL) {
            bed_fail("%s has a line that is not JSON: %s", r->journal, text);
        }
        journal_line(r, line, record);
        json_decref(line);
    }
    free(text);
    fclose(f);
}

void receivers_record(const struct bed_receivers *r, struct record *record)
{
    for (unsigned i = 0; i < r->n; i++) {
        journal_record(&r->receivers[i], record);
    }
}
