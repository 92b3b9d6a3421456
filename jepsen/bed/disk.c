/* disk.c - see disk.h. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "command.h"

#define LOOP_MAJOR 7
#define LOOP_TRIES 100
#define FILLER "filler" /* takes the free space */

/* The kernel's own header has these since 6.9 only. */
#define SHUTDOWN_IOCTL _IOR('X', 125, uint32_t)
#define SHUTDOWN_NOLOGFLUSH 2u

/* A device node may be missing where /dev is not the kernel's. */
static int loop_node_open(struct bed_disk *d, int number)
{
    snprintf(d->device, sizeof d->device, "/dev/loop%d", number);
    if (access(d->device, F_OK) != 0) {
        (void)mknod(d->device, S_IFBLK | 0600, makedev(LOOP_MAJOR, (unsigned)number));
    }
    return open(d->device, O_RDWR | O_CLOEXEC);
}

/* Other runs take devices too: whoever configures one first has it. */
static void loop_attach(struct bed_disk *d, int file)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    struct loop_config config = {
        .fd = (uint32_t)file,
        .info = {.lo_flags = LO_FLAGS_AUTOCLEAR},
    };

    if (control < 0) {
        bed_fail("/dev/loop-control: %s", strerror(errno));
    }
    for (int i = 0; i < LOOP_TRIES; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        d->loop = number < 0 ? -1 : loop_node_open(d, number);
        if (d->loop >= 0 && ioctl(d->loop, LOOP_CONFIGURE, &config) == 0) {
            close(control);
            return;
        }
        if (d->loop >= 0) {
            close(d->loop);
        }
        sleep_ms(10);
    }
    bed_fail("no free loop device: %s", strerror(errno));
}

static void disk_mount(struct bed_disk *d)
{
    if (mount(d->device, d->mount, "ext4", MS_NOATIME, NULL) != 0) {
        bed_fail("%s cannot be mounted: %s", d->device, strerror(errno));
    }
    d->mounted = true;
}

void disk_open(struct bed_disk *d, const char *dir, const char *mount_at, unsigned mib)
{
    char path[512];

    memset(d, 0, sizeof *d);
    snprintf(d->mount, sizeof d->mount, "%s", mount_at);
    snprintf(path, sizeof path, "%s/disk.ext4", dir);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, (off_t)mib * 1024 * 1024) != 0) {
        bed_fail("%s: %s", path, strerror(errno));
    }
    unlink(path);
    loop_attach(d, file);
    close(file);
    const char *mkfs[] = {"mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=8", d->device, NULL};
    command_must(COMMAND_HERE, NULL, mkfs);
    if (mkdir(d->mount, 0755) != 0) {
        bed_fail("%s: %s", d->mount, strerror(errno));
    }
    disk_mount(d);
}

void disk_cut_power(struct bed_disk *d)
{
    uint32_t flags = SHUTDOWN_NOLOGFLUSH;
    int fd = open(d->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || ioctl(fd, SHUTDOWN_IOCTL, &flags) != 0) {
        bed_fail("%s: the power cannot be cut: %s", d->mount, strerror(errno));
    }
    close(fd);
}

static void disk_unmount(struct bed_disk *d)
{
    for (unsigned i = 0; umount2(d->mount, UMOUNT_NOFOLLOW) != 0; i++) {
        if (errno != EBUSY || i == LOOP_TRIES) {
            bed_fail("%s cannot be unmounted: %s", d->mount, strerror(errno));
        }
        sleep_ms(20); /* a killed process is still closing its files */
    }
    d->mounted = false;
}

void disk_remount(struct bed_disk *d)
{
    disk_unmount(d);
    disk_mount(d);
}

void disk_fill(struct bed_disk *d)
{
    char path[128];
    struct statvfs fs;

    snprintf(path, sizeof path, "%s/" FILLER, d->mount);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        bed_fail("%s: %s", path, strerror(errno));
    }
    /* In halves, because what is left is never one run of blocks. */
    off_t at = 0;
    if (fstatvfs(fd, &fs) == 0) {
        for (off_t step = (off_t)(fs.f_bavail * fs.f_frsize); step >= 4096;) {
            if (fallocate(fd, 0, at, step) == 0) {
                at += step;
            } else {
                step /= 2;
            }
        }
    }
    close(fd);
}

void disk_empty(struct bed_disk *d)
{
    char path[128];

    snprintf(path, sizeof path, "%s/" FILLER, d->mount);
    unlink(path);
}

void disk_close(struct bed_disk *d)
{
    if (d->mounted) {
        disk_unmount(d);
    }
    close(d->loop);
}
