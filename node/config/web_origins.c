/* web_origins.c - the origins whose pages may ask over HTTP: scheme, host and port of a site, in the very form in
 * which browsers send them (WHATWG HTML, "serialization of an origin"), as they are compared byte by byte. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

#define HOST_MAX 253 /* RFC 1035, section 2.3.4, without the length of the root */

static bool is_host(const char *host)
{
    size_t len = strlen(host);
    char address[INET6_ADDRSTRLEN];
    struct in6_addr in;

    if (host[0] != '[') {
        return len > 0 && len <= HOST_MAX &&
               strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._") == len;
    }
    if (host[len - 1] != ']' || len - 2 >= sizeof address) {
        return false;
    }
    snprintf(address, sizeof address, "%.*s", (int)len - 2, host + 1);
    if (inet_pton(AF_INET6, address, &in) != 1) {
        return false;
    }
    char shortest[INET6_ADDRSTRLEN]; /* of all ways to write it */
    return strcmp(inet_ntop(AF_INET6, &in, shortest, sizeof shortest), address) == 0;
}

/* What is wrong with it, or NULL. */
static const char *web_origin_flaw(const char *text)
{
    static const char shape[] =
        "must be http:// or https://, a host in small letters and maybe a port, as in "
        "https://shop.example: the origin as browsers send it";
    bool tls = strncmp(text, "https://", 8) == 0;
    char host[HOST_MAX + 2];

    if (strchr(text, '*') != NULL) {
        return "there are no wildcards: name each origin";
    }
    if (!tls && strncmp(text, "http://", 7) != 0) {
        return shape;
    }
    const char *begin = text + (tls ? 8 : 7);
    const char *bracket = begin[0] == '[' ? strchr(begin, ']') : NULL;
    size_t len = bracket != NULL ? (size_t)(bracket + 1 - begin) : strcspn(begin, ":");
    const char *port = begin + len;

    if (len >= sizeof host) {
        return shape;
    }
    snprintf(host, sizeof host, "%.*s", (int)len, begin);
    if (!is_host(host)) {
        return shape;
    }
    if (*port == '\0') {
        return NULL;
    }
    size_t digits = strspn(port + 1, "0123456789");
    if (*port != ':' || digits == 0 || digits > 5 || port[1 + digits] != '\0' || port[1] == '0' ||
        atoi(port + 1) > 65535) {
        return shape;
    }
    return atoi(port + 1) == (tls ? 443 : 80)
               ? "browsers leave out the port that the scheme has anyway: leave it out here, too"
               : NULL;
}

enum config_status config_web_origin_add(struct config_draft *draft, const char *text,
                                         struct config_origin origin)
{
    struct config *c = draft->config;
    const char *flaw = web_origin_flaw(text);
    char where[1024];

    config_origin_name(&origin, "http-origin", where, sizeof where);
    if (flaw != NULL) {
        return config_complain("%s: %s, not \"%s\"", where, flaw, text);
    }
    for (unsigned i = 0; i < c->n_web_origins; i++) {
        if (strcmp(c->web_origins[i], text) == 0) {
            return CONFIG_OK;
        }
    }
    if (c->n_web_origins == CONFIG_WEB_ORIGINS_MAX) {
        return config_complain("%s: more than %d origins", where, CONFIG_WEB_ORIGINS_MAX);
    }
    c->web_origins[c->n_web_origins] = strdup(text);
    if (c->web_origins[c->n_web_origins] == NULL) {
        return config_complain("out of memory");
    }
    c->n_web_origins++;
    return CONFIG_OK;
}

void config_web_origins_clear(struct config *c)
{
    for (unsigned i = 0; i < c->n_web_origins; i++) {
        free(c->web_origins[i]);
        c->web_origins[i] = NULL;
    }
    c->n_web_origins = 0;
}
