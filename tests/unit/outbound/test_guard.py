from ipaddress import ip_address

import pytest

from worker.config import ConfigError
from worker.outbound.guard import AddressPolicy, is_public, literal_address, unwrapped

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::10.0.0.1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]

PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "223.255.255.255", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_reserved_addresses_are_refused(address):
    assert not AddressPolicy().permits("host.example", 80, [ip_address(address)])


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address):
    assert AddressPolicy().permits("host.example", 443, [ip_address(address)])


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("127.0.0.1.", "127.0.0.1"),
        ("::1", "::1"),
        ("169.254.169.254", "169.254.169.254"),
    ],
)
def test_addresses_are_read_in_every_spelling(host, address):
    assert literal_address(host) == ip_address(address)


@pytest.mark.parametrize("host", ["example.com", "1.example", "127.0.0.1.example.com", "", "host"])
def test_names_are_no_addresses(host):
    assert literal_address(host) is None


def test_every_address_of_a_host_is_judged():
    addresses = [ip_address("8.8.8.8"), ip_address("10.0.0.1")]

    assert not AddressPolicy().permits("mixed.example", 80, addresses)
    assert AddressPolicy(["10.0.0.0/8"]).permits("mixed.example", 80, addresses)


def test_a_host_without_addresses_is_refused():
    assert not AddressPolicy().permits("nowhere.example", 80, [])


def test_ports_of_other_services_are_refused_on_public_hosts_only():
    assert not AddressPolicy().permits("host.example", 6379, [ip_address("8.8.8.8")])
    assert AddressPolicy(["10.1.2.3"]).permits("redis.corp", 6379, [ip_address("10.1.2.3")])


@pytest.mark.parametrize(
    ("entry", "host", "address"),
    [
        ("127.0.0.1/32", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost", "::ffff:127.0.0.1"),
        ("10.1.2.3/8", "ten.example", "10.200.0.1"),
        ("fd00::/8", "six.example", "fd12::1"),
        ("[::1]", "six.example", "::1"),
        ("Intranet.Corp", "intranet.corp.", "10.0.0.1"),
        ("intranet.corp", "INTRANET.CORP", "10.0.0.1"),
        ("müller.corp", "xn--mller-kva.corp", "10.0.0.1"),
    ],
)
def test_the_operator_can_name_networks_addresses_and_hosts(entry, host, address):
    assert AddressPolicy([entry]).permits(host, 80, [ip_address(address)])
    assert not AddressPolicy().permits(host, 80, [ip_address(address)])


def test_an_allowed_host_name_allows_no_other_host():
    policy = AddressPolicy(["intranet.corp"])

    assert not policy.permits("evil.intranet.corp", 80, [ip_address("10.0.0.1")])
    assert not policy.permits("intranet.corp.evil.example", 80, [ip_address("10.0.0.1")])


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "http://intranet", "intranet:8080", "*.corp", "user@host", "."])
def test_a_wrong_entry_of_the_allow_list_names_the_setting(entry):
    with pytest.raises(ConfigError, match="PENSTOCK_OUTBOUND_ALLOW"):
        AddressPolicy([entry])


def test_addresses_inside_other_addresses_are_unwrapped():
    assert unwrapped(ip_address("::ffff:1.2.3.4")) == ip_address("1.2.3.4")
    assert unwrapped(ip_address("64:ff9b::102:304")) == ip_address("1.2.3.4")
    assert not is_public(ip_address("::1.2.3.4"))
