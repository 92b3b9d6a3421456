/* flags.c - see flags.h. */
#include "flags.h"
#include "../../text/tls_flags.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../ordersched.h"

int bench_usage(const char *what, const char *value)
{
    fprintf(stderr, "orderbench: %s%s%s%s\nTry: orderbench --help\n", what,
            value != NULL ? ": \"" : "", value != NULL ? value : "", value != NULL ? "\"" : "");
    return 2;
}

int bench_flags_read(const struct flag *table, const struct flag *more, int argc, char **argv,
                     const char **values, int help_key)
{
    struct flags f;
    const char *value;

    flags_init(&f, argc, argv, table, more);
    for (;;) {
        int key = flags_next(&f, &value);
        if (key == FLAGS_END) {
            return 0;
        }
        if (key == FLAGS_ERROR) {
            return bench_usage(f.error, NULL);
        }
        if (key == FLAGS_OPERAND) {
            return bench_usage("one argument too many", value);
        }
        if (key == help_key) {
            return -1;
        }
        if (values[key] != NULL) {
            return bench_usage("a flag is given twice", f.name);
        }
        values[key] = value != NULL ? value : "";
    }
}

bool bench_parse_number(const char *text, double min, double max, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return *text != 0 && *end == 0 && isfinite(*out) && *out >= min && *out <= max;
}

bool bench_parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;

    if (*text < '0' || *text > '9') {
        return false;
    }
    *out = strtoull(text, &end, 10);
    return *end == 0 && strlen(text) < 20 && *out >= min && *out <= max;
}

const char *bench_endpoints(const char *flag)
{
    const char *environment = getenv("ORDERSCHED_ENDPOINTS");

    if (flag != NULL) {
        return flag;
    }
    return environment != NULL && *environment != 0 ? environment : "127.0.0.1:7401";
}

int bench_out_of_memory(void)
{
    fprintf(stderr, "orderbench: out of memory\n");
    return 3;
}

int bench_explain(int error, const char *text, const char *doing)
{
    fprintf(stderr, "orderbench: %s: %s, while %s\n", ordersched_error_name(error),
            text != NULL && *text != 0 ? text : ordersched_error_text(error), doing);
    if (error == ORDERSCHED_ARGUMENT || error == ORDERSCHED_TLS_FILES) {
        return 2;
    }
    return error == ORDERSCHED_UNREACHABLE || ordersched_error_class(error) == ORDERSCHED_UNKNOWN
               ? 3
               : 1;
}

/* ---- TLS ---- */

static bool give(const char *name, const char *value)
{
    return (value != NULL ? setenv(name, value, 1) : unsetenv(name)) == 0;
}

int bench_tls_take(const char *ca, const char *cert, const char *key)
{
    struct tls_flags tls;
    const char *wrong = tls_flags_settle(&tls, ca, cert, key);

    if (wrong != NULL) {
        return bench_usage(wrong, NULL);
    }
    return give("ORDERSCHED_TLS_CA", tls.ca) && give("ORDERSCHED_TLS_CERT", tls.cert) &&
                   give("ORDERSCHED_TLS_KEY", tls.key)
               ? 0
               : bench_out_of_memory();
}

void bench_tls_drop(void)
{
    (void)give("ORDERSCHED_TLS_CA", NULL);
    (void)give("ORDERSCHED_TLS_CERT", NULL);
    (void)give("ORDERSCHED_TLS_KEY", NULL);
}

int bench_client_open(const char *endpoints, const char *cluster, unsigned timeout_ms,
                      ordersched_client **client, char why[BENCH_WHY_SIZE])
{
    struct tls_flags tls;

    (void)tls_flags_settle(&tls, NULL, NULL, NULL); /* what is missing, the library says, too */
    struct ordersched_config config = {.endpoints = endpoints,
                                       .cluster = cluster,
                                       .timeout_ms = timeout_ms,
                                       .tls_ca = tls.ca,
                                       .tls_cert = tls.cert,
                                       .tls_key = tls.key,
                                       .why = why,
                                       .why_size = BENCH_WHY_SIZE};
    return ordersched_open(&config, client);
}
