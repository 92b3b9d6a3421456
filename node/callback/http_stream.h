/* http_stream.h - what became of a request's HTTP/2 stream where libcurl 7 does not say.
 *
 * A receiver that ends a session tells by GOAWAY the last stream that it may have acted on: those
 * behind it are left behind, and it has certainly done nothing with them (RFC 9113, 6.8). Once no
 * stream of the session is left, libcurl 7 ends what still waits without a word, and in the same ways
 * whether a stream was left behind or reset after it had been seen. Its trace has both numbers, so
 * that is listened to. Where it tells nothing, a stream may have been seen. libcurl 8 needs none of
 * this.
 *
 * Callback thread only. */
#ifndef CALLBACK_HTTP_STREAM_H
#define CALLBACK_HTTP_STREAM_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct http_stream {
    const void *connection; /* that it went out on: only ever compared; NULL: none */
    uint32_t id;            /* of the stream; 0: none, or not known */
    uint32_t last;          /* of the connection's last GOAWAY */
    unsigned goaways;       /* how many were heard */
};

/* Does this libcurl need to be listened to? */
bool http_stream_is_untold(void);
/* A request is about to go out over HTTP/2 on this connection: forget what was, and listen with `cb`
 * (a CURLOPT_DEBUGFUNCTION). Where that fails, nothing is known. */
void http_stream_begin(struct http_stream *s, CURL *easy, const void *connection,
                       curl_debug_callback cb, void *arg);
/* It is over, or goes out in another way. */
void http_stream_end(struct http_stream *s, CURL *easy);
/* What `cb` was called with. True: a GOAWAY with this *last, of s's connection, for
 * http_stream_goaway() of all who are on it. */
bool http_stream_hear(struct http_stream *s, curl_infotype type, const char *text, size_t len,
                      uint32_t *last);
/* A GOAWAY was heard on this connection. One that says it again and again is listened to a few times. */
void http_stream_goaway(struct http_stream *s, const void *connection, uint32_t last);
/* A GOAWAY has said for certain that nobody acts on it. */
bool http_stream_left_behind(const struct http_stream *s);

#endif
