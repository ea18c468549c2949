"""A real worker without broker or beat sends what is queued, tells whom it should, and ends when asked."""

# ruff: noqa: S603 -- our own command

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from accounts import tenants
from gosend.whatsapp import content
from messaging import send
from messaging.models import Message
from tests.material import ROOT
from tests.test_deployment import local_database_url

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("redis_url", ["redis://127.0.0.1:1/0", ""], ids=["no Redis there", "no beat"])
def test_a_worker_that_no_doorbell_reaches_sends_what_is_queued(redis_url: str, tmp_path: Path) -> None:
    tenant = tenants.open_tenant(name="Acme")
    number = tenants.add_sandbox(tenant=tenant)
    hello = content.parse(type="text", value={"body": "Hola"})
    for n in range(30):
        send.accept(
            tenant=tenant,
            number=number,
            to=f"549114{n:05d}77",
            content=hello,
            environment="test",
            is_async=True,
        )
    environment = os.environ | {
        "DATABASE_URL": local_database_url(),
        "REDIS_URL": redis_url,
        "DJANGO_SETTINGS_MODULE": "gosend.settings",
        "SECRET_KEY": settings.SECRET_KEY,
        "ENCRYPTION_KEYS": settings.ENCRYPTION_KEYS,
        "VAR_DIR": str(tmp_path / "var"),
    }
    command = [sys.executable, "-m", "celery", "-A", "gosend", "worker", "--pool", "threads"]
    command += ["--concurrency", "4", "--loglevel", "INFO", "--without-mingle", "--without-gossip"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while Message.objects.filter(status="queued").exists():
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        worker.send_signal(signal.SIGTERM)
        code = worker.wait(30)
    finally:
        worker.kill()
        worker.wait()

    assert code == 0, log.read_text()
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}
    assert log.read_text().count("this worker makes its rounds by itself") == 1
