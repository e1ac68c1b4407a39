"""A run out of another tool's network."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuromod.stages.talk import Talk

if TYPE_CHECKING:
    from neuromod.importing import Choice
    from neuromod.trials import Trials


def import_stage(
    file: Path,
    run_path: Path | None,
    choice: Choice,
    *,
    talk: Talk,
    data: Trials | None = None,
    readout_open: bool = False,
) -> dict[str, Any]:
    """Read a network, write it into a new run with the `data` that it is measured on, return what ``--json`` prints.

    Where `readout_open`, the data get the readout by which the network answers them.

    Raises
    ------
    UsageError
        If the file cannot be read or the folder not be written.
    """
    from neuromod import importing
    from neuromod.data import facts, storage, with_data, with_fitting_readout
    from neuromod.metrics import evaluate
    from neuromod.runs import commands, words
    from neuromod.runs import run as rundir

    started = time.perf_counter()
    talk.say(f"Reading {file} …")
    found = importing.read(file, choice)
    # Data that do not fit are refused before there is a run.
    network = found.network if data is None else with_data(found.network, data)
    if data is not None and readout_open:
        data = with_fitting_readout(found.network, data)
        network = with_data(found.network, data)
        talk.say(_readout_words(data))
    scored = None if data is None else evaluate(network, data.part("test"))
    run = rundir.create("import", run_path)
    network.save(run.file("network.safetensors"))
    outputs = ["network.safetensors"]
    if data is not None:
        storage.save(data, run.file(storage.FILE))
        outputs.append(storage.FILE)
    said = asdict(choice)
    result = {
        "file": file.name,
        "format": found.format,
        "neurons": network.n,
        "synapses": network.n_synapses,
        "inputs": network.n_in,
        "outputs": network.n_out,
        "positions": network.positions is not None,
        "rates": network.rates is not None,
        "direction": found.direction,
        "first": {**asdict(found.first), "words": str(found.first)} if found.first else None,
        "self_connections": found.self_connections,
        "repeated_edges": found.repeated,
        "isolated_neurons": found.isolated,
        "ignored": list(found.ignored),
        "notes": [words.in_commands(note) for note in found.notes],
        "data": None if data is None else facts.about(data),
        "readout": None if data is None else data.readout,
        "readout_losses": None if data is None else data.source.get("readout_losses"),
        "score_name": None if scored is None else scored.score_name,
        "validation_score": None if data is None else evaluate(network, data.part("validation")).accuracy,
        "test_score": None if scored is None else scored.accuracy,
        "seconds": round(time.perf_counter() - started, 3),
    }
    # Nothing in a run is absolute.
    given = {"file": file.name if file.is_absolute() else file, **said}
    run.record(
        "import",
        arguments={"file": file.name, **{"input" if key == "inputs" else key: value for key, value in said.items()}},
        given=commands.as_record("import", {**given, **({} if data is None else _given(data))}),
        seconds=time.perf_counter() - started,
        inputs=[],
        outputs=outputs,
        result=result,
    )
    return {"run": str(run.path), **result}


def _readout_words(data: Trials) -> str:
    """Say where the answer is read, and why there."""
    where = {"last": "at the last step", "mean": "as the mean over steps", "every": "at every step"}[data.readout]
    losses = data.source.get("readout_losses")
    if data.readout == "every" or len(data.mask) == 1:
        why = "as the targets ask for"
    elif losses is None:
        why = "as the network was trained"
    else:
        why = "where its loss on the training and validation trials is least: " + ", ".join(
            f"{name} {loss:.3f}" for name, loss in losses.items()
        )
    return f"the answer is read {where}, {why}"


def _given(data: Trials) -> dict[str, Any]:
    """Options that read the data again."""
    return {"data": data.source["name"], "data_readout": data.readout, "channels": data.source.get("channels")}
