/* fuzz_config.c - the configuration file of a node: taken, or refused with a sentence. */
#include <assert.h>

#include "../../node/config/config.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[] = {"orderschedd", "--config", (char *)input_file(data, size), NULL};
    struct config config;

    if (config_parse(&config, 3, argv) == CONFIG_OK) {
        assert(config.id > 0 && config.data != NULL && config.cluster != NULL &&
               config.n_peers <= CONFIG_PEERS_MAX);
    }
    config_free(&config);
    return 0;
}
