"""What is in hand survives a short absence of the database, as while it restarts."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

log = logging.getLogger(__name__)

_TRY_AGAIN_SECONDS = 0.25

_Result = TypeVar("_Result")


def persist(act: Callable[[], _Result]) -> _Result:
    """Do something to the database, again and again while it is away, for as long as a lease lasts.

    Within a transaction it is tried once: what came before in it is lost with the connection.
    """
    give_up_at = time.monotonic() + settings.CLAIM_LEASE_SECONDS
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError) as error:
            if not is_absence(error) or time.monotonic() > give_up_at:
                raise
            log.warning("the database is away; what is in hand is kept and tried again")
            connection.close()
            time.sleep(_TRY_AGAIN_SECONDS)


def is_absence(error: Exception) -> bool:
    """Whether the same may succeed on a new connection."""
    return isinstance(error, OperationalError | InterfaceError) and not connection.in_atomic_block
