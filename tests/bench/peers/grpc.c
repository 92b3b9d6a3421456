/* grpc.c - see grpc.h. HTTP/2 in the clear through libcurl. */
#include "grpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "../../../client/wire/protocol.h"

#define CALL_TIMEOUT_MS 10000L
#define PREFIX_SIZE 5 /* before each message: compressed or not, and its length */
#define VARINT 0
#define LENGTH_DELIMITED 2

/* ---- messages ---- */

static void put_byte(struct message *m, unsigned char b)
{
    if (m->len == sizeof m->bytes) {
        m->overflow = true;
        return;
    }
    m->bytes[m->len++] = b;
}

static void put_varint(struct message *m, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        put_byte(m, (unsigned char)(v | 0x80));
    }
    put_byte(m, (unsigned char)v);
}

void message_number(struct message *m, unsigned field, uint64_t v)
{
    put_varint(m, (uint64_t)field << 3 | VARINT);
    put_varint(m, v);
}

void message_bytes(struct message *m, unsigned field, const void *data, size_t len)
{
    put_varint(m, (uint64_t)field << 3 | LENGTH_DELIMITED);
    put_varint(m, len);
    if (len > sizeof m->bytes - m->len) {
        m->overflow = true;
        return;
    }
    memcpy(m->bytes + m->len, data, len);
    m->len += len;
}

void message_inside(struct message *m, unsigned field, const struct message *inside)
{
    m->overflow |= inside->overflow;
    message_bytes(m, field, inside->bytes, inside->len);
}

static bool take_varint(struct span *s, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; s->len > 0 && shift < 64; shift += 7) {
        unsigned char b = *s->at++;
        s->len--;
        *v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            return true;
        }
    }
    return false;
}

bool span_next(struct span *s, struct span_field *f)
{
    uint64_t key;
    uint64_t len;

    *f = (struct span_field){0};
    if (!take_varint(s, &key)) {
        return false;
    }
    f->number = (unsigned)(key >> 3);
    if ((key & 7) == VARINT) {
        return take_varint(s, &f->value);
    }
    if ((key & 7) != LENGTH_DELIMITED || !take_varint(s, &len) || len > s->len) {
        s->len = s->len > 0 ? s->len : 1; /* malformed */
        return false;
    }
    f->bytes = (struct span){s->at, len};
    s->at += len;
    s->len -= len;
    return true;
}

struct span_field span_find(struct span s, unsigned number)
{
    struct span_field f;

    while (span_next(&s, &f)) {
        if (f.number == number) {
            return f;
        }
    }
    return (struct span_field){0};
}

/* ---- calls ---- */

/* One HTTP/2 request. */
struct exchange {
    CURL *easy;
    unsigned char out[PREFIX_SIZE + sizeof(struct message)];
    size_t out_len, out_at;
    bool stays_open; /* a stream: the request never ends */
    struct buffer in;
    size_t in_used; /* of a stream: what has been handed out */
    int status;     /* grpc-status; -1: none yet */
    char text[128]; /* grpc-message */
};

struct grpc {
    unsigned port;
    struct curl_slist *headers;
    struct exchange call;
    struct exchange stream;
    CURLM *multi; /* of the stream */
    char error[GRPC_ERROR_SIZE];
};

static int fail(struct grpc *g, const char *what, const char *why)
{
    snprintf(g->error, sizeof g->error, "%s: %s", what, why);
    return -1;
}

static size_t take_data(char *data, size_t size, size_t n, void *argument)
{
    struct exchange *x = argument;
    size_t len = size * n;

    buffer_append(&x->in, data, len);
    return x->in.failed ? 0 : len;
}

/* The status comes in a trailer, or in the header when there is nothing else. */
static size_t take_header(char *data, size_t size, size_t n, void *argument)
{
    struct exchange *x = argument;
    char line[160];

    snprintf(line, sizeof line, "%.*s", (int)(size * n), data);
    sscanf(line, "grpc-status: %d", &x->status);
    sscanf(line, "grpc-message: %127[^\r\n]", x->text);
    return size * n;
}

static size_t give_data(char *out, size_t size, size_t n, void *argument)
{
    struct exchange *x = argument;
    size_t len = x->out_len - x->out_at;

    if (len == 0) {
        return x->stays_open ? CURL_READFUNC_PAUSE : 0;
    }
    len = len < size * n ? len : size * n;
    memcpy(out, x->out + x->out_at, len);
    x->out_at += len;
    return len;
}

/* libcurl before 8.0 fails on a connection that it uses again when it is told to begin with HTTP/2
 * (github.com/curl/curl/issues/10634), so it is told that of a new connection only. */
static void ask_version(CURL *e, bool is_connected)
{
    bool spare = is_connected && LIBCURL_VERSION_NUM < 0x080000;

    curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                     (long)(spare ? CURL_HTTP_VERSION_2_0 : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
}

static CURL *easy_make(struct grpc *g, struct exchange *x)
{
    CURL *e = curl_easy_init();

    if (e == NULL) {
        return NULL;
    }
    ask_version(e, false);
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, g->headers);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_data);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
    x->easy = e;
    return e;
}

