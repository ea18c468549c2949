"""A small proxy in front of the pretend Meta that lies, delays and hangs up as a plan says."""

import asyncio
import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

_LENGTH = re.compile(rb"^content-length:\s*(\d+)", re.IGNORECASE | re.MULTILINE)
_CLOSES = re.compile(rb"^connection:\s*close", re.IGNORECASE | re.MULTILINE)
_HANG_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Act:
    """What becomes of one request: is it passed on, when, and what does the client hear?

    `answer` is "pass", "reset", "hang", "truncate" or a whole HTTP answer. `is_early` cuts the connection
    before the request was read to its end.
    """

    name: str
    forwards: bool = True
    delay: float = 0.0
    answer: str | bytes = "pass"
    is_early: bool = False


def http(status: int, body: str, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    return head.encode() + body.encode()


def graph_error(status: int, code: int) -> bytes:
    error = {"message": f"(#{code}) said by the proxy", "type": "OAuthException", "code": code}
    return http(status, json.dumps({"error": error}))


PASS = Act("pass")
RESET_EARLY = Act("reset before the body", forwards=False, answer="reset", is_early=True)
RESET_LATE = Act("reset after the body", forwards=False, answer="reset")
ANSWER_LOST = Act("answer lost", answer="reset")
HANG = Act("hang", forwards=False, answer="hang")
HANG_AFTER = Act("hang after Meta has it", answer="hang")
TRUNCATED = Act("truncated answer", answer="truncate")
HTML_500 = Act("500 html", forwards=False, answer=http(500, "<h1>Sorry</h1>", "text/html"))
JSON_500 = Act("500 json 131000", forwards=False, answer=graph_error(500, 131000))
THROTTLED = Act("400 json 130429", forwards=False, answer=graph_error(400, 130429))
PAIR_LIMIT = Act("400 json 131056", forwards=False, answer=graph_error(400, 131056))
GARBAGE_200 = Act("200 garbage", answer=http(200, "Gateway says hello", "text/plain"))


def delayed(seconds: float) -> Act:
    return replace(PASS, name=f"delay {seconds} s", delay=seconds)


@dataclass(slots=True)
class Request:
    """One request as it passed: whose, when, and what was done with it."""

    opaque: str
    to: str
    phone_number_id: str
    at: float
    act: Act = PASS
    is_open: bool = True


Plan = Callable[[Request], Act]


@dataclass
class Proxy:
    """Listens on 127.0.0.1; everything runs in a thread of its own until `close`."""

    upstream: int
    plan: Plan = lambda _request: PASS
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self.listen()

    def listen(self) -> None:
        self._call(self._listen())

    def refuse(self) -> None:
        """Listen no longer: connections are refused until `listen`; open ones are cut."""
        self._call(self._refuse())

    def in_flight(self) -> int:
        return sum(request.is_open for request in self.requests)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.refuse()
        _end(self._loop, self._thread)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        upstream: list[asyncio.StreamWriter] = []
        ended = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError)
        with contextlib.suppress(*ended):
            await self._talk(reader, writer, upstream)
        for opened in (writer, *upstream):
            opened.close()
        self._writers.discard(writer)

    async def _talk(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: list[asyncio.StreamWriter],
    ) -> None:
        server: asyncio.StreamReader | None = None
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            request = _read(head, body)
            request.act = act = self.plan(request)
            self.requests.append(request)
            try:
                if act.is_early:
                    _reset(writer)
                    return
                await asyncio.sleep(act.delay)
                answer = b""
                if act.forwards:
                    if server is None:
                        server, opened = await asyncio.open_connection("127.0.0.1", self.upstream)
                        upstream.append(opened)
                    upstream[0].write(head + body)
                    answer = await _answer(server)
                if not await _reply(act, answer, writer) or _CLOSES.search(answer):
                    return
            finally:
                request.is_open = False


async def _answer(server: asyncio.StreamReader) -> bytes:
    head = await server.readuntil(b"\r\n\r\n")
    return head + await server.readexactly(_length(head))


async def _reply(act: Act, answer: bytes, writer: asyncio.StreamWriter) -> bool:
    """Say what the act says; True when the connection stays open."""
    if isinstance(act.answer, bytes) or act.answer == "pass":
        writer.write(act.answer if isinstance(act.answer, bytes) else answer)
        await writer.drain()
        return True
    if act.answer == "truncate":
        writer.write(answer[: len(answer) - 20])
        await writer.drain()
    elif act.answer == "hang":
        await asyncio.sleep(_HANG_SECONDS)
    else:
        _reset(writer)
    return False


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    opened = writer.get_extra_info("socket")
    if opened is not None:
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _length(head: bytes) -> int:
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


def _read(head: bytes, body: bytes) -> Request:
    path = head.split(b" ", 2)[1].decode("latin-1")
    parts = path.partition("?")[0].strip("/").split("/")
    try:
        said = json.loads(body) if body else {}
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    return Request(
        opaque=str(said.get("biz_opaque_callback_data", "")),
        to=str(said.get("to", "")),
        phone_number_id=parts[-2] if len(parts) > 1 else "",
        at=time.time(),
    )


class Relay:
    """A plain TCP relay that holds each piece back for a while: a slow Redis."""

    def __init__(self, *, upstream: int) -> None:
        self.upstream, self.delay, self.port = upstream, 0.0, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def close(self) -> None:
        _end(self._loop, self._thread)

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError):
            source, opened = await asyncio.open_connection("127.0.0.1", self.upstream)
            await asyncio.gather(self._pipe(reader, opened), self._pipe(source, writer))
        for end in (writer, opened):
            if end is not None:
                end.close()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
