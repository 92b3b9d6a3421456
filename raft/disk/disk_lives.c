/* disk_lives.c - see disk_lives.h. */
#include "disk_lives.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "replace.h"

#define STARTS "starts"
#define ACQUAINTANCES "acquaintances"
#define LIVES_FORMAT 1
#define LIVES_FILE_MAX 32768
#define MARK_TEXT 17
#define SEEN_TEXT_MAX 128 /* of one node: four keys, two numbers, a mark, a word */

static_assert(LIVES_SEEN_MAX * SEEN_TEXT_MAX + 64 <= LIVES_FILE_MAX, "what is kept is read again");
static_assert(LIVES_TOLD_MAX * (MARK_TEXT + 2) + 64 <= LIVES_FILE_MAX, "and the own starts");

static void lives_say(const char *dir, const char *name, const char *what, disk_lives_log log,
                      void *arg)
{
    char sentence[768];

    snprintf(sentence, sizeof sentence,
             "%.300s/%.20s %.200s: the node goes on without it, and an older copy of a data "
             "directory may not be noticed",
             dir, name, what);
    if (log != NULL) {
        log(arg, "warn", sentence);
    }
}

/* NULL: there is none, or (a sentence was told, and *damaged) it is of no use. */
static json_t *lives_load(int dir_fd, const char *dir, const char *name, bool *damaged,
                          disk_lives_log log, void *arg)
{
    char text[LIVES_FILE_MAX], what[300];
    json_error_t error;
    long len = disk_read_whole(dir_fd, name, text, sizeof text);

    *damaged = false;
    if (len < 0 && errno == ENOENT) {
        return NULL;
    }
    *damaged = true;
    if (len < 0) {
        snprintf(what, sizeof what, "cannot be read (%s)", strerror(errno));
        lives_say(dir, name, what, log, arg);
        return NULL;
    }
    json_t *json = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL || json_integer_value(json_object_get(json, "format")) != LIVES_FORMAT) {
        lives_say(dir, name, json == NULL ? "is damaged" : "has a format that is not known", log,
                  arg);
        json_decref(json);
        return NULL;
    }
    *damaged = false;
    return json;
}

static bool take_count(const json_t *json, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(json, key);

    *out = (uint64_t)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool take_mark(const json_t *json, uint64_t *out)
{
    const char *text = json_string_value(json);
    char *end;

    if (text == NULL || strlen(text) != MARK_TEXT - 1) {
        return false;
    }
    *out = strtoull(text, &end, 16);
    return *end == '\0';
}

static json_t *mark_json(uint64_t mark)
{
    char text[MARK_TEXT];

    snprintf(text, sizeof text, "%016" PRIx64, mark);
    return json_string(text);
}

/* Takes over `json`. */
static int lives_store(int dir_fd, const char *name, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    int rv = -1;

    errno = ENOMEM;
    if (text != NULL) {
        rv = disk_replace(dir_fd, name, text);
    }
    int error = errno;
    free(text);
    json_decref(json);
    errno = error;
    return rv;
}

/* --- its own starts --- */

static bool starts_take(const json_t *json, struct lives *out)
{
    const json_t *marks = json_object_get(json, "marks");
    size_t n = json_array_size(marks);

    if (!take_count(json, "starts", &out->starts) || n == 0 || n > LIVES_TOLD_MAX ||
        out->starts < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!take_mark(json_array_get(marks, i), &out->marks[i])) {
            return false;
        }
    }
    out->n = (unsigned)n;
    return true;
}

static json_t *starts_json(const struct lives *l)
{
    json_t *marks = json_array();

    for (unsigned i = 0; i < l->n; i++) {
        json_array_append_new(marks, mark_json(l->marks[i]));
    }
    return json_pack("{s:i, s:I, s:o}", "format", LIVES_FORMAT, "starts", (json_int_t)l->starts,
                     "marks", marks);
}

void disk_lives_begin(int dir_fd, const char *dir, struct lives *out, disk_lives_log log, void *arg)
{
    bool damaged;
    json_t *json = lives_load(dir_fd, dir, STARTS, &damaged, log, arg);
    uint64_t mark;
    char what[200];

    *out = (struct lives){0};
    if (json != NULL && !starts_take(json, out)) {
        lives_say(dir, STARTS, "is damaged", log, arg);
        damaged = true;
    }
    json_decref(json);
    if (!damaged && getrandom(&mark, sizeof mark, 0) == sizeof mark) {
        lives_begin(out, mark);
        if (lives_store(dir_fd, STARTS, starts_json(out)) == 0) {
            return;
        }
        snprintf(what, sizeof what, "cannot be written (%s)", strerror(errno));
        lives_say(dir, STARTS, what, log, arg);
    }
    *out = (struct lives){0};
}

/* --- what it has seen of others --- */

static bool seen_take(const json_t *json, struct lives_seen *out)
{
    const json_t *nodes = json_object_get(json, "nodes");
    size_t n = json_array_size(nodes);

    if (!json_is_array(nodes) || n > LIVES_SEEN_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *node = json_array_get(nodes, i);
        struct life *life = &out->nodes[i].life;
        if (!take_count(node, "id", &out->nodes[i].id) || out->nodes[i].id == 0 ||
            !take_count(node, "starts", &life->start) ||
            !take_mark(json_object_get(node, "mark"), &life->mark) ||
            !json_is_boolean(json_object_get(node, "member"))) {
            return false;
        }
        life->member = json_is_true(json_object_get(node, "member"));
    }
    out->n = (unsigned)n;
    return true;
}

void disk_lives_recall(int dir_fd, const char *dir, struct lives_seen *out, disk_lives_log log,
                       void *arg)
{
    bool damaged;
    json_t *json = lives_load(dir_fd, dir, ACQUAINTANCES, &damaged, log, arg);

    *out = (struct lives_seen){0};
    if (json != NULL && !seen_take(json, out)) {
        lives_say(dir, ACQUAINTANCES, "is damaged", log, arg);
        *out = (struct lives_seen){0};
    }
    json_decref(json);
}

int disk_lives_keep(int dir_fd, const struct lives_seen *seen)
{
    json_t *nodes = json_array();

    for (unsigned i = 0; i < seen->n; i++) {
        const struct life *life = &seen->nodes[i].life;
        json_array_append_new(nodes,
                              json_pack("{s:I, s:b, s:I, s:o}", "id", (json_int_t)seen->nodes[i].id,
                                        "member", (int)life->member, "starts",
                                        (json_int_t)life->start, "mark", mark_json(life->mark)));
    }
    return lives_store(dir_fd, ACQUAINTANCES,
                       json_pack("{s:i, s:o}", "format", LIVES_FORMAT, "nodes", nodes));
}
