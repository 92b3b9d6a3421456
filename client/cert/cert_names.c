/* cert_names.c - see cert_names.h. */
#include "cert_names.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "../base/must.h"

void cert_names_add(struct cert_names *names, enum cert_name_type type, const void *text,
                    size_t len)
{
    struct cert_one_name *name;

    names->at = must_have(realloc(names->at, (names->n + 1) * sizeof *names->at));
    name = &names->at[names->n++];
    *name = (struct cert_one_name){.type = type, .len = len};
    name->text = must_have(calloc(1, len + 1));
    if (len > 0) {
        memcpy(name->text, text, len);
    }
}

void cert_names_free(struct cert_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->at[i].text);
    }
    free(names->at);
    *names = (struct cert_names){0};
}

/* ---- of a certificate ---- */

static void add_address(struct cert_names *names, const ASN1_OCTET_STRING *address)
{
    const unsigned char *data = ASN1_STRING_get0_data(address);
    int len = ASN1_STRING_length(address);
    char text[INET6_ADDRSTRLEN] = "";

    if (len == 4 || len == 16) {
        inet_ntop(len == 4 ? AF_INET : AF_INET6, data, text, sizeof text);
    }
    for (int i = 0; len != 4 && len != 16 && i < len && i < 16; i++) {
        static const char digits[] = "0123456789abcdef";
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    cert_names_add(names, CERT_NAME_IP, text, strlen(text));
}

static const char *type_text(int type)
{
    switch (type) {
        case GEN_OTHERNAME: return "otherName";
        case GEN_EMAIL: return "email";
        case GEN_X400: return "x400Address";
        case GEN_DIRNAME: return "directoryName";
        case GEN_EDIPARTY: return "ediPartyName";
        case GEN_RID: return "registeredID";
        default: return "unknown";
    }
}

static void add_general_name(struct cert_names *names, const GENERAL_NAME *general)
{
    int type;
    const void *value = GENERAL_NAME_get0_value(general, &type);

    if (type == GEN_URI || type == GEN_DNS) {
        cert_names_add(names, type == GEN_URI ? CERT_NAME_URI : CERT_NAME_DNS,
                       ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    } else if (type == GEN_IPADD) {
        add_address(names, value);
    } else {
        cert_names_add(names, CERT_NAME_ELSE, type_text(type), strlen(type_text(type)));
    }
}

bool cert_names_add_all(struct cert_names *names, const X509 *cert, struct cert_error *error)
{
    int critical; /* or -1: there are none, -2: they are there twice */
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);

    if (all == NULL && critical != -1) {
        return cert_fail(error, CERT_BAD_CERTIFICATE, "its alternative names cannot be decoded");
    }
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        add_general_name(names, sk_GENERAL_NAME_value(all, i));
    }
    GENERAL_NAMES_free(all);
    return true;
}

/* ---- into one ---- */

/* The value of a name, as its type has it; NULL without memory. */
static void *make_value(const struct cert_one_name *name)
{
    if (name->type == CERT_NAME_IP) {
        return a2i_IPADDRESS(name->text);
    }
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    if (text != NULL && ASN1_STRING_set(text, name->text, (int)name->len) != 1) {
        ASN1_IA5STRING_free(text);
        text = NULL;
    }
    return text;
}

static bool push_name(GENERAL_NAMES *all, const struct cert_one_name *name)
{
    static const int types[] = {
        [CERT_NAME_URI] = GEN_URI, [CERT_NAME_DNS] = GEN_DNS, [CERT_NAME_IP] = GEN_IPADD};
    GENERAL_NAME *general = GENERAL_NAME_new();
    void *value = make_value(name);

    if (general == NULL || value == NULL) {
        GENERAL_NAME_free(general);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(general, types[name->type], value);
    if (sk_GENERAL_NAME_push(all, general) <= 0) {
        GENERAL_NAME_free(general);
        return false;
    }
    return true;
}

bool cert_names_put(const struct cert_names *names, X509 *cert, struct cert_error *error)
{
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    bool good = all != NULL;

    for (size_t i = 0; i < names->n && good; i++) {
        good = names->at[i].type == CERT_NAME_ELSE || push_name(all, &names->at[i]);
    }
    good = good && X509_add1_ext_i2d(cert, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(all);
    return good || cert_fail_library(error, "adding the names");
}
