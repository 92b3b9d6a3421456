/* http_answer.c - see http_answer.h. */
#include "http_answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STATUS_AT 9 /* in "HTTP/1.1 200 OK" */
#define LENGTH_DIGITS_MAX 12

void http_answer_reset(struct http_answer *a)
{
    a->head_len = a->body_len = 0;
    a->has_head = a->complete = a->broken = a->closes = false;
    a->status = a->sound = a->match = 0;
    a->left = 0;
    a->body[0] = 0;
}

/* The value of a line of the head, or NULL. */
static const char *head_value(const struct http_answer *a, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(a->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            line += len + 1;
            return line + strspn(line, " \t");
        }
    }
    return NULL;
}

/* The head is whole, and a NUL behind it. */
static void take_head(struct http_answer *a)
{
    const char *status = a->head + STATUS_AT;
    const char *length = head_value(a, "Content-Length");
    const char *connection = head_value(a, "Connection");
    size_t digits = length != NULL ? strspn(length, "0123456789") : 0;

    a->has_head = true;
    a->broken = strncmp(a->head, "HTTP/1.1 ", STATUS_AT) != 0 ||
                strspn(status, "0123456789") != 3 || status[0] < '2' ||
                head_value(a, "Transfer-Encoding") != NULL || digits > LENGTH_DIGITS_MAX;
    if (a->broken) {
        return;
    }
    a->status = (unsigned)strtoul(status, NULL, 10);
    a->closes = connection != NULL && strncasecmp(connection, "close", 5) == 0;
    bool bodiless = a->status == 204 || a->status == 304;
    a->broken = !bodiless && digits == 0;
    a->left = bodiless ? 0 : strtoull(digits > 0 ? length : "0", NULL, 10);
    a->complete = !a->broken && a->left == 0;
}

/* How many of the bytes were the head's. */
static size_t take_head_bytes(struct http_answer *a, const char *data, size_t len)
{
    size_t before = a->head_len;
    size_t room = sizeof a->head - 1 - before;
    size_t n = len < room ? len : room;

    memcpy(a->head + before, data, n);
    a->head[before + n] = 0;
    a->head_len += n;
    const char *end = strstr(a->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
    if (end == NULL) {
        a->broken = n == room || strlen(a->head) != a->head_len;
        return n;
    }
    a->head_len = (size_t)(end - a->head) + 4;
    a->head[a->head_len] = 0;
    take_head(a);
    return a->head_len - before;
}

/* Operations of a batch that were done: {"results":[{"status":201,... */
static void count_sound(struct http_answer *a, const char *data, size_t len)
{
    static const char text[] = "{\"status\":20";

    for (size_t i = 0; i < len; i++) {
        a->match = data[i] == text[a->match] ? a->match + 1 : data[i] == '{';
        if (text[a->match] == 0) {
            a->sound++;
            a->match = 0;
        }
    }
}

void http_answer_take(struct http_answer *a, const char *data, size_t len)
{
    if (!a->has_head) {
        size_t n = take_head_bytes(a, data, len);
        data += n;
        len -= n;
    }
    if (a->broken || len == 0) {
        return;
    }
    if (!a->has_head || len > a->left) {
        a->broken = true;
        return;
    }
    size_t kept = HTTP_ANSWER_BODY_KEPT - a->body_len;
    kept = len < kept ? len : kept;
    memcpy(a->body + a->body_len, data, kept);
    a->body_len += kept;
    a->body[a->body_len] = 0;
    count_sound(a, data, len);
    a->left -= len;
    a->complete = a->left == 0;
}
