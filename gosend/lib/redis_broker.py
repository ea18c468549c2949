"""Celery's Redis transport, with one manner of its own: a Redis that dies ends no worker.

The library gives unacknowledged messages back when it closes a channel. Where the connection was given up
just before, it reads the address of a connection that is no more, and the worker ends over it (kombu 5.7).
A message is a doorbell here, and a lost one costs a sweep.
"""

from kombu.transport import redis


class Channel(redis.Channel):
    def close(self) -> None:
        if self.connection.client is None:
            self.do_restore = False  # there is nobody to give back to
        super().close()


class Transport(redis.Transport):
    Channel = Channel
    # Whatever else the library looks for on a connection that is no more.
    connection_errors = (*redis.Transport.connection_errors, AttributeError)
