"""What /metrics says, to be looked up."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Figures:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(figures: Figures, name: str, **labels: str) -> float:
    """The sum of the series called *name* that have *labels*."""
    wanted = frozenset(labels.items())
    found = [value for (one, has), value in figures.items() if one == name and wanted <= has]
    assert found, f"{name} {labels}"
    return sum(found)
