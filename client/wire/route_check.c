/* route_check.c - see route_check.h. */
#include "route_check.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define CERTIFICATE_BEGIN "-----BEGIN CERTIFICATE-----"
#define CERTIFICATE_END "-----END CERTIFICATE-----"
#define HIDDEN "***"
#define URL_HOST_MAX 254 /* with a dot at its end */
#define URL_LABEL_MAX 63

/* --- URLs (RFC 3986) --- */

/* The parts of scheme://user@host:port/path?query. */
struct url_parts {
    struct slice scheme; /* with :// */
    struct slice user;   /* with @; may be empty */
    struct slice host;
    struct slice port; /* with :; may be empty */
    struct slice path;
    struct slice query; /* with ? or #; may be empty */
};

static struct slice slice_from_to(const char *from, const char *to)
{
    return (struct slice){(const uint8_t *)from, (size_t)(to - from)};
}

static const char *find_first(const char *from, const char *end, const char *set)
{
    while (from < end && strchr(set, *from) == NULL) {
        from++;
    }
    return from;
}

static bool url_split(struct slice url, struct url_parts *u)
{
    const char *at = (const char *)url.data;
    const char *end = at + url.len;

    size_t scheme = url.len >= 7 && strncasecmp(at, "http://", 7) == 0    ? 7
                    : url.len >= 8 && strncasecmp(at, "https://", 8) == 0 ? 8
                                                                          : 0;
    if (scheme == 0) {
        return false;
    }
    u->scheme = slice_from_to(at, at + scheme);
    at += scheme;
    const char *authority_end = find_first(at, end, "/?#");
    const char *host = authority_end;
    while (host > at && host[-1] != '@') {
        host--;
    }
    u->user = slice_from_to(at, host);
    const char *bracket = host < authority_end && *host == '['
                              ? memchr(host, ']', (size_t)(authority_end - host))
                              : NULL;
    const char *colon = find_first(bracket != NULL ? bracket : host, authority_end, ":");
    bool open = host < authority_end && *host == '[' && bracket == NULL;
    u->host = slice_from_to(host, open ? host : colon);
    u->port = slice_from_to(colon, authority_end);
    const char *query = find_first(authority_end, end, "?#");
    u->path = slice_from_to(authority_end, query);
    u->query = slice_from_to(query, end);
    return true;
}

static bool port_is_good(struct slice port)
{
    unsigned long number = 0;

    if (port.len == 0) {
        return true;
    }
    for (size_t i = 1; i < port.len; i++) {
        if (port.data[i] < '0' || port.data[i] > '9' || number > 65535) {
            return false;
        }
        number = number * 10 + (port.data[i] - '0');
    }
    return port.len > 1 && number >= 1 && number <= 65535;
}

