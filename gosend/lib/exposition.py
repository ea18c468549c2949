"""Prometheus's text format, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gosend.lib import metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Gauge:
    """A number as it is now, or several under labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    samples: list[tuple[tuple[str, ...], float]] = field(default_factory=list)

    def put(self, value: float, *values: str) -> "Gauge":
        self.samples.append((values, value))
        return self


def text(gauges: Iterable[Gauge], totals: Mapping[metrics.Key, float]) -> str:
    """The whole document: what is now, and what was counted so far."""
    lines: list[str] = []
    for gauge in gauges:
        lines += _head(gauge.name, gauge.help, "gauge")
        lines += [_line(gauge.name, gauge.labels, values, value) for values, value in gauge.samples]
    for counter in metrics.COUNTERS:
        lines += _head(counter.name, counter.help, "counter")
        for values, value in _series(counter.name, totals):
            lines.append(_line(counter.name, counter.labels, values, value))
    for histogram in metrics.HISTOGRAMS:
        lines += _histogram(histogram, totals)
    return "\n".join(lines) + "\n"


def _histogram(histogram: metrics.Histogram, totals: Mapping[metrics.Key, float]) -> list[str]:
    """Buckets are kept apart, and told as Prometheus wants them: each with all that are below it."""
    name, ends = histogram.name, [*map(str, histogram.buckets), "+Inf"]
    held: dict[tuple[str, ...], dict[str, float]] = {}
    for values, value in _series(f"{name}_bucket", totals):
        held.setdefault(values[:-1], {})[values[-1]] = value
    lines = _head(name, histogram.help, "histogram")
    for values, by_end in sorted(held.items()):
        count = 0.0
        for end in ends:
            count += by_end.get(end, 0.0)
            lines.append(_line(f"{name}_bucket", (*histogram.labels, "le"), (*values, end), count))
        total = totals.get((f"{name}_sum", values), 0.0)
        lines.append(_line(f"{name}_sum", histogram.labels, values, total))
        lines.append(_line(f"{name}_count", histogram.labels, values, count))
    return lines


def _series(name: str, totals: Mapping[metrics.Key, float]) -> list[tuple[tuple[str, ...], float]]:
    return sorted((values, value) for (series, values), value in totals.items() if series == name)


def _head(name: str, help_text: str, kind: str) -> list[str]:
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]


def _line(name: str, labels: Sequence[str], values: Sequence[str], value: float) -> str:
    pairs = ",".join(f'{label}="{_escaped(one)}"' for label, one in zip(labels, values, strict=True))
    number = str(int(value)) if value == int(value) else repr(value)
    return f"{name}{{{pairs}}} {number}" if pairs else f"{name} {number}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
