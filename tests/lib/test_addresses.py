"""Which addresses and URLs a tenant may make us call."""

import ipaddress

import pytest

from gosend.lib import addresses

PUBLIC_ONLY = addresses.Guard()
LOOPBACK = addresses.Guard((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")))

# fmt: off
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "157.240.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255",
    "172.32.0.0", "192.0.1.0", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "2606:4700::1111", "2a03:2880::1", "2400::1", "2001:200::1", "2001:4860:4860::8888", "2003::1",
    "::ffff:8.8.8.8", "64:ff9b::808:808",
]
NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1",  # noqa: S104 -- refused, not bound
    "100.100.100.200", "100.127.255.255", "127.0.0.1", "127.255.255.254", "168.63.129.16",
    "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.9",
    "192.0.0.10", "192.0.0.192", "192.0.0.255", "192.0.2.1", "192.88.99.3",
    "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::",
    "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:7f00:1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b::10.1.2.3", "64:ff9b:1::1", "64:ff9b:1::808:808", "100::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:3::1", "2001:10::1", "2001:20::1",
    "2001:db8::1", "2002:7f00:1::", "2002:c0a8:1::", "2002:808:808::", "3fff::dead:beef",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1",
    "fe80::a9fe:a9fe", "febf::1", "fec0::1", "ff02::1", "ff0e::1",
]
# fmt: on


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not addresses.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    PUBLIC,
)
def test_the_neighbours_of_special_networks_are_public(address: str) -> None:
    assert addresses.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_url_names_a_special_address(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(addresses.BadUrl) as caught:
        addresses.check_url(f"https://{host}/hook", guard=PUBLIC_ONLY)

    assert caught.value.reason == "address"


ODD_FORMS = [
    ("https://127.1/", "address"),
    ("https://0/", "address"),
    ("https://2130706433/", "address"),
    ("https://0x7f000001/", "address"),
    ("https://0X7F000001/", "address"),
    ("https://0x7f.1/", "address"),
    ("https://0177.0.0.1/", "address"),
    ("https://127.0.0.01/", "address"),
    ("https://127.0.1/", "address"),
    ("https://1.2.3.4.5/", "address"),
    ("https://256.1.1.1/", "address"),
    ("https://foo.0x7f/", "address"),
    ("https://8.8.8.0x8/", "address"),
    ("https://LOCALHOST/", "address"),
    ("https://localhost/", "address"),
    ("https://app.localhost/", "address"),
    ("https://localhost./", "host"),
    ("https://127.0.0.1./", "host"),
    ("https://example.com./", "host"),
    ("https://127。0。0。1/", "characters"),
    ("https://１２７.0.0.1/", "characters"),
    ("https://①②⑦.0.0.1/", "characters"),
    ("https://local\u00adhost/", "characters"),
    ("https://exаmple.com/", "characters"),
    ("https://[::ffff:127.0.0.1]/", "address"),
    ("https://[::ffff:7f00:1]/", "address"),
    ("https://[0:0:0:0:0:ffff:7f00:0001]/", "address"),
    ("https://[::1%25lo]/", "host"),
    ("https://[fe80::1%25eth0]/", "host"),
    ("https://[::1", "host"),
    ("https://[]/", "host"),
    ("https://[::1]x/", "host"),
    ("https://[1.2.3.4]/", "address"),
    ("https://user@127.0.0.1/", "credentials"),
    ("https://user:password@example.com/", "credentials"),
    ("https://example.com:80@127.0.0.1/", "credentials"),
    ("https://127.0.0.1:8123#@example.com/", "fragment"),
    ("https://example.com/#top", "fragment"),
    ("https://127.0.0.1\\@example.com/", "characters"),
    ("https:\\\\example.com/", "characters"),
    (" https://example.com/", "characters"),
    ("https://example.com/ ", "characters"),
    ("https://example.com/a b", "characters"),
    ("https://exa\tmple.com/", "characters"),
    ("https://example.com/\r\nHost: other", "characters"),
    ("https://example.com/\n", "characters"),
    ("https://example.com/\x00", "characters"),
    ("https://example.com/\x7f", "characters"),
    ("https://%31%32%37.0.0.1/", "host"),
    ("https://example.com%2f@127.0.0.1/", "credentials"),
    ("https://intranet/", "host"),
    ("https://redis:6379/", "host"),
    ("https://exam!ple.com/", "host"),
    ("https://example..com/", "host"),
    ("https://.example.com/", "host"),
    ("https://-a.example.com/", "host"),
    (f"https://{'a' * 64}.com/", "host"),
    (f"https://{'a.' * 127}com/", "host"),
    ("https://example.com:22/", "port"),
    ("https://example.com:25/", "port"),
    ("https://example.com:80/", "port"),
    ("https://example.com:5432/", "port"),
    ("https://example.com:6379/", "port"),
    ("https://8.8.8.8:25/", "port"),
    ("https://example.com:0/", "port"),
    ("https://example.com:65536/", "port"),
    ("https://example.com:/", "host"),
    ("https://example.com:+443/", "host"),
    ("https://example.com:443443/", "host"),
    ("http://example.com/", "scheme"),
    ("http://8.8.8.8/", "scheme"),
    ("HTTP://example.com/", "scheme"),
    ("ftp://example.com/", "scheme"),
    ("gopher://127.0.0.1:6379/_x", "scheme"),
    ("file:///etc/passwd", "form"),
    ("file://localhost/etc/passwd", "scheme"),
    ("data:text/plain,x", "form"),
    ("javascript:alert(1)", "form"),
    ("dict://127.0.0.1:11211/", "scheme"),
    ("unix:///run/docker.sock", "form"),
    ("//example.com/", "form"),
    ("https:/example.com/", "form"),
    ("https:example.com", "form"),
    ("https:///example.com", "form"),
    ("https://?x", "form"),
    ("example.com", "form"),
    ("", "characters"),
    ("https://example.com/" + "a" * 2029, "too_long"),
]


@pytest.mark.parametrize(("url", "reason"), ODD_FORMS)
def test_odd_urls_are_refused_without_asking_dns(url: str, reason: str) -> None:
    with pytest.raises(addresses.BadUrl) as caught:
        addresses.check_url(url, guard=PUBLIC_ONLY)

    assert caught.value.reason == reason
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/hook?a=1&b=%20",
        "HTTPS://Example.COM:443/",
        "https://example.com:8443/hook",
        "https://a_b.example.com/",
        "https://xn--exmple-cua.com/",
        "https://1password.com/",
        "https://10.example.com/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/hook",
        "https://example.com?x",
        "https://example.com/@user",
        "https://example.com/" + "a" * 2028,
    ],
)
def test_plain_public_urls_pass(url: str) -> None:
    addresses.check_url(url, guard=PUBLIC_ONLY)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/hook",
        "http://localhost:9000/",
        "http://[::1]:9000/",
        "http://[::ffff:127.0.0.1]:9000/",
        "http://receiver:9000/",  # a name is judged by its address, when connecting
        "https://example.com/",
    ],
)
def test_trusted_networks_may_be_named(url: str) -> None:
    addresses.check_url(url, guard=LOOPBACK)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://10.0.0.1/", "address"),
        ("http://8.8.8.8/", "scheme"),
        ("https://8.8.8.8:9000/", "port"),
        ("http://user@127.0.0.1/", "credentials"),
        ("http://127.1/", "address"),
        ("http://2130706433/", "address"),
    ],
)
def test_trusting_one_network_opens_no_other(url: str, reason: str) -> None:
    with pytest.raises(addresses.BadUrl) as caught:
        addresses.check_url(url, guard=LOOPBACK)

    assert caught.value.reason == reason
