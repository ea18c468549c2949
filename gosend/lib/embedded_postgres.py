"""A PostgreSQL of our own, from a wheel, for a machine that has none."""

from pathlib import Path


def url(var_dir: Path) -> str:
    """Say where the embedded server listens, whether or not it runs."""
    return f"postgresql://gosend@/gosend?host={var_dir / 'postgres'}"
