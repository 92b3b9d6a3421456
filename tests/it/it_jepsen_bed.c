/* it_jepsen_bed.c - the bed of jepsen/ does to networks and disks what it says: the harness proves
 * nothing if its faults do not strike. Needs root and namespaces, and is skipped without. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../client/base/clocks.h"
#include "../../jepsen/bed/command.h"
#include "../../jepsen/bed/disk.h"
#include "../../jepsen/bed/network.h"

#define PORT 7400
#define WAIT_MS 300
#define BED_SECONDS_MAX 120 /* for all tests */

static struct bed_network network;
static const char *why_not; /* the bed cannot be made here */
static char forwarder[600];

static const char *find_why_not(void)
{
    static const char *const tools[] = {"ip", "nft", "tc", "mkfs.ext4"};

    if (geteuid() != 0) {
        return "root is needed";
    }
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        if (!command_exists(tools[i])) {
            return "a tool is missing: make deps-jepsen";
        }
    }
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    if (access("/dev/loop-control", F_OK) != 0) {
        return "there are no loop devices here";
    }
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("bed", "/mnt", "tmpfs", 0, NULL) != 0) {
        return "no namespaces can be made here";
    }
    const char *probe[] = {"nft", "add table bridge probe", NULL};
    struct command c = {.netns = COMMAND_HERE};
    return command_run(&c, probe) == 0 ? NULL : "nftables does not work here";
}

/* Before the mounts are our own: in a chroot this program's path then leads out of it. */
static void find_forwarder(void)
{
    ssize_t n = readlink("/proc/self/exe", forwarder, sizeof forwarder - 20);

    assert_true(n > 0);
    forwarder[n] = '\0';
    strcpy(strrchr(forwarder, '/'), "/jepsen-forwarder");
}

/* The same namespaces for all tests; they end with the process. */
static int make_bed(void **state)
{
    (void)state;
    alarm(BED_SECONDS_MAX);
    find_forwarder();
    why_not = find_why_not();
    if (why_not == NULL) {
        network_open(&network, 3);
    } else {
        print_message("skipped: %s\n", why_not);
    }
    return 0;
}

#define NEEDS_BED()            \
    do {                       \
        if (why_not != NULL) { \
            skip();            \
        }                      \
    } while (0)

/* --- network --- */

/* A socket of a place, bound there. */
static int socket_at(unsigned place, int type)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int one = 1;

    assert_int_equal(inet_pton(AF_INET, network_host(place), &a.sin_addr), 1);
    assert_int_equal(setns(network.netns[place], CLONE_NEWNET), 0);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_int_equal(setns(here, CLONE_NEWNET), 0);
    close(here);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static struct sockaddr_in address_of(unsigned place)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};

    assert_int_equal(inet_pton(AF_INET, network_host(place), &a.sin_addr), 1);
    return a;
}

static void send_number(int fd, unsigned to, uint32_t number)
{
    struct sockaddr_in a = address_of(to);

    (void)sendto(fd, &number, sizeof number, 0, (struct sockaddr *)&a, sizeof a);
}

/* The next number, or -1 after WAIT_MS. */
static int64_t receive_number(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint32_t number;

    if (poll(&p, 1, WAIT_MS) != 1 || recv(fd, &number, sizeof number, 0) != sizeof number) {
        return -1;
    }
    return number;
}

static bool arrives(int from_fd, int to_fd, unsigned to)
{
    static uint32_t number;
    int64_t got;

    send_number(from_fd, to, ++number);
    while ((got = receive_number(to_fd)) >= 0 && got != number) {
    }
    return got == number;
}

static void a_cut_works_in_one_direction_and_can_be_healed(void **state)
{
    (void)state;
    NEEDS_BED();
    int a = socket_at(1, SOCK_DGRAM), b = socket_at(2, SOCK_DGRAM), c = socket_at(3, SOCK_DGRAM);

    assert_true(arrives(a, b, 2) && arrives(b, a, 1));
    network_cut(&network, 1, 2);
    network_apply(&network);
    assert_false(arrives(a, b, 2));
    assert_true(arrives(b, a, 1));
    assert_true(arrives(a, c, 3) && arrives(c, b, 2));
    network_heal(&network);
    assert_true(arrives(a, b, 2) && arrives(b, a, 1));
    close(a);
    close(b);
    close(c);
}

static unsigned count_of(int from_fd, int to_fd, unsigned to, unsigned sent)
{
    unsigned count = 0;

    for (unsigned i = 0; i < sent; i++) {
        send_number(from_fd, to, i);
        sleep_ms(1);
    }
    while (receive_number(to_fd) >= 0) {
        count++;
    }
    return count;
}

