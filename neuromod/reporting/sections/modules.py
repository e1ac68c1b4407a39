"""The section on functional clusters and modules: each measure beside what chance would make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuromod.reporting.findings import Findings
from neuromod.reporting.numbers import MINUS, UNKNOWN, count, is_number, percent

# Measure, its name, the key of its value, and whether it is a share.
_MEASURES = (
    ("within_cluster_distance", "distance within clusters, pitches", "value", False),
    ("isolated_ratio", "neurons with no neighbour of their cluster", "value", True),
    ("mantel", "correlation of function with distance", "value", False),
    ("functional_modularity", "Q of the functional clusters", "q", False),
    ("louvain_modularity", "Q of Louvain's modules", "q", False),
)


def modules(findings: Findings) -> dict[str, Any] | None:
    """Return words, the rows of the measures and those of the lesions; None where the run was not analyzed."""
    result = findings.result("analyze")
    if not result:
        return None
    lesions = result.get("lesions")
    return {
        "words": _words(result),
        "rows": [_row(name, result.get(key), value, share) for key, name, value, share in _MEASURES],
        "lesions": [
            (f"cluster {item['cluster']}", count(item["neurons"]), percent(item["accuracy"]), percent(item["control"]))
            for item in (lesions if isinstance(lesions, list) else [])
        ],
        "whole": percent(result.get("accuracy")),
    }


def _row(name: str, item: Any, key: str, share: bool) -> tuple[str, ...]:
    if not isinstance(item, Mapping):
        return name, UNKNOWN, UNKNOWN, UNKNOWN
    value, chance = (percent(item.get(part)) if share else _decimals(item.get(part), 3) for part in (key, "null_mean"))
    return name, value, chance, _decimals(item.get("z"), 1)


def _decimals(value: Any, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", MINUS) if is_number(value) else UNKNOWN


def _words(result: Mapping[str, Any]) -> str:
    said = []
    if is_number(result.get("clusters")):
        silhouette = _decimals(result.get("silhouette"), 2)
        said.append(
            f"{count(result.get('active_neurons'))} neurons are active in the tasks and form "
            f"{count(result['clusters'])} clusters by what they do (silhouette {silhouette})."
        )
    gap = result.get("importance_gap")
    if isinstance(gap, Mapping) and is_number(gap.get("decades")):
        least = "at least " if gap.get("to_zero") else ""
        said.append(
            f"Before pruning, importance falls by {least}{gap['decades']:.1f} decades "
            f"after the {count(gap.get('rank'))} most important neurons."
        )
    ratio = result.get("far_to_near_weight")
    if is_number(ratio):
        said.append(f"The mean weight over 4 pitches and more is {percent(ratio)} of that between neighbours.")
    return " ".join(said) or "Nothing that depends on tasks or positions could be measured."
