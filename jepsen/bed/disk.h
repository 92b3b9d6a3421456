/* disk.h - a node's disk: ext4 on a loop device over a file that has no name any more, so that
 * the power can be cut, the space used up and writing made to fail, and so that nothing of it
 * outlives the harness.
 *
 * A power cut is the ioctl FS_IOC_SHUTDOWN without a flush of the log: from then on every write
 * fails with EIO, and after the next mount what was fsynced is there and the rest is gone. */
#ifndef BED_DISK_H
#define BED_DISK_H

#include <stdbool.h>
#include <stddef.h>

struct bed_disk {
    char device[32];
    char mount[64]; /* where it is mounted */
    int loop;       /* keeps the device while it is not mounted */
    bool mounted;
};

/* Make a disk of `mib` MiB, mounted at `mount`. Its file is made in `dir`. */
void disk_open(struct bed_disk *d, const char *dir, const char *mount, unsigned mib);
/* The power fails: nothing reaches the disk any more. Whoever has files open gets EIO. */
void disk_cut_power(struct bed_disk *d);
/* Unmount and mount again. Nobody may have a file of it open. */
void disk_remount(struct bed_disk *d);
/* Leave no free space; disk_empty gives it back. */
void disk_fill(struct bed_disk *d);
void disk_empty(struct bed_disk *d);
void disk_close(struct bed_disk *d);

#endif
