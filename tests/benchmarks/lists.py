"""List pages over a large history, against the same pages over a small one."""

import statistics
import time
from dataclasses import dataclass

import requests
from django.core.management import call_command

from accounts import keys
from accounts.models import PhoneNumber, Tenant
from messaging.models import Message
from tests.benchmarks import measure, world
from tests.benchmarks.measure import Result

_SMALL = 10_000
_PER_PAGE = 50
_DEEP = 1_000
_ASKED = 20
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Reader:
    """A client that reads one tenant's messages, page by page."""

    port: int
    session: requests.Session
    number: PhoneNumber

    def page(self, **query: str | int) -> float:
        """Milliseconds of the median page."""
        took = []
        for _ in range(_ASKED):
            began = time.perf_counter()
            self.ask(**query)
            took.append(1000 * (time.perf_counter() - began))
        return statistics.median(took)

    def ask(self, **query: str | int) -> requests.Response:
        asked = {"per_page": _PER_PAGE, "phone_number_id": self.number.phone_number_id, **query}
        answer = self.session.get(f"http://127.0.0.1:{self.port}/v1/messages", params=asked, timeout=60)
        if answer.status_code != 200 or len(answer.json()) != _PER_PAGE:
            raise world.CannotBench(f"no full page: {answer.status_code} {answer.text[:300]}")
        return answer


def fill(rows: int) -> tuple[Tenant, Tenant]:
    """A tenant with few messages and one with many; kept from run to run."""
    return _tenant("Bench small", _SMALL), _tenant(f"Bench {rows}", rows)


def pages(*, rows: int) -> list[Result]:
    """Page 1 filtered by number and status with its total; page 1,000; a cursor's page there."""
    small_tenant, large_tenant = fill(rows)
    port = world.free_port()
    with world.web(port=port):
        world.wait_for(f"http://127.0.0.1:{port}/readyz")
        small, large = _reader(small_tenant, port), _reader(large_tenant, port)
        for reader in (small, large):
            reader.page(status="delivered")
        ratio, pairs = measure.alternate(
            lambda _: large.page(status="delivered"), lambda _: small.page(status="delivered"), rounds=_ROUNDS
        )
        rare, rare_pairs = measure.alternate(
            lambda _: large.page(status="failed"), lambda _: small.page(status="failed"), rounds=_ROUNDS
        )
        deep, deep_pairs = measure.alternate(
            lambda _: large.page(page=_DEEP), lambda _: large.page(), rounds=_ROUNDS
        )
        cursor = large.ask(page=_DEEP).headers["X-Next-Cursor"]
        far, far_pairs = measure.alternate(
            lambda _: large.page(cursor=cursor), lambda _: large.page(), rounds=_ROUNDS
        )
    sizes = (f"{rows:,} messages", f"{_SMALL:,}")
    of, first = f"time by that over {_SMALL:,} messages", "time by page 1's"
    return [
        Result("list-page-1", of, ratio, 2.5, is_most=True, notes=[_told(pairs, sizes)]),
        Result("list-page-1-failed", of, rare, 2.5, is_most=True, notes=[_told(rare_pairs, sizes)]),
        Result(
            "list-page-1000",
            first,
            deep,
            15,
            is_most=True,
            notes=[_told(deep_pairs, ("page 1,000", "page 1"))],
        ),
        Result(
            "list-cursor", first, far, 1.5, is_most=True, notes=[_told(far_pairs, ("cursor page", "page 1"))]
        ),
    ]


def _told(pairs: list[tuple[float, float]], names: tuple[str, str]) -> str:
    sides = zip(*pairs, strict=True)
    return "; ".join(
        f"{name}: {', '.join(f'{value:.1f}' for value in side)} ms"
        for name, side in zip(names, sides, strict=True)
    )


def _reader(tenant: Tenant, port: int) -> Reader:
    _, key = keys.mint(tenant=tenant, label="bench", environment="live")
    session = requests.Session()
    session.headers["X-API-Key"] = key
    return Reader(port, session, tenant.phone_numbers.order_by("pk")[0])


def _tenant(prefix: str, rows: int) -> Tenant:
    name = f"{prefix} 1"
    tenant = Tenant.objects.filter(name=name).first()
    if tenant is None or not Message.objects.filter(tenant=tenant).exists():
        print(f"    writing {rows:,} messages, once", flush=True)  # noqa: T201
        call_command("seed_messages", count=rows, prefix=prefix, numbers=2, indexes_after=True)
        tenant = Tenant.objects.get(name=name)
        tenant.requests_per_second = tenant.requests_per_day = 1_000_000_000
        tenant.save()
    return tenant
