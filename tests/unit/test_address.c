#include "tests/support/unit.h"

#include "server/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

static bool is_public(const char *text)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return address_is_public((const struct sockaddr *)&four);
    assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
    return address_is_public((const struct sockaddr *)&six);
}

static void test_address__addresses_of_the_internet_are_public(void **state)
{
    static const char *const list[] = {"1.1.1.1",         "9.255.255.255", "11.0.0.0",         "100.63.255.255",
                                       "100.128.0.0",     "126.0.0.1",     "128.0.0.1",        "169.253.255.255",
                                       "172.15.0.1",      "172.32.0.1",    "185.199.108.133",  "192.167.1.1",
                                       "198.17.255.255",  "198.20.0.0",    "223.255.255.255",  "2606:50c0:8000::154",
                                       "2a00:1450::200e", "2001:4860::1",  "64:ff9b::101:101", "::ffff:1.1.1.1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        if (!is_public(list[i]))
            fail_msg("%s is public", list[i]);
    }
}

static void test_address__what_only_this_machine_can_reach_is_not(void **state)
{
    static const char *const list[] = {"0.0.0.0",
                                       "10.0.0.1",
                                       "100.64.0.1",
                                       "127.0.0.1",
                                       "127.255.255.255",
                                       "169.254.169.254",
                                       "172.16.0.1",
                                       "172.31.9.9",
                                       "192.0.0.8",
                                       "192.0.2.1",
                                       "192.168.1.1",
                                       "198.18.0.1",
                                       "198.19.255.255",
                                       "203.0.113.9",
                                       "224.0.0.1",
                                       "240.0.0.1",
                                       "255.255.255.255",
                                       "::",
                                       "::1",
                                       "::7f00:1",
                                       "::ffff:127.0.0.1",
                                       "::ffff:10.1.2.3",
                                       "64:ff9b::a01:203",
                                       "64:ff9b:1::1",
                                       "fc00::1",
                                       "fd00:ec2::254",
                                       "fe80::1",
                                       "fec0::1",
                                       "ff02::1",
                                       "2001::1",
                                       "2001:db8::1",
                                       "2002:7f00:1::",
                                       "3fff::1",
                                       "100::1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        if (is_public(list[i]))
            fail_msg("%s is not public", list[i]);
    }
}

static void test_address__other_families_are_not(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};

    (void)state;
    assert_false(address_is_public((const struct sockaddr *)&un));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address__addresses_of_the_internet_are_public),
        cmocka_unit_test(test_address__what_only_this_machine_can_reach_is_not),
        cmocka_unit_test(test_address__other_families_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
