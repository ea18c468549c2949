"""Staff get into the console by two factors, and guessing is slow."""

import importlib
import json
from base64 import b32encode
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from pytest_django import Settings

from accounts import sign_in
from accounts.models import AuditEvent, Authenticator, SignInTally, User
from gosend.demo import seed
from gosend.demo.seed import Demo
from gosend.management.commands.demo import _family as family
from tests import factories

moving: Any = importlib.import_module("accounts.migrations.0013_seal_second_factors")
PASSWORD = "a good long password"
GATE = "/console/second-factor/"


@pytest.fixture
def person(db: None, settings: Settings) -> User:
    settings.CONSOLE_SECOND_FACTOR = True
    return User.objects.create_superuser("root", password=PASSWORD)


def sign(client: Client, password: str = PASSWORD) -> Any:
    form = {"username": "root", "password": password, "next": "/console/"}
    return client.post("/console/login/", form)


def code(device: Authenticator) -> str:
    return f"{totp(device.bin_key):06d}"


def enrol(client: Client) -> list[str]:
    client.get(GATE)
    answer = client.post(GATE, {"code": code(Authenticator.objects.get())})
    shown = answer.content.decode().split('aria-label="Recovery codes">')[1].split("</pre>")[0]
    codes = shown.split()
    assert codes == answer.context["codes"]
    return codes


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_a_password_alone_opens_no_page(person: User, client: Client) -> None:
    sign(client)

    for page in ("/console/", reverse("admin:accounts_tenant_changelist"), reverse("admin:search")):
        answer = client.get(page)
        assert (answer.status_code, answer["Location"]) == (302, f"{GATE}?next={page}")


def test_the_way_back_keeps_the_filter(person: User, client: Client) -> None:
    sign(client)

    answer = client.get("/console/messaging/message/?status=failed&peer=1%2B1", follow=True)

    assert answer.context["next"] == "/console/messaging/message/?status=failed&peer=1%2B1"


def test_each_session_enrols_with_a_secret_of_its_own(person: User) -> None:
    """Who had the first password and looked at the QR code does not know what its owner enrols with."""
    looked, owner = Client(), Client()
    shown = []
    for client in (looked, owner, owner):
        sign(client)
        client.get(GATE)
        shown.append(Authenticator.objects.get().bin_key)

    refused = looked.post(GATE, {"code": f"{totp(shown[0]):06d}"})
    codes = enrol(owner)

    assert shown[0] != shown[1] == shown[2]
    assert refused.status_code == 200
    assert len(codes) == 10


def test_enrolling_opens_the_console_and_shows_recovery_codes_once(person: User, client: Client) -> None:
    sign(client)
    page = client.get(GATE).content.decode()

    codes = enrol(client)

    assert "<svg" in page
    assert len(set(codes)) == 10
    assert client.get("/console/").status_code == 200
    assert codes[0] not in client.get(GATE).content.decode()
    assert actions() == ["user.signed_in", "user.second_factor_enrolled", "secret.shown"]


def test_the_next_session_needs_a_code_again_and_each_recovery_code_works_once(person: User) -> None:
    first = Client()
    sign(first)
    codes = enrol(first)
    answers = []
    for _ in range(2):
        client = Client()
        sign(client)
        answers.append(client.post(GATE, {"code": f" {codes[0].upper()} "}).status_code)

    assert answers == [302, 200]
    assert client.get("/console/").status_code == 302


def test_a_code_is_taken_once(person: User) -> None:
    first = Client()
    sign(first)
    enrol(first)
    second = Client()
    sign(second)

    answer = second.post(GATE, {"code": code(Authenticator.objects.get())})

    assert answer.status_code == 200
    assert second.get("/console/").status_code == 302
    assert actions()[-1] == "user.second_factor_failed"


def test_the_way_on_leads_nowhere_else(person: User, client: Client) -> None:
    sign(client)

    for target in ("https://evil.example/", "//evil.example/console/", "/v1/me"):
        assert client.get(GATE, {"next": target}).context["next"] == "/console/"


def test_an_operator_resets_a_lost_second_factor(person: User, client: Client) -> None:
    sign(client)
    enrol(client)
    colleague = User.objects.create_user("lost", is_staff=True)
    factories.AuthenticatorFactory.create(user=colleague)
    stolen = Client()
    stolen.force_login(colleague)

    client.post(reverse("admin:accounts_user_act_reset", args=[colleague.pk]), {"reason": "phone lost"})

    assert not Authenticator.objects.filter(user=colleague).exists()
    assert stolen.get(GATE)["Location"].startswith("/console/login/")
    assert client.get("/console/").status_code == 200
    last = AuditEvent.objects.latest("id")
    assert (last.action, last.subject_id, last.reason) == (
        "user.second_factor_reset", str(colleague.pk), "phone lost",
    )  # fmt: skip


