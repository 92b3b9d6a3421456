/* http.c - see http.h. */
#include "http.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "../bed/command.h"
#include "http_answer.h"

#define MARGIN_MS 2000 /* so much later than its patience ends a node is taken for silent */
#define BODY_MAX 65536 /* bytes of an answer */

struct ask_http {
    CURL *easy;
    bool tls;
    char token[80];
    bool sent; /* the present request has left, if only in part */
    char error[CURL_ERROR_SIZE];
    char etag[32];
    size_t len;
    char body[BODY_MAX + 1];
};

/* --- libcurl's calls --- */

static int debug_cb(CURL *easy, curl_infotype type, char *data, size_t len, void *arg)
{
    struct ask_http *h = arg;

    (void)easy;
    (void)data;
    h->sent = h->sent || (type == CURLINFO_HEADER_OUT && len > 0);
    return 0;
}

/* Not for what was sent already. */
static curl_socket_t open_socket_cb(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct ask_http *h = arg;

    (void)purpose;
    return h->sent ? CURL_SOCKET_BAD
                   : socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t body_cb(char *data, size_t one, size_t len, void *arg)
{
    struct ask_http *h = arg;

    (void)one;
    if (len > BODY_MAX - h->len) {
        return 0;
    }
    memcpy(h->body + h->len, data, len);
    h->len += len;
    return len;
}

static size_t header_cb(char *data, size_t one, size_t len, void *arg)
{
    struct ask_http *h = arg;

    (void)one;
    if (len > 5 && strncasecmp(data, "etag:", 5) == 0) {
        char line[64];
        snprintf(line, sizeof line, "%.*s", (int)len, data);
        (void)sscanf(line + 5, " %31s", h->etag);
    }
    return len;
}

/* --- life --- */

static void set_text(struct ask_http *h, CURLoption option, const char *text)
{
    if (text != NULL && curl_easy_setopt(h->easy, option, text) != CURLE_OK) {
        bed_fail("libcurl does not take %s", text);
    }
}

struct ask_http *ask_http_open(const struct ask_http_config *config)
{
    struct ask_http *h = calloc(1, sizeof *h);

    if (h == NULL || (h->easy = curl_easy_init()) == NULL) {
        bed_fail("no client of HTTP can be made");
    }
    h->tls = config->ca != NULL;
    snprintf(h->token, sizeof h->token, "%s", config->token != NULL ? config->token : "");
    set_text(h, CURLOPT_CAINFO, config->ca);
    set_text(h, CURLOPT_SSLCERT, config->cert);
    set_text(h, CURLOPT_SSLKEY, config->key);
    curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(h->easy, CURLOPT_VERBOSE, 1L); /* for debug_cb, which prints nothing */
    curl_easy_setopt(h->easy, CURLOPT_DEBUGFUNCTION, debug_cb);
    curl_easy_setopt(h->easy, CURLOPT_DEBUGDATA, h);
    curl_easy_setopt(h->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket_cb);
    curl_easy_setopt(h->easy, CURLOPT_OPENSOCKETDATA, h);
    curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, body_cb);
    curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, header_cb);
    curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, h);
    return h;
}

void ask_http_close(struct ask_http *h)
{
    curl_easy_cleanup(h->easy);
    free(h);
}

/* --- the request --- */

static void write_time(const struct ordersched_operation *o, bool odd, char *out, size_t len)
{
    if (!o->relative) {
        snprintf(out, len, "\"deadline_ms\":%" PRIu64, o->time_ms);
    } else if (odd) {
        snprintf(out, len, "\"delay\":\"%" PRIu64 "ms\"", o->time_ms);
    } else {
        snprintf(out, len, "\"delay_ms\":%" PRIu64, o->time_ms);
    }
}

