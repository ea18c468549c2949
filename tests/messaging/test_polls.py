"""Polls: the plainest form that holds the options, and every way to answer one."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from accounts.models import PhoneNumber, Tenant
from gosend.whatsapp.content import ContentInvalid
from messaging import polls, send
from messaging.models import Message, Poll, PollVote
from tests.messaging.conftest import envelope, text_message
from webhooks_app import endpoints
from webhooks_app.models import Event

TO = "5491140123456"
Tell = Callable[..., Any]


@pytest.fixture
def ask(tenant: Tenant, number: PhoneNumber) -> Callable[..., Poll]:
    endpoints.add(tenant=tenant, number=number, url="https://customer.example/", events=["*"])

    def _ask(options: list[str], selectable_count: int = 1) -> Poll:
        rendering = polls.render(name="Lunch?", options=options, selectable_count=selectable_count)
        poll = polls.keep(
            number=number,
            rendering=rendering,
            name="Lunch?",
            options=options,
            selectable_count=selectable_count,
        )
        message = send.accept(
            tenant=tenant, number=number, to=TO, content=rendering.content, environment="test"
        )
        polls.attach(poll=poll, message=message)
        return poll

    return _ask


def _reply(number: PhoneNumber, wamid: str, kind: str, poll: Poll, index: int) -> dict[str, Any]:
    chosen = {"id": f"poll.{poll.token}.{index}", "title": "x"}
    message = text_message(wamid) | {"type": "interactive", "interactive": {"type": kind, kind: chosen}}
    del message["text"]
    return envelope(number, messages=[message])


def _votes() -> list[dict[str, Any]]:
    told = [
        orjson.loads(bytes(event.body)) for event in Event.objects.filter(type="poll.vote").order_by("pk")
    ]
    return [{key: one[key] for key in ("selected_options", "previous_options", "source")} for one in told]


@pytest.mark.parametrize(
    ("options", "selectable", "form"),
    [
        (["Pizza", "Sushi", "Salad"], 1, "buttons"),
        (["Pizza", "Sushi", "Salad"], 2, "list"),
        (["a" * 21, "b"], 1, "list"),
        (["a" * 72, "b"], 1, "list"),
        (["a" * 73, "b"], 1, "text"),
        ([str(n) for n in range(10)], 1, "list"),
        ([str(n) for n in range(11)], 1, "text"),
    ],
)
def test_a_poll_takes_the_plainest_form(options: list[str], selectable: int, form: str) -> None:
    rendering = polls.render(name="Lunch?", options=options, selectable_count=selectable)

    assert rendering.rendered_as == form
    assert all(option in str(rendering.content.to_graph()) for option in options)


def test_what_fits_no_form_is_refused() -> None:
    with pytest.raises(ContentInvalid):
        polls.render(name="a" * 4090, options=["b" * 100, "c"], selectable_count=1)


def test_a_new_tap_on_a_single_choice_takes_the_place_of_the_old(
    ask: Callable[..., Poll], number: PhoneNumber, tell: Tell
) -> None:
    poll = ask(["Pizza", "Sushi", "Salad"])
    tell(_reply(number, "wamid.1", "button_reply", poll, 0))
    tell(_reply(number, "wamid.2", "button_reply", poll, 1))
    tell(_reply(number, "wamid.2", "button_reply", poll, 1))  # Meta repeats itself

    assert _votes() == [
        {"selected_options": ["Pizza"], "previous_options": [], "source": "button"},
        {"selected_options": ["Sushi"], "previous_options": ["Pizza"], "source": "button"},
    ]
    assert PollVote.objects.get().selected == [1]


def test_taps_on_a_list_of_several_add_and_take_back(
    ask: Callable[..., Poll], number: PhoneNumber, tell: Tell
) -> None:
    poll = ask(["Pizza", "Sushi", "Salad"], selectable_count=2)
    for count, index in enumerate((0, 1, 2, 1)):
        tell(_reply(number, f"wamid.{count}", "list_reply", poll, index))

    assert [one["selected_options"] for one in _votes()] == [
        ["Pizza"],
        ["Pizza", "Sushi"],
        ["Sushi", "Salad"],
        ["Salad"],
    ]


@pytest.mark.parametrize(
    ("written", "selected"), [("2", [1]), ("1, 3", [0, 2]), ("1 and 2", None), ("99", None)]
)
def test_numbers_written_after_a_numbered_poll_are_votes(
    ask: Callable[..., Poll], number: PhoneNumber, tell: Tell, written: str, selected: list[int] | None
) -> None:
    ask([str(n) for n in range(11)], selectable_count=3)

    tell(envelope(number, messages=[text_message("wamid.1", written)]))

    assert list(PollVote.objects.values_list("selected", flat=True)) == ([selected] if selected else [])
    assert Message.objects.filter(direction="inbound").count() == 1


def test_a_number_is_a_vote_only_where_it_answers_the_poll(
    ask: Callable[..., Poll], number: PhoneNumber, tell: Tell, send_text: Callable[..., Message]
) -> None:
    poll = ask([str(n) for n in range(11)])
    send_text()
    tell(envelope(number, messages=[text_message("wamid.1", "2")]))
    assert not PollVote.objects.exists()

    assert poll.message is not None
    quoting = text_message("wamid.2", "2", context={"id": poll.message.wamid})
    tell(envelope(number, messages=[quoting]))
    assert PollVote.objects.get().selected == [1]


def test_a_foreign_token_or_place_is_no_vote(
    ask: Callable[..., Poll], number: PhoneNumber, tell: Tell
) -> None:
    poll = ask(["Pizza", "Sushi"])
    poll_of_nobody = Poll(token="A" * 16)
    tell(_reply(number, "wamid.1", "button_reply", poll_of_nobody, 0))
    tell(_reply(number, "wamid.2", "button_reply", poll, 7))

    assert not PollVote.objects.exists()
    assert Message.objects.filter(direction="inbound").count() == 2


def test_an_own_vote_is_the_complete_set(ask: Callable[..., Poll], number: PhoneNumber) -> None:
    poll = ask(["Pizza", "Sushi", "Salad"], selectable_count=2)
    polls.vote(poll=poll, options=["Pizza", "Salad"])
    polls.vote(poll=poll, options=[])

    assert [one["selected_options"] for one in _votes()] == [["Pizza", "Salad"], []]
    assert PollVote.objects.get().voter == number.display_phone_number_normalized
    for wrong in (["Fish"], ["Pizza", "Sushi", "Salad"], ["Pizza", "Pizza"]):
        with pytest.raises(polls.InvalidVote):
            polls.vote(poll=poll, options=wrong)
