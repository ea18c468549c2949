"""Half a message on the file transport is no message, and ends no worker."""

from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from gosend.lib.file_broker import Channel, Transport


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    options = {
        "data_folder_in": str(tmp_path),
        "data_folder_out": str(tmp_path),
        "control_folder": str(tmp_path / "control"),
    }
    found = Connection(transport=Transport, transport_options=options).channel()
    assert isinstance(found, Channel)
    return found


def test_a_whole_message_is_read(channel: Channel) -> None:
    channel._put("bell", {"body": "ring"})

    assert channel._get("bell") == {"body": "ring"}


@pytest.mark.parametrize("half", [b"", b'{"body": "ri'])
def test_half_a_message_is_none(half: bytes, channel: Channel, tmp_path: Path) -> None:
    (tmp_path / "1_x.bell.msg").write_bytes(half)

    with pytest.raises(Empty):
        channel._get("bell")