/* In one of two ways that mean the same: one PUT, however it is spelt. */
static void write_body(const struct ask_http_question *q, char *out, size_t len)
{
    const struct ordersched_operation *o = q->operation;
    bool odd = q->spelling % 2 == 1;
    char when[64];

    write_time(o, odd, when, sizeof when);
    switch (o->kind) {
        case ORDERSCHED_SCHEDULE:
            snprintf(out, len,
                     odd ? "{ \"payload\" : %3$s,\n \"route\" : \"%2$s\", %1$s }"
                         : "{%1$s,\"route\":\"%2$s\",\"payload\":%3$s}",
                     when, o->route, o->payload_len > 0 ? (const char *)o->payload : "null");
            break;
        case ORDERSCHED_EXTEND: snprintf(out, len, "{%s}", when); break;
        default: snprintf(out, len, "%s", odd ? "{}" : "");
    }
}

static const char *suffix_of(enum ordersched_operation_kind kind)
{
    switch (kind) {
        case ORDERSCHED_PAY: return "/pay";
        case ORDERSCHED_CANCEL: return "/cancel";
        case ORDERSCHED_EXTEND: return "/extend";
        default: return "";
    }
}

__attribute__((format(printf, 2, 3))) static void add_header(struct curl_slist **list,
                                                             const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL) {
        bed_fail("out of memory");
    }
    *list = longer;
}

static struct curl_slist *headers_of(const struct ask_http *h, const struct ask_http_question *q)
{
    struct curl_slist *list = NULL;

    add_header(&list, "Prefer: wait=%u", q->wait_s);
    add_header(&list, "Expect:");
    if (q->operation->kind != ORDERSCHED_GET) {
        add_header(&list, "Content-Type: application/json");
    }
    if (h->token[0] != '\0') {
        add_header(&list, "Authorization: Bearer %s", h->token);
    }
    if (q->key != NULL) {
        add_header(&list, "Idempotency-Key: %s", q->key);
    }
    if (q->if_match != NULL) {
        add_header(&list, "If-Match: %s", q->if_match);
    }
    if (q->operation->traceparent != NULL) {
        add_header(&list, "traceparent: %s", q->operation->traceparent);
    }
    return list;
}

static void set_request(struct ask_http *h, const struct ask_http_question *q, const char *body)
{
    const struct ordersched_operation *o = q->operation;
    char url[512];
    char *id = curl_easy_escape(h->easy, o->id, (int)o->id_len);

    if (id == NULL) {
        bed_fail("out of memory");
    }
    snprintf(url, sizeof url, "%s://%s:%u/v1/orders/%s%s", h->tls ? "https" : "http", q->host,
             q->port, id, suffix_of(o->kind));
    curl_free(id);
    set_text(h, CURLOPT_URL, url);
    curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (o->kind == ORDERSCHED_GET) {
        curl_easy_setopt(h->easy, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(h->easy, CURLOPT_POST, 1L);
        set_text(h, CURLOPT_CUSTOMREQUEST, o->kind == ORDERSCHED_SCHEDULE ? "PUT" : NULL);
    }
    /* A node that is paused takes connections, too, and says nothing. */
    curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)q->wait_s * 1000);
    curl_easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, (long)q->wait_s * 1000 + MARGIN_MS);
}

/* No answer: what does that mean? */
static void take_silence(const struct ask_http *h, const struct ask_http_question *q, CURLcode code,
                         struct asked *a)
{
    bool changes = q->operation->kind != ORDERSCHED_GET;

    a->http.broken = true;
    a->error = !h->sent || !changes               ? ORDERSCHED_UNREACHABLE
               : code == CURLE_OPERATION_TIMEDOUT ? ORDERSCHED_TIMEOUT
                                                  : ORDERSCHED_UNKNOWN_OUTCOME;
    snprintf(a->text, sizeof a->text, "%s",
             h->error[0] != '\0' ? h->error : curl_easy_strerror(code));
}

void ask_http_order(struct ask_http *h, const struct ask_http_question *q, struct asked *a)
{
    char body[1024];
    long status = 0;

    memset(a, 0, sizeof *a);
    h->sent = false;
    h->len = 0;
    h->error[0] = h->etag[0] = '\0';
    write_body(q, body, sizeof body);
    set_request(h, q, body);
    struct curl_slist *headers = headers_of(h, q);
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(h->easy);
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        take_silence(h, q, code, a);
        return;
    }
    h->body[h->len] = '\0';
    snprintf(a->http.etag, sizeof a->http.etag, "%s", h->etag);
    http_answer_read((unsigned)status, h->body, h->len, q->operation->kind, a);
}
