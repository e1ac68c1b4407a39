"""What an export format is: everything that commands, verification and report say and do about each.

A new format is one writer, one line in `FORMATS`, and one runner with a line in
`neuromod.verification.runners.RUNNERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from neuromod.exporting.chips.writers import write_loihi, write_loihi2, write_xylo
from neuromod.exporting.writers import Job, Written, write_nir, write_onnx, write_sanafe, write_snn


@dataclass(frozen=True)
class Option:
    """A choice that one format alone offers.

    Parameters
    ----------
    choices : tuple of str
        What it may be.
    help : str
        What it does, for the command's help.
    default : str or None
        What it is if it is not given.
    """

    choices: tuple[str, ...]
    help: str
    default: str | None = None


@dataclass(frozen=True)
class Variant:
    """Files of a format that are verified together: one entry of ``verify.json``.

    Parameters
    ----------
    title : str
        What people call it.
    files : tuple of str
        Its files or folders, in the folder of the exports; all must be there.
    target : str
        What its runner is given: one of them, or ``.``, the folder of the exports.
    reference : str
        The file, among those of spiking networks, that holds what was exported; empty for what does not spike.
    options : mapping of str to str
        Options of the format that write it.
    always : bool
        Whether it is reported as not verified even if it was never written.
    needs_tasks : str
        Why it cannot be judged without tasks; empty if it can be.
    kind : str
        Class of what `reference` holds, as ``neuromod.spiking.SpikingNetwork``.
    """

    title: str
    files: tuple[str, ...]
    target: str = "."
    reference: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    always: bool = False
    needs_tasks: str = ""
    kind: str = "neuromod.spiking.SpikingNetwork"

    def load_reference(self, path: Path) -> Any:
        """Read the file that holds what was exported."""
        module, name = self.kind.rsplit(".", 1)
        return getattr(import_module(module), name).load(path)


@dataclass(frozen=True)
class Format:
    """A format that networks are exported in.

    Parameters
    ----------
    title : str
        What people call it.
    about : str
        What is written and for whom, for the command's help.
    write : callable
        The writer: makes the files in the folder of a `Job`, and nothing else.
    variants : mapping of str to Variant
        What is verified, each by the runner of the same name; empty if nothing here can run it.
    options : mapping of str to Option
        What it alone can be asked for.
    converts : bool
        Whether a spiking network is made for it, with the settings of the conversion.
    takes_spikes : bool
        Whether a network that was imported from NIR, which spikes, can be written in it.
    needs_tasks, needs_placement : bool
        Whether it needs a network with tasks, and a placement.
    default : bool
        Whether it is written unless something is asked for. The others take packages or time that not everybody has.
    proof : str
        What proves it, if nothing here can run it.
    chips : str
        How the names of the targets begin that it is for alone; empty if it is for more than one family of chips.
    """

    title: str
    about: str
    write: Callable[[Job], Written]
    variants: Mapping[str, Variant] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    converts: bool = False
    takes_spikes: bool = False
    needs_tasks: bool = False
    needs_placement: bool = False
    default: bool = False
    proof: str = ""
    chips: str = ""


_SPIKES = "it is calibrated on trials of tasks, and the network names none"

FORMATS: dict[str, Format] = {
    "onnx": Format(
        "ONNX",
        "exports/network.onnx (a sequence) and exports/network_step.onnx (one step), for onnxruntime and others",
        write_onnx,
        variants={
            "onnx": Variant("ONNX", ("network.onnx", "network_step.onnx"), always=True),
            "onnx_int8": Variant(
                "ONNX, 8 bits",
                ("network_int8.onnx", "network_int8_weights.onnx"),
                options={"quantize": "int8"},
                needs_tasks="8-bit files are judged by their accuracy, and the network names no tasks",
            ),
        },
        options={"quantize": Option(("int8",), "onnx: also write files with 8-bit weights.")},
        default=True,
    ),
    "snn": Format(
        "spiking, snnTorch",
        "exports/snn/, a spiking network that loads with torch and snntorch",
        write_snn,
        variants={
            "snn": Variant(
                "spiking, snnTorch", ("snn",), "snn", reference="snn.safetensors", always=True, needs_tasks=_SPIKES
            )
        },
        converts=True,
        needs_tasks=True,
        default=True,
    ),
    "nir": Format(
        "spiking, NIR",
        "exports/network.nir (soft reset) and exports/network_hard.nir, for simulators and chip tools",
        write_nir,
        variants={
            "nir": Variant("spiking, NIR", ("network.nir",), "network.nir", "network_nir.safetensors"),
            "nir_hard": Variant(
                "spiking, NIR, hard reset", ("network_hard.nir",), "network_hard.nir", "network_hard_nir.safetensors"
            ),
        },
        options={
            "nir_form": Option(
                ("cuba", "literal"),
                "nir: neuron and trace in one node, as most importers want it, or each by itself.",
                default="cuba",
            )
        },
        converts=True,
        takes_spikes=True,
        needs_tasks=True,
    ),
    "sanafe": Format(
        "SANA-FE",
        "exports/sanafe/arch.yaml and net.yaml, the placement in the SANA-FE simulator of chips, and referee.py",
        write_sanafe,
        takes_spikes=True,
        needs_placement=True,
        proof="`python {folder}/sanafe/referee.py` compares the counts, where SANA-FE is installed.",
    ),
    "xylo": Format(
        "Xylo",
        "exports/xylo/, integers for SynSense's Xylo, with an example for its simulator",
        write_xylo,
        variants={"xylo": Variant("Xylo", ("xylo",), "xylo", "xylo.safetensors", kind="neuromod.chips.XyloNetwork")},
        needs_tasks=True,
        chips="xylo",
    ),
    "loihi": Format(
        "Loihi",
        "exports/loihi/, integers for Intel's Loihi, with an example for three simulators",
        write_loihi,
        variants={
            "loihi": Variant("Loihi", ("loihi",), "loihi", "loihi.safetensors", kind="neuromod.chips.LoihiNetwork")
        },
        converts=True,
        needs_tasks=True,
        chips="loihi1",
    ),
    "loihi2": Format(
        "Loihi 2",
        "exports/loihi2/, integers for graded spikes of Intel's Loihi 2, with an example for Lava",
        write_loihi2,
        variants={
            "loihi2": Variant(
                "Loihi 2", ("loihi2",), "loihi2", "loihi2.safetensors", kind="neuromod.chips.Loihi2Network"
            )
        },
        needs_tasks=True,
        chips="loihi2",
    ),
}


def titles() -> dict[str, str]:
    """Return what people call each entry of ``verify.json``."""
    return {kind: variant.title for format in FORMATS.values() for kind, variant in format.variants.items()}


def variants() -> dict[str, tuple[str, Variant]]:
    """Return every entry of ``verify.json``, with the name of its format."""
    return {kind: (name, variant) for name, format in FORMATS.items() for kind, variant in format.variants.items()}


def options_of(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option of the format `name`: as it was given, or its default."""
    return {key: given.get(key, option.default) for key, option in FORMATS[name].options.items()}
