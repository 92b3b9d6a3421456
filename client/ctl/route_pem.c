/* route_pem.c - the PEM files that a route is given: whom to trust, and what to show. See route.h. */
#include <errno.h>
#include <string.h>

#include "../callback/route_keys.h"
#include "../wire/route_check.h"
#include "route.h"

/* Up to `max` bytes. "none" is an empty text, where it may be. */
static int read_file(struct ctl *ctl, enum ctl_flag flag, const char *name, char *text, size_t max,
                     struct slice *out)
{
    const char *path = ctl_value(ctl, flag);

    *out = (struct slice){0};
    if (path == NULL || (flag != CTL_CA_FILE && strcmp(path, "none") == 0)) {
        return CTL_DONE;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return ctl_usage(ctl, "--%s %s: %s", name, path, strerror(errno));
    }
    setvbuf(file, NULL, _IONBF, 0); /* no copy of a key is left behind */
    size_t len = fread(text, 1, max + 1, file);
    int failed = ferror(file);
    int number = errno;
    fclose(file);
    if (failed) {
        return ctl_usage(ctl, "--%s %s: %s", name, path, strerror(number));
    }
    if (len > max) {
        return ctl_usage(ctl, "--%s %s has more than %zu bytes", name, path, max);
    }
    *out = (struct slice){(const uint8_t *)text, len};
    return CTL_DONE;
}

/* Both, or none. */
static int check_client_cert(struct ctl *ctl, const struct route_settings *s)
{
    const char *cert = ctl_value(ctl, CTL_CLIENT_CERT);
    const char *key = ctl_value(ctl, CTL_CLIENT_KEY);

    if ((cert == NULL) != (key == NULL) ||
        (s->client_cert_pem.data == NULL) != (s->client_key_pem.data == NULL)) {
        return ctl_usage(ctl, "--client-cert and --client-key go together");
    }
    if (s->client_cert_pem.data == NULL) {
        return CTL_DONE;
    }
    switch (route_ca_is_good(s->client_cert_pem) ? route_keys_flaw(s) : ROUTE_KEYS_CERT) {
        case ROUTE_KEYS_CERT:
            return ctl_usage(ctl, "--client-cert %s has no PEM certificate, or a broken one", cert);
        case ROUTE_KEYS_KEY:
            return ctl_usage(ctl, "--client-key %s is no PEM private key without a passphrase",
                             key);
        case ROUTE_KEYS_MISFIT:
            return ctl_usage(ctl, "--client-key %s is not the key of the first certificate of %s",
                             key, cert);
        default: return CTL_DONE;
    }
}

int ctl_route_read_pem(struct ctl *ctl, struct route_settings *s, struct route_pem *pem)
{
    int rv = read_file(ctl, CTL_CA_FILE, "ca-file", pem->ca, PROTOCOL_CA_MAX, &s->ca_pem);

    if (rv == CTL_DONE && s->ca_pem.data != NULL && !route_ca_is_good(s->ca_pem)) {
        rv = ctl_usage(ctl, "--ca-file %s has no PEM certificate, or a broken one",
                       ctl_value(ctl, CTL_CA_FILE));
    }
    if (rv == CTL_DONE) {
        rv = read_file(ctl, CTL_CLIENT_CERT, "client-cert", pem->client_cert,
                       PROTOCOL_CLIENT_CERT_MAX, &s->client_cert_pem);
    }
    if (rv == CTL_DONE) {
        rv = read_file(ctl, CTL_CLIENT_KEY, "client-key", pem->client_key, PROTOCOL_CLIENT_KEY_MAX,
                       &s->client_key_pem);
    }
    return rv == CTL_DONE ? check_client_cert(ctl, s) : rv;
}
