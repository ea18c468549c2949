"""A system whose name servers do not answer for some names: `python -m tests.lib.lame_names`, see `command`.

libc's resolver reads /etc/resolv.conf and port 53, so this runs in namespaces of its own, where the file is
another and the port is free. It prints as JSON how each request went, and how long the thread's end took.
"""

import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from gosend.lib import http
from tests.lib.raw_server import RawServer, answers, keeps_alive

_SPACES = ("unshare", "--map-root-user", "--mount", "--net")
_ADDRESS = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + bytes([127, 0, 0, 1])
_QUADRUPLE_A = 28
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def command(resolv_conf: Path) -> list[str] | None:
    """What runs this; None where the system gives no namespaces."""
    if not all(map(shutil.which, ("unshare", "mount", "ip"))):
        return None
    if subprocess.run([*_SPACES, "true"], check=False, capture_output=True).returncode:  # noqa: S603
        return None
    resolv_conf.write_text("nameserver 127.0.0.1\n")
    there = f'mount --bind "{resolv_conf}" /etc/resolv.conf && ip link set lo up'
    return [*_SPACES, "sh", "-c", f'{there} && exec "{sys.executable}" -m tests.lib.lame_names']


def _name_server() -> None:
    """Answer for every name but slow…, and not for the IPv6 address of half…"""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind(("127.0.0.1", 53))
    while True:
        asked, peer = door.recvfrom(2000)
        end = asked.index(b"\0", 12) + 1
        (kind,) = struct.unpack(">H", asked[end : end + 2])
        name = asked[13:end]
        if name.startswith(b"slow") or (name.startswith(b"half") and kind == _QUADRUPLE_A):
            continue
        answer = b"" if kind == _QUADRUPLE_A else _ADDRESS
        head = asked[:2] + b"\x81\x80\0\1" + struct.pack(">HHH", bool(answer), 0, 0)
        door.sendto(head + asked[12 : end + 4] + answer, peer)


def _in_thread(server: RawServer, *hosts: str) -> dict[str, Any]:
    """Ask these hosts in a new thread, one by one: what came, and what each and the thread's end took."""
    said: list[str] = []
    took: list[float] = []
    ended: list[float] = []

    def ask() -> None:
        for host in hosts:
            began = time.monotonic()
            try:
                url = server.url(host=f"{host}.gosend.test")
                http.fetch(method="GET", url=url, timeout_seconds=1, max_bytes=9, guard=None)
                said.append("ok")
            except http.Failed as failed:
                said.append(failed.reason)
            took.append(time.monotonic() - began)
            time.sleep(0.05)
        ended.append(time.monotonic())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return {"said": said, "took": took, "end": time.monotonic() - ended[0]}


def main() -> None:
    threading.Thread(target=_name_server, daemon=True).start()
    with RawServer(keeps_alive()) as server:
        found = {"slow": _in_thread(server, "slow1", "well1", "slow2", "well2", "slow3")}
    with RawServer(answers(_OK)) as closing:
        found["half"] = _in_thread(closing, "half", "half", "well3", "half")
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
