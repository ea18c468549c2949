"""Store what is accepted at the same moment together, those who are new to their number included."""

from collections.abc import Sequence

from django.db import Error, transaction

from gosend.lib import gather
from messaging import keep, openings


def store(batch: keep.Batch) -> list[keep.Kept]:
    """Keep a batch as `keep.keep` does, with others where there are any; make who is new."""
    return line.store(batch)


def _store(batches: Sequence[keep.Batch]) -> list[list[keep.Kept] | Error]:
    stored: list[list[keep.Kept] | Error] = [*keep.keep_all(batches)]
    new = [place for place, found in enumerate(stored) if isinstance(found, list) and _is_new(found)]
    if new:
        begun = _store_strangers([batches[place] for place in new])
        for place, found in zip(new, begun, strict=True):
            stored[place] = found or stored[place]
    return stored


def _store_strangers(batches: Sequence[keep.Batch]) -> Sequence[list[keep.Kept] | Error | None]:
    """Make the people and conversations that are new, for all; None for each that is to try alone."""
    nothing: list[None] = [None] * len(batches)
    try:
        with transaction.atomic():
            openings.begin([(batch.number, row["peer"]) for batch in batches for row in batch.rows])
            stored = keep.keep_all(batches)
            if any(one.id is None for found in stored for one in found):
                raise _NotAll  # a key was taken meanwhile: nothing may be begun for a message that is refused
    except _NotAll:
        return nothing
    except Error as error:
        if gather.was_undone(error):
            return nothing
        return [None if _is_repeatable(batch) else error for batch in batches]
    return stored


class _NotAll(Exception):
    pass


def _is_new(found: Sequence[keep.Kept]) -> bool:
    return any(one.id is None and one.is_open and one.conversation_id is None for one in found)


def _key(batch: keep.Batch) -> tuple[int, str, str] | None:
    once = batch.once
    return None if once is None else (once.tenant_id, once.environment, once.key)


def _is_repeatable(batch: keep.Batch) -> bool:
    """With a key a message that was stored is found, and not stored twice."""
    return batch.once is not None


line: gather.Line[keep.Batch, list[keep.Kept]] = gather.Line(_store, key=_key, is_repeatable=_is_repeatable)
