/* route_settings_encode.c - the bytes of a route's settings: all of them, some, or what anybody may see. */
#include <assert.h>
#include <string.h>

#include "protocol.h"
#include "route_check.h"
#include "route_numbers.h"
#include "route_secrets.h"

static void write_text(struct buffer *b, const char *text)
{
    write_str(b, text, strlen(text));
}

static void write_slice(struct buffer *b, struct slice s)
{
    write_str(b, s.data, s.len);
}

static void write_list(struct buffer *b, const struct slice *slices, uint32_t n)
{
    write_array(b, n);
    for (uint32_t i = 0; i < n; i++) {
        write_slice(b, slices[i]);
    }
}

static void write_slices(struct buffer *b, const char *key, const struct slice *slices, uint32_t n)
{
    if (n == 0) {
        return;
    }
    write_text(b, key);
    write_list(b, slices, n);
}

static void write_public_keys(struct buffer *b, const struct route_settings *s)
{
    char key[ROUTE_PUBLIC_KEY_SIZE];

    write_text(b, "public_keys");
    write_array(b, s->n_signing_keys);
    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        route_signing_key_public(s->signing_keys[i], key);
        write_text(b, key);
    }
}

static void write_url(struct buffer *b, struct slice url, bool public)
{
    char shown[ROUTE_URL_SHOWN_MAX];

    if (public) {
        url = (struct slice){(const uint8_t *)shown, route_url_show(url, shown)};
    }
    write_slice(b, url);
}

static void write_header_list(struct buffer *b, const struct route_settings *s, bool public)
{
    write_array(b, s->n_headers);
    for (uint32_t i = 0; i < s->n_headers; i++) {
        if (!public) {
            write_array(b, 2);
        }
        write_slice(b, s->headers[i].name);
        if (!public) {
            write_slice(b, s->headers[i].value);
        }
    }
}

static void write_headers(struct buffer *b, const struct route_settings *s, bool public)
{
    if (s->n_headers > 0) {
        write_text(b, "headers");
        write_header_list(b, s, public);
    }
}

static void write_retries(struct buffer *b, const struct route_settings *s)
{
    write_array(b, s->n_retries);
    for (uint32_t i = 0; i < s->n_retries; i++) {
        write_uint(b, s->retries_ms[i]);
    }
}

static void write_numbers(struct buffer *b, const struct route_settings *s)
{
    for (size_t i = 0; i < ROUTE_NUMBERS; i++) {
        uint32_t v = route_number_of(s, &route_numbers[i]);
        if (v > 0) {
            write_text(b, route_numbers[i].key);
            write_uint(b, v);
        }
    }
    if (s->n_retries > 0) {
        write_text(b, "retries_ms");
        write_retries(b, s);
    }
}

static uint32_t keys_of(const struct route_settings *s, bool public)
{
    uint32_t n = 1; /* http2 is always said */

    for (size_t i = 0; i < ROUTE_NUMBERS; i++) {
        n += route_number_of(s, &route_numbers[i]) > 0;
    }
    return n + (s->kind != 0) + (s->url.len > 0) + (s->n_secrets > 0 && !public) +
           (s->client_cert_pem.len > 0) + (s->client_key_pem.len > 0 && !public) +
           (s->n_headers > 0) + (s->n_retries > 0) + (s->ca_pem.len > 0) + (s->n_command > 0) +
           (s->n_signing_keys > 0) + s->traceparent;
}

static void write_client_cert(struct buffer *b, const struct route_settings *s, bool public)
{
    if (public) {
        write_text(b, "client_cert_pem_bytes");
        write_uint(b, s->client_cert_pem.len);
        return;
    }
    write_text(b, "client_cert_pem");
    write_slice(b, s->client_cert_pem);
    write_text(b, "client_key_pem");
    write_slice(b, s->client_key_pem);
}

static void settings_write(struct buffer *b, const struct route_settings *s, bool public)
{
    write_map(b, keys_of(s, public));
    if (s->kind != 0) {
        write_text(b, "kind");
        write_text(b, route_kind_name(s->kind));
    }
    if (s->url.len > 0) {
        write_text(b, "url");
        write_url(b, s->url, public);
    }
    if (!public) {
        write_slices(b, "secrets", s->secrets, s->n_secrets);
    }
    write_headers(b, s, public);
    write_numbers(b, s);
    if (s->ca_pem.len > 0 && public) {
        write_text(b, "ca_pem_bytes");
        write_uint(b, s->ca_pem.len);
    } else if (s->ca_pem.len > 0) {
        write_text(b, "ca_pem");
        write_slice(b, s->ca_pem);
    }
    write_text(b, "http2");
    write_uint(b, !s->http1_only);
    if (s->client_cert_pem.len > 0) {
        write_client_cert(b, s, public);
    }
    write_slices(b, "command", s->command, public && s->n_command > 0 ? 1 : s->n_command);
    if (!public) {
        write_slices(b, "signing_keys", s->signing_keys, s->n_signing_keys);
    } else if (s->n_signing_keys > 0) {
        write_public_keys(b, s);
    }
    if (s->traceparent) { /* older nodes know no such key */
        write_text(b, "traceparent");
        write_uint(b, 1);
    }
}

void route_settings_encode(struct buffer *b, const struct route_settings *settings)
{
    settings_write(b, settings, false);
}

/* The value of a key that is not a number. */
static void write_other(struct buffer *b, const struct route_settings *s, const char *name)
{
    if (strcmp(name, "kind") == 0) {
        write_text(b, route_kind_name(s->kind));
    } else if (strcmp(name, "url") == 0) {
        write_slice(b, s->url);
    } else if (strcmp(name, "ca_pem") == 0) {
        write_slice(b, s->ca_pem);
    } else if (strcmp(name, "client_cert_pem") == 0) {
        write_slice(b, s->client_cert_pem);
    } else if (strcmp(name, "client_key_pem") == 0) {
        write_slice(b, s->client_key_pem);
    } else if (strcmp(name, "http2") == 0) {
        write_uint(b, !s->http1_only);
    } else if (strcmp(name, "traceparent") == 0) {
        write_uint(b, s->traceparent);
    } else if (strcmp(name, "secrets") == 0) {
        write_list(b, s->secrets, s->n_secrets);
    } else if (strcmp(name, "signing_keys") == 0) {
        write_list(b, s->signing_keys, s->n_signing_keys);
    } else if (strcmp(name, "command") == 0) {
        write_list(b, s->command, s->n_command);
    } else if (strcmp(name, "headers") == 0) {
        write_header_list(b, s, false);
    } else {
        assert(strcmp(name, "retries_ms") == 0);
        write_retries(b, s);
    }
}

void route_settings_encode_some(struct buffer *b, const struct route_settings *settings,
                                const char *const *names, uint32_t n)
{
    write_map(b, n);
    for (uint32_t i = 0; i < n; i++) {
        size_t k = 0;
        write_text(b, names[i]);
        while (k < ROUTE_NUMBERS && strcmp(route_numbers[k].key, names[i]) != 0) {
            k++;
        }
        if (k < ROUTE_NUMBERS) {
            write_uint(b, route_number_of(settings, &route_numbers[k]));
        } else {
            write_other(b, settings, names[i]);
        }
    }
}

void route_settings_encode_public(struct buffer *b, const struct route_settings *settings)
{
    settings_write(b, settings, true);
}
