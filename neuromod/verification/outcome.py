"""Verification of an export as a function on `Network`: what a user calls, no run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neuromod.errors import UsageError
from neuromod.exporting import Export
from neuromod.network import Network
from neuromod.notebook import html_table


@dataclass(frozen=True, eq=False)
class Verification:
    """How an exported file did in its runtime.

    Parameters
    ----------
    format : str
        The format.
    passed : bool
        Whether it behaves as the network.
    verified : bool
        Whether a runtime was there to tell.
    reasons : tuple of str
        What is wrong, or why nothing was verified.
    figures : mapping
        The figures of the comparison, as in ``verify.json``.
    """

    format: str
    passed: bool
    verified: bool
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        verdict = "not verified" if not self.verified else "passed" if self.passed else "failed"
        shown = [(key.replace("_", " "), value) for key, value in self.figures.items() if key not in ("reasons",)]
        plain = [(key, value) for key, value in shown if isinstance(value, str | int | float)]
        return html_table(f"Verification, {self.format}: {verdict}", [*((why, "") for why in self.reasons), *plain])


def verify(
    network: Network,
    exported: Export,
    *,
    n_trials: int = 1000,
    seed: int = 1,
    python: str | None = None,
    **limits: float,
) -> Verification:
    """Run an exported file in the runtime that a user would take, against the network, as `neuromod verify` does.

    Parameters
    ----------
    network : Network
        What was exported; its `info` names its tasks.
    exported : Export
        From `export`.
    n_trials, seed : int
        Trials, drawn anew, and their seed.
    python : str, optional
        For chips: another Python in which their simulators are looked for.
    **limits : float
        ``max_error`` for ONNX, and ``max_accuracy_drop`` for its files of 8 bits; ``min_agreement`` and
        ``max_accuracy_gap`` for spiking formats.

    Returns
    -------
    Verification
        A file that does not behave as the network is reported in it, not raised, and so is what cannot be verified.
        All variants that were written must pass; figures of the second one are under ``int8`` or ``hard``.

    Raises
    ------
    UsageError
        If a limit is not one of the format's.

    Examples
    --------
    >>> import tempfile
    >>> import neuromod
    >>> net = neuromod.train(tasks="go", neurons=16, steps=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     neuromod.verify(net, neuromod.export(net, folder), n_trials=20).passed
    True
    """
    from neuromod.exporting import FORMATS
    from neuromod.verification.runners import limits_of, verify_variant

    format = FORMATS[exported.format]
    known = {limit: None for kind in format.variants for limit in limits_of(kind)}
    for limit in limits:
        if limit not in known:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(f"{limit} is no limit of the format {exported.format}; {there}")
    if not exported.targets:
        reason = f"nothing here runs the format {exported.format}: {format.proof.format(folder=exported.target.parent)}"
        return Verification(exported.format, False, False, (reason,), {"verified": False, "passed": False})
    parts = {
        kind: verify_variant(
            kind,
            target,
            network,
            spiking=exported.references.get(kind),
            placement=exported.placement,
            n_trials=n_trials,
            seed=seed,
            limits={**limits, "python": python},
        )
        for kind, target in exported.targets.items()
    }
    verified = [part for part in parts.values() if part["verified"]]
    passed = bool(verified) and all(part["passed"] for part in verified)
    reasons = [why for part in parts.values() for why in part.get("reasons") or [part.get("reason")] if why]
    first, *others = parts
    more = {kind.removeprefix(f"{exported.format}_"): parts[kind] for kind in others}
    figures = {**parts[first], **more, "passed": passed, "verified": bool(verified)}
    return Verification(exported.format, passed, bool(verified), tuple(reasons), figures)
