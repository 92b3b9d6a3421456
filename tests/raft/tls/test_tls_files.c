/* test_tls_files.c - which files a node takes for its certificate, key and authorities, and that what does
 * not fit leaves the old ones in force and is told of once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "../../../raft/tls/tls_files.h"
#include "../../support/certificates.h"

struct scene {
    char dir[32];
    char ca_path[64], cert[64], key[64];
    struct certificates_ca *ca, *other;
};

static void paths(struct scene *s)
{
    snprintf(s->dir, sizeof s->dir, "/tmp/tls-files-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->ca_path, sizeof s->ca_path, "%s/ca.crt", s->dir);
    snprintf(s->cert, sizeof s->cert, "%s/node.crt", s->dir);
    snprintf(s->key, sizeof s->key, "%s/node.key", s->dir);
}

static int begin(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    struct certificates_wish node = {.node = 2};

    paths(s);
    s->ca = certificates_ca_new("first");
    s->other = certificates_ca_new("second");
    certificates_write_ca(s->ca, s->ca_path);
    certificates_issue(s->ca, &node, s->cert, s->key);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct scene *s = *state;

    unlink(s->ca_path);
    unlink(s->cert);
    unlink(s->key);
    assert_int_equal(rmdir(s->dir), 0);
    certificates_ca_free(s->ca);
    certificates_ca_free(s->other);
    free(s);
    return 0;
}

static struct tls_files *open_files(struct scene *s, char why[TLS_SENTENCE_MAX])
{
    struct tls_files_config config = {.cert = s->cert,
                                      .key = s->key,
                                      .ca = s->ca_path,
                                      .cluster = CERTIFICATES_CLUSTER,
                                      .node = 2};

    why[0] = '\0';
    return tls_files_open(&config, why, TLS_SENTENCE_MAX);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_refused(struct scene *s, const char *path, const char *reason)
{
    char why[TLS_SENTENCE_MAX];
    struct tls_files *f = open_files(s, why);

    if (f != NULL) {
        fail_msg("taken, though it should be refused: %s", reason);
    }
    if (strstr(why, reason) == NULL || strncmp(why, path, strlen(path)) != 0) {
        fail_msg("\"%s\" names neither %s nor \"%s\"", why, path, reason);
    }
}

static void assert_wish_refused(struct scene *s, struct certificates_wish wish, const char *path,
                                const char *reason)
{
    certificates_issue(s->ca, &wish, s->cert, s->key);
    assert_refused(s, path, reason);
}

static void what_fits_is_taken(void **state)
{
    struct scene *s = *state;
    char why[TLS_SENTENCE_MAX];
    struct tls_files *f = open_files(s, why);

    assert_string_equal(why, "");
    assert_non_null(f);
    assert_int_equal(tls_files_generation(f), 1);
    long left_s = (long)(tls_files_end_s(f) - (int64_t)time(NULL));
    assert_in_range(left_s, 23 * 3600, 25 * 3600); /* the certificate's day */
    tls_files_free(f);
}

static void other_kinds_of_keys_are_taken(void **state)
{
    static const char *const kinds[] = {"P-384", "RSA"};
    struct scene *s = *state;
    char why[TLS_SENTENCE_MAX];

    for (size_t i = 0; i < 2; i++) {
        struct certificates_wish wish = {.node = 2, .key = kinds[i]};
        certificates_issue(s->ca, &wish, s->cert, s->key);
        struct tls_files *f = open_files(s, why);
        assert_string_equal(why, "");
        tls_files_free(f);
    }
}

