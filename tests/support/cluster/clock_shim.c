/* clock_shim.c - see clock_shim.h; the library is tests/preload/clock_shim.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock_shim.h"
#include "process.h"

void clock_shim_make(struct clock_shim *s, const struct cluster *c, const char *name)
{
    char path[400], built[600];

    /* By a way without spaces, which part the names in LD_PRELOAD: the build's may have some. */
    process_path("clock_shim.so", built, sizeof built);
    snprintf(s->library, sizeof s->library, "%s/%s.so", c->dir, name);
    assert_int_equal(symlink(built, s->library), 0);
    snprintf(path, sizeof path, "%s/%s", c->dir, name);
    snprintf(s->environment, sizeof s->environment, "CLOCK_SHIM_FILE=%s", path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && ftruncate(fd, sizeof *s->is) == 0);
    s->is = mmap(NULL, sizeof *s->is, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true((const void *)s->is != MAP_FAILED);
    close(fd);
}

void clock_shim_give(struct clock_shim *s, struct cluster *c, unsigned node)
{
    c->nodes[node].preload = s->library;
    c->nodes[node].environment = s->environment;
}
