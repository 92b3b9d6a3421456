/* http_transfer.c - see http_transfer.h. */
#include "http_transfer.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "../../client/base/clocks.h"
#include "address_guard.h"
#include "../dispatch/delivery.h"

#define HEAD_MAX CALLBACK_BODY_MAX
#define STATUS_NO_CONTENT 204
#define CONNECTION_IDLE_MAX_S 4L
#define REFUSALS_SHARED 3 /* before it gets a connection of its own */
#define REFUSALS_MAX 20
#define ANSWER_FIRST_CAP 256 /* most answers are {"outcome":"expired"} or empty */

void callback_fail(struct delivery *first, const char *reason, bool overloaded)
{
    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        d->blame = BLAME_REQUEST;
        d->overloaded = overloaded;
        delivery_fail(d, "%s", reason);
        for (char *at = d->reason; *at != '\0'; at++) {
            *at = *at < 0x20 || *at > 0x7e ? '?' : *at;
        }
    }
}

static void transfer_free(struct transfer *t)
{
    curl_easy_cleanup(t->easy);
    for (struct curl_slist *line = t->headers; line != NULL; line = line->next) {
        explicit_bzero(line->data, strlen(line->data)); /* the route's own may hold credentials */
    }
    curl_slist_free_all(t->headers);
    free(t->body);
    free(t->answer);
    free(t);
}

/* libcurl's "return less than was given" ends the transfer with CURLE_WRITE_ERROR. */
static size_t transfer_body_cb(char *data, size_t one, size_t len, void *arg)
{
    struct transfer *t = arg;

    (void)one;
    assert(t->answer_len <= t->answer_cap && t->answer_len <= t->answer_max);
    if (len > t->answer_max - t->answer_len) {
        t->answer_too_long = true;
        return 0;
    }
    if (t->answer_len + len > t->answer_cap) {
        size_t cap = t->answer_cap > 0 ? t->answer_cap : ANSWER_FIRST_CAP;
        while (cap < t->answer_len + len) {
            cap *= 2;
        }
        char *grown = realloc(t->answer, cap);
        if (grown == NULL) {
            return 0;
        }
        t->answer = grown;
        t->answer_cap = cap;
    }
    memcpy(t->answer + t->answer_len, data, len);
    t->answer_len += len;
    return len;
}

/* A header's value, without white space around it, and cut to 63 bytes; NULL: another header. */
static const char *header_value(const char *line, size_t len, const char *name, char out[64])
{
    size_t at = strlen(name);

    if (len <= at || line[at] != ':' || strncasecmp(line, name, at) != 0) {
        return NULL;
    }
    at++;
    while (at < len && (line[at] == ' ' || line[at] == '\t')) {
        at++;
    }
    while (len > at && memchr(" \t\r\n", line[len - 1], 4) != NULL) {
        len--;
    }
    snprintf(out, 64, "%.*s", (int)(len - at), line + at);
    return out;
}

/* The last coding is the one that frames (RFC 9112, 6.1). */
static bool ends_in_chunked(const char *value)
{
    size_t len = strlen(value);

    return len >= 7 && strcasecmp(value + len - 7, "chunked") == 0;
}

static void transfer_take_header(struct transfer *t, const char *line, size_t len)
{
    char value[64];

    if (header_value(line, len, "retry-after", value) != NULL) {
        memcpy(t->retry_after, value, sizeof value);
    } else if (header_value(line, len, "transfer-encoding", value) != NULL) {
        t->is_chunked = ends_in_chunked(value);
    } else if (header_value(line, len, "content-encoding", value) != NULL) {
        t->encoded = strcasecmp(value, "identity") != 0;
    }
}

/* Called once a header line. A status line after a 1xx's headers starts a new block; what comes
 * after the last block is trailers, which say nothing here. */
static size_t transfer_header_cb(char *data, size_t one, size_t len, void *arg)
{
    struct transfer *t = arg;

    (void)one;
    assert(t->head_len <= HEAD_MAX);
    if (len > HEAD_MAX - t->head_len) {
        t->answer_too_long = true;
        return 0;
    }
    t->head_len += len;
    if (t->head_complete) {
        return len;
    }
    if (len >= 5 && strncmp(data, "HTTP/", 5) == 0) {
        const char *space = memchr(data, ' ', len);
        t->head_is_interim = space != NULL && space + 1 < data + len && space[1] == '1';
        t->retry_after[0] = '\0';
        t->is_chunked = t->encoded = false;
    } else if (len <= 2 && (data[0] == '\r' || data[0] == '\n')) {
        t->head_complete = !t->head_is_interim;
    } else {
        transfer_take_header(t, data, len);
    }
    return len;
}

