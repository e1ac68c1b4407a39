"""What `neuromod train` is given besides settings: data, and a network to go on with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromod.network import Network
    from neuromod.trials import Trials


def start_of(path: Path, given: dict[str, Any]) -> Network:
    """Return the network of the run that training goes on from, and note it and its size in what is given."""
    from neuromod.errors import UsageError
    from neuromod.runs import run as rundir

    source = rundir.open_run(path)
    if source.state("prune")[0] == "fresh":
        name = "pruned.safetensors"
    else:
        source.require("import" if source.step("import") else "train")
        name = "network.safetensors"
    network = source.network(name)
    if "nir" in network.info:
        raise UsageError(f"{path} holds a spiking network imported from NIR, which cannot be trained")
    if given.setdefault("network.neurons", network.n) != network.n:
        raise UsageError(f"--neurons {given['network.neurons']}: the network of {path} has {network.n}; leave it out")
    given.setdefault("network.tau_ms", 1000 * network.tau_s)
    given |= {"start.run": source.path.resolve().name, "start.sha256": network.sha256()}
    return network


def about_data(data: Trials) -> list[str]:
    """Say what is read, and what is odd about it."""
    from neuromod.data import facts

    counts, source = data.counts(), data.source
    beside = f" with {source['test_file']['name']} beside it" if "test_file" in source else ""
    what = f"{data.n_classes} values" if data.values else f"{data.n_classes} classes"
    held = [name for name in ("test", "validation") if name not in source.get("split_given", [])]
    lines = [
        f"{source['name']}{beside}: {counts['train']} training, {counts['validation']} validation and {counts['test']} "
        f"test trials of {data.inputs.shape[2]} channels, {what}; the answer is read "
        + {"last": "at the last step", "mean": "as the mean over steps", "every": "at every step"}[data.readout]
    ]
    if held:
        lines.append(f"held out, a fifth of what is there of each class: {' and '.join(held)}")
    return lines + [f"note: {warning}" for warning in facts.warnings(data)]
