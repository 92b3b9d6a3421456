/* Addresses that are refused, block by block, at both edges of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "../../node/callback/address_guard.h"

static const char *asked(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        return address_guard_refuses((struct sockaddr *)&in, sizeof in);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return address_guard_refuses((struct sockaddr *)&in6, sizeof in6);
}

static void public_addresses_pass(void **state)
{
    static const char *const addresses[] = {"1.0.0.0",
                                            "8.8.8.8",
                                            "9.255.255.255",
                                            "11.0.0.0",
                                            "100.63.255.255",
                                            "100.128.0.0",
                                            "126.255.255.255",
                                            "128.0.0.0",
                                            "169.253.255.255",
                                            "169.255.0.0",
                                            "172.15.255.255",
                                            "172.32.0.0",
                                            "168.63.129.15",
                                            "168.63.129.17",
                                            "161.25.0.0",
                                            "166.12.0.0",
                                            "192.80.8.123",
                                            "192.0.1.0",
                                            "192.0.3.0",
                                            "192.167.255.255",
                                            "192.169.0.0",
                                            "198.17.255.255",
                                            "198.20.0.0",
                                            "198.51.99.255",
                                            "198.51.101.0",
                                            "203.0.112.255",
                                            "203.0.114.0",
                                            "223.255.255.255",
                                            "2001:4860:4860::8888",
                                            "2a00::1",
                                            "2400:cb00::1",
                                            "64:ff9b::8.8.8.8",
                                            "::ffff:8.8.8.8",
                                            "2002:808:808::1",
                                            "fbff::1",
                                            "fe00::1",
                                            "2001:db9::1"};

    (void)state;
    for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        const char *what = asked(addresses[i]);
        if (what != NULL) {
            fail_msg("%s is refused: %s", addresses[i], what);
        }
    }
}

static void others_are_refused_by_what_they_are(void **state)
{
    static const struct {
        const char *address, *what;
    } cases[] = {
        {"0.0.0.0", "unspecified"},
        {"0.255.255.255", "unspecified"},
        {"10.0.0.0", "private"},
        {"10.255.255.255", "private"},
        {"100.64.0.0", "carrier-grade NAT"},
        {"100.127.255.255", "carrier-grade NAT"},
        {"127.0.0.1", "loopback"},
        {"127.255.255.255", "loopback"},
        {"169.254.0.0", "link-local"},
        {"169.254.169.254", "link-local"},
        {"172.16.0.0", "private"},
        {"172.31.255.255", "private"},
        {"192.0.0.1", "reserved"},
        {"192.0.2.1", "reserved"},
        {"192.88.99.1", "reserved"},
        {"168.63.129.16", "cloud-internal"},
        {"::ffff:168.63.129.16", "cloud-internal"},
        {"161.26.0.10", "cloud-internal"},
        {"166.8.0.1", "cloud-internal"},
        {"166.11.255.255", "cloud-internal"},
        {"192.80.8.124", "cloud-internal"},
        {"100.100.100.200", "carrier-grade NAT"},
        {"192.0.0.192", "reserved"}, /* metadata, too */
        {"fd00:ec2::254", "unique-local"},
        {"192.168.0.0", "private"},
        {"192.168.255.255", "private"},
        {"198.18.0.0", "reserved"},
        {"198.19.255.255", "reserved"},
        {"198.51.100.7", "reserved"},
        {"203.0.113.7", "reserved"},
        {"224.0.0.1", "multicast"},
        {"239.255.255.255", "multicast"},
        {"240.0.0.0", "reserved"},
        {"255.255.255.255", "reserved"},
        {"::", "unspecified"},
        {"::1", "loopback"},
        {"100::1", "reserved"},
        {"2001:db8::1", "reserved"},
        {"3fff::1", "reserved"},
        {"5f00::1", "reserved"},
        {"fc00::1", "unique-local"},
        {"fdff:ffff::1", "unique-local"},
        {"fe80::1", "link-local"},
        {"febf::1", "link-local"},
        {"fec0::1", "site-local"},
        {"ff02::1", "multicast"},
        {"64:ff9b:1::8.8.8.8", "private"},
        /* IPv4 addresses in disguise */
        {"::ffff:127.0.0.1", "loopback"},
        {"::ffff:10.1.2.3", "private"},
        {"::ffff:169.254.169.254", "link-local"},
        {"::127.0.0.1", "loopback"},
        {"::ffff:0:192.168.1.1", "private"},
        {"64:ff9b::127.0.0.1", "loopback"},
        {"64:ff9b::10.0.0.1", "private"},
        {"2002:7f00:1::1", "loopback"},
        {"2002:c0a8:101::1", "private"},
        {"2001:0:1:2:3:4:80ff:fffe", "loopback"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *what = asked(cases[i].address);
        if (what == NULL || strcmp(what, cases[i].what) != 0) {
            fail_msg("%s: %s", cases[i].address, what != NULL ? what : "not refused");
        }
    }
}

static void what_is_no_internet_address_is_refused(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/docker.sock"};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)};

    (void)state;
    assert_non_null(address_guard_refuses((struct sockaddr *)&un, sizeof un));
    assert_null(address_guard_refuses((struct sockaddr *)&in, sizeof in));
    assert_non_null(address_guard_refuses((struct sockaddr *)&in, 4)); /* cut short */
}

static void an_address_is_written_without_its_port(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(80),
                             .sin_addr.s_addr = htonl(0x0a000001)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char text[64];

    (void)state;
    address_guard_format((struct sockaddr *)&in, sizeof in, text, sizeof text);
    assert_string_equal(text, "10.0.0.1");
    address_guard_format((struct sockaddr *)&in6, sizeof in6, text, sizeof text);
    assert_string_equal(text, "::1");
    address_guard_format((struct sockaddr *)&un, sizeof un, text, sizeof text);
    assert_string_equal(text, "?");
    address_guard_format((struct sockaddr *)&in, sizeof in, text, 4); /* too small */
    assert_string_equal(text, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_addresses_pass),
        cmocka_unit_test(others_are_refused_by_what_they_are),
        cmocka_unit_test(what_is_no_internet_address_is_refused),
        cmocka_unit_test(an_address_is_written_without_its_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
