"""Whether a port is free: granian would share a taken one, and half of the requests would go elsewhere."""

import socket
import sys


class PortTaken(Exception):
    """Somebody listens on a port that we want."""


def require_free(port: int) -> None:
    """Raise PortTaken when a program of this machine listens on the port, at any address."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0")):  # noqa: S104 -- to look
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                raise PortTaken(f"Port {port} is taken") from error


if __name__ == "__main__":
    wanted, target = int(sys.argv[1]), sys.argv[2]
    try:
        require_free(wanted)
    except PortTaken as taken:
        sys.exit(f"{taken}. Stop what listens there, or choose another: make {target} PORT={wanted + 100}")