static void a_lossy_link_loses_about_its_share(void **state)
{
    (void)state;
    NEEDS_BED();
    int a = socket_at(1, SOCK_DGRAM), b = socket_at(2, SOCK_DGRAM), c = socket_at(3, SOCK_DGRAM);

    network.lossy[2] = true;
    network.loss_percent = 30;
    network_apply(&network);
    assert_in_range(count_of(a, b, 2, 200), 100, 180);
    assert_int_equal(count_of(a, c, 3, 100), 100);
    network_heal(&network);
    assert_int_equal(count_of(a, b, 2, 100), 100);
    close(a);
    close(b);
    close(c);
}

static void disturb(unsigned place, const struct bed_disturbance *d)
{
    network_disturb(&network, place, d, forwarder, "/dev/stderr");
}

static void a_forwarder_delays_and_reorders(void **state)
{
    struct bed_disturbance d = {.delay_ms = 100, .jitter_ms = 50};
    unsigned late = 0, disordered = 0;
    int64_t last = -1, got;

    (void)state;
    NEEDS_BED();
    int a = socket_at(1, SOCK_DGRAM), b = socket_at(2, SOCK_DGRAM);
    assert_true(arrives(a, b, 2)); /* knows its way */
    disturb(2, &d);
    uint64_t began_ns = clocks_running_ns();
    for (uint32_t i = 0; i < 50; i++) {
        send_number(a, 2, 1000 + i);
    }
    while ((got = receive_number(b)) >= 0) {
        late += clocks_running_ns() - began_ns >= 100000000;
        disordered += got < last;
        last = got;
    }
    assert_int_equal(late, 50);
    assert_in_range(disordered, 5, 49);
    network_heal(&network);
    began_ns = clocks_running_ns();
    assert_true(arrives(a, b, 2));
    assert_in_range((clocks_running_ns() - began_ns) / 1000000, 0, 90);
    close(a);
    close(b);
}

static void a_forwarder_duplicates(void **state)
{
    struct bed_disturbance d = {.duplicate_percent = 100};

    (void)state;
    NEEDS_BED();
    int a = socket_at(1, SOCK_DGRAM), b = socket_at(2, SOCK_DGRAM);
    assert_true(arrives(a, b, 2));
    disturb(2, &d);
    assert_int_equal(count_of(a, b, 2, 50), 100);
    network_heal(&network);
    assert_int_equal(count_of(a, b, 2, 50), 50);
    close(a);
    close(b);
}

/* Zeros through TCP from place 1 to place 2: how many bytes arrive as something else. */
static unsigned altered_bytes(int listener)
{
    struct sockaddr_in to = address_of(2);
    uint8_t block[1000] = {0};
    unsigned altered = 0, got = 0;
    int from = socket_at(1, SOCK_STREAM);

    assert_int_equal(connect(from, (struct sockaddr *)&to, sizeof to), 0);
    int at = accept(listener, NULL, NULL);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(write(from, block, sizeof block), sizeof block);
        sleep_ms(2);
    }
    close(from);
    for (ssize_t n; (n = read(at, block, sizeof block)) > 0;) {
        for (ssize_t i = 0; i < n; i++) {
            altered += block[i] != 0;
        }
        got += (unsigned)n;
    }
    close(at);
    assert_int_equal(got, 100 * sizeof block); /* TCP itself noticed nothing */
    return altered;
}

static void a_forwarder_alters_what_tcp_takes_for_sound(void **state)
{
    struct bed_disturbance d = {.corrupt_percent = 50};

    (void)state;
    NEEDS_BED();
    int b = socket_at(2, SOCK_STREAM);
    assert_int_equal(listen(b, 1), 0);
    assert_int_equal(altered_bytes(b), 0);
    disturb(2, &d);
    assert_in_range(altered_bytes(b), 10, 100);
    network_heal(&network);
    assert_int_equal(altered_bytes(b), 0);
    close(b);
}

static bool text_arrives(int fd)
{
    char text[16];
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 3000) == 1 && recv(fd, text, sizeof text, 0) > 0;
}

