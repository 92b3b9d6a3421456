/* sink.c - the reference receiver as a child process, and its journal. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"

void sink_start(struct sink *s, const char *dir, const char *const *extra)
{
    char program[600], listen[64];
    char *argv[32] = {program,     "--listen",  listen,     "--secret",
                      SINK_SECRET, "--journal", s->journal, "--quiet"};
    unsigned n = 8;

    if (s->port == 0) {
        s->port = ports_free(1);
    }
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u/hook", s->port);
    snprintf(s->journal, sizeof s->journal, "%s/sink-%u.jsonl", dir, s->port);
    snprintf(s->log, sizeof s->log, "%s/sink-%u.log", dir, s->port);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", s->port);
    process_path("ordersink", program, sizeof program);
    for (unsigned i = 0; extra != NULL && extra[i] != NULL; i++) {
        argv[n++] = (char *)extra[i];
    }
    argv[n] = NULL;
    s->pid = process_start(argv, s->log, NULL, NULL);
}

void sink_stop(struct sink *s)
{
    if (s->pid != 0) {
        (void)process_end(s->pid, SIGTERM);
        s->pid = 0;
    }
}

static const char *field(json_t *line, const char *key)
{
    const char *value = json_string_value(json_object_get(line, key));

    return value != NULL ? value : "";
}

void sink_each(const struct sink *s,
               void (*each)(void *arg, const char *kind, const char *order_id,
                            const char *webhook_id, uint64_t t_ms, uint64_t deadline_ms,
                            const char *fence),
               void *arg)
{
    FILE *f = fopen(s->journal, "r");
    char text[16384];

    while (f != NULL && fgets(text, sizeof text, f) != NULL) {
        json_t *line = json_loads(text, 0, NULL);
        if (line == NULL) {
            continue; /* a torn last line */
        }
        each(arg, field(line, "kind"), field(line, "order_id"), field(line, "webhook_id"),
             (uint64_t)json_integer_value(json_object_get(line, "t_ms")),
             (uint64_t)json_integer_value(json_object_get(line, "deadline_ms")),
             field(line, "fence"));
        json_decref(line);
    }
    if (f != NULL) {
        fclose(f);
    }
}

struct sink_search {
    const char *order_id;
    struct sink_order found;
};

static void sink_find_line(void *arg, const char *kind, const char *order_id,
                           const char *webhook_id, uint64_t t_ms, uint64_t deadline_ms,
                           const char *fence)
{
    struct sink_search *search = arg;

    (void)webhook_id;
    (void)fence;
    if (strcmp(order_id, search->order_id) != 0) {
        return;
    }
    if (strcmp(kind, "effect") == 0) {
        search->found.effects++;
    } else if (strcmp(kind, "delivery") == 0 && search->found.deliveries++ == 0) {
        search->found.first_ms = t_ms;
        search->found.deadline_ms = deadline_ms;
    }
}

struct sink_order sink_find(const struct sink *s, const char *order_id)
{
    struct sink_search search = {.order_id = order_id};

    sink_each(s, sink_find_line, &search);
    return search.found;
}
