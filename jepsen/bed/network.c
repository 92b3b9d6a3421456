/* network.c - see network.h. */
#include "network.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

#define RULES_MAX 32768
#define FORWARDER_MS_MAX 5000 /* to start in */

static const char *const ip_batch[] = {"ip", "-batch", "-", NULL};
static const char *const nft_batch[] = {"nft", "-f", "-", NULL};

const char *network_host(unsigned place)
{
    static const char *const hosts[BED_PLACES] = {
        "10.75.0.100", "10.75.0.1", "10.75.0.2", "10.75.0.3", "10.75.0.4",
        "10.75.0.5",   "10.75.0.6", "10.75.0.7", "10.75.0.8", "10.75.0.9",
    };

    return hosts[place];
}

static int own_netns(void)
{
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        bed_fail("/proc/self/ns/net cannot be opened");
    }
    return fd;
}

/* Its cable: eth0 in the namespace, p0 to p9 at the bridge; and beside it the cable with which a
 * forwarder is put in between: a frame goes pN - forwarder - xN - yN - bridge. Going down, yN makes
 * the bridge forget that it saw the node there. */
static void place_open(struct bed_network *n, unsigned place, int harness)
{
    char batch[512];

    if (unshare(CLONE_NEWNET) != 0) {
        bed_fail("no network namespace");
    }
    n->netns[place] = own_netns();
    if (setns(harness, CLONE_NEWNET) != 0) {
        bed_fail("no way back into the network namespace");
    }
    snprintf(batch, sizeof batch,
             "link set lo up\n"
             "link add eth0 type veth peer name p%u netns %d\n"
             "addr add %s/24 dev eth0\n"
             "link set eth0 up\n",
             place, (int)getpid(), network_host(place));
    command_must(n->netns[place], batch, ip_batch);
    snprintf(batch, sizeof batch,
             "link set p%u master br0\n"
             "link set p%u up\n"
             "link add x%u type veth peer name y%u\n"
             "link set y%u master br0\n",
             place, place, place, place, place);
    command_must(COMMAND_HERE, batch, ip_batch);
}

void network_open(struct bed_network *n, unsigned n_nodes)
{
    int harness = own_netns();

    memset(n, 0, sizeof *n);
    n->n_nodes = n_nodes;
    command_must(COMMAND_HERE,
                 "link set lo up\n"
                 "link add br0 type bridge forward_delay 0\n"
                 "addr add 10.75.0.254/24 dev br0\n"
                 "link set br0 up\n",
                 ip_batch);
    for (unsigned place = 0; place <= n_nodes; place++) {
        place_open(n, place, harness);
    }
    close(harness);
    command_must(COMMAND_HERE,
                 "add table bridge jepsen\n"
                 "add chain bridge jepsen forward "
                 "{ type filter hook forward priority 0; policy accept; }\n",
                 nft_batch);
}

void network_apply(struct bed_network *n)
{
    char rules[RULES_MAX];
    size_t at = (size_t)snprintf(rules, sizeof rules, "flush chain bridge jepsen forward\n");

    for (unsigned a = 0; a <= n->n_nodes; a++) {
        for (unsigned b = 0; b <= n->n_nodes; b++) {
            if (n->cut[a][b]) {
                at += (size_t)snprintf(rules + at, sizeof rules - at,
                                       "add rule bridge jepsen forward ip saddr %s ip daddr %s "
                                       "drop\n",
                                       network_host(a), network_host(b));
            }
        }
        for (unsigned i = 0; n->loss_percent > 0 && n->lossy[a] && i < 2; i++) {
            at += (size_t)snprintf(rules + at, sizeof rules - at,
                                   "add rule bridge jepsen forward ip %s %s numgen random mod 100 "
                                   "< %u drop\n",
                                   i == 0 ? "saddr" : "daddr", network_host(a), n->loss_percent);
        }
    }
    command_must(COMMAND_HERE, rules, nft_batch);
}

void network_cut(struct bed_network *n, unsigned from, unsigned to)
{
    n->cut[from][to] = from != to;
}

void network_cut_both(struct bed_network *n, unsigned a, unsigned b)
{
    network_cut(n, a, b);
    network_cut(n, b, a);
}