/* A socket that no program started later inherits, to an address that is allowed. */
static curl_socket_t transfer_socket_cb(void *arg, curlsocktype purpose,
                                        struct curl_sockaddr *address)
{
    struct transfer *t = arg;
    const char *what = t->host->allow_private
                           ? NULL
                           : address_guard_refuses(&address->addr, address->addrlen);

    if (purpose != CURLSOCKTYPE_IPCXN) {
        return CURL_SOCKET_BAD;
    }
    if (what != NULL) {
        t->refused = what;
        address_guard_format(&address->addr, address->addrlen, t->refused_address,
                             sizeof t->refused_address);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The connection that a transfer has now, if HTTP/2 was agreed on in it; NULL: not so. */
static const SSL *http2_connection(CURL *easy)
{
    const struct curl_tlssessioninfo *tls = NULL;
    const unsigned char *protocol = NULL;
    unsigned len = 0;

    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || tls == NULL ||
        tls->backend != CURLSSLBACKEND_OPENSSL || tls->internals == NULL) {
        return NULL;
    }
    SSL_get0_alpn_selected(tls->internals, &protocol, &len);
    return len == 2 && memcmp(protocol, "h2", 2) == 0 ? tls->internals : NULL;
}

static int transfer_hear_cb(CURL *easy, curl_infotype type, char *text, size_t len, void *arg)
{
    struct transfer *t = arg;
    uint32_t last;

    (void)easy;
    if (http_stream_hear(&t->stream, type, text, len, &last)) {
        t->host->goaway(t->host->arg, t->stream.connection, last);
    }
    return 0;
}

/* A connection is there, and the request is about to leave. */
static int transfer_sent_cb(void *arg, char *address, char *local_address, int port, int local_port)
{
    struct transfer *t = arg;
    const SSL *http2 = http2_connection(t->easy);

    (void)address;
    (void)local_address;
    (void)port;
    (void)local_port;
    t->sent = true;
    http_stream_end(&t->stream, t->easy);
    if (http2 != NULL && http_stream_is_untold()) {
        http_stream_begin(&t->stream, t->easy, http2, transfer_hear_cb, t);
    }
    t->host->sent(t->host->arg);
    return CURL_PREREQFUNC_OK;
}

static bool transfer_limit_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) == CURLE_OK;
#endif
}

/* What it is shown, if it asks: libcurl shares a connection only among those that show the same. */
static bool transfer_set_client_cert(CURL *e, const struct route_settings *s)
{
    struct curl_blob cert = {(void *)s->client_cert_pem.data, s->client_cert_pem.len,
                             CURL_BLOB_NOCOPY};
    struct curl_blob key = {(void *)s->client_key_pem.data, s->client_key_pem.len,
                            CURL_BLOB_NOCOPY};

    return cert.len == 0 || (curl_easy_setopt(e, CURLOPT_SSLCERT_BLOB, &cert) == CURLE_OK &&
                             curl_easy_setopt(e, CURLOPT_SSLKEY_BLOB, &key) == CURLE_OK);
}

/* Whom a TLS receiver must be certified by, and which HTTP is spoken to it. The route's own
 * certificates take the place of the system's, whose directory must then not be asked either. */
static bool transfer_set_tls(CURL *e, const struct route_settings *s)
{
    /* The settings stay until the deliveries are done, which is after the transfer's end. */
    struct curl_blob ca = {(void *)s->ca_pem.data, s->ca_pem.len, CURL_BLOB_NOCOPY};
    bool http2 = !s->http1_only && strncasecmp((const char *)s->url.data, "https:", 6) == 0;
    long version = http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;

    return curl_easy_setopt(e, CURLOPT_HTTP_VERSION, version) == CURLE_OK &&
           /* Rather another stream of a connection that is being made than another connection.
            * Only with TLS, whose handshake says what is spoken: else it waits for an answer. */
           curl_easy_setopt(e, CURLOPT_PIPEWAIT, http2 ? 1L : 0L) == CURLE_OK &&
           (ca.len == 0 || (curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca) == CURLE_OK &&
                            curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK)) &&
           transfer_set_client_cert(e, s);
}

/* Which connections it may use: none that is older than a minute or so, so that a receiver whose
 * name moves to another address is followed, and none that was idle for longer than the servers with
 * the least patience keep theirs (5 s: Node, Apache), which would be closed under the request.
 *
 * libcurl judges a connection's age only while nobody uses it, which one of many streams may never
 * see. But it shares connections of equal TLS options alone, and three of these mean something on
 * Windows only: they number the minutes. Each route has its own beginning of a minute. */
