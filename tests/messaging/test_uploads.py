"""Files that come with a message: checked before Meta is asked, and kept nowhere."""

import pytest

from accounts.models import PhoneNumber, Tenant
from messaging import media, uploads

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


def test_a_file_is_at_meta_under_the_type_of_its_bytes(tenant: Tenant, number: PhoneNumber) -> None:
    made = uploads.bring(number=number, tenant=tenant, environment="test", kind="image", data=PNG)

    assert made.mime_type == "image/png"
    assert made.media_id


def test_what_whatsapp_does_not_take_is_refused_by_name(tenant: Tenant, number: PhoneNumber) -> None:
    with pytest.raises(media.UnsupportedMedia):
        uploads.bring(number=number, tenant=tenant, environment="test", kind="video", data=PNG)
    with pytest.raises(media.MediaTooLarge) as refused:
        uploads.bring(
            number=number, tenant=tenant, environment="test", kind="image", data=PNG + b"0" * 5_242_880
        )
    assert refused.value.details == {"limit": 5_242_880}
