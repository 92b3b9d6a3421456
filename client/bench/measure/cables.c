/* cables.c - see cables.h. */
#include "cables.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define IP_PROGRAM "PATH=\"$PATH:/usr/sbin:/sbin\" exec ip -batch -"

static int cables_fail(const char *what)
{
    fprintf(stderr,
            "orderbench: NO_CABLES: %s: %s; a node can only be cut off as root, or where users may"
            " make namespaces of their own\n",
            what, strerror(errno));
    return 2;
}

static bool file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/* A network namespace of our own; for a user who may not, in a user namespace where it is root. */
static int cables_move_out(void)
{
    char users[48], groups[48];

    snprintf(users, sizeof users, "0 %u 1", (unsigned)geteuid());
    snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getegid());
    if (unshare(CLONE_NEWNET) == 0) {
        return 0;
    }
    if (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        return cables_fail("no network namespace");
    }
    return file_write("/proc/self/setgroups", "deny") && file_write("/proc/self/uid_map", users) &&
                   file_write("/proc/self/gid_map", groups)
               ? 0
               : cables_fail("no user namespace");
}

static int own_namespace(void)
{
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* Commands of ip(8), in this thread's namespace. */
static int cables_ip(const char *batch)
{
    FILE *ip = popen(IP_PROGRAM, "w");

    if (ip == NULL) {
        return cables_fail("ip");
    }
    (void)fputs(batch, ip);
    int status = pclose(ip);
    if (status != 0) {
        fprintf(stderr, "orderbench: NO_CABLES: the program ip (package iproute2) is missing, or"
                        " could not lay them\n");
    }
    return status == 0 ? 0 : 2;
}

static int cables_lay(struct cables *c, unsigned i)
{
    char batch[512], host[CABLES_HOST_SIZE];

    if (unshare(CLONE_NEWNET) != 0 || (c->machines[i] = own_namespace()) < 0) {
        return cables_fail("no network namespace");
    }
    c->n++;
    int rv = cables_leave(c);
    snprintf(batch, sizeof batch,
             "link add p%u type veth peer name eth0 netns /proc/%d/fd/%d\n"
             "link set p%u master br0\n"
             "link set p%u up\n",
             i, (int)getpid(), c->machines[i], i, i);
    rv = rv == 0 ? cables_ip(batch) : rv;
    rv = rv == 0 ? cables_enter(c, i) : rv;
    cables_host(i, host);
    snprintf(batch, sizeof batch,
             "link set lo up\n"
             "addr add %s/24 dev eth0\n"
             "link set eth0 up\n",
             host);
    rv = rv == 0 ? cables_ip(batch) : rv;
    return rv == 0 ? cables_leave(c) : rv;
}

int cables_open(struct cables *c, unsigned n)
{
    *c = (struct cables){.home = -1, .control = -1};
    int rv = cables_move_out();
    if (rv != 0) {
        return rv;
    }
    c->home = own_namespace();
    c->control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    rv = c->home >= 0 && c->control >= 0 ? 0 : cables_fail("no network namespace");
    rv = rv == 0 ? cables_ip("link set lo up\n"
                             "link add br0 type bridge forward_delay 0\n"
                             "addr add 10.75.0.254/24 dev br0\n"
                             "link set br0 up\n")
                 : rv;
    for (unsigned i = 0; rv == 0 && i < n; i++) {
        rv = cables_lay(c, i);
    }
    if (rv != 0) {
        cables_close(c);
    }
    return rv;
}

void cables_close(struct cables *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        close(c->machines[i]);
    }
    if (c->home >= 0) {
        close(c->home);
    }
    if (c->control >= 0) {
        close(c->control);
    }
    *c = (struct cables){.home = -1, .control = -1};
}

void cables_host(unsigned i, char host[CABLES_HOST_SIZE])
{
    snprintf(host, CABLES_HOST_SIZE, "10.75.0.%u", i + 1);
}

int cables_enter(const struct cables *c, unsigned i)
{
    return setns(c->machines[i], CLONE_NEWNET) == 0 ? 0 : cables_fail("no way to a machine");
}

int cables_leave(const struct cables *c)
{
    return setns(c->home, CLONE_NEWNET) == 0 ? 0 : cables_fail("no way back from a machine");
}

/* Our end of it goes down, or up. */
static int cables_set(const struct cables *c, unsigned i, bool up)
{
    struct ifreq interface = {.ifr_flags = 0};

    snprintf(interface.ifr_name, sizeof interface.ifr_name, "p%u", i);
    if (ioctl(c->control, SIOCGIFFLAGS, &interface) == 0) {
        interface.ifr_flags = (short)(up ? interface.ifr_flags | IFF_UP
                                         : interface.ifr_flags & ~IFF_UP);
        if (ioctl(c->control, SIOCSIFFLAGS, &interface) == 0) {
            return 0;
        }
    }
    return cables_fail("a cable cannot be moved");
}

int cables_pull(const struct cables *c, unsigned i)
{
    return cables_set(c, i, false);
}

int cables_plug_in(const struct cables *c, unsigned i)
{
    return cables_set(c, i, true);
}
