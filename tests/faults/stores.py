"""F12 and F31: a transaction that the database refuses, and a database restored from a backup."""

import shutil
import signal
import time

from tests.faults import observe
from tests.faults.api import text_body
from tests.faults.proxy import HANG_AFTER, PASS
from tests.faults.scenario import Run, scenario
from tests.faults.servers import wait_until
from tests.faults.world import World

# SQLSTATE disk_full, and query_canceled as a statement timeout raises it.
_REFUSALS = {"disk full": "53100", "statement timeout": "57014"}
_REFUSE = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'said by the fault suite' USING ERRCODE = '{code}'; END$$;
CREATE TRIGGER refuse BEFORE INSERT ON messaging_messagecontent EXECUTE FUNCTION refuse()
"""


@scenario("F12", "the database refuses one transaction: disk full, statement timeout")
def refused(run: Run) -> None:
    with run.world(workers=1) as world:
        number = world.acme.numbers[0]
        for what, code in _REFUSALS.items():
            world.drain(seconds=60 * run.slack)  # a job that ends meanwhile would be missed
            before = _stored(world)
            world.sql(_REFUSE.format(code=code))
            body, key = text_body(number, run.person()), f"refused-{code}"
            told = world.api.call(
                "POST", "/v1/messages?async=true", body=body, headers={"Idempotency-Key": key}
            )
            world.sql("DROP TRIGGER refuse ON messaging_messagecontent")
            run.check(told.status_code == 503, f"{what}: answered {told.status_code}")
            run.check(_stored(world) == before, f"{what}: nothing of it is stored")
            again = world.api.insist("/v1/messages?async=true", body, key=key)
            world.api.keep([again.body["id"]])
            run.check(again.status == 202, f"{what}: the same key later: {again.status}")
        world.drain(seconds=60 * run.slack)
        world.hear_all(seconds=60 * run.slack)
        run.settle(world)


def _stored(world: World) -> tuple[int, ...]:
    tables = (
        "messaging_message",
        "messaging_messagecontent",
        "messaging_dispatch",
        "messaging_idempotentanswer",
    )
    return tuple(world.count(f"SELECT count(*) FROM {table}") for table in tables)  # noqa: S608 -- our own names


@scenario("F31", "a backup taken with sends in flight, restored and started")
def restored(run: Run) -> None:
    count = run.pick(quick=8, full=30)
    with run.world(workers=2) as world:
        world.post_office.hold()
        number = world.acme.numbers[0]
        done = world.api.batch([text_body(number, run.person()) for _ in range(20)])
        world.drain(seconds=60 * run.slack)
        world.proxy.plan = lambda _request: HANG_AFTER
        flying = world.api.batch([text_body(number, run.person()) for _ in range(count)])
        wait_until(
            lambda: len(world.at_meta()) == len(done) + count and bool(world.sending()),
            seconds=60 * run.slack, what="all are at Meta, some answers are awaited",
        )  # fmt: skip
        world.kill_workers()
        world.nursery.signal(world.beat, signal.SIGKILL)
        world.webs[0].stop()
        in_flight = len(world.sending())
        world.postgres.stop(how=signal.SIGQUIT)
        shutil.copytree(world.postgres.data, world.home / "backup", symlinks=True)
        _life_goes_on(run, world, number)
        _restore(run, world)
        world.start_worker()
        world.start_beat()
        world.drain(seconds=60 * run.slack)
        time.sleep(3)
        doubted = world.in_doubt()
        run.check(
            in_flight > 0 and doubted <= set(flying),
            f"{in_flight} in flight in the backup: {len(doubted)} unknown, none of those settled before it",
        )
        twice = [one for one, wamids in world.at_meta().items() if len(wamids) > 1]
        run.check(not twice, f"sent again after the restore: {len(twice)}")
        world.post_office.drops = lambda _body: False
        observe.recovered_by_report(run, world, doubted)
        run.settle(world, ever_unknown=doubted)


def _life_goes_on(run: Run, world: World, number: str) -> None:
    """After the backup the installation ran on; what it did then is forgotten by the restore."""
    world.proxy.plan = lambda _request: PASS
    world.postgres.start()
    world.webs[0].start(world.environment)
    worker = world.start_worker()
    world.start_beat()
    wait_until(world.webs[0].answers, seconds=60 * run.slack, what="the web server answers")
    world.drain(seconds=60 * run.slack)
    world.kill_worker(worker)
    world.nursery.signal(world.beat, signal.SIGKILL)
    world.webs[0].stop()
    world.postgres.stop(how=signal.SIGQUIT)


def _restore(run: Run, world: World) -> None:
    shutil.rmtree(world.postgres.data)
    world.postgres.adopt(world.home / "backup")
    world.redis.kill()
    world.redis.start()
    world.postgres.start()
    world.webs[0].start(world.environment)
    wait_until(world.webs[0].answers, seconds=60 * run.slack, what="the web server answers")
