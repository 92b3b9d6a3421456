/* journal.c - see journal.h. */
#include "journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uint64_t bench_journal_length(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

static struct judge_event *journal_append(struct bench_journal *journal)
{
    if (journal->n == journal->cap) {
        size_t cap = journal->cap == 0 ? 1024 : 2 * journal->cap;
        struct judge_event *grown = realloc(journal->events, cap * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        journal->events = grown;
        journal->cap = cap;
    }
    return &journal->events[journal->n];
}

static bool take_ms(const json_t *object, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return false;
    }
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* NULL, or what is wrong with the object. Lines about other orders are passed over. */
static const char *journal_take_object(struct bench_journal *journal, const json_t *object,
                                       const struct bench_orders *orders)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const char *order_id = json_string_value(json_object_get(object, "order_id"));
    const char *webhook_id = json_string_value(json_object_get(object, "webhook_id"));
    const char *answer = json_string_value(json_object_get(object, "answer"));

    if (kind == NULL) {
        return "\"kind\" is missing";
    }
    bool effect = strcmp(kind, "effect") == 0;
    if (!effect && strcmp(kind, "delivery") != 0) {
        return NULL; /* a request the receiver refused has no part in the orders' story */
    }
    size_t order = order_id != NULL ? bench_orders_find(orders, order_id) : SIZE_MAX;
    if (order == SIZE_MAX) {
        return NULL;
    }
    if (webhook_id == NULL || strlen(webhook_id) >= JUDGE_WEBHOOK_ID_SIZE) {
        return "\"webhook_id\" is missing or too long";
    }
    struct judge_event *e = journal_append(journal);
    if (e == NULL) {
        return "out of memory";
    }
    *e = (struct judge_event){.order = order,
                              .kind = effect ? JUDGE_EFFECT : JUDGE_DELIVERY,
                              .said_paid = answer != NULL && strcmp(answer, "paid") == 0};
    snprintf(e->webhook_id, sizeof e->webhook_id, "%s", webhook_id);
    if (!take_ms(object, "t_ms", &e->t_ms)) {
        return "\"t_ms\" is missing or no time";
    }
    if (!take_ms(object, "deadline_ms", &e->deadline_ms) && !effect) {
        return "\"deadline_ms\" is missing or no time";
    }
    journal->n++;
    return NULL;
}

static const char *journal_take_line(struct bench_journal *journal, const char *line, size_t len,
                                     const struct bench_orders *orders)
{
    json_t *object = json_loadb(line, len, 0, NULL);
    const char *why = json_is_object(object) ? journal_take_object(journal, object, orders)
                                             : "the line must be a JSON object";

    json_decref(object);
    return why;
}

int bench_journal_read(struct bench_journal *journal, const char *path, uint64_t offset,
                       const struct bench_orders *orders, char *errbuf, size_t errbuf_len)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    size_t number = 0;
    const char *why = NULL;
    ssize_t len;

    *journal = (struct bench_journal){0};
    if (file == NULL || fseeko(file, (off_t)offset, SEEK_SET) != 0) {
        snprintf(errbuf, errbuf_len, "%s: %s", path, strerror(errno));
        if (file != NULL) {
            fclose(file);
        }
        return -1;
    }
    while (why == NULL && (len = getline(&line, &cap, file)) > 0) {
        number++;
        if (line[len - 1] == '\n') {
            why = journal_take_line(journal, line, (size_t)len, orders);
        }
    }
    if (why == NULL && ferror(file)) {
        why = "the file cannot be read";
    }
    free(line);
    fclose(file);
    if (why != NULL) {
        snprintf(errbuf, errbuf_len, "%s:%zu: %s", path, number, why);
        return -1;
    }
    return 0;
}

void bench_journal_free(struct bench_journal *journal)
{
    free(journal->events);
    *journal = (struct bench_journal){0};
}
