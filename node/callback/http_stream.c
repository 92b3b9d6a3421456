/* http_stream.c - see http_stream.h. */
#include "http_stream.h"

#include <stdlib.h>
#include <string.h>

#define CURL_TELLS 0x080000 /* from libcurl 8.0 on */
#define LINE_MAX_LEN 80     /* of what is listened for */
#define GOAWAYS_MAX 4       /* two are usual: "soon", and "now" */

bool http_stream_is_untold(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num < CURL_TELLS;
}

void http_stream_begin(struct http_stream *s, CURL *easy, const void *connection,
                       curl_debug_callback cb, void *arg)
{
    *s = (struct http_stream){0};
    if (curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, cb) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_DEBUGDATA, arg) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L) == CURLE_OK) {
        s->connection = connection;
    }
}

void http_stream_end(struct http_stream *s, CURL *easy)
{
    if (s->connection != NULL) {
        curl_easy_setopt(easy, CURLOPT_VERBOSE, 0L);
    }
    *s = (struct http_stream){0};
}

/* The number behind this text; 0: none. */
static uint32_t number_behind(const char *line, const char *text)
{
    const char *at = strstr(line, text);

    return at != NULL ? (uint32_t)strtoul(at + strlen(text), NULL, 10) : 0;
}

/* As libcurl 7.88 has them, misspelling and all (lib/http2.c); older ones say nothing of a GOAWAY. What a
 * peer sends never stands at a line's beginning. */
bool http_stream_hear(struct http_stream *s, curl_infotype type, const char *text, size_t len,
                      uint32_t *last)
{
    static const char stream[] = "Using Stream ID: ";
    static const char goaway[] = "recveived GOAWAY, ";
    static const char last_stream[] = "last_stream=";
    char line[LINE_MAX_LEN + 1];

    if (type != CURLINFO_TEXT) {
        return false;
    }
    len = len < LINE_MAX_LEN ? len : LINE_MAX_LEN;
    memcpy(line, text, len);
    line[len] = '\0';
    if (strncmp(line, stream, sizeof stream - 1) == 0) {
        s->id = number_behind(line, stream);
    }
    if (strncmp(line, goaway, sizeof goaway - 1) != 0 || strstr(line, last_stream) == NULL ||
        s->goaways >= GOAWAYS_MAX) {
        return false;
    }
    *last = number_behind(line, last_stream);
    return true;
}

void http_stream_goaway(struct http_stream *s, const void *connection, uint32_t last)
{
    if (s->connection != NULL && s->connection == connection) {
        s->last = last;
        s->goaways++;
    }
}

bool http_stream_left_behind(const struct http_stream *s)
{
    return s->goaways > 0 && s->id > s->last;
}
