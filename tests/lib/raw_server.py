"""A server that says exactly what a test wants said, byte by byte, on 127.0.0.1."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Talk = Callable[[socket.socket, "RawServer"], None]


class RawServer:
    """Runs `talk` for each connection and keeps every request that it read."""

    def __init__(self, talk: Talk, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._talk = talk
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []

    def url(self, path: str = "/", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def read_request(self, connection: socket.socket) -> bytes:
        """Read one request and its body; empty when the client has left."""
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while lengths and len(body) < int(lengths[0]):
            body += connection.recv(65536)
        request = head + b"\r\n\r\n" + body
        self.requests.append(request)
        return request

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        for opened in (self._listener, *self._open):  # wakes whoever waits on it
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(3)
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            self._talk(connection, self)
        except OSError:
            pass  # the client hung up, as some tests want
        finally:
            connection.close()


def answers(*pieces: bytes, then: Callable[[socket.socket], None] | None = None) -> Talk:
    """Read one request, send the pieces, then do something or close."""

    def talk(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        for piece in pieces:
            connection.sendall(piece)
        if then:
            then(connection)

    return talk


def keeps_alive(response: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") -> Talk:
    """Answer every request on the same connection until the client leaves or the test ends."""

    def talk(connection: socket.socket, server: RawServer) -> None:
        connection.settimeout(0.1)
        while not server.stopping.is_set():
            try:
                if not server.read_request(connection):
                    return
            except TimeoutError:
                continue
            connection.sendall(response)

    return talk
