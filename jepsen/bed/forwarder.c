/* forwarder.c - a cable that delays, reorders, duplicates and corrupts: carries every Ethernet
 * frame from one network interface to another and back, each after a delay of its own.
 *
 * Frames travel with their virtio header (packet(7), PACKET_VNET_HDR), so that what the kernel has
 * not yet cut into packets or summed stays so, and a flipped bit in a payload arrives under a TCP
 * checksum that fits: only the program's own checksum can find it. Bits are flipped in TCP payload
 * between nodes alone (both ends below .100): what clients and receivers exchange is not checked by
 * more than TCP, and promised no more. Needs CAP_NET_RAW. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../client/base/clocks.h"
#include "../../client/text/flags.h"
#include "../../client/text/units.h"
#include "../../tests/support/random.h"

#define FRAME_MAX (sizeof(struct virtio_net_hdr) + 65536 + 64)
#define QUEUE_MAX 4096 /* frames under way; a full cable loses what comes */

struct frame {
    uint64_t due_ns;
    int to; /* the socket it leaves through */
    size_t len;
    uint8_t *data; /* with its virtio header */
};

struct forwarder {
    int sockets[2];
    uint64_t delay_ns, jitter_ns;
    unsigned duplicate_percent, corrupt_percent;
    struct random random;
    struct frame queue[QUEUE_MAX]; /* a heap, the next one first */
    unsigned n;
};

enum { KEY_DELAY, KEY_JITTER, KEY_DUPLICATE, KEY_CORRUPT, KEY_SEED, KEY_HELP };

static const struct flag forwarder_flags[] = {
    {KEY_DELAY, "delay", 0, "DURATION", "of every frame"},
    {KEY_JITTER, "jitter", 0, "DURATION", "random, on top of it; reorders"},
    {KEY_DUPLICATE, "duplicate", 0, "PERCENT", "of the frames that are sent twice"},
    {KEY_CORRUPT, "corrupt", 0, "PERCENT", "of the frames with payload in which a bit is flipped"},
    {KEY_SEED, "seed", 0, "N", "seed of the random draws (1)"},
    {KEY_HELP, "help", 'h', NULL, "this text"},
    {0},
};

