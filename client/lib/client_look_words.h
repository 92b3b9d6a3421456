/* client_look_words.h - what a look tells a person: sentences about a node's certificate that was not
 * accepted here, and about alerts with which a node refused. */
#ifndef CLIENT_LOOK_WORDS_H
#define CLIENT_LOOK_WORDS_H

#include <mbedtls/x509_crt.h>
#include <stdbool.h>
#include <stdint.h>

#include "client_look.h"

/* "ADDRESS: ..." */
void client_look_say(char text[CLIENT_LOOK_TEXT], const char *address, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Of a node's certificate, by the flags of mbedTLS's verification (MBEDTLS_X509_BADCERT_...), at least
 * one of them. `ca` is what is trusted here. */
void client_look_certificate(const struct client_look *look, const mbedtls_x509_crt *cert,
                             const mbedtls_x509_crt *ca, uint32_t flags,
                             char text[CLIENT_LOOK_TEXT]);
/* Of an alert (RFC 5246, 7.2), or 0 for a node that hung up without one. `own_cert`: we have a certificate; `heard_cert`: the node had shown its own
 * before, so that it is ours, or the lack of one, that it speaks of. */
void client_look_alert(const struct client_look *look, uint8_t alert, bool own_cert,
                       bool heard_cert, char text[CLIENT_LOOK_TEXT]);

#endif