static void each_file_must_be_there_and_be_what_it_should(void **state)
{
    struct scene *s = *state;

    unlink(s->key);
    assert_refused(s, s->key, "No such file");
    write_text(s->key, "no key\n");
    assert_int_equal(chmod(s->key, 0600), 0);
    assert_refused(s, s->key, "no private key in it");
    write_text(s->cert, "");
    assert_refused(s, s->cert, "no certificate in it");
    write_text(s->cert, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    assert_refused(s, s->cert, "certificate 1 is broken");
    assert_int_equal(unlink(s->cert), 0);
    assert_int_equal(mkdir(s->cert, 0700), 0);
    assert_refused(s, s->cert, "not a file");
    assert_int_equal(rmdir(s->cert), 0);
    assert_int_equal(mkfifo(s->cert, 0600), 0);
    assert_refused(s, s->cert, "not a file"); /* and nobody waits for who writes into it */
}

static void a_key_that_others_can_read_is_refused(void **state)
{
    struct scene *s = *state;
    char why[TLS_SENTENCE_MAX];

    assert_int_equal(chmod(s->key, 0644), 0);
    assert_refused(s, s->key, "others may read or change this key (mode 0644)");
    if (getuid() == 0) { /* a group's, where root owns it */
        assert_int_equal(chmod(s->key, 0640), 0);
        struct tls_files *f = open_files(s, why);
        assert_string_equal(why, "");
        tls_files_free(f);
    }
}

static void the_certificate_must_be_this_nodes(void **state)
{
    struct scene *s = *state;
    const char *dns = "DNS:localhost,URI:spiffe://orderschedd/node/2";

    assert_wish_refused(s, (struct certificates_wish){.node = 3}, s->cert,
                        "is of node 3 of cluster orderschedd; this is node 2 of cluster "
                        "orderschedd");
    assert_wish_refused(s, (struct certificates_wish){.node = 2, .cluster = "b"}, s->cert,
                        "is of node 2 of cluster b");
    assert_wish_refused(s, (struct certificates_wish){.client = "till"}, s->cert,
                        "is of client till");
    assert_wish_refused(s, (struct certificates_wish){0}, s->cert, "has no URI");
    assert_wish_refused(s, (struct certificates_wish){.names = dns}, s->cert,
                        "lacks the DNS name orderschedd.orderschedd");
    assert_wish_refused(s,
                        (struct certificates_wish){.names = "URI:spiffe://orderschedd/node/2,"
                                                            "URI:spiffe://orderschedd/node/3"},
                        s->cert, "more than one URI");
    assert_wish_refused(s, (struct certificates_wish){.names = "URI:https://orderschedd/node/2"},
                        s->cert, "neither spiffe://CLUSTER/node/ID nor");
    assert_wish_refused(s, (struct certificates_wish){.node = 2, .key = "ED25519"}, s->key,
                        "a key of type ED25519");
}

static void the_certificate_must_be_valid_now_and_signed_by_an_authority(void **state)
{
    struct scene *s = *state;
    struct certificates_wish node = {.node = 2};

    assert_wish_refused(s, (struct certificates_wish){.node = 2, .from_s = -7200, .until_s = -1},
                        s->cert, "has expired");
    assert_wish_refused(s, (struct certificates_wish){.node = 2, .from_s = 3600, .until_s = 7200},
                        s->cert, "is not valid yet");
    certificates_issue(s->other, &node, s->cert, s->key);
    assert_refused(s, s->cert, "was not signed by an authority");
}

static void the_key_must_be_the_certificates(void **state)
{
    struct scene *s = *state;
    struct certificates_wish node = {.node = 2};
    char elsewhere[80];

    snprintf(elsewhere, sizeof elsewhere, "%s.other", s->cert);
    certificates_issue(s->ca, &node, elsewhere, s->key);
    assert_int_equal(unlink(elsewhere), 0);
    assert_refused(s, s->key, "is not that of the certificate");
}

static void authorities_must_be_authorities(void **state)
{
    struct scene *s = *state;
    struct certificates_wish node = {.node = 2};
    char key[80];

    snprintf(key, sizeof key, "%s.key", s->ca_path);
    certificates_issue(s->ca, &node, s->ca_path, key);
    assert_int_equal(unlink(key), 0);
    assert_refused(s, s->ca_path, "certificate 1 is not an authority's");
}

static void new_files_come_into_force_at_a_look(void **state)
{
    struct scene *s = *state;
    struct certificates_wish node = {.node = 2, .from_s = -3600, .until_s = 7200};
    char why[TLS_SENTENCE_MAX];
    struct tls_files *f = open_files(s, why);

    assert_non_null(f);
    SSL_CTX *before = tls_files_context(f, TLS_ACCEPT_NODE);
    assert_int_equal(tls_files_look(f, false, why, sizeof why), TLS_FILES_SAME);
    certificates_issue(s->ca, &node, s->cert, s->key);
    assert_int_equal(tls_files_look(f, false, why, sizeof why), TLS_FILES_NEW);
    assert_int_equal(tls_files_look(f, false, why, sizeof why), TLS_FILES_SAME);
    assert_int_equal(tls_files_generation(f), 2);
    assert_in_range(tls_files_end_s(f) - (int64_t)time(NULL), 7000, 7300);
    SSL_CTX *after = tls_files_context(f, TLS_ACCEPT_NODE);
    assert_ptr_not_equal(before, after);
    SSL_CTX_free(before);
    SSL_CTX_free(after);
    tls_files_free(f);
}

static void what_does_not_fit_leaves_the_old_in_force_and_is_told_once(void **state)
{
    struct scene *s = *state;
    struct certificates_wish node = {.node = 2};
    char why[TLS_SENTENCE_MAX], elsewhere[80];
    struct tls_files *f = open_files(s, why);

    assert_non_null(f);
    int64_t end_s = tls_files_end_s(f);
    snprintf(elsewhere, sizeof elsewhere, "%s.other", s->key);
    certificates_issue(s->ca, &node, s->cert, elsewhere); /* its key is still to come */
    assert_int_equal(tls_files_look(f, false, why, sizeof why), TLS_FILES_SAME);
    assert_int_equal(tls_files_look(f, false, why, sizeof why), TLS_FILES_REFUSED);
    assert_non_null(strstr(why, "is not that of the certificate"));
    assert_int_equal(tls_files_look(f, false, why, sizeof why), TLS_FILES_SAME);
    assert_int_equal(tls_files_look(f, true, why, sizeof why),
                     TLS_FILES_REFUSED); /* who asks hears */
    assert_int_equal(tls_files_generation(f), 1);
    assert_int_equal(tls_files_end_s(f), end_s);
    assert_int_equal(rename(elsewhere, s->key), 0);
    assert_int_equal(tls_files_look(f, false, why, sizeof why), TLS_FILES_NEW);
    assert_int_equal(tls_files_generation(f), 2);
    tls_files_free(f);
}

static X509 *read_certificate(const char *path)
{
    FILE *in = fopen(path, "r");

    assert_non_null(in);
    X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
    fclose(in);
    assert_non_null(certificate);
    return certificate;
}

static void whose_authority_has_left_is_not_trusted_any_more(void **state)
{
    struct scene *s = *state;
    struct certificates_wish client = {.client = "till"};
    char why[TLS_SENTENCE_MAX], cert[80], key[80];
    struct certificates_wish node = {.node = 2};
    struct tls_files *f = open_files(s, why);

    assert_non_null(f);
    snprintf(cert, sizeof cert, "%s.client", s->cert);
    snprintf(key, sizeof key, "%s.client", s->key);
    certificates_issue(s->ca, &client, cert, key);
    X509 *till = read_certificate(cert);
    assert_int_equal(tls_files_judge(f, TLS_ACCEPT_CLIENT, till, NULL), X509_V_OK);
    certificates_write_cas(s->ca, s->other, s->ca_path); /* both, while one replaces the other */
    certificates_issue(s->other, &node, s->cert, s->key);
    assert_int_equal(tls_files_look(f, false, why, sizeof why), TLS_FILES_NEW);
    assert_int_equal(tls_files_judge(f, TLS_ACCEPT_CLIENT, till, NULL), X509_V_OK);
    certificates_write_ca(s->other, s->ca_path);
    assert_int_equal(tls_files_look(f, false, why, sizeof why), TLS_FILES_NEW);
    assert_int_not_equal(tls_files_judge(f, TLS_ACCEPT_CLIENT, till, NULL), X509_V_OK);
    X509_free(till);
    unlink(cert);
    unlink(key);
    tls_files_free(f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_fits_is_taken),
        CASE(other_kinds_of_keys_are_taken),
        CASE(each_file_must_be_there_and_be_what_it_should),
        CASE(a_key_that_others_can_read_is_refused),
        CASE(the_certificate_must_be_this_nodes),
        CASE(the_certificate_must_be_valid_now_and_signed_by_an_authority),
        CASE(the_key_must_be_the_certificates),
        CASE(authorities_must_be_authorities),
        CASE(new_files_come_into_force_at_a_look),
        CASE(what_does_not_fit_leaves_the_old_in_force_and_is_told_once),
        CASE(whose_authority_has_left_is_not_trusted_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
