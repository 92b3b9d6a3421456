/* certificate_name.c - see certificate_name.h. */
#include "certificate_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SCHEME "spiffe://"
#define NODE "/node/"
#define CLIENT "/client/"
#define NODE_DIGITS_MAX 20 /* of 2^64 - 1 */

/* isalnum() would follow the locale. */
static bool is_of_a_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static bool is_word(const char *text, size_t len, size_t max)
{
    if (len == 0 || len > max) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_of_a_word(text[i])) {
            return false;
        }
    }
    return true;
}

bool certificate_cluster_is_good(const char *text, size_t len)
{
    return is_word(text, len, PROTOCOL_CLUSTER_MAX);
}

bool certificate_client_is_good(const char *text, size_t len)
{
    return is_word(text, len, CERTIFICATE_CLIENT_MAX);
}

static bool read_node(const char *digits, size_t len, uint64_t *node)
{
    uint64_t value = 0;
    if (len == 0 || len > NODE_DIGITS_MAX || digits[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9' ||
            __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digits[i] - '0'), &value)) {
            return false;
        }
    }
    *node = value;
    return true;
}

/* Does the text begin so? Then it is shortened. */
static bool skip(const char **text, size_t *len, const char *start)
{
    size_t n = strlen(start);
    if (*len < n || memcmp(*text, start, n) != 0) {
        return false;
    }
    *text += n;
    *len -= n;
    return true;
}

bool certificate_name_read(const char *uri, size_t len, struct certificate_name *name)
{
    memset(name, 0, sizeof *name);
    if (!skip(&uri, &len, SCHEME)) {
        return false;
    }
    const char *slash = memchr(uri, '/', len);
    size_t cluster_len = slash != NULL ? (size_t)(slash - uri) : len;
    if (!certificate_cluster_is_good(uri, cluster_len)) {
        return false;
    }
    memcpy(name->cluster, uri, cluster_len);
    uri += cluster_len;
    len -= cluster_len;
    if (skip(&uri, &len, NODE)) {
        name->kind = CERTIFICATE_NODE;
        return read_node(uri, len, &name->node);
    }
    if (!skip(&uri, &len, CLIENT) || !certificate_client_is_good(uri, len)) {
        return false;
    }
    name->kind = CERTIFICATE_CLIENT;
    memcpy(name->client, uri, len);
    return true;
}

void certificate_name_write(const struct certificate_name *name, char out[CERTIFICATE_URI_MAX + 1])
{
    if (name->kind == CERTIFICATE_NODE) {
        snprintf(out, CERTIFICATE_URI_MAX + 1, SCHEME "%s" NODE "%" PRIu64, name->cluster,
                 name->node);
    } else {
        snprintf(out, CERTIFICATE_URI_MAX + 1, SCHEME "%s" CLIENT "%s", name->cluster,
                 name->client);
    }
}

bool certificate_authority_read(const char *uri, size_t len, char cluster[PROTOCOL_CLUSTER_MAX + 1])
{
    if (!skip(&uri, &len, SCHEME) || !certificate_cluster_is_good(uri, len)) {
        return false;
    }
    memcpy(cluster, uri, len);
    cluster[len] = 0;
    return true;
}

void certificate_authority_write(const char *cluster, char out[CERTIFICATE_URI_MAX + 1])
{
    snprintf(out, CERTIFICATE_URI_MAX + 1, SCHEME "%s", cluster);
}

void certificate_dns_write(const char *cluster, char out[CERTIFICATE_DNS_MAX + 1])
{
    snprintf(out, CERTIFICATE_DNS_MAX + 1, "%s" CERTIFICATE_DNS_SUFFIX, cluster);
}
