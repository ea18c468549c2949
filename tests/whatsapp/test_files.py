"""What a file is by its bytes, and what each kind of media takes."""

import pytest

from gosend.sandbox import samples
from gosend.whatsapp import files

COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)
WEBP = b"RIFF\0\0\0\0WEBP"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\0", "image/png"),
        (WEBP + b"VP8 ", "image/webp"),
        (b"GIF89a\x01\0", "image/gif"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\0\x18ftyp3gp4", "video/3gpp"),
        (b"\0\0\0\x18ftypM4A \0", "audio/mp4"),
        (b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead", "audio/ogg"),
        (b"OggS\0\x02" + bytes(20) + b"\x01\x1e\x01vorbis", files.UNKNOWN),
        (b"#!AMR\n\x3c", "audio/amr"),
        (b"ID3\x04\0\0", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf3\x40\xc4", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\xff\xf9\x50\x80", "audio/aac"),
        (b"\xff\xe1\x50\x80\0", files.UNKNOWN),
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (COMPOUND + "WordDocument".encode("utf-16-le"), "application/msword"),
        (COMPOUND + "Workbook".encode("utf-16-le"), "application/vnd.ms-excel"),
        (COMPOUND + "PowerPoint Document".encode("utf-16-le"), "application/vnd.ms-powerpoint"),
        (COMPOUND, files.UNKNOWN),
        (b"PK\x03\x04\x14\0\x06\0...word/document.xml", DOCX),
        (b"PK\x03\x04\x14\0\x06\0...xl/workbook.xml", XLSX),
        (b"PK\x03\x04\x14\0\x06\0...ppt/presentation.xml", PPTX),
        (b"PK\x03\x04\x14\0\x06\0...readme.txt", files.UNKNOWN),
        ("name,city\nJosé,Córdoba\n".encode(), "text/plain"),
        ("name,city\nJosé,Córdoba\n".encode("latin-1"), "text/plain"),
        (b"  <!DOCTYPE html><html>", "text/html"),
        (b"<HTML>", "text/html"),
        (b"MZ\x90\0\x03", files.UNKNOWN),
        (b"", files.UNKNOWN),
    ],
)
def test_a_file_is_known_by_its_bytes(data: bytes, mime_type: str) -> None:
    assert files.sniff(data) == mime_type


@pytest.mark.parametrize("kind", samples.KINDS)
def test_the_sandboxes_own_files_are_what_they_say(kind: str) -> None:
    sample = samples.of(samples.new_id(kind))

    assert sample is not None
    assert files.check(kind=kind, data=sample.data) == files.bare(sample.mime_type)


def test_a_film_without_pictures_is_audio() -> None:
    assert files.check(kind="audio", data=b"\0\0\0\x18ftypisom" + bytes(20)) == "audio/mp4"


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("image", b"", "empty"),
        ("image", b"GIF89a", "image/gif; image takes image/jpeg, image/png"),
        ("video", b"MZ\0", "of no known type"),
        ("document", b"<html>", "text/html"),
        ("sticker", b"\x89PNG\r\n\x1a\n", "image/png"),
    ],
)
def test_an_unfit_file_is_refused_with_what_it_is(kind: str, data: bytes, said: str) -> None:
    with pytest.raises(files.UnfitFile, match=said) as caught:
        files.check(kind=kind, data=data)

    assert not caught.value.is_too_large


@pytest.mark.parametrize(
    ("kind", "start", "limit"),
    [
        ("image", b"\xff\xd8\xff", 5 * files.MB),
        ("video", b"\0\0\0\x18ftypmp42", 16 * files.MB),
        ("audio", b"ID3", 16 * files.MB),
        ("sticker", WEBP + b"VP8 ", 100 * files.KB),
        ("sticker", WEBP + b"VP8X\x0a\0\0\0\x02", 500 * files.KB),
        ("sticker", WEBP + b"VP8X\x0a\0\0\0\x10", 100 * files.KB),
    ],
)
def test_the_limit_is_the_last_size_that_is_taken(kind: str, start: bytes, limit: int) -> None:
    files.check(kind=kind, data=start + bytes(limit - len(start)))
    with pytest.raises(files.UnfitFile) as caught:
        files.check(kind=kind, data=start + bytes(limit - len(start) + 1))

    assert caught.value.is_too_large
    assert caught.value.limit == limit


def test_a_type_is_found_whatever_its_spelling() -> None:
    assert files.kinds_of("Audio/OGG; codecs=opus") == ("audio",)
    assert files.kinds_of("video/mp4") == ("video", "gif")
    assert files.kinds_of("text/html") == ()
    assert files.name_for("audio/ogg; codecs=opus") == "file.ogg"
    assert files.name_for("text/html") == "file.bin"