static bool transfer_set_connection(const struct transfer *t)
{
    static const long bits[] = {CURLSSLOPT_NO_REVOKE, CURLSSLOPT_REVOKE_BEST_EFFORT,
                                CURLSSLOPT_AUTO_CLIENT_CERT};
    uint64_t age_ms = (uint64_t)t->host->connection_age_s * 1000;
    uint64_t shift_ms = XXH3_64bits(t->first->route, strlen(t->first->route)) % age_ms;
    uint64_t minute = (t->started_ms + shift_ms) / age_ms;
    long options = 0;

    for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
        options |= (minute >> i & 1) != 0 ? bits[i] : 0;
    }
    return curl_easy_setopt(t->easy, CURLOPT_SSL_OPTIONS, options) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_MAXLIFETIME_CONN, (long)t->host->connection_age_s) ==
               CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_MAXAGE_CONN, CONNECTION_IDLE_MAX_S) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_DNS_CACHE_TIMEOUT,
                            (long)t->host->connection_age_s / 2) == CURLE_OK;
}

/* libcurl sends a request again by itself when a connection that was used before ends without an
 * answer, and the receiver may have carried it out. That would be two deliveries in one attempt. It
 * does not where this option of another protocol is set (Curl_retry_request of 7.88 and 8.14), but
 * goes on to repeat what HTTP/2 refused, which is safe. */
static bool transfer_never_repeat(CURL *easy)
{
    return curl_easy_setopt(easy, CURLOPT_RTSP_REQUEST, CURL_RTSPREQ_RECEIVE) == CURLE_OK;
}

static bool transfer_set_times(CURL *e, const struct route_settings *s)
{
    uint32_t connect_ms = s->connect_timeout_ms < s->timeout_ms ? s->connect_timeout_ms
                                                                : s->timeout_ms;

    return curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms) == CURLE_OK;
}

/* The receiver is the one that the route names: no redirects, no proxies of the environment. */
static bool transfer_set_request(struct transfer *t)
{
    CURL *e = t->easy;

    return transfer_limit_protocols(e) &&
           curl_easy_setopt(e, CURLOPT_URL, (const char *)t->first->settings->settings.url.data) ==
               CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)strlen(t->body)) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_USERAGENT, "orderschedd/" ORDERSCHEDD_VERSION) == CURLE_OK;
}

static bool transfer_set_options(struct transfer *t)
{
    const struct route_settings *s = &t->first->settings->settings;
    CURL *e = t->easy;
    bool ok = transfer_set_request(t) && transfer_set_times(e, s) && transfer_set_tls(e, s) &&
              transfer_set_connection(t) && transfer_never_repeat(e) &&
              curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, transfer_socket_cb) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, transfer_sent_cb) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_PREREQDATA, t) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, transfer_body_cb) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, transfer_header_cb) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_HEADERDATA, t) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_PRIVATE, t) == CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name server that does not answer must hold up this transfer only: without this, giving
     * the transfer up waits for the thread that resolves its name. */
    ok = ok && curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
#endif
    return ok;
}

/* The world's time as well as it is known here, for the receiver compares it with its own to tell a
 * replay: that of a majority of the voters' clocks. The cluster's time may be minutes off, after a pause or
 * a leader ahead of it. */
static uint64_t transfer_wall_s(const struct transfer *t)
{
    const struct delivery *d = t->first;

    if (d->true_ms == 0) {
        return clocks_wall_ms() / 1000;
    }
    return (d->true_ms + (clocks_boot_us() - d->started_us) / 1000) / 1000;
}

/* NULL, or what is wrong. */
static const char *transfer_prepare(struct transfer *t)
{
    /* The body tells the cluster's time, as the deadlines in it do. */
    uint64_t started_ms = t->first->started_ms;

    t->body = callback_transfer_is_batch(t) ? callback_batch_body(t->first, started_ms)
                                            : callback_body(t->first, started_ms);
    t->easy = curl_easy_init();
    if (t->body == NULL || t->easy == NULL) {
        return "out of memory";
    }
    const char *why = callback_transfer_write_headers(t, transfer_wall_s(t));
    if (why == NULL && !transfer_set_options(t)) {
        why = "libcurl refused the request's options";
    }
    return why;
}

struct transfer *callback_transfer_new(struct delivery *first, const struct transfer_host *host)
{
    struct transfer *t = calloc(1, sizeof *t);

