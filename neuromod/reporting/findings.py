"""What a run holds, gathered for the report: stages, artefacts and why a part is not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.files import load_tensors, read_json
from neuromod.mapping import Placement
from neuromod.network import Network
from neuromod.reporting.numbers import is_number, percent
from neuromod.runs import COMMANDS, EXPLORE_SCHEMA, STEPS, Run, State
from neuromod.training import Film, frames

METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Parameters
    ----------
    name, command : str
        Step and the command that makes it.
    state, why : str
        As `Run.state` says.
    result, arguments : mapping
        What the step reported and was given; empty where it is not fresh.
    seconds : float or None
        How long it took.
    outputs : tuple of str
        Artefacts it wrote.
    """

    name: str
    command: str
    state: State
    why: str
    result: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    outputs: tuple[str, ...] = ()

    @property
    def fresh(self) -> bool:
        """Whether its result may be shown."""
        return self.state == "fresh"


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that the report shows, read from the run's files alone."""

    label: str
    created: str
    versions: Mapping[str, str]
    stages: Mapping[str, Stage]
    network: Network | None
    network_file: str
    placement: Placement | None
    rates: npt.NDArray[np.float64] | None
    traffic: Mapping[str, Any] | None
    analysis: Mapping[str, Any] | None
    target: str
    metrics: tuple[Mapping[str, Any], ...]
    files: tuple[str, ...]
    explored: Mapping[str, Any] | None = None
    # The pictures of the training; why they cannot be read; or None.
    film: Film | str | None = None

    def result(self, step: str) -> Mapping[str, Any]:
        """Return what a step reported, empty unless it is fresh."""
        return self.stages[step].result

    @property
    def of_values(self) -> bool:
        """Whether the network learned values, so that its score is an R² and no accuracy."""
        return "r2" in (self.result(step).get("score_name") for step in ("train", "import"))

    def score(self, value: Any, *, digits: int = 1) -> str:
        """Return an accuracy as 95.7 %, an R² as 0.957."""
        return f"{value:.3f}" if self.of_values and is_number(value) else percent(value, digits=digits)


def gather(run: Run) -> Findings:
    """Read a run. A stage that is missing or stale is kept with the reason, its artefacts are not read.

    Parameters
    ----------
    run : Run
        The run directory.

    Returns
    -------
    Findings
        What is there, and why the rest is not.

    Raises
    ------
    UsageError
        If a file that its stage vouches for cannot be read.
    """
    manifest = run.manifest()
    stages = {name: _stage(run, name) for name in STEPS}

    def fresh(step: str, file: str) -> bool:
        return stages[step].fresh and file in stages[step].outputs

    name = next(
        (file for step, file in (("prune", "pruned.safetensors"), ("train", "network.safetensors"),
                                 ("import", "network.safetensors")) if fresh(step, file)),
        "",
    )  # fmt: skip
    network = _network(run, name) if name else None
    placement = Placement.load(run.file("placement.json")) if fresh("map", "placement.json") else None
    rates = _rates(run, network) if fresh("activity", "activity.safetensors") else None
    if network is not None and rates is None and network.rates is not None:
        rates = network.rates.astype(np.float64)
    traffic = None
    if fresh("estimate", "traffic.json"):
        traffic = read_json(run.file("traffic.json"), schema="neuromod/traffic/1")
    analysis = None
    if fresh("analyze", "analysis.json"):
        analysis = read_json(run.file("analysis.json"), schema="neuromod/analysis/1")
    explored = None
    if fresh("explore", "explore/table.json"):
        explored = read_json(run.file("explore/table.json"), schema=EXPLORE_SCHEMA)
    target = run.file("target.toml").read_text(encoding="utf-8") if fresh("map", "target.toml") else ""
    if network is not None and placement is not None and len(placement.core_of) != network.n:
        placement = None
    # Results are shown beside artefacts: whatever a step makes anew makes the report stale.
    files = {file for stage in stages.values() if stage.name != "report" for file in stage.outputs}
    files |= {file for file in (METRICS, frames.FILE) if run.file(file).is_file()}
    return Findings(
        label=str(manifest.get("label", "")),
        created=str(manifest.get("created", "")),
        versions={str(key): str(value) for key, value in dict(manifest.get("versions") or {}).items()},
        stages=stages,
        network=network,
        network_file=name,
        placement=placement,
        rates=rates,
        traffic=traffic,
        analysis=analysis,
        target=target,
        metrics=read_metrics(run),
        files=tuple(sorted(files)),
        explored=explored,
        film=_film(run) if stages["train"].fresh else None,
    )


def _film(run: Run) -> Film | str | None:
    """Read the film; a run whose film is broken is a run all the same."""
    path = run.file(frames.FILE)
    if not path.is_file():
        return None
    try:
        return frames.load(path)
    except UsageError as error:
        return str(error).replace(str(path), path.name)


def _network(run: Run, name: str) -> Network:
    """Return the network with its data; without them where they are too large to be in the run and not at hand."""
    try:
        return run.network(name)
    except UsageError:
        return Network.load(run.file(name))


def _stage(run: Run, name: str) -> Stage:
    state, why = run.state(name)
    record = run.step(name)
    if state != "fresh" or record is None:
        return Stage(name, " && ".join(run.mend(name)), state, why)
    return Stage(
        name,
        COMMANDS.get(name, name),
        state,
        why,
        result=dict(record["result"]),
        arguments=dict(record["arguments"]),
        seconds=record["seconds"],
        outputs=tuple(record["outputs"]),
    )


def _rates(run: Run, network: Network | None) -> npt.NDArray[np.float64] | None:
    tensors, _ = load_tensors(run.file("activity.safetensors"), schema="neuromod/activity/1")
    rates = tensors.get("rates")
    if network is None or rates is None or rates.shape != (network.n,):
        return None
    return rates.astype(np.float64)


def read_metrics(run: Run) -> tuple[Mapping[str, Any], ...]:
    """Read the objects of `metrics.jsonl`; a line that a power cut left half-written is passed over."""
    path = run.file(METRICS)
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return tuple(found)
