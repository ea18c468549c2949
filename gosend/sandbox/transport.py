"""Carries Graph requests of test-mode numbers to the sandbox, in process."""

from dataclasses import dataclass
from typing import ClassVar

from gosend.lib import http
from gosend.sandbox import callbacks, graph
from gosend.sandbox.world import Line, RowWorld
from gosend.whatsapp.wire import GraphRequest, GraphResponse


@dataclass(frozen=True, slots=True)
class SandboxTransport:
    """A `wire.Transport` for one sandbox number, or for an account alone.

    What Meta would report later is kept as rows.

    Call it outside a transaction, as any transport: the rows of an accepted message must stay even
    when the answer is lost.
    """

    # Nothing to wait for: its caller's thread does the work, on its caller's connection.
    is_in_process: ClassVar[bool] = True

    waba_id: str
    phone_number_id: str = ""
    display_phone_number: str = ""

    def __call__(self, request: GraphRequest) -> GraphResponse:
        line = Line(self.waba_id, self.phone_number_id, self.display_phone_number)
        reply = graph.answer(request, world=RowWorld(line))
        callbacks.schedule_all(reply.callbacks)
        if reply.response is None:
            raise http.Failed("reset", http.Outcome.UNKNOWN)
        return reply.response
