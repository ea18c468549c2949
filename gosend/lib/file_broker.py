"""Celery's file transport, with one manner of its own: half a message is no message.

The library's reader may pick up a file that its writer has only just opened, and the worker would end
over it. A message is a doorbell here, and a lost one costs a sweep.
"""

from queue import Empty
from typing import Any

from kombu.transport import filesystem


class Channel(filesystem.Channel):
    def _get(self, queue: str, timeout: float | None = None) -> Any:
        try:
            return super()._get(queue)
        except ValueError:
            raise Empty from None


class Transport(filesystem.Transport):
    Channel = Channel
