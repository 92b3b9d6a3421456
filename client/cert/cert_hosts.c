/* cert_hosts.c - which hosts a node's certificate may name. See cert_names.h. */
#include <arpa/inet.h>
#include <string.h>

#include "cert_names.h"

#define HOST_MAX 253 /* RFC 1035, 2.3.4, without the last dot */
#define LABEL_MAX 63

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Underscores are no part of a host's name (RFC 952), but container networks have them. */
static bool is_of_a_label(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

/* What is wrong with a name in small letters, or NULL. */
static const char *name_flaw(const char *host)
{
    const char *label = host;
    bool number = true; /* the last label */

    for (const char *at = host;; at++) {
        if (*at == '.' || *at == 0) {
            if (at == label || at - label > LABEL_MAX) {
                return "each part between its dots must have 1 to 63 letters";
            }
            if (*label == '-' || at[-1] == '-') {
                return "no part of it may begin or end with -";
            }
            if (*at == 0) {
                return number ? "it is neither an IP address nor a name" : NULL;
            }
            label = at + 1;
            number = true;
            continue;
        }
        if (*at == '*') {
            return "patterns are not taken: name each host";
        }
        if (*at == ':' || *at == '[' || *at == '/') {
            return "a host has no port, brackets or path";
        }
        if (!is_of_a_label(*at)) {
            return (unsigned char)*at >= 0x80 ? "write a name in other letters as xn--..."
                                              : "a name has letters, digits, - and _ only";
        }
        number = number && is_digit(*at);
    }
}

static bool have(const struct cert_names *names, enum cert_name_type type, const char *text)
{
    for (size_t i = 0; i < names->n; i++) {
        if (names->at[i].type == type && strcmp(names->at[i].text, text) == 0) {
            return true;
        }
    }
    return false;
}

/* The address in its shortest form. False: it is none. */
static bool read_address(const char *host, char text[INET6_ADDRSTRLEN], bool *any)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (inet_pton(AF_INET, host, &v4) == 1) {
        *any = v4.s_addr == INADDR_ANY;
        return inet_ntop(AF_INET, &v4, text, INET6_ADDRSTRLEN) != NULL;
    }
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        *any = IN6_IS_ADDR_UNSPECIFIED(&v6);
        return inet_ntop(AF_INET6, &v6, text, INET6_ADDRSTRLEN) != NULL;
    }
    return false;
}

static bool add_host(struct cert_names *names, const char *host, struct cert_error *error)
{
    char address[INET6_ADDRSTRLEN], small[HOST_MAX + 1];
    bool any = false;

    if (read_address(host, address, &any)) {
        if (any) {
            return cert_fail(error, CERT_BAD_HOST,
                             "\"%s\" is what a node listens on, and nobody's address", host);
        }
        if (!have(names, CERT_NAME_IP, address)) {
            cert_names_add(names, CERT_NAME_IP, address, strlen(address));
        }
        return true;
    }
    for (size_t i = 0; i <= strlen(host); i++) {
        small[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + ('a' - 'A') : host[i]);
    }
    const char *flaw = name_flaw(small);
    if (flaw != NULL) {
        return cert_fail(error, CERT_BAD_HOST, "\"%s\" is no host: %s", host, flaw);
    }
    if (!have(names, CERT_NAME_DNS, small)) {
        cert_names_add(names, CERT_NAME_DNS, small, strlen(small));
    }
    return true;
}

bool cert_names_add_hosts(struct cert_names *names, const char *list, struct cert_error *error)
{
    for (const char *at = list;; at++) {
        char host[HOST_MAX + 1];
        size_t len = strcspn(at, ",");
        if (len == 0) {
            return cert_fail(error, CERT_BAD_HOST, "a host is empty: it must be HOST,HOST");
        }
        if (len > HOST_MAX) {
            return cert_fail(error, CERT_BAD_HOST, "a host has at most %d letters", HOST_MAX);
        }
        memcpy(host, at, len);
        host[len] = 0;
        if (!add_host(names, host, error)) {
            return false;
        }
        if (names->n > CERT_HOSTS_MAX) {
            return cert_fail(error, CERT_BAD_HOST, "a certificate has at most %d hosts",
                             CERT_HOSTS_MAX);
        }
        at += len;
        if (*at == 0) {
            return true;
        }
    }
}
