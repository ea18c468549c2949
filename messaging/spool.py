"""A file on its way to Meta: a small one in memory, a larger one on disk, all of them within one bound."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from tempfile import SpooledTemporaryFile

from django.conf import settings

from gosend.whatsapp.files import MB, Data

# A file up to this stays in memory.
_IN_MEMORY_BYTES = 1 * MB
# What all files under way may take in one process, on disk and in memory.
_ALL_BYTES = 512 * MB


class Spool:
    """Takes a file as it comes; `is_refused` once all files together would be too large."""

    def __init__(self) -> None:
        folder = settings.VAR_DIR / "spool"
        folder.mkdir(parents=True, exist_ok=True)
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(  # noqa: SIM115 -- closed by close()
            max_size=_IN_MEMORY_BYTES, dir=str(folder)
        )
        self._size = 0
        self._mapped: mmap | None = None
        self.is_refused = False

    def write(self, data: bytes) -> bool:
        """Keep some more bytes; False when there is no room for them now."""
        if not _room.take(len(data)):
            self.is_refused = True
            return False
        self._size += len(data)
        self._file.write(data)
        return True

    def empty(self) -> None:
        """Forget what came so far, as the body of a redirect."""
        _room.give_back(self._size)
        self._size = 0
        self._file.seek(0)
        self._file.truncate()

    def data(self) -> Data:
        """What came, to look at in place; it is gone when the spool closes."""
        if self._size <= _IN_MEMORY_BYTES:
            self._file.seek(0)
            return self._file.read()
        self._file.flush()
        self._mapped = mmap(self._file.fileno(), 0, access=ACCESS_READ)
        return self._mapped

    def close(self) -> None:
        if self._mapped is not None:
            self._mapped.close()
        self._file.close()
        _room.give_back(self._size)
        self._size = 0


@contextmanager
def opened() -> Iterator[Spool]:
    """A spool that leaves nothing behind; the system removes its file even when the process is killed."""
    spool = Spool()
    try:
        yield spool
    finally:
        spool.close()


class _Room:
    """Counts the bytes of all spools of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.taken = 0

    def take(self, size: int) -> bool:
        with self._lock:
            if self.taken + size > _ALL_BYTES:
                return False
            self.taken += size
            return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self.taken -= size


_room = _Room()
