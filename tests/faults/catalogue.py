"""Import every module that holds scenarios, so that they register."""

import importlib

MODULES = (
    "kills",
    "meta_lies",
    "steps",
    "restarts",
    "brokers",
    "keys",
    "callbacks",
    "receivers",
    "pace",
    "stores",
    "clocks",
    "links",
    "rounds",
    "full_air",
    "long_haul",
    "upgrade",
)


def load() -> None:
    for name in MODULES:
        importlib.import_module(f"tests.faults.{name}")