def test_guessing_is_stopped_for_one_address_and_the_owner_still_gets_in(person: User) -> None:
    guesser, owner = Client(REMOTE_ADDR="203.0.113.9"), Client(REMOTE_ADDR="198.51.100.7")
    for _ in range(sign_in.MAX_FOR_ACCOUNT):
        sign(guesser, "wrong")

    refused = sign(guesser)
    sign(guesser)
    admitted = sign(owner)

    assert "Too many attempts" in refused.content.decode()
    assert admitted.status_code == 302
    assert actions() == ["user.sign_in_failed"] * 5 + ["user.sign_in_throttled", "user.signed_in"]


def test_a_change_of_ones_own_password_is_on_record(person: User, client: Client) -> None:
    sign(client)
    enrol(client)
    page = reverse("admin:password_change")
    new = "another long password"

    wrong = client.post(page, {"old_password": "wrong", "new_password1": new, "new_password2": new})
    right = client.post(page, {"old_password": PASSWORD, "new_password1": new, "new_password2": new})

    assert (wrong.status_code, right.status_code) == (200, 302)
    assert actions().count("user.password_changed") == 1
    assert Client().get(page)["Location"].startswith("/console/login/")


def test_the_wait_ends(person: User, client: Client) -> None:
    for _ in range(sign_in.MAX_FOR_ACCOUNT + 1):
        sign(client, "wrong")

    SignInTally.objects.update(began_at=timezone.now() - sign_in.WINDOW - timedelta(seconds=1))

    assert sign(client).status_code == 302


def test_one_address_may_not_try_many_accounts(person: User, client: Client) -> None:
    for number in range(sign_in.MAX_FOR_ADDRESS):
        sign_in.begin(username=f"guess{number}", address="127.0.0.1")

    assert "Too many attempts" in sign(client).content.decode()


def test_the_console_opens_with_what_the_demo_prints(client: Client, db: None, settings: Settings) -> None:
    demo = Demo()
    seed.prepare(demo)
    settings.CONSOLE_SECOND_FACTOR = bool(
        int(family(8000, seed.line(demo)).environment["CONSOLE_SECOND_FACTOR"])
    )

    form = {"username": demo.console_user, "password": demo.console_password, "next": "/console/"}
    answer = client.post("/console/login/", form, follow=True)

    assert (answer.status_code, answer.request["PATH_INFO"]) == (200, "/console/")


def test_neither_the_secret_nor_a_recovery_code_is_readable_in_the_database(
    person: User, client: Client
) -> None:
    sign(client)
    codes = enrol(client)
    held = Authenticator.objects.get()

    stored = json.dumps(list(Authenticator.objects.values()), default=str)

    assert held.recovery_codes == codes
    assert all(one not in stored for one in [*codes, held.bin_key.hex(), b32encode(held.bin_key).decode()])


def test_a_wrong_code_makes_the_right_one_wait(person: User) -> None:
    first, second = Client(), Client()
    sign(first)
    enrol(first)
    Authenticator.objects.update(last_step=-1)
    sign(second)
    second.post(GATE, {"code": "000000"})

    at_once = second.post(GATE, {"code": code(Authenticator.objects.get())})
    Authenticator.objects.update(throttling_failure_timestamp=timezone.now() - timedelta(seconds=2))
    later = second.post(GATE, {"code": code(Authenticator.objects.get())})

    assert (at_once.status_code, later.status_code) == (200, 302)


def test_what_was_readable_before_is_sealed_and_its_tables_are_gone(person: User) -> None:
    """An installation of before keeps its staff's apps and their recovery codes that are left."""
    other = User.objects.create_user("other")
    with connection.cursor() as cursor:
        cursor.execute(TABLES_OF_BEFORE)
        cursor.execute(
            "INSERT INTO otp_totp_totpdevice VALUES (%s, %s, true, %s, 77, 1), (%s, %s, false, %s, -1, 0)",
            [1, person.pk, "0a" * 20, 2, other.pk, "0b" * 20],
        )
        cursor.execute("INSERT INTO otp_static_staticdevice VALUES (5, %s)", [person.pk])
        cursor.execute("INSERT INTO otp_static_statictoken VALUES (5, 'aaaa1111'), (5, 'bbbb2222')")

    moving.move(None, connection.schema_editor())

    held = Authenticator.objects.get()
    assert (held.user, held.confirmed, held.last_step, held.drift) == (person, True, 77, 1)
    assert (held.bin_key, sorted(held.recovery_codes)) == (b"\n" * 20, ["aaaa1111", "bbbb2222"])
    assert not [name for name in connection.introspection.table_names() if name.startswith("otp_")]
    moving.move(None, connection.schema_editor())
    assert Authenticator.objects.count() == 1


TABLES_OF_BEFORE = """
CREATE TABLE otp_totp_totpdevice (
    id bigint, user_id bigint, confirmed boolean, key text, last_t bigint, drift int
);
CREATE TABLE otp_static_staticdevice (id bigint, user_id bigint);
CREATE TABLE otp_static_statictoken (device_id bigint, token text);
"""
