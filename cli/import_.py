"""`neuromod import`: a run out of another tool's network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import output_options
from .output import Talk

if TYPE_CHECKING:
    from neuromod.importing.result import Choice


@click.command("import", short_help="Make a run of a network of your own, from a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--run",
    "run_path",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="PATH",
    help="Run directory to make; a dated one if omitted.",
)
@click.option("--recurrent", metavar="NAME", help="State dict or .npz: the tensor of the recurrent weights.")
@click.option("--input", "inputs", metavar="NAME", help="State dict or .npz: the tensor of the input weights.")
@click.option("--readout", metavar="NAME", help="State dict or .npz: the tensor of the readout weights.")
@output_options
def command(
    file: Path, run_path: Path | None, recurrent: str | None, inputs: str | None, readout: str | None, talk: Talk
) -> None:
    """Make a run of the network in FILE, for `map`, `estimate`, `export` and `report`.

    \b
      .npz            w_rec (n, n), row = target, column = source; or source, target, weight and n_neurons;
                      with positions, rates, w_in, w_out if you like; or a SciPy sparse matrix
      .mtx            MatrixMarket, row = target
      .graphml        a graph; also .edgelist, .edges, .txt, .csv, .tsv with a source and a target in each line
      .nir            LIF, CubaLIF and IF neurons with linear connections, as snnTorch, Norse and others write them
      .onnx           what `neuromod export` wrote, or a network of one RNN node with Relu
      .safetensors    a PyTorch state dict; also .pt and .pth that hold tensors alone

    \b
    Examples:
      neuromod import weights.npz && neuromod map --cores 8x8
      neuromod import model.pt --recurrent rnn.weight_hh_l0
    """
    from neuromod.importing.result import Choice

    result = import_stage(file, run_path, Choice(recurrent, inputs, readout), talk=talk)
    talk.result(result, describe(result))


def describe(result: dict[str, Any]) -> str:
    """Return the result in words."""
    counted = [
        f"{result[key]:,} {word if result[key] == 1 else word + 's'}"
        for key, word in (("neurons", "neuron"), ("synapses", "synapse"), ("inputs", "input"), ("outputs", "readout"))
    ]
    lines = [
        f"{', '.join(counted[:3])} and {counted[3]} from {result['file']} ({result['format']})",
        *result["notes"],
    ]
    if result["ignored"]:
        lines.append(f"not used: {', '.join(result['ignored'])}")
    return "\n".join([*lines, f"run: {result['run']}"])


def import_stage(file: Path, run_path: Path | None, choice: Choice, *, talk: Talk) -> dict[str, Any]:
    """Read a network, write it into a new run, return what ``--json`` prints.

    Raises
    ------
    UsageError
        If the file cannot be read or the folder not be written.
    """
    from dataclasses import asdict

    from neuromod import importing
    from neuromod.runs import commands
    from neuromod.runs import run as rundir

    started = time.perf_counter()
    talk.say(f"Reading {file} …")
    found = importing.read(file, choice)
    run = rundir.create("import", run_path)
    network = found.network
    network.save(run.file("network.safetensors"))
    result = {
        "file": file.name,
        "format": found.format,
        "neurons": network.n,
        "synapses": network.n_synapses,
        "inputs": network.n_in,
        "outputs": network.n_out,
        "positions": network.positions is not None,
        "rates": network.rates is not None,
        "ignored": list(found.ignored),
        "notes": list(found.notes),
        "seconds": round(time.perf_counter() - started, 3),
    }
    run.record(
        "import",
        arguments={"file": file.name, "recurrent": choice.recurrent, "input": choice.inputs, "readout": choice.readout},
        given=commands.as_record("import", {"file": file, **asdict(choice)}),
        seconds=time.perf_counter() - started,
        inputs=[],
        outputs=["network.safetensors"],
        result=result,
    )
    return {"run": str(run.path), **result}
