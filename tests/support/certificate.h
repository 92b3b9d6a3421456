/* certificate.h - self-signed certificates for TLS tests. Include <cmocka.h> first. */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

/* Write a new key and its certificate as PEM files. `names` is a subjectAltName as OpenSSL has it,
 * such as "IP:127.0.0.1" or "DNS:localhost,DNS:example.test"; it is valid from `from_s` to
 * `until_s` seconds after now (negative: before). Who trusts the certificate file as its CA trusts
 * it. Fails the test when it cannot. */
void certificate_make(const char *cert_path, const char *key_path, const char *names, long from_s,
                      long until_s);
/* The text of such a file, to be freed. Fails the test when it cannot be read. */
char *certificate_read(const char *path);

#endif
