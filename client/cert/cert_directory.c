/* cert_directory.c - the directory in which one process at a time works. See cert_files.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/clocks.h"
#include "../base/must.h"
#include "cert_files.h"

#define LOCK_WAIT_MS 5000 /* what holds it needs milliseconds */
#define LOCK_LOOK_MS 20

/* So that a new directory is there after a loss of power, too. */
static void sync_parent(const char *path)
{
    char *parent = must_have(malloc(strlen(path) + 4));

    strcpy(parent, path);
    strcat(parent, "/..");
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); /* the files in it are new, and can be made again */
        close(fd);
    }
    free(parent);
}

static bool make_directory(const char *path, struct cert_error *error)
{
    mode_t umask_before = umask(0);
    int rv = mkdir(path, 0700);
    int why = errno;

    umask(umask_before);
    if (rv == 0) {
        sync_parent(path);
    }
    return rv == 0 || why == EEXIST ||
           cert_fail(error, CERT_FILE, "the directory %s cannot be made: %s", path, strerror(why));
}

/* A file system that knows no locks has none to wait for. */
static bool lock(const struct cert_directory *directory, struct cert_error *error)
{
    uint64_t begun_ms = clocks_running_ms();

    while (flock(directory->fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return true;
        }
        if (clocks_running_ms() - begun_ms > LOCK_WAIT_MS) {
            return cert_fail(error, CERT_BUSY, "another orderctl cert works in %s",
                             directory->path);
        }
        clocks_sleep_ms(LOCK_LOOK_MS);
    }
    return true;
}

bool cert_directory_open(struct cert_directory *directory, const char *path, bool make,
                         struct cert_error *error)
{
    struct stat st;

    *directory = (struct cert_directory){.fd = -1, .path = path};
    if (make && !make_directory(path, error)) {
        return false;
    }
    directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->fd < 0) {
        return cert_fail(error, CERT_FILE, "the directory %s cannot be opened: %s", path,
                         strerror(errno));
    }
    directory->is_open = fstat(directory->fd, &st) == 0 && (st.st_mode & 022) != 0;
    if (!lock(directory, error)) {
        cert_directory_close(directory);
        return false;
    }
    return true;
}

void cert_directory_close(struct cert_directory *directory)
{
    if (directory->fd >= 0) {
        close(directory->fd);
        directory->fd = -1;
    }
}
