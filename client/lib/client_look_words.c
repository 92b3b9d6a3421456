/* client_look_words.c - see client_look_words.h. */
#include "client_look_words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../wire/certificate_name.h"

#define NAME_MAX_ 200
#define SUBJECT_MAX 128

void client_look_say(char text[CLIENT_LOOK_TEXT], const char *address, const char *format, ...)
{
    int len = snprintf(text, CLIENT_LOOK_TEXT, "%s: ", address);
    va_list args;

    if (len > 0 && len < CLIENT_LOOK_TEXT) {
        va_start(args, format);
        vsnprintf(text + len, CLIENT_LOOK_TEXT - (size_t)len, format, args);
        va_end(args);
    }
}

/* A stranger wrote it: nothing that steers a terminal stays. */
static void clean(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

static void format_subject(const mbedtls_x509_name *name, char out[SUBJECT_MAX])
{
    if (mbedtls_x509_dn_gets(out, SUBJECT_MAX, name) < 0) {
        strcpy(out, "one with a long name");
    }
    clean(out);
}

static void format_time(const mbedtls_x509_time *t, char *out, size_t size)
{
    snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02dZ", t->year, t->mon, t->day, t->hour, t->min,
             t->sec);
}

/* The DNS names it carries, with commas between them; "no DNS name". */
static void format_names(const mbedtls_x509_crt *cert, char out[NAME_MAX_])
{
    size_t len = 0;

    strcpy(out, "no DNS name");
    for (const mbedtls_x509_sequence *s = &cert->subject_alt_names; s != NULL; s = s->next) {
        if ((s->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) != MBEDTLS_X509_SAN_DNS_NAME ||
            s->buf.p == NULL || len + 3 + s->buf.len >= NAME_MAX_) {
            continue;
        }
        len += (size_t)snprintf(out + len, NAME_MAX_ - len, "%s%.*s", len > 0 ? ", " : "",
                                (int)s->buf.len, (const char *)s->buf.p);
    }
    clean(out);
}

static void say_untrusted(const struct client_look *look, const mbedtls_x509_crt *cert,
                          const mbedtls_x509_crt *ca, char *text)
{
    char issuer[SUBJECT_MAX], trusted[SUBJECT_MAX];

    format_subject(&cert->issuer, issuer);
    format_subject(&ca->subject, trusted);
    client_look_say(
        text, look->address,
        "its certificate is not signed by a CA in %s: it is signed by \"%s\", and the file has"
        " \"%s\"%s. Give this cluster's CA, or check that this is the cluster",
        look->paths->ca, issuer, trusted, ca->next != NULL ? " and others" : "");
}

void client_look_certificate(const struct client_look *look, const mbedtls_x509_crt *cert,
                             const mbedtls_x509_crt *ca, uint32_t flags,
                             char text[CLIENT_LOOK_TEXT])
{
    char names[NAME_MAX_], when[80];

    if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
        say_untrusted(look, cert, ca, text);
    } else if ((flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0) {
        format_time(&cert->valid_to, when, sizeof when);
        client_look_say(text, look->address,
                        "its certificate, or one that signed it, has expired (the node's is valid"
                        " until %s): renew the node's certificate",
                        when);
    } else if ((flags & MBEDTLS_X509_BADCERT_FUTURE) != 0) {
        format_time(&cert->valid_from, when, sizeof when);
        client_look_say(text, look->address,
                        "its certificate, or one that signed it, is not valid yet (the node's is"
                        " valid from %s): is this machine's clock right?",
                        when);
    } else if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0) {
        format_names(cert, names);
        client_look_say(
            text, look->address,
            "its certificate is not one of this cluster's nodes: it must carry the DNS name"
            " %s, and has %s. Name the cluster (--cluster), or issue the node a certificate"
            " with that name",
            look->name, names);
    } else if ((flags & (MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
                         MBEDTLS_X509_BADCERT_NS_CERT_TYPE)) != 0) {
        client_look_say(
            text, look->address,
            "its certificate is not meant for a server (its key usage says so): issue the"
            " node one that is");
    } else {
        client_look_say(
            text, look->address,
            "its certificate was refused (mbedTLS flags 0x%x): it needs SHA-256 or better,"
            " and a P-256, P-384 or RSA key of 2048 bits",
            (unsigned)flags);
    }
}

void client_look_alert(const struct client_look *look, uint8_t alert, bool own_cert,
                       bool heard_cert, char text[CLIENT_LOOK_TEXT])
{
    static const struct {
        uint8_t alert;
        const char *says;
    } known[] = {
        {42, "it is damaged, or not one of this cluster's clients"},
        {43, "it is of a kind that the node does not take"},
        {44, "it is revoked"},
        {45, "it has expired: renew it"},
        {46, "it is not one of this cluster's clients"},
        {48, "it is not signed by a CA that the node trusts"},
        {49, "it gives no access"},
        {51, "its signature is wrong: is the key its own?"},
    };

    if (heard_cert && !own_cert) {
        client_look_say(
            text, look->address,
            "it wants a client's certificate, and this client has none: give one (tls_cert"
            " and tls_key; --tls-cert and --tls-key, or ORDERSCHED_TLS_CERT and"
            " ORDERSCHED_TLS_KEY)");
        return;
    }
    for (size_t i = 0; heard_cert && i < sizeof known / sizeof *known; i++) {
        if (known[i].alert == alert) {
            client_look_say(text, look->address, "it refuses this client's certificate, %s: %s",
                            look->paths->cert, known[i].says);
            return;
        }
    }
    if (heard_cert && alert == 0) {
        client_look_say(
            text, look->address,
            "it hung up when it was shown this client's certificate, %s; its log says why",
            look->paths->cert);
    } else if (heard_cert) {
        client_look_say(text, look->address,
                        "it refuses this client's certificate, %s (TLS alert %u); its log says why",
                        look->paths->cert, alert);
    } else if (alert == 70) {
        client_look_say(
            text, look->address,
            "it offers no TLS 1.2, by which this client looks what is wrong (TLS alert 70,"
            " protocol_version)");
    } else {
        client_look_say(text, look->address,
                        "it refused the TLS handshake (TLS alert %u): it may have no certificate of"
                        " a kind that this client knows, P-256, P-384 or RSA",
                        alert);
    }
}
