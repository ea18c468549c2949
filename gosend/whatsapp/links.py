"""Where a message names files by link, and the same message with ids in their place."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gosend.whatsapp.files import LIMITS

# What a message, a header or a parameter can hold a file under.
_KINDS = tuple(LIMITS)


class Link(NamedTuple):
    """A file on the web, and the kind of media that it is sent as."""

    kind: str
    url: str


def find(body: Mapping[str, Any]) -> tuple[Link, ...]:
    """The links of a Graph-shaped body `{"type": …, <type>: …}`, each once."""
    return tuple(dict.fromkeys(link for holder in _holders(body) for link in _links_in(holder)))


def replace(body: Mapping[str, Any], ids: Mapping[Link, str]) -> dict[str, Any]:
    """The body with Meta's media id wherever one of the links stood; the original stays as it is."""
    copied: dict[str, Any] = _copy(body)
    for holder in _holders(copied):
        for link in _links_in(holder):
            if link in ids:
                media = holder[link.kind]
                del media["link"]
                media["id"] = ids[link]
    return copied


def _links_in(holder: Mapping[str, Any]) -> list[Link]:
    found = []
    for kind in _KINDS:
        media = holder.get(kind)
        if not isinstance(media, dict) or media.get("id"):
            continue
        link = media.get("link")
        if isinstance(link, str) and link:
            found.append(Link(kind, link))
    return found


def _holders(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that hold media. Others may look alike, as the data of a flow, and are left alone."""
    kind = body.get("type")
    content = body.get(kind) if isinstance(kind, str) else None
    if not isinstance(content, dict):
        return
    if kind == "template":
        yield from _in_components(content)
    elif kind == "interactive":
        yield from _in_interactive(content)
    elif kind in _KINDS:
        yield {str(kind): content}


def _in_components(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for component in _objects(content.get("components")):
        yield from _objects(component.get("parameters"))
        for card in _objects(component.get("cards")):
            yield from _in_components(card)


def _in_interactive(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _objects([content.get("header")])
    action = content.get("action")
    for card in _objects(action.get("cards") if isinstance(action, dict) else None):
        yield from _in_interactive(card)


def _objects(items: Any) -> Iterator[dict[str, Any]]:
    return (item for item in items if isinstance(item, dict)) if isinstance(items, list) else iter(())


def _copy(value: Any) -> Any:
    match value:
        case dict():
            return {key: _copy(item) for key, item in value.items()}
        case list():
            return [_copy(item) for item in value]
    return value
