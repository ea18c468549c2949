"""Import every module that holds scenarios, so that they register."""

import importlib

MODULES = ("kills", "meta_lies")


def load() -> None:
    for name in MODULES:
        importlib.import_module(f"tests.faults.{name}")
