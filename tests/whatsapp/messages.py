"""Strategies: every type of message that can be sent, with what we do not know thrown in."""

from typing import Any

from hypothesis import strategies as st

Value = dict[str, Any] | list[Any]
Sent = tuple[str, Value]


def words(longest: int) -> st.SearchStrategy[str]:
    known = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
    return st.text(known, min_size=1, max_size=longest)


def lines(longest: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=longest)


def some(known: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> Any:
    """Objects with these fields, perhaps those, and perhaps some of next year's."""
    shape = st.fixed_dictionaries(known, optional=optional)
    return st.builds(lambda extras, made: {**extras, **made}, EXTRAS, shape)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("xyz", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=2)
    ),
    max_leaves=4,
)
EXTRAS = st.dictionaries(st.text("abc_", min_size=3, max_size=6), JSON.filter(bool), max_size=2)
LINKS = st.sampled_from(
    ["https://example.org/a", "HTTP://example.org:8080/b?x=%20", "https://ñandú.example/"]
)
FILES = some({"id": words(20)}) | some({"link": LINKS})
CAPTIONED = st.builds(lambda file, caption: {**file, **caption}, FILES, some({}, caption=words(30)))
LABELS = lines(20)


def texts_of(longest: int) -> Any:
    return some({"text": words(longest)})


HEADERS = some({"type": st.just("text"), "text": lines(60)}) | st.sampled_from(
    ["image", "video", "document"]
).flatmap(lambda kind: some({"type": st.just(kind), kind: FILES}))
AROUND: dict[str, Any] = {"header": HEADERS, "footer": texts_of(60)}


def interactive(kind: str, action: Any, **optional: Any) -> Any:
    return some({"type": st.just(kind), "body": texts_of(99), "action": action}, **optional)


def distinct(size: int, longest: int) -> Any:
    return st.lists(lines(longest), min_size=1, max_size=size, unique=True)


BUTTONS = interactive(
    "button",
    distinct(3, 20).map(
        lambda titles: {
            "buttons": [{"type": "reply", "reply": {"id": f"id-{title}", "title": title}} for title in titles]
        }
    ),
    **AROUND,
)
LISTS = interactive(
    "list",
    st.builds(
        lambda label, ids, title: {
            "button": label,
            "sections": [{"title": title, "rows": [{"id": id_, "title": "t"}]} for id_ in ids],
        },
        LABELS,
        distinct(10, 200),
        lines(24),
    ),
    footer=texts_of(60),
)
URLS = interactive(
    "cta_url",
    some({"name": st.just("cta_url"), "parameters": some({"display_text": LABELS, "url": LINKS})}),
    **AROUND,
)
FLOWS = interactive(
    "flow",
    some(
        {
            "name": st.just("flow"),
            "parameters": some(
                {"flow_message_version": st.just("3"), "flow_name": words(9), "flow_cta": lines(30)},
                mode=st.sampled_from(["draft", "published"]),
                flow_token=words(9),
            ),
        }
    ),
    **AROUND,
)
PRODUCTS = interactive("product", some({"catalog_id": words(9), "product_retailer_id": words(9)}))
PLACES_ASKED = interactive("location_request_message", some({"name": st.just("send_location")}))
OTHERS = some({"type": st.sampled_from(["address_message", "of_2027"])}, action=st.just({"name": "x"}))
NUMBERS = st.floats(-90, 90) | st.integers(-90, 90) | st.integers(-90, 90).map(str)
CARDS = some(
    {"name": some({"formatted_name": words(20)}, first_name=words(9))},
    phones=st.lists(some({"phone": words(20)}, wa_id=words(9)), max_size=2),
    emails=st.lists(some({"email": words(20)}), max_size=2),
    birthday=st.dates().map(str),
)
PARAMETERS = some({"type": st.just("text"), "text": lines(20)}, parameter_name=words(9)) | some(
    {"type": st.just("image"), "image": FILES}
)
COMPONENTS = some({"type": st.just("body"), "parameters": st.lists(PARAMETERS, max_size=3)})
TEMPLATES = some(
    {
        "name": st.from_regex(r"[a-z0-9_]{1,20}", fullmatch=True),
        "language": some({"code": st.sampled_from(["es", "en_US"])}),
    },
    components=st.lists(COMPONENTS, max_size=3),
)

BY_TYPE: dict[str, st.SearchStrategy[Value]] = {
    "text": some({"body": words(50)}, preview_url=st.booleans()),
    "template": TEMPLATES,
    "image": CAPTIONED,
    "video": CAPTIONED,
    "document": CAPTIONED,
    "audio": FILES,
    "sticker": FILES,
    "location": some({"latitude": NUMBERS, "longitude": NUMBERS}, name=words(20), address=words(20)),
    "interactive": st.one_of(BUTTONS, LISTS, URLS, FLOWS, PRODUCTS, PLACES_ASKED, OTHERS),
    "contacts": st.lists(CARDS, min_size=1, max_size=3),
    "reaction": some({"message_id": words(30), "emoji": st.sampled_from(["", "👍", "🇦🇷", "1️⃣"])}),
}
MESSAGES: st.SearchStrategy[Sent] = st.one_of(
    [st.tuples(st.just(kind), values) for kind, values in BY_TYPE.items()]
)
