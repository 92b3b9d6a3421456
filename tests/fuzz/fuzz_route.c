/* fuzz_route.c - the settings of a route, as an operator sends them: whole, as changes, or in the form of
 * old logs. The same settings always have the same bytes, and what is shown of them has no secret. */
#include <assert.h>
#include <string.h>

#include "../../client/wire/cursor.h"
#include "../../client/wire/route_check.h"
#include "input.h"

static void encode_again(const struct route_settings *settings)
{
    struct route_settings again;
    struct problem problem = {0};
    struct buffer out = {0}, twice = {0}, shown = {0};
    size_t used;

    route_settings_encode(&out, settings);
    assert(!out.failed);
    int error = route_settings_decode(out.data, out.len, &again, &used, &problem);
    assert(error == ORDERSCHED_OK && used == out.len);
    route_settings_encode(&twice, &again);
    assert(twice.len == out.len && memcmp(twice.data, out.data, out.len) == 0);
    route_settings_encode_public(&shown, settings);
    for (uint32_t i = 0; i < settings->n_secrets; i++) {
        assert(settings->secrets[i].len < 38 ||
               memmem(shown.data, shown.len, settings->secrets[i].data, settings->secrets[i].len) ==
                   NULL);
    }
    buffer_free(&out);
    buffer_free(&twice);
    buffer_free(&shown);
}

static void check(const struct route_settings *settings)
{
    struct problem problem = {0};

    assert(settings->n_secrets <= PROTOCOL_SECRETS_MAX &&
           settings->n_retries <= PROTOCOL_RETRIES_MAX &&
           settings->n_headers <= PROTOCOL_HEADERS_MAX &&
           settings->n_command <= PROTOCOL_COMMAND_MAX);
    (void)route_settings_attempts(settings);
    for (uint32_t i = 0; i < settings->n_secrets; i++) {
        (void)route_secret_is_good(settings->secrets[i]);
    }
    if (!route_settings_check(settings, &problem)) {
        assert(problem.key.len > 0 && problem.why != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    uint64_t what = input_number(&in, 1);
    struct slice rest = input_rest(&in);
    struct route_settings settings = {.kind = ROUTE_HTTP};
    struct problem problem = {0};
    size_t used = 0;
    int error;

    switch (what % 3) {
        case 0:
            error = route_settings_decode(rest.data, rest.len, &settings, &used, &problem);
            break;
        case 1:
            error = route_settings_change(rest.data, rest.len, &settings, &used, &problem);
            break;
        default: error = route_settings_decode_old(rest.data, rest.len, &settings, &used); break;
    }
    if (error == ORDERSCHED_OK) {
        assert(used > 0 && used <= rest.len);
        check(&settings);
        if (what % 3 != 1) {
            encode_again(&settings);
        }
    }
    return 0;
}
