/* main.c - orderschedd's entry: configuration, then the node. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../client/base/descriptors.h"
#include "config/config.h"
#include "host/core_dump.h"
#include "node.h"

#define LARGE_BLOCK (1 << 20)   /* bytes */
#define SPARE_MEMORY (16 << 20) /* bytes of each arena */

/* Asked to stop before the node's own handlers stand: nothing was promised to anyone, and what the
 * disk holds is made for an end at any moment. */
static void stop_at_once(int signum)
{
    (void)signum;
    _exit(0);
}

/* Whoever starts us may have closed one of the three: what is opened next must not take its place,
 * where others write to it or libuv refuses to close it. */
static void open_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

/* Without the first malloc takes large answers from its heap as soon as one was freed, and what deaf
 * clients were closed with stays there: 889 MiB where some 100 MiB are held at a time. Without the
 * second a round of a busy loop gives its memory back to the kernel, and the next one waits for
 * thousands of fresh pages; the rest goes when the node is idle (raft/consensus/replica_log.c). */
static void limit_what_malloc_keeps(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
    (void)mallopt(M_TRIM_THRESHOLD, SPARE_MEMORY);
}

int main(int argc, char **argv)
{
    struct config config;

    signal(SIGTERM, stop_at_once); /* before anything else, that no moment is without it */
    signal(SIGINT, stop_at_once);
    signal(SIGPIPE, SIG_IGN);
    open_standard_descriptors();
    /* libuv's default of 4 lets a snapshot, a segment's allocation and a name look-up keep a
     * log write waiting. Before the first use of the pool. */
    setenv("UV_THREADPOOL_SIZE", "8", 0);
    (void)descriptors_raise(); /* connections of clients, peers and callbacks each take one */
    limit_what_malloc_keeps();
    if (!core_dump_without_memory()) { /* before there is any secret */
        fprintf(stderr,
                "orderschedd: cores will have memory with secrets in it: "
                "/proc/self/coredump_filter: %s\n",
                strerror(errno));
    }
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