static bool is_in_brackets(struct slice host)
{
    struct in6_addr address;
    char text[INET6_ADDRSTRLEN];

    if (host.len < 4 || host.len - 2 >= sizeof text || host.data[host.len - 1] != ']') {
        return false;
    }
    memcpy(text, host.data + 1, host.len - 2);
    text[host.len - 2] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* As the name of a host may be written: labels of 1 to 63 letters, digits, - and _, between dots. */
static bool is_host_name(struct slice host)
{
    size_t label = 0;

    for (size_t i = 0; i < host.len; i++) {
        uint8_t b = host.data[i];
        bool dot = b == '.';
        bool good = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                    b == '-' || b == '_';
        if ((dot && label == 0) || (!dot && !good) || (!dot && ++label > URL_LABEL_MAX)) {
            return false;
        }
        label = dot ? 0 : label;
    }
    return host.len <= URL_HOST_MAX;
}

static bool is_hex_digit(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F');
}

/* userinfo of RFC 3986, 3.2.1: what else is in it, an @ say, libcurl reads in its own way, and sends no
 * control character of it. */
static bool user_is_good(struct slice user)
{
    for (size_t i = 0; i + 1 < user.len; i++) { /* the last is the @ behind it */
        uint8_t b = user.data[i];
        bool escaped = b == '%' && i + 3 < user.len && is_hex_digit(user.data[i + 1]) &&
                       user.data[i + 1] > '1' && is_hex_digit(user.data[i + 2]);
        bool good = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                    strchr("-._~!$&'()*+,;=:", b) != NULL;
        if (!good && !escaped) {
            return false;
        }
    }
    return true;
}

const char *route_url_problem(struct slice url)
{
    struct url_parts u;

    for (size_t i = 0; i < url.len; i++) {
        if (url.data[i] <= 0x20 || url.data[i] >= 0x7f) {
            return "must be printable ASCII without spaces: encode the rest";
        }
    }
    if (url.len > PROTOCOL_URL_MAX || !url_split(url, &u)) {
        return "must be an http:// or https:// URL of at most 2048 bytes";
    }
    if (!user_is_good(u.user)) {
        return "must have %40 for an @ in its user and password, and likewise encode whatever else "
               "is no letter, digit or one of -._~!$&'()*+,;=:";
    }
    if (u.host.len == 0) {
        return "must name a host";
    }
    if (u.host.data[0] == '[' ? !is_in_brackets(u.host) : !is_host_name(u.host)) {
        return "must have a name, an IPv4 address, or an IPv6 address in brackets as its host";
    }
    return port_is_good(u.port) ? NULL : "must have a port from 1 to 65535";
}

static void route_show(char **out, struct slice part)
{
    memcpy(*out, part.data, part.len);
    *out += part.len;
}

size_t route_url_show(struct slice url, char out[ROUTE_URL_SHOWN_MAX])
{
    struct url_parts u;
    char *at = out;

    if (url.len > PROTOCOL_URL_MAX || !url_split(url, &u)) {
        return 0;
    }
    route_show(&at, u.scheme);
    if (u.user.len > 0) {
        route_show(&at, (struct slice){(const uint8_t *)HIDDEN "@", sizeof HIDDEN});
    }
    route_show(&at, u.host);
    route_show(&at, u.port);
    route_show(&at, u.path);
    if (u.query.len > 0) {
        *at++ = (char)u.query.data[0];
        route_show(&at, (struct slice){(const uint8_t *)HIDDEN, sizeof HIDDEN - 1});
    }
    return (size_t)(at - out);
}

/* --- certificates --- */

static bool is_base64_text(const char *from, const char *to)
{
    size_t digits = 0;

    for (; from < to; from++) {
        bool digit = (*from >= 'A' && *from <= 'Z') || (*from >= 'a' && *from <= 'z') ||
                     (*from >= '0' && *from <= '9') || *from == '+' || *from == '/' || *from == '=';
        if (!digit && strchr(" \t\r\n", *from) == NULL) {
            return false;
        }
        digits += digit;
    }
    return digits > 100 && digits % 4 == 0; /* the smallest certificates have some 300 bytes */
}

bool route_ca_is_good(struct slice pem)
{
    const char *at = (const char *)pem.data;
    const char *end = at + pem.len;
    unsigned n = 0;

    if (pem.len == 0 || memchr(at, '\0', pem.len) != NULL) {
        return false;
    }
    while ((at = memmem(at, (size_t)(end - at), CERTIFICATE_BEGIN, sizeof CERTIFICATE_BEGIN - 1)) !=
           NULL) {
        at += sizeof CERTIFICATE_BEGIN - 1;
        const char *stop = memmem(at, (size_t)(end - at), CERTIFICATE_END,
                                  sizeof CERTIFICATE_END - 1);
        if (stop == NULL || !is_base64_text(at, stop)) {
            return false;
        }
        at = stop;
        n++;
    }
    return n > 0;
}

/* --- headers --- */

bool route_header_is_of_transport(struct slice name)
{
    static const char *const names[] = {"expect",           "te",
                                        "upgrade",          "content-encoding",
                                        "trailer",          "keep-alive",
                                        "proxy-connection", "http2-settings"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (name.len == strlen(names[i]) &&
            strncasecmp((const char *)name.data, names[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

/* --- all settings --- */

static bool route_refuse(struct problem *problem, const char *key, const char *why)
{
    *problem = (struct problem){{(const uint8_t *)key, strlen(key)}, why};
    return false;
}

bool route_settings_check(const struct route_settings *s, struct problem *problem)
{
    const char *why = s->url.len > 0 ? route_url_problem(s->url) : NULL;

    if (why != NULL) {
        return route_refuse(problem, "url", why);
    }
    for (uint32_t i = 0; i < s->n_headers; i++) {
        if (route_header_is_of_transport(s->headers[i].name)) {
            return route_refuse(problem, "headers",
                                "must have none that is the connection's or the body's, "
                                "such as Expect or Content-Encoding");
        }
    }
    if (s->ca_pem.len > 0 && !route_ca_is_good(s->ca_pem)) {
        return route_refuse(problem, "ca_pem", "must be whole PEM certificates");
    }
    if (s->client_cert_pem.len > 0) {
        if (!route_ca_is_good(s->client_cert_pem)) {
            return route_refuse(problem, "client_cert_pem", "must be whole PEM certificates");
        }
        if ((s->kind != ROUTE_HTTP && s->kind != 0) ||
            (s->url.len > 0 && strncasecmp((const char *)s->url.data, "https:", 6) != 0)) {
            return route_refuse(problem, "client_cert_pem",
                                "is for routes of kind http, whose URL is https://");
        }
    }
    if (s->traceparent && s->kind != ROUTE_HTTP && s->kind != 0) {
        return route_refuse(problem, "traceparent", "is for routes of kind http");
    }
    if (s->url.len > 0 && s->kind != ROUTE_HTTP && s->kind != 0) {
        return route_refuse(problem, "url", "is for routes of kind http");
    }
    if (s->n_command > 0 && s->kind != ROUTE_EXEC && s->kind != 0) {
        return route_refuse(problem, "command", "is for routes of kind exec");
    }
    return true;
}

int operation_check_settings(struct operation *op)
{
    bool gives = op->code == OPERATION_ROUTE_PUT || op->code == OPERATION_ROUTE_SET;

    return !gives || route_settings_check(&op->settings, &op->problem) ? ORDERSCHED_OK
                                                                       : ORDERSCHED_INVALID;
}
