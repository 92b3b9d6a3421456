/* test_tls_flags.c - which files a client program takes for TLS, from its flags and from its environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/text/tls_flags.h"

static int setup(void **state)
{
    (void)state;
    return unsetenv("ORDERSCHED_TLS_CA") | unsetenv("ORDERSCHED_TLS_CERT") |
           unsetenv("ORDERSCHED_TLS_KEY");
}

static void without_any_the_client_is_a_plain_one(void **state)
{
    struct tls_flags tls;

    (void)state;
    assert_null(tls_flags_settle(&tls, NULL, NULL, NULL));
    assert_null(tls.ca);
    assert_null(tls.cert);
    assert_null(tls.key);
    setenv("ORDERSCHED_TLS_CA", "", 1); /* as one switches it off for a command */
    assert_null(tls_flags_settle(&tls, NULL, NULL, NULL));
    assert_null(tls.ca);
}

static void a_flag_wins_against_the_environment(void **state)
{
    struct tls_flags tls;

    (void)state;
    setenv("ORDERSCHED_TLS_CA", "env-ca", 1);
    setenv("ORDERSCHED_TLS_CERT", "env-cert", 1);
    setenv("ORDERSCHED_TLS_KEY", "env-key", 1);
    assert_null(tls_flags_settle(&tls, NULL, NULL, NULL));
    assert_string_equal(tls.ca, "env-ca");
    assert_string_equal(tls.cert, "env-cert");
    assert_string_equal(tls.key, "env-key");
    assert_null(tls_flags_settle(&tls, "ca", NULL, NULL));
    assert_string_equal(tls.ca, "ca");
    assert_string_equal(tls.cert, "env-cert");
    assert_null(tls_flags_settle(&tls, "", "", ""));
    assert_null(tls.ca);
    assert_null(tls.cert);
    assert_null(tls.key);
}

/* A certificate of the command line never goes with a key of the environment. */
static void certificate_and_key_come_from_one_place(void **state)
{
    struct tls_flags tls;

    (void)state;
    setenv("ORDERSCHED_TLS_CA", "env-ca", 1);
    setenv("ORDERSCHED_TLS_CERT", "env-cert", 1);
    setenv("ORDERSCHED_TLS_KEY", "env-key", 1);
    assert_null(tls_flags_settle(&tls, NULL, "cert", "key"));
    assert_string_equal(tls.cert, "cert");
    assert_string_equal(tls.key, "key");
    assert_non_null(strstr(tls_flags_settle(&tls, NULL, "cert", NULL), "--tls-key"));
    assert_non_null(strstr(tls_flags_settle(&tls, NULL, NULL, "key"), "--tls-cert"));
}

static void what_is_missing_is_named(void **state)
{
    struct tls_flags tls;

    (void)state;
    setenv("ORDERSCHED_TLS_CERT", "env-cert", 1);
    assert_non_null(strstr(tls_flags_settle(&tls, NULL, NULL, NULL), "ORDERSCHED_TLS_KEY"));
    setenv("ORDERSCHED_TLS_KEY", "env-key", 1);
    assert_non_null(strstr(tls_flags_settle(&tls, NULL, NULL, NULL), "ORDERSCHED_TLS_CA"));
    assert_null(tls_flags_settle(&tls, "ca", NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_any_the_client_is_a_plain_one, setup),
        cmocka_unit_test_setup(a_flag_wins_against_the_environment, setup),
        cmocka_unit_test_setup(certificate_and_key_come_from_one_place, setup),
        cmocka_unit_test_setup(what_is_missing_is_named, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