    if (t == NULL) {
        callback_fail(first, "out of memory", false);
        return NULL;
    }
    t->first = first;
    t->host = host;
    t->started_ms = clocks_running_ms();
    t->answer_max = CALLBACK_BODY_MAX;
    for (const struct delivery *d = first; callback_transfer_is_batch(t) && d != NULL;
         d = d->batch_next) {
        t->answer_max += CALLBACK_BODY_EACH_MAX;
    }
    const char *why = transfer_prepare(t);
    if (why != NULL) {
        (void)callback_transfer_abort(t, why);
        return NULL;
    }
    return t;
}

/* libcurl has held the answer against what frames it: too short a one is an error. */
static bool transfer_is_framed(const struct transfer *t, long status)
{
    curl_off_t content_length = -1;
    long version = 0;

    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &content_length);
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
    return status == STATUS_NO_CONTENT || content_length >= 0 || t->is_chunked ||
           version >= CURL_HTTP_VERSION_2_0; /* END_STREAM */
}

static void transfer_judge(struct transfer *t, long status)
{
    struct callback_answer answer = {
        .status = status,
        .body = t->answer,
        .len = t->answer_len,
        .is_framed = transfer_is_framed(t, status),
        .encoded = t->encoded,
        .retry_after = t->retry_after,
        .now_s = transfer_wall_s(t),
    };

    if (callback_transfer_is_batch(t)) {
        t->strange = callback_judge_batch(t->first, &answer);
    } else {
        callback_judge(t->first, &answer);
    }
}

/* No answer that could be judged. */
static void transfer_fail(struct transfer *t, CURLcode result)
{
    char reason[160];

    if (t->refused != NULL && result == CURLE_COULDNT_CONNECT) {
        snprintf(reason, sizeof reason,
                 "%s is a %s address: refused without --allow-private-callbacks",
                 t->refused_address, t->refused);
        callback_fail(t->first, reason, true);
    } else if (result == CURLE_OK) {
        callback_fail(t->first,
                      t->head_len == 0 ? "the connection ended before an answer"
                                       : "the answer breaks off in its headers",
                      true);
    } else if (t->answer_too_long) {
        callback_fail(t->first, "the answer is too long", false);
    } else {
        callback_fail(t->first, t->error[0] != '\0' ? t->error : curl_easy_strerror(result), true);
    }
    for (struct delivery *d = t->first; !t->sent && d != NULL; d = d->batch_next) {
        d->blame = d->overloaded ? BLAME_NOBODY : d->blame;
    }
}

/* libcurl 7 has three ways to end a stream without a word (http_stream.h), where a connection that broke
 * off has words. libcurl 8 uses the third of them for broken connections. */
static bool transfer_was_left_behind(const struct transfer *t, CURLcode result)
{
    bool silent = result == CURLE_OK || result == CURLE_GOT_NOTHING ||
                  (result == CURLE_HTTP2 && t->error[0] == '\0');

    return silent && t->head_len == 0 && http_stream_is_untold() &&
           (!t->sent || http_stream_left_behind(&t->stream));
}

bool callback_transfer_again(struct transfer *t, CURLcode result)
{
    uint64_t timeout_ms = t->first->settings->settings.timeout_ms;
    uint64_t spent_ms = clocks_running_ms() - t->started_ms;

    /* As nothing else is repeated, this is what libcurl says of streams that were refused as often
     * as it tries. */
    bool refused = result != CURLE_OK && strncmp(t->error, "Connection died, tried", 22) == 0;
    if (!(refused || transfer_was_left_behind(t, result)) || t->refusals >= REFUSALS_MAX ||
        spent_ms >= timeout_ms) {
        return false;
    }
    t->refusals++;
    t->sent = false;
    http_stream_end(&t->stream, t->easy);
    t->error[0] = '\0';
    /* libcurl 7 may choose the very connection again that has come to its end. */
    long fresh = t->refusals > REFUSALS_SHARED;
    return curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, fresh) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms - spent_ms)) == CURLE_OK;
}

struct delivery *callback_transfer_end(struct transfer *t, CURLcode result, unsigned *strange)
{
    struct delivery *first = t->first;
    long status = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    /* A refusal is one however it ended; only a consent must have arrived in full. (libcurl takes
     * a connection that is closed amid the headers for the end of an empty answer.) */
    if ((result == CURLE_OK && t->head_complete) || status >= 300) {
        transfer_judge(t, status);
    } else {
        transfer_fail(t, result);
    }
    *strange = t->strange;
    transfer_free(t);
    return first;
}

struct delivery *callback_transfer_abort(struct transfer *t, const char *reason)
{
    struct delivery *first = t->first;

    callback_fail(first, reason, false);
    transfer_free(t);
    return first;
}
