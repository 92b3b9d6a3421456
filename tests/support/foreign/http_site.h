/* http_site.h - receivers of HTTP requests on the loopback, well-behaved and rude, for tests. */
#ifndef HTTP_SITE_H
#define HTTP_SITE_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct MHD_Daemon;

/* Made of libmicrohttpd: answers as told, remembers the last request. Read what came
 * after site_stop() only. */
struct site {
    struct MHD_Daemon *daemon;
    unsigned port;
    /* The answer; 200 and empty at first. Not to be changed while a request is under way. */
    unsigned status;
    const char *answer;
    size_t answer_len;
    const char *header; /* name and value, or NULL */
    const char *value;
    unsigned slow_ms; /* the first request is answered so much later; with TLS alone */
    /* What came. */
    pthread_mutex_t mutex;
    unsigned requests;
    unsigned connections;
    char url[64];
    char method[16];
    json_t *headers; /* of the last request, names in lower case */
    char body[16384];
    size_t body_len;
};
void site_open(struct site *s);
/* With TLS, and a thread for each connection; certificate and key as PEM text. */
void site_open_tls(struct site *s, const char *certificate, const char *key);
void site_stop(struct site *s);  /* what came can still be read */
void site_close(struct site *s); /* stops it, too */

/* Made of a bare socket: sends the same bytes to whoever connects and sends something, then
 * closes; `endless_line`, unless NULL, is sent again and again before that. `answer` NULL: closes
 * at once. */
struct rude {
    int listener;
    unsigned port;
    pthread_t thread;
    const char *answer;
    const char *endless_line;
};
void rude_open(struct rude *r, const char *answer, const char *endless_line);
void rude_close(struct rude *r);

#endif
