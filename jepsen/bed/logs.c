/* logs.c - see logs.h. */
#include "logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 20 /* of one log */

void logs_last_line(const char *path, char *out, size_t len)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;

    out[0] = '\0';
    if (f == NULL) {
        return;
    }
    if (fseek(f, -4096, SEEK_END) != 0) {
        rewind(f);
    }
    while (getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0') {
            snprintf(out, len, "%s", line);
        }
    }
    free(line);
    fclose(f);
}

/* Lines of the program itself begin with ts=, and quote what comes from outside. */
static const char *finding_kind(const char *line)
{
    static const struct {
        const char *text;
        const char *kind;
    } findings[] = {
        {"Assertion `", "assertion"},        {"Sanitizer:", "sanitizer"},
        {": runtime error: ", "sanitizer"},  {"terminate called", "assertion"},
        {"*** stack smashing", "sanitizer"}, {"malloc(): ", "sanitizer"},
        {"free(): ", "sanitizer"},           {"double free", "sanitizer"},
    };

    for (size_t i = 0; strncmp(line, "ts=", 3) != 0 && i < sizeof findings / sizeof *findings;
         i++) {
        if (strstr(line, findings[i].text) != NULL) {
            return findings[i].kind;
        }
    }
    return NULL;
}

void logs_scan(const char *path, unsigned place, struct record *record)
{
    FILE *f = fopen(path, "r");
    char *line = NULL, quoted[2048];
    size_t cap = 0;
    unsigned found = 0;

    while (f != NULL && found < FINDINGS_MAX && getline(&line, &cap, f) > 0) {
        const char *kind = finding_kind(line);
        line[strcspn(line, "\n")] = '\0';
        if (kind != NULL) {
            found++;
            record_line(record, RECORD_RUNNER, RECORD_INFO, "log",
                        "{:node %u, :kind :%s, :line %s}", place, kind,
                        record_string(quoted, sizeof quoted, line));
        }
    }
    free(line);
    if (f != NULL) {
        fclose(f);
    }
}