__attribute__((format(printf, 1, 2), noreturn)) static void give_up(const char *format, ...)
{
    va_list args;

    fputs("jepsen-forwarder: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

static int interface_open(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(name)};
    struct packet_mreq promiscuous = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    int one = 1;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (at.sll_ifindex == 0 || fd < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        give_up("%s cannot be read: %s", name, strerror(errno));
    }
    return fd;
}

/* --- the queue --- */

static void queue_swap(struct forwarder *f, unsigned a, unsigned b)
{
    struct frame kept = f->queue[a];

    f->queue[a] = f->queue[b];
    f->queue[b] = kept;
}

static void queue_push(struct forwarder *f, struct frame frame)
{
    unsigned at = f->n++;

    f->queue[at] = frame;
    while (at > 0 && f->queue[at].due_ns < f->queue[(at - 1) / 2].due_ns) {
        queue_swap(f, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static struct frame queue_pop(struct forwarder *f)
{
    struct frame first = f->queue[0];
    unsigned at = 0;

    f->queue[0] = f->queue[--f->n];
    for (;;) {
        unsigned least = at;
        for (unsigned child = 2 * at + 1; child <= 2 * at + 2 && child < f->n; child++) {
            least = f->queue[child].due_ns < f->queue[least].due_ns ? child : least;
        }
        if (least == at) {
            return first;
        }
        queue_swap(f, at, least);
        at = least;
    }
}

/* --- frames --- */

/* Where the TCP payload between two nodes begins, or 0. */
static size_t payload_offset(const uint8_t *data, size_t len)
{
    size_t at = sizeof(struct virtio_net_hdr);
    struct ether_header ether;
    struct iphdr ip;
    struct tcphdr tcp;

    if (len < at + sizeof ether + sizeof ip + sizeof tcp) {
        return 0;
    }
    memcpy(&ether, data + at, sizeof ether);
    memcpy(&ip, data + at + sizeof ether, sizeof ip);
    at += sizeof ether + 4 * (size_t)ip.ihl;
    if (ether.ether_type != htons(ETHERTYPE_IP) || ip.protocol != IPPROTO_TCP ||
        (ntohl(ip.saddr) & 0xff) >= 100 || (ntohl(ip.daddr) & 0xff) >= 100 ||
        len < at + sizeof tcp) {
        return 0;
    }
    memcpy(&tcp, data + at, sizeof tcp);
    at += 4 * (size_t)tcp.doff;
    return at < len ? at : 0;
}

static void frame_corrupt(struct forwarder *f, uint8_t *data, size_t len)
{
    size_t at = payload_offset(data, len);

    if (at != 0 && random_below(&f->random, 100) < f->corrupt_percent) {
        at += random_below(&f->random, len - at);
        data[at] ^= (uint8_t)(1u << random_below(&f->random, 8));
    }
}

static void frame_queue(struct forwarder *f, int to, const uint8_t *data, size_t len)
{
    struct frame frame = {
        .due_ns = clocks_running_ns() + f->delay_ns +
                  (f->jitter_ns > 0 ? random_below(&f->random, f->jitter_ns) : 0),
        .to = to,
        .len = len,
    };

    if (f->n == QUEUE_MAX || (frame.data = malloc(len)) == NULL) {
        return;
    }
    memcpy(frame.data, data, len);
    frame_corrupt(f, frame.data, len);
    queue_push(f, frame);
}

static void forwarder_receive(struct forwarder *f, unsigned from)
{
    static uint8_t data[FRAME_MAX];
    ssize_t len;

    while ((len = recv(f->sockets[from], data, sizeof data, 0)) > 0) {
        frame_queue(f, f->sockets[1 - from], data, (size_t)len);
        if (random_below(&f->random, 100) < f->duplicate_percent) {
            frame_queue(f, f->sockets[1 - from], data, (size_t)len);
        }
    }
    if (len < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN) {
        give_up("receiving: %s", strerror(errno));
    }
}

/* A frame that cannot be sent is lost, as on any cable. */
static void forwarder_send_due(struct forwarder *f)
{
    while (f->n > 0 && f->queue[0].due_ns <= clocks_running_ns()) {
        struct frame frame = queue_pop(f);
        (void)!write(frame.to, frame.data, frame.len);
        free(frame.data);
    }
}

static void forwarder_run(struct forwarder *f)
{
    struct pollfd fds[2] = {{.fd = f->sockets[0], .events = POLLIN},
                            {.fd = f->sockets[1], .events = POLLIN}};

    for (;;) {
        uint64_t now = clocks_running_ns();
        uint64_t due = f->n > 0 ? f->queue[0].due_ns : now + 1000000000u;
        uint64_t wait = due > now ? due - now : 0;
        struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000u),
                                   .tv_nsec = (long)(wait % 1000000000u)};
        if (ppoll(fds, 2, &timeout, NULL) < 0 && errno != EINTR) {
            give_up("poll: %s", strerror(errno));
        }
        forwarder_receive(f, 0);
        forwarder_receive(f, 1);
        forwarder_send_due(f);
    }
}

/* --- the command line --- */

static uint64_t number(const char *flag, const char *value, uint64_t most)
{
    char *end;
    uint64_t n = strtoull(value, &end, 10);

    if (*value < '0' || *value > '9' || *end != '\0' || n > most) {
        give_up("--%s must be a number from 0 to %llu, not \"%s\"", flag, (unsigned long long)most,
                value);
    }
    return n;
}

static uint64_t duration_ns(const char *flag, const char *value)
{
    uint64_t ms;

    if (!units_parse_duration(value, &ms) || ms > 60000) {
        give_up("--%s must be a duration up to 60s, not \"%s\"", flag, value);
    }
    return ms * 1000000;
}

int main(int argc, char **argv)
{
    static struct forwarder f = {.random = {1}};
    struct flags flags;
    const char *value;
    unsigned n = 0;
    int key;

    flags_init(&flags, argc - 1, argv + 1, forwarder_flags, NULL);
    while ((key = flags_next(&flags, &value)) != FLAGS_END) {
        switch (key) {
            case KEY_DELAY: f.delay_ns = duration_ns("delay", value); break;
            case KEY_JITTER: f.jitter_ns = duration_ns("jitter", value); break;
            case KEY_DUPLICATE:
                f.duplicate_percent = (unsigned)number("duplicate", value, 100);
                break;
            case KEY_CORRUPT: f.corrupt_percent = (unsigned)number("corrupt", value, 100); break;
            case KEY_SEED: f.random.state = number("seed", value, UINT64_MAX); break;
            case KEY_HELP:
                puts("usage: jepsen-forwarder [FLAG...] INTERFACE INTERFACE\n");
                flags_print(forwarder_flags, NULL, stdout);
                return 0;
            case FLAGS_OPERAND:
                if (n == 2) {
                    give_up("two interfaces, no more");
                }
                f.sockets[n++] = interface_open(value);
                break;
            default: give_up("%s", flags.error);
        }
    }
    if (n != 2) {
        give_up("two interfaces are needed; see --help");
    }
    forwarder_run(&f);
}