/* The kernel sends what a dead process gave it, again and again, until it arrives. */
static void what_the_dead_left_behind_is_sent_unless_forgotten(void **state)
{
    struct sockaddr_in to = address_of(2);

    (void)state;
    NEEDS_BED();
    int listener = socket_at(2, SOCK_STREAM);
    assert_int_equal(listen(listener, 1), 0);
    for (int forget = 0; forget < 2; forget++) {
        int from = socket_at(1, SOCK_STREAM);
        assert_int_equal(connect(from, (struct sockaddr *)&to, sizeof to), 0);
        int at = accept(listener, NULL, NULL);
        network_cut_both(&network, 1, 2);
        network_apply(&network);
        assert_int_equal(write(from, "last words", 10), 10);
        close(from);
        if (forget) {
            network_forget(&network, 1);
        }
        sleep_ms(300);
        network_heal(&network);
        assert_int_equal(text_arrives(at), !forget);
        close(at);
    }
    close(listener);
}

static void a_slow_link_is_slow(void **state)
{
    uint8_t block[1000] = {0};
    struct sockaddr_in to = address_of(2);

    (void)state;
    NEEDS_BED();
    int a = socket_at(1, SOCK_DGRAM), b = socket_at(2, SOCK_DGRAM);
    struct pollfd p = {.fd = b, .events = POLLIN};
    assert_true(arrives(a, b, 2));
    network_slow(&network, 2, 256); /* 32 kB a second, 16 kB at once */
    uint64_t began_ns = clocks_running_ns();
    for (unsigned i = 0; i < 25; i++) {
        (void)sendto(a, block, sizeof block, 0, (struct sockaddr *)&to, sizeof to);
    }
    for (unsigned i = 0; i < 25 && poll(&p, 1, 1000) == 1; i++) {
        assert_int_equal(recv(b, block, sizeof block, 0), sizeof block);
    }
    assert_in_range((clocks_running_ns() - began_ns) / 1000000, 150, 2000);
    network_heal(&network);
    assert_int_equal(count_of(a, b, 2, 20), 20);
    close(a);
    close(b);
}

/* --- disks --- */

static void write_file(const char *path, bool sync)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "promise", 7), 7);
    if (sync) {
        assert_int_equal(fsync(fd), 0);
    }
    close(fd);
}

static bool holds_promise(const char *path)
{
    char text[8] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, 7) : -1;

    if (fd >= 0) {
        close(fd);
    }
    return n == 7 && strcmp(text, "promise") == 0;
}

static void a_power_cut_keeps_what_was_synced_and_nothing_else(void **state)
{
    struct bed_disk d;

    (void)state;
    NEEDS_BED();
    disk_open(&d, "/mnt", "/mnt/a", 32);
    write_file("/mnt/a/synced", true);
    write_file("/mnt/a/not-synced", false);
    assert_true(holds_promise("/mnt/a/not-synced"));
    disk_cut_power(&d);
    assert_int_equal(open("/mnt/a/late", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
    assert_int_equal(errno, EIO);
    disk_remount(&d);
    assert_true(holds_promise("/mnt/a/synced"));
    assert_false(holds_promise("/mnt/a/not-synced"));
    write_file("/mnt/a/again", true);
    disk_close(&d);
}

static void writing_fails_under_a_process_that_goes_on(void **state)
{
    struct bed_disk d;

    (void)state;
    NEEDS_BED();
    disk_open(&d, "/mnt", "/mnt/b", 32);
    int fd = open("/mnt/b/log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "x", 1), 1);
    disk_cut_power(&d);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(errno, EIO);
    close(fd);
    disk_remount(&d);
    disk_close(&d);
}

static void a_full_disk_is_full_until_it_is_emptied(void **state)
{
    struct bed_disk d;
    char block[65536] = "";

    (void)state;
    NEEDS_BED();
    disk_open(&d, "/mnt", "/mnt/c", 32);
    disk_fill(&d);
    int fd = open("/mnt/c/log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, block, sizeof block), -1);
    assert_int_equal(errno, ENOSPC);
    disk_empty(&d);
    assert_int_equal(write(fd, block, sizeof block), sizeof block);
    close(fd);
    disk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_works_in_one_direction_and_can_be_healed),
        cmocka_unit_test(a_lossy_link_loses_about_its_share),
        cmocka_unit_test(a_forwarder_delays_and_reorders),
        cmocka_unit_test(a_forwarder_duplicates),
        cmocka_unit_test(a_forwarder_alters_what_tcp_takes_for_sound),
        cmocka_unit_test(what_the_dead_left_behind_is_sent_unless_forgotten),
        cmocka_unit_test(a_slow_link_is_slow),
        cmocka_unit_test(a_power_cut_keeps_what_was_synced_and_nothing_else),
        cmocka_unit_test(writing_fails_under_a_process_that_goes_on),
        cmocka_unit_test(a_full_disk_is_full_until_it_is_emptied),
    };

    return cmocka_run_group_tests(tests, make_bed, NULL);
}