struct grpc *grpc_open(unsigned port)
{
    struct grpc *g = calloc(1, sizeof *g);

    if (g == NULL) {
        return NULL;
    }
    g->port = port;
    g->headers = curl_slist_append(NULL, "content-type: application/grpc");
    g->headers = curl_slist_append(g->headers, "te: trailers");
    g->headers = curl_slist_append(g->headers, "Expect:");
    if (g->headers == NULL || easy_make(g, &g->call) == NULL) {
        grpc_close(g);
        return NULL;
    }
    return g;
}

void grpc_close(struct grpc *g)
{
    if (g->multi != NULL) {
        curl_multi_remove_handle(g->multi, g->stream.easy);
        curl_multi_cleanup(g->multi);
    }
    curl_easy_cleanup(g->stream.easy);
    curl_easy_cleanup(g->call.easy);
    curl_slist_free_all(g->headers);
    buffer_free(&g->stream.in);
    buffer_free(&g->call.in);
    free(g);
}

const char *grpc_error(const struct grpc *g)
{
    return g->error;
}

static size_t frame_len(const unsigned char *at)
{
    return (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];
}

static int exchange_begin(struct grpc *g, struct exchange *x, const char *method,
                          const struct message *request)
{
    char url[128];

    if (request->overflow) {
        return fail(g, method, "the request is too large");
    }
    x->out[0] = 0; /* not compressed */
    for (int i = 1; i < PREFIX_SIZE; i++) {
        x->out[i] = (unsigned char)(request->len >> 8 * (PREFIX_SIZE - 1 - i));
    }
    memcpy(x->out + PREFIX_SIZE, request->bytes, request->len);
    x->out_len = PREFIX_SIZE + request->len;
    x->out_at = 0;
    buffer_reset(&x->in);
    x->in_used = 0;
    x->status = -1;
    x->text[0] = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", g->port, method);
    curl_easy_setopt(x->easy, CURLOPT_URL, url);
    return 0;
}

int grpc_call(struct grpc *g, const char *method, const struct message *request,
              struct span *answer)
{
    struct exchange *x = &g->call;

    if (exchange_begin(g, x, method, request) != 0) {
        return -1;
    }
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, (char *)x->out);
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE, (long)x->out_len);
    curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
    CURLcode rv = curl_easy_perform(x->easy);
    ask_version(x->easy, rv == CURLE_OK);
    if (rv != CURLE_OK) {
        return fail(g, method, curl_easy_strerror(rv));
    }
    if (x->status != 0) {
        return fail(g, method, x->text[0] != 0 ? x->text : "no status");
    }
    if (x->in.len < PREFIX_SIZE || x->in.data[0] != 0 ||
        frame_len(x->in.data) != x->in.len - PREFIX_SIZE) {
        return fail(g, method, "the answer is not one message");
    }
    *answer = (struct span){x->in.data + PREFIX_SIZE, x->in.len - PREFIX_SIZE};
    return 0;
}

int grpc_listen(struct grpc *g, const char *method, const struct message *request)
{
    struct exchange *x = &g->stream;

    g->multi = curl_multi_init();
    if (g->multi == NULL || easy_make(g, x) == NULL) {
        return fail(g, method, "out of memory");
    }
    x->stays_open = true;
    if (exchange_begin(g, x, method, request) != 0) {
        return -1;
    }
    curl_easy_setopt(x->easy, CURLOPT_READFUNCTION, give_data);
    curl_easy_setopt(x->easy, CURLOPT_READDATA, x);
    if (curl_multi_add_handle(g->multi, x->easy) != CURLM_OK) {
        return fail(g, method, "libcurl refuses");
    }
    return 0;
}

static bool stream_take(struct exchange *x, struct span *answer)
{
    const unsigned char *at = x->in.data + x->in_used;
    size_t left = x->in.len - x->in_used;

    if (left < PREFIX_SIZE || left - PREFIX_SIZE < frame_len(at)) {
        return false;
    }
    *answer = (struct span){at + PREFIX_SIZE, frame_len(at)};
    x->in_used += PREFIX_SIZE + answer->len;
    return true;
}

int grpc_next(struct grpc *g, int timeout_ms, struct span *answer)
{
    struct exchange *x = &g->stream;
    int running = 0;

    if (stream_take(x, answer)) {
        return 1;
    }
    if (x->in_used > 0) { /* keep what has no end yet */
        memmove(x->in.data, x->in.data + x->in_used, x->in.len - x->in_used);
        x->in.len -= x->in_used;
        x->in_used = 0;
    }
    if (curl_multi_perform(g->multi, &running) != CURLM_OK) {
        return fail(g, "listening", "libcurl fails");
    }
    if (running > 0 && !stream_take(x, answer)) {
        curl_multi_poll(g->multi, NULL, 0, timeout_ms, NULL);
        curl_multi_perform(g->multi, &running);
    } else if (running > 0) {
        return 1;
    }
    if (stream_take(x, answer)) {
        return 1;
    }
    return running > 0 ? 0 : fail(g, "listening", x->text[0] != 0 ? x->text : "the stream ended");
}
