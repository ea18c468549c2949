"""Contracts kept, no missing migration, files small, names plain, settings documented."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

ROOT = Path(__file__).parent.parent
ROOMS = ("accounts", "gosend", "messaging", "templates_app", "webhooks_app")
FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 50
FORBIDDEN = {
    "utils", "helpers", "common", "core", "base", "misc", "manager", "managers",
    "service", "services", "selectors", "processor", "handler", "handlers",
}  # fmt: skip
# What docker-compose.yml asks for beyond the settings, and what only its PostgreSQL image reads.
OF_COMPOSE = {"POSTGRES_PASSWORD", "PORT"}
OF_POSTGRES = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}


def modules(*roots: str) -> list[Path]:
    return [
        path
        for root in roots
        for path in sorted((ROOT / root).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def settings_variables() -> dict[str, str | None]:
    """Read every `env…("NAME", default)` of settings.py; None where the default is not a plain text."""
    found: dict[str, str | None] = {}
    for node in ast.walk(ast.parse((ROOT / "gosend/settings.py").read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if not node.func.id.startswith("env") or not isinstance(node.args[0], ast.Constant):
            continue
        rest = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        default = ast.literal_eval(rest[0]) if rest else ""
        found[str(node.args[0].value)] = str(int(default)) if isinstance(default, bool) else str(default)
    return found


def example_variables() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = (re.fullmatch(r"(?:# )?([A-Z][A-Z_]+)=(.*)", line) for line in lines)
    return {pair[1]: pair[2] for pair in pairs if pair}


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_import_contracts_are_kept() -> None:
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=1)


@pytest.mark.parametrize(
    "path", modules(*ROOMS, "tests", "bin"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_file_is_small_plainly_named_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    functions = [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    is_test = "tests" in path.relative_to(ROOT).parts
    assert len(text.splitlines()) <= (TEST_FILE_LINES_MAX if is_test else FILE_LINES_MAX)
    # A test may spell out a long expected body.
    assert [name for name, lines in functions if lines > FUNCTION_LINES_MAX and not is_test] == []
    assert path.stem not in FORBIDDEN
    assert is_test or ast.get_docstring(tree) or not tree.body


def test_env_example_documents_what_settings_read_with_its_default() -> None:
    settings, example = settings_variables(), example_variables()

    assert set(example) == set(settings) | OF_COMPOSE
    differing = {name for name, default in settings.items() if example[name] != default}
    assert differing == set()


def test_env_example_explains_every_variable() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    for above, line in zip(lines, lines[1:], strict=False):
        if re.match(r"(# )?[A-Z_]+=", line):
            assert re.match(r"# [A-Za-z].*[.)]$", above), line


def test_requirements_are_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            assert re.fullmatch(r"|#.*|-r requirements\.txt|[\w.-]+(\[\w+\])?==[\w.]+", line), line


def test_compose_has_every_service_with_a_health_check() -> None:
    services = compose()["services"]

    assert set(services) == {"postgres", "redis", "migrate", "web", "worker", "beat"}
    assert [name for name, service in services.items() if "healthcheck" not in service] == ["migrate"]
    for name in ("web", "worker", "beat"):
        assert services[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
            "migrate": {"condition": "service_completed_successfully"},
        }


def test_compose_keeps_data_in_named_volumes() -> None:
    described = compose()

    used = {mount for service in described["services"].values() for mount in service.get("volumes", [])}
    assert {mount.partition(":")[0] for mount in used} == set(described["volumes"])


def test_compose_sets_only_known_variables() -> None:
    services = compose()["services"]
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))

    assert asked <= set(example_variables())
    assert asked >= OF_COMPOSE
    assert set(services["postgres"]["environment"]) == OF_POSTGRES
    for name in ("migrate", "web", "worker", "beat"):
        assert set(services[name]["environment"]) <= set(settings_variables())
