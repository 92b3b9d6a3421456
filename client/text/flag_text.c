/* flag_text.c - see flag_text.h. */
#include "flag_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Take off the end of the line. NULL, or what is wrong with the rest. */
static const char *settle(char *text, size_t *len)
{
    if (*len > 0 && text[*len - 1] == '\n') {
        --*len;
        *len -= *len > 0 && text[*len - 1] == '\r';
    }
    text[*len] = '\0';
    if (*len == 0) {
        return "it is empty";
    }
    if (*len > FLAG_TEXT_MAX) {
        return "it is too long";
    }
    return strlen(text) != *len || strpbrk(text, "\r\n") != NULL ? "it is not one line of text"
                                                                 : NULL;
}

static char *read_all(FILE *file, const char **why)
{
    char *text = malloc(FLAG_TEXT_MAX + 4); /* a line's end, one byte too much, and a NUL */
    size_t len;

    if (text == NULL) {
        *why = strerror(ENOMEM);
        return NULL;
    }
    len = fread(text, 1, FLAG_TEXT_MAX + 3, file);
    *why = ferror(file) ? strerror(errno) : settle(text, &len);
    if (*why != NULL) {
        explicit_bzero(text, FLAG_TEXT_MAX + 4);
        free(text);
        return NULL;
    }
    return text;
}

char *flag_text_read(const char *value, const char **why)
{
    char *text;
    FILE *file;

    *why = NULL;
    if (strcmp(value, "-") == 0) {
        return read_all(stdin, why);
    }
    if (value[0] != '@') {
        text = strdup(value);
        *why = text == NULL ? strerror(ENOMEM) : NULL;
        return text;
    }
    file = fopen(value + 1, "r");
    if (file == NULL) {
        *why = strerror(errno);
        return NULL;
    }
    setvbuf(file, NULL, _IONBF, 0); /* no copy of it is left behind */
    text = read_all(file, why);
    fclose(file);
    return text;
}

void flag_text_free(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}
