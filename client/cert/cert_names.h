/* cert_names.h - a certificate's subject alternative names (RFC 5280, 4.2.1.6), as a list of texts.
 *
 * What came from a certificate may hold any bytes. Adding aborts on lack of memory. */
#ifndef CERT_NAMES_H
#define CERT_NAMES_H

#include <openssl/x509.h>
#include <stddef.h>

#include "cert_error.h"

#define CERT_HOSTS_MAX 64 /* of one certificate that is made here */

enum cert_name_type {
    CERT_NAME_URI,
    CERT_NAME_DNS,
    CERT_NAME_IP,   /* as inet_ntop(3) writes it; one that is no address: as hexadecimal digits */
    CERT_NAME_ELSE, /* another type: its text says which */
};

struct cert_one_name {
    enum cert_name_type type;
    char *text; /* with a zero behind it */
    size_t len; /* without it */
};

struct cert_names { /* all zero: none */
    struct cert_one_name *at;
    size_t n;
};

void cert_names_add(struct cert_names *names, enum cert_name_type type, const void *text,
                    size_t len);
/* Adds the hosts of a list "HOST,HOST": an IP address as one, anything else as a DNS name in small
 * letters; what is in the list already is left out. False: one is no host that others could dial, or
 * there are too many; BAD_HOST, and names are unspecified. */
bool cert_names_add_hosts(struct cert_names *names, const char *list, struct cert_error *error);
/* Adds those of a certificate. False: they cannot be decoded; BAD_CERTIFICATE. */
bool cert_names_add_all(struct cert_names *names, const X509 *cert, struct cert_error *error);
/* Gives a certificate these names; all but those of type CERT_NAME_ELSE, and IP addresses as
 * inet_pton(3) reads them. False: LIBRARY. */
bool cert_names_put(const struct cert_names *names, X509 *cert, struct cert_error *error);
void cert_names_free(struct cert_names *names); /* they are none then */

#endif
