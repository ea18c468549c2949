"""The client under test, called with harmless defaults."""

import ipaddress

import pytest

from gosend.lib import http

LOOPBACK = http.Guard((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def fetch(
    url: str,
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    body: bytes | None = b"{}",
    timeout_seconds: float = 3,
    max_bytes: int = 100_000,
    keep_bytes: int | None = None,
    guard: http.Guard | None = LOOPBACK,
) -> http.Response:
    return http.fetch(
        method=method,
        url=url,
        headers=headers,
        body=body,
        timeout_seconds=timeout_seconds,
        max_bytes=max_bytes,
        keep_bytes=keep_bytes,
        guard=guard,
    )


def failure(url: str, **options: object) -> tuple[str, http.Outcome]:
    with pytest.raises(http.Failed) as caught:
        fetch(url, **options)  # type: ignore[arg-type]
    return caught.value.reason, caught.value.outcome
