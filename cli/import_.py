"""`neuromod import`: a run out of another tool's network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import ColumnsType, output_options
from .output import Talk


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
@click.option(
    "--delimiter",
    metavar="CHAR",
    help="Edge list: what splits its lines, or tab, space, comma, semicolon; found out if omitted.",
)
@click.option(
    "--comments", metavar="TEXT", help="Edge list: what its comments begin with, '' for none; # and % if omitted."
)
@click.option(
    "--columns",
    type=ColumnsType(),
    metavar="source=…,target=…,weight=…",
    help="Edge list: its columns, by name or by number from 1. GraphML: weight=NAME of the attribute.",
)
@click.option(
    "--duplicates",
    type=click.Choice(["sum", "first", "max", "refuse"]),
    help="How weights of an edge that is given more than once are joined; added, and told, if omitted.",
)
@click.option(
    "--transpose", is_flag=True, default=False, help="Rows are sources, columns are targets; edges run the other way."
)
@click.option("--tau-ms", type=float, metavar="MS", help="Time constant, where the file does not say it.")
@click.option("--dt-ms", type=float, metavar="MS", help="Time step, where the file does not say it.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Trials of your own, .npz, .ts or .h5, that the network is measured, pruned, converted and verified on.",
)
@click.option(
    "--data-readout",
    type=click.Choice(["last", "mean", "every"]),
    help="Data: where the answer is read; if omitted, as the file says that it was learned, else where the network "
    "has the smaller loss.",
)
@click.option("--channels", type=click.IntRange(1), help="Data, spikes: this many channels, neighbouring units summed.")
@output_options
def command(
    file: Path,
    run_path: Path | None,
    talk: Talk,
    data: Path | None,
    data_readout: str | None,
    channels: int | None,
    **said: Any,
) -> None:
    """Make a run of the network in FILE, for `map`, `estimate`, `export` and `report`.

    \b
      .npz            w_rec (n, n), row = target, column = source; or source, target, weight and n_neurons;
                      with positions, rates, w_in, w_out if you like; or a SciPy sparse matrix
      .npy            w_rec (n, n); a folder of .npy files has the arrays of an .npz, for large networks
      .mtx            MatrixMarket, row = target
      .graphml        a graph; also .edgelist, .edges, .txt, .csv, .tsv with a source and a target in each line
      .nir            LIF, CubaLIF and IF neurons with linear connections, as snnTorch, Norse and others write them
      .onnx           what `neuromod export` wrote, or a network of one RNN node with Relu
      .safetensors    a PyTorch state dict; also .pt and .pth that hold tensors alone

    \b
    Examples:
      neuromod import weights.npz && neuromod map --cores 8x8
      neuromod import model.pt --recurrent rnn.weight_hh_l0
      neuromod import synapses.csv --columns source=pre,target=post,weight=n --duplicates sum
      neuromod import graph.mtx --transpose --dt-ms 1 --tau-ms 20
      neuromod import model.onnx --data recordings.npz
    """
    from neuromod.data import read_trials
    from neuromod.importing import Choice
    from neuromod.stages import import_stage

    trials = None
    if data is not None:
        trials = read_trials(data, readout=data_readout, dt_ms=said["dt_ms"], channels=channels)
    elif data_readout or channels:
        raise click.UsageError("--data-readout and --channels are about data: give them with --data FILE")
    is_open = data_readout is None
    result = import_stage(file, run_path, Choice(**said), talk=talk, data=trials, readout_open=is_open)
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
        f"first: {result['first']['words']}" if result["first"] else "it has no synapse",
        ", ".join(
            f"{result[key]:,} {one if result[key] == 1 else many}"
            for key, one, many in (
                ("self_connections", "self-connection", "self-connections"),
                ("repeated_edges", "edge given more than once", "edges given more than once"),
                ("isolated_neurons", "isolated neuron", "isolated neurons"),
            )
        ),
    ]
    if result["data"] is not None:
        name = "R²" if result["score_name"] == "r2" else "accuracy"
        lines.append(f"data {result['data']['name']}: {name} {result['test_score']:.3f} on its test trials")
    if result["ignored"]:
        lines.append(f"not used: {', '.join(result['ignored'])}")
    return "\n".join([*lines, f"run: {result['run']}"])
