/* browser_guard.c - see browser_guard.h. */
#include "browser_guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool browser_guard_is_browser(const struct browser_request *r)
{
    return r->fetch_site != NULL || r->origin != NULL ||
           (r->agent != NULL && strncmp(r->agent, "Mozilla/", strlen("Mozilla/")) == 0);
}

bool browser_guard_is_own(const struct browser_request *r)
{
    if (r->fetch_site != NULL && strcmp(r->fetch_site, "same-origin") != 0 &&
        strcmp(r->fetch_site, "none") != 0) {
        return false; /* same-site, too: it is another port, and so another program's page */
    }
    if (r->origin == NULL) {
        return true;
    }
    const char *scheme = r->tls ? "https://" : "http://";
    size_t len = strlen(scheme);
    return r->host != NULL && strncmp(r->origin, scheme, len) == 0 &&
           strcasecmp(r->origin + len, r->host) == 0;
}

static bool is_port(const char *text)
{
    return *text == '\0' || (*text == ':' && strlen(text) < sizeof ":65535" &&
                             strspn(text + 1, "0123456789") == strlen(text + 1));
}

enum browser_host browser_guard_host(const char *host, char *name)
{
    struct in6_addr address;
    bool brackets = host != NULL && host[0] == '[';
    const char *begin = brackets ? host + 1 : host;
    size_t len = host == NULL ? 0 : strcspn(begin, brackets ? "]" : ":");

    if (len == 0 || len >= BROWSER_HOST_MAX || (brackets && begin[len] != ']') ||
        !is_port(begin + len + brackets)) {
        return BROWSER_HOST_BAD;
    }
    snprintf(name, BROWSER_HOST_MAX, "%.*s", (int)len, begin);
    if (brackets) {
        return inet_pton(AF_INET6, name, &address) == 1 ? BROWSER_HOST_FIXED : BROWSER_HOST_BAD;
    }
    if (strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &address) == 1) {
        return BROWSER_HOST_FIXED;
    }
    return BROWSER_HOST_NAME;
}