void network_slow(struct bed_network *n, unsigned place, unsigned kbit)
{
    char rate[32], port[8];

    snprintf(rate, sizeof rate, "%ukbit", kbit);
    snprintf(port, sizeof port, "p%u", place);
    const char *to[] = {"tc",   "qdisc", "replace", "dev",  port,      "root",  "tbf",
                        "rate", rate,    "burst",   "16kb", "latency", "400ms", NULL};
    const char *from[] = {"tc",   "qdisc", "replace", "dev",  "eth0",    "root",  "tbf",
                          "rate", rate,    "burst",   "16kb", "latency", "400ms", NULL};
    command_must(COMMAND_HERE, NULL, to);
    command_must(n->netns[place], NULL, from);
    n->slow[place] = true;
}

static void network_hasten(struct bed_network *n, unsigned place)
{
    char port[8];

    snprintf(port, sizeof port, "p%u", place);
    const char *to[] = {"tc", "qdisc", "delete", "dev", port, "root", NULL};
    const char *from[] = {"tc", "qdisc", "delete", "dev", "eth0", "root", NULL};
    command_must(COMMAND_HERE, NULL, to);
    command_must(n->netns[place], NULL, from);
    n->slow[place] = false;
}

/* Packet sockets of this namespace. */
static unsigned packet_sockets(void)
{
    FILE *f = fopen("/proc/thread-self/net/packet", "r");
    unsigned lines = 0;

    if (f == NULL) {
        bed_fail("/proc/thread-self/net/packet cannot be read");
    }
    for (int c; (c = getc(f)) != EOF;) {
        lines += c == '\n';
    }
    fclose(f);
    return lines;
}

/* The cable is cut only when the forwarder is there to carry it on. */
static void forwarder_await(struct bed_network *n, unsigned place, unsigned sockets_before)
{
    for (unsigned i = 0; packet_sockets() < sockets_before + 2; i++) {
        if (i == FORWARDER_MS_MAX / 10 || waitpid(n->forwarder[place], NULL, WNOHANG) != 0) {
            bed_fail("the forwarder of place %u does not start", place);
        }
        sleep_ms(10);
    }
}

void network_disturb(struct bed_network *n, unsigned place, const struct bed_disturbance *d,
                     const char *forwarder, const char *log)
{
    char port[8], other[8], batch[96], numbers[4][16];
    struct command c = {.netns = COMMAND_HERE, .output = log};

    snprintf(port, sizeof port, "p%u", place);
    snprintf(other, sizeof other, "x%u", place);
    snprintf(numbers[0], sizeof numbers[0], "%ums", d->delay_ms);
    snprintf(numbers[1], sizeof numbers[1], "%ums", d->jitter_ms);
    snprintf(numbers[2], sizeof numbers[2], "%u", d->duplicate_percent);
    snprintf(numbers[3], sizeof numbers[3], "%u", d->corrupt_percent);
    const char *argv[] = {forwarder,  "--delay",     numbers[0], "--jitter",
                          numbers[1], "--duplicate", numbers[2], "--corrupt",
                          numbers[3], port,          other,      NULL};
    snprintf(batch, sizeof batch, "link set x%u up\nlink set y%u up\n", place, place);
    command_must(COMMAND_HERE, batch, ip_batch);
    unsigned sockets = packet_sockets();
    n->forwarder[place] = command_start(&c, argv);
    forwarder_await(n, place, sockets);
    snprintf(batch, sizeof batch, "link set p%u nomaster\n", place);
    command_must(COMMAND_HERE, batch, ip_batch);
}

static void network_soothe(struct bed_network *n, unsigned place)
{
    char batch[96];

    if (waitpid(n->forwarder[place], NULL, WNOHANG) != 0) {
        bed_fail("the forwarder of place %u ended by itself", place);
    }
    kill(n->forwarder[place], SIGKILL);
    waitpid(n->forwarder[place], NULL, 0);
    n->forwarder[place] = 0;
    snprintf(batch, sizeof batch, "link set y%u down\nlink set x%u down\nlink set p%u master br0\n",
             place, place, place);
    command_must(COMMAND_HERE, batch, ip_batch);
}

void network_forget(struct bed_network *n, unsigned place)
{
    const char *destroy[] = {"ss", "--kill", "--all", "--tcp", NULL};
    struct command c = {.netns = n->netns[place]};

    if (command_run(&c, destroy) != 0) {
        bed_fail("the connections of place %u cannot be destroyed", place);
    }
}

void network_heal(struct bed_network *n)
{
    memset(n->cut, 0, sizeof n->cut);
    memset(n->lossy, 0, sizeof n->lossy);
    n->loss_percent = 0;
    network_apply(n);
    for (unsigned place = 0; place <= n->n_nodes; place++) {
        if (n->slow[place]) {
            network_hasten(n, place);
        }
        if (n->forwarder[place] != 0) {
            network_soothe(n, place);
        }
    }
}
