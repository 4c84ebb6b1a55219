"""What a Prometheus expression asks for, held against what a node answers. A small reader, not a parser of PromQL."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

ADDED: frozenset[str] = frozenset({"job", "instance"})  # by Prometheus, to each sample
_STRING = re.compile(r'"[^"]*"')
_METRIC = re.compile(r"\b(gantry_\w+)\b\s*(\{[^}]*\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


class Asked(NamedTuple):
    """One metric of an expression, with the labels that it is chosen and grouped by."""

    metric: str
    labels: frozenset[str]
    values: Mapping[str, str]  # of labels that must be equal to something


def asked_by(expression: str) -> list[Asked]:
    """Return what an expression asks for. What it groups by is asked of each of its metrics."""
    grouped = {
        name.strip()
        for names in _GROUPING.findall(_STRING.sub('""', expression))
        for name in names.split(",")
        if name.strip()
    }
    found = []
    for metric, selector in _METRIC.findall(expression):
        matchers = _MATCHER.findall(selector)
        equal = {label: value for label, how, value in matchers if how in ("=", "!=") and not value.startswith("$")}
        found.append(Asked(metric, frozenset(grouped | {label for label, _, _ in matchers}) - ADDED, equal))
    return found


class Scrape:
    """The samples of one answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self._samples: dict[str, list[Mapping[str, str]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append(sample.labels)

    def lacks(self, asked: Asked) -> str | None:
        """Say what of it no sample has."""
        samples = self._samples.get(asked.metric)
        if samples is None:
            return f"{asked.metric} is not told"
        for label in sorted(asked.labels):
            if not any(label in labels for labels in samples):
                return f"{asked.metric} has no label {label}"
        for label, value in asked.values.items():
            if not any(labels.get(label) == value for labels in samples):
                return f"{asked.metric} has no {label}={value}"
        return None
