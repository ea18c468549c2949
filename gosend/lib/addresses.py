"""Which network addresses are public, and which URLs may be called."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_URL_CHARACTERS = 2048
# Ports outside the trusted networks; others would let a tenant knock at mail servers and databases.
PUBLIC_PORTS = frozenset({443, 8443})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# `is_global` of the standard library says yes to multicast, NAT64 of private addresses and more, and
# differs between Python's patch releases; so the table is our own (IANA's special-purpose registries).
_NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, and some clouds' metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host agent
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Only this eighth of IPv6 is handed out to the public; loopback, private, link-local, site-local,
# multicast, IPv4-compatible and segment-routing addresses all lie outside it.
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 carries any IPv4 address inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def unmapped(address: Address) -> Address:
    """Give the IPv4 address that an IPv4-mapped one (`::ffff:a.b.c.d`) stands for."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def is_public(address: Address) -> bool:
    """Whether the address can only belong to somebody on the public internet."""
    address = unmapped(address)
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64:
        # What an IPv6-only network makes of a public IPv4 host, or an attacker of a private one.
        address = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


class BadUrl(Exception):
    """A URL that will never be called; `reason` is a short word, `str()` a sentence for its author."""

    def __init__(self, reason: str) -> None:
        super().__init__(_SENTENCES[reason])
        self.reason = reason


_SENTENCES = {
    "too_long": f"The URL is longer than {MAX_URL_CHARACTERS} characters.",
    "characters": "The URL has blanks, backslashes or characters outside ASCII; percent-encode them.",
    "form": "This is not an absolute URL such as https://example.com/hook.",
    "scheme": "The URL must start with https://.",
    "credentials": "The URL must not carry a user name or password.",
    "fragment": "The URL must not have a fragment (#).",
    "host": "The URL's host is not a public DNS name.",
    "address": "The URL's host is not a public address.",
    "port": f"The URL's port must be one of {', '.join(map(str, sorted(PUBLIC_PORTS)))}.",
}


@dataclass(frozen=True, eq=False, slots=True)
class Guard:
    """Lets a request go to public addresses by https, and anywhere within the trusted networks.

    Its verdicts are remembered for each guard itself: keep one rather than make one for each request.
    """

    trusted: tuple[Network, ...] = ()

    def trusts(self, address: Address) -> bool:
        return any(unmapped(address) in network for network in self.trusted)

    def refusal(self, address: Address, *, scheme: str, port: int) -> str | None:
        """Say why this address may not be called, as a reason of BadUrl; None if it may."""
        if self.trusts(address):
            return None
        if not is_public(address):
            return "address"
        if scheme != "https":
            return "scheme"
        return None if port in PUBLIC_PORTS else "port"


@lru_cache(maxsize=8)
def guard_of(trusted: tuple[Network, ...]) -> Guard:
    """The guard that trusts these networks; the same one each time."""
    return Guard(trusted)


# --- Who calls us ---------------------------------------------------------------------------------
def caller_of(meta: Mapping[str, Any], *, proxies: Sequence[Network]) -> str:
    """Where a request comes from, by its WSGI variables: the last hop that is none of our own proxies."""
    forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", ""))
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    hops.append(str(meta.get("REMOTE_ADDR") or ""))
    while len(hops) > 1 and _is_among(hops[-1], proxies):
        hops.pop()
    return hops[-1]


def _is_among(text: str, networks: Sequence[Network]) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(found in network for network in networks)


# --- Which URLs -----------------------------------------------------------------------------------
_PLAIN = re.compile(r"[!-\[\]-~]+\Z")
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?]+)(?:[/?].*)?\Z", re.IGNORECASE)
_AUTHORITY = re.compile(
    r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?\Z", re.I
)
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\Z")
# Resolvers read a host whose last label is a number as an address, in many spellings.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\Z")
_LOOPBACK = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


def check_url(url: str, *, guard: Guard) -> None:
    """Refuse a URL that no request may ever go to; needs no DNS. Raises BadUrl.

    A name that passes can still resolve to a private address: `fetch` looks at that when it connects.
    """
    scheme, authority = _split(url)
    match = _AUTHORITY.match(authority)
    if not match:
        raise BadUrl("credentials" if "@" in authority else "host")
    port = int(match["port"] or (443 if scheme == "https" else 80))
    if not 0 < port < 65536:
        raise BadUrl("port")
    if candidates := _literals(match):
        refusals = [guard.refusal(address, scheme=scheme, port=port) for address in candidates]
        if all(refusals):
            raise BadUrl(refusals[0] or "address")
    elif not guard.trusted:
        _check_public_name(match["name"], scheme=scheme, port=port)


def _split(url: str) -> tuple[str, str]:
    if len(url) > MAX_URL_CHARACTERS:
        raise BadUrl("too_long")
    if not _PLAIN.match(url):
        raise BadUrl("characters")
    if "#" in url:
        raise BadUrl("fragment")
    match = _URL.match(url)
    if not match:
        raise BadUrl("form")
    scheme = match["scheme"].lower()
    if scheme not in {"http", "https"}:
        raise BadUrl("scheme")
    return scheme, match["authority"]


def _literals(match: re.Match[str]) -> tuple[Address, ...]:
    """Read a host that needs no DNS: an address, or localhost; empty for any other name."""
    name = (match["name"] or "").lower()
    try:
        if match["v6"]:
            return (ipaddress.IPv6Address(match["v6"]),)
        if _NUMERIC.match(name):
            return (ipaddress.IPv4Address(name),)
    except ValueError as error:
        raise BadUrl("address") from error
    if not _NAME.match(name):
        raise BadUrl("host")
    return _LOOPBACK if name == "localhost" or name.endswith(".localhost") else ()


def _check_public_name(name: str, *, scheme: str, port: int) -> None:
    if "." not in name:
        raise BadUrl("host")
    if scheme != "https":
        raise BadUrl("scheme")
    if port not in PUBLIC_PORTS:
        raise BadUrl("port")
