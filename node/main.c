/* main.c - orderschedd's entry: configuration, then the node. */
#include <signal.h>
#include <stdlib.h>

#include "config.h"
#include "node.h"

int main(int argc, char **argv)
{
    struct config config;

    /* libuv's default of 4 lets a snapshot, a segment's allocation and a name look-up keep a
     * log write waiting. Before the first use of the pool. */
    setenv("UV_THREADPOOL_SIZE", "8", 0);
    signal(SIGPIPE, SIG_IGN);
    switch (config_parse(&config, argc, argv)) {
        case CONFIG_OK: break;
        case CONFIG_HELP:
        case CONFIG_VERSION: return 0;
        case CONFIG_ERROR: return 2;
    }
    int code = node_run(&config);
    config_free(&config);
    return code;
}
