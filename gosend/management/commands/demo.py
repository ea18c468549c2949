"""Everything at once on the embedded default: web, worker, sandbox, a receiver, a first message."""

import signal
import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from gosend.demo import processes, seed
from gosend.demo.processes import DemoFailed, Family, Process, python
from gosend.demo.seed import CUSTOMER
from gosend.demo.story import Story
from gosend.sandbox import callbacks
from gosend.sandbox.world import Line

# Until the web server answers, and then for the whole round: seconds on a machine with nothing else to do.
_START_SECONDS = 90
_ROUND_SECONDS = 60


# Ctrl-C, a supervisor, and a terminal that is closed.
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = "Run GoSend with a sandbox, send a first message and show its way round."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="exit when the round was seen")
        parser.add_argument("--port", type=int, default=8000, help="the web server's; +1 and +2 are used too")

    def handle(self, *args: Any, **options: Any) -> None:
        for number in _STOPS:
            signal.signal(number, _interrupt)
        try:
            self._run(port=options["port"], is_once=options["once"])
        except DemoFailed as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")

    def _run(self, *, port: int, is_once: bool) -> None:
        for number, what in ((port, "the web server"), (port + 1, "the sandbox"), (port + 2, "the receiver")):
            processes.require_free(number, what=what)
        self.stdout.write("GoSend demo: preparing the database …")
        call_command("migrate", verbosity=0)
        path = settings.VAR_DIR / "demo.json"
        demo = seed.load(path)
        seed.prepare(demo)
        demo.base_url = f"http://127.0.0.1:{port}"
        demo.receiver_url = f"http://127.0.0.1:{port + 2}"
        demo.console_url = f"{demo.base_url}/console/"
        seed.save(demo, path)
        line = seed.line(demo)
        with _family(port, line) as family:
            processes.wait_until_answers(f"{demo.base_url}/readyz", family=family, seconds=_START_SECONDS)
            processes.wait_until_answers(f"{demo.receiver_url}/received", family=family, seconds=15)
            deadline = time.monotonic() + _ROUND_SECONDS
            story = Story(demo, family=family, say=self.stdout.write, deadline=deadline)
            story.subscribe()
            seed.save(demo, path)
            self._tell_round(story, partial(callbacks.write, door=f"{demo.base_url}/meta/webhook", line=line))
            if not is_once:
                self._stay(demo, family)

    def _tell_round(self, story: Story, write: Callable[..., str]) -> None:
        self.stdout.write("\nA first message goes all the way round:\n")
        message = story.send()
        story.follow(message)
        story.hear(wamid=story.customer_writes(write))
        self.stdout.write("\nAll of it was seen.")

    def _stay(self, demo: seed.Demo, family: Family) -> None:
        self.stdout.write(
            f"""
  home      {demo.base_url}/
  console   {demo.console_url}   user {demo.console_user}, password {demo.console_password}
  API docs  {demo.base_url}/docs
  webhooks  {demo.receiver_url}/received
  logs      var/log/

Send one yourself:

curl {demo.base_url}/v1/messages \\
  -H "X-API-Key: {demo.api_key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"phone_number_id": "{demo.phone_number_id}", "to": "{CUSTOMER}",
       "type": "text", "text": {{"body": "Hello from GoSend"}}}}'

Let the customer write:

.venv/bin/python manage.py simulate --number {demo.phone_number_id} --from {CUSTOMER} --text "Hola"

Ctrl-C stops everything."""
        )
        while True:
            for note in family.revive():
                self.stdout.write(f"  ! {note}")
            time.sleep(0.5)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: a second one must not break off the stopping, which would leave processes behind.
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _family(port: int, line: Line) -> Family:
    logs = settings.VAR_DIR / "log"
    base_url = f"http://127.0.0.1:{port}"
    environment = {
        "PUBLIC_URL": base_url,
        "SANDBOX_URL": f"http://127.0.0.1:{port + 1}",
        "TRUSTED_NETWORKS": "127.0.0.0/8",
        "CONSOLE_SECOND_FACTOR": "0",
        "SYNCHRONOUS_SENDS": "3",  # of four threads
    }
    web = ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    web += ["--workers", "1", "--blocking-threads", "4", "gosend.wsgi:application"]
    worker = ["-m", "celery", "-A", "gosend", "worker", "-B", "--pool", "threads", "--concurrency", "8"]
    worker += ["--loglevel", "INFO", "--without-mingle", "--without-gossip"]
    sandbox = ["manage.py", "sandbox_meta", "--port", str(port + 1)]
    sandbox += ["--callback-url", f"{base_url}/meta/webhook", "--any-number"]
    # Else its callbacks would name another telephone number than the console and the API.
    sandbox += ["--number", f"{line.phone_number_id}:{line.waba_id}:{line.display_phone_number}"]
    receiver = ["manage.py", "receiver", "--port", str(port + 2)]
    named = {"web": web, "worker": worker, "sandbox": sandbox, "receiver": receiver}
    return Family(
        [Process(name, python(*arguments), logs / f"{name}.log") for name, arguments in named.items()],
        environment=environment,
        directory=settings.BASE_DIR,
    )
