"""The exports of a run's network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from neuromod.exporting import FORMATS, options_of
from neuromod.spiking import OPTIONS, ConversionSettings
from neuromod.stages.talk import Talk

if TYPE_CHECKING:
    from neuromod.mapping import Placement
    from neuromod.network import Network
    from neuromod.runs import Run
    from neuromod.spiking import Candidate, Conversion


def export_stage(
    run: Run, *, talk: Talk, formats: tuple[str, ...] | None = None, seed: int = 0, **options: Any
) -> dict[str, Any]:
    """Write the formats and return the object that ``--json`` prints.

    `options` are those of `spiking_options` and of the formats. Without `formats`, what the network can be written in
    by default. Nothing is written if one of them cannot be.
    """
    from neuromod.exporting import Job, write_all
    from neuromod.runs import commands

    if run.step("prune") is None and run.state("import")[0] == "missing":
        from neuromod.stages.prune import prune_stage

        talk.say("The network has not been pruned yet; pruning with the defaults (neuromod prune).")
        prune_stage(run, talk=talk)
    name = run.network_file()
    network = run.network(name)
    formats = _formats(network, formats, talk=talk)
    inputs, placement = [name], None
    if run.step("map") is not None:
        placement = _placement(run)
        inputs.append("placement.json")
    else:
        talk.say(f"There is no placement, so the files carry none; `{run.command('neuromod map')}` makes one.")
    _check(run, network, placement, formats)
    settings = settings_of(options, placement, seed=seed)
    job = Job(
        network,
        run.file("exports"),
        placement,
        settings=settings,
        options=options,
        rates=lambda: _rates(run),
        choose=lambda network, settings: choose_aloud(network, settings, talk=talk),
    )
    done = write_all(job, formats, references=run.file("spiking"))
    result: dict[str, Any] = {"run": str(run.path), "formats": list(formats), "placement": placement is not None}
    files: list[dict[str, Any]] = []
    for kind, written in done.items():
        sizes: list[dict[str, Any]] = [
            {"path": str(path.relative_to(run.path)), "bytes": path.stat().st_size} for path in written.files
        ]
        part = {"files": sizes, **written.figures, "seconds": written.seconds}
        own = {key.removeprefix(f"{kind}_"): value for key, value in options_of(kind, options).items()}
        run.record(
            f"export-{kind}",
            arguments={**(asdict(settings) if FORMATS[kind].converts else {}), **own},
            given=commands.as_record(f"export-{kind}", {**options, "seed": seed}),
            seconds=written.seconds,
            inputs=inputs,
            outputs=_outputs(kind, [file["path"] for file in sizes], [*written.conversions, *written.references]),
            result=part,
        )
        # Nothing in a run is absolute; what is printed opens from where the user is.
        there = [{**file, "path": str(run.file(file["path"]))} for file in sizes]
        result[kind] = {**part, "files": there}
        files += there
    return {**result, "files": files}


def _formats(network: Network, asked: tuple[str, ...] | None, *, talk: Talk) -> tuple[str, ...]:
    """What to write if nothing was asked for."""
    from neuromod.metrics import has_tasks

    if asked is not None:
        return asked
    if "nir" in network.info:
        return ("nir",)
    usual = tuple(name for name, format in FORMATS.items() if format.default)
    if has_tasks(network):
        return usual
    talk.say("The network names no tasks, which spiking exports are calibrated on: writing ONNX alone.")
    return tuple(name for name in usual if not FORMATS[name].needs_tasks)


def _check(run: Run, network: Network, placement: Placement | None, formats: tuple[str, ...]) -> None:
    from neuromod.errors import StageError
    from neuromod.exporting import check

    for name in formats:
        if FORMATS[name].needs_placement and placement is None:
            raise StageError(
                f"the format {name} is about the placement, and there is none yet; run `{run.command('neuromod map')}`"
            )
        check(network, placement, name)


def _placement(run: Run) -> Placement:
    """The run's placement, with the target as it was when the placement was made."""
    from neuromod.hardware import target_files
    from neuromod.mapping import Placement

    run.require("map")
    found, path = Placement.load(run.file("placement.json")), run.file("target.toml")
    if not path.is_file():
        return found
    return replace(found, hardware=target_files.parse_target(path.read_text(encoding="utf-8"), where="target.toml"))


def _rates(run: Run) -> Any:
    from neuromod.metrics import Activity

    return Activity.load(run.file("activity.safetensors")).rates


def _outputs(kind: str, files: list[str], spiking: list[str]) -> list[str]:
    """What is watched of an export: its files, folders as a whole, and the spiking networks that were written."""
    variants = FORMATS[kind].variants
    folders = [f"exports/{name}" for variant in variants.values() for name in variant.files]
    wholes = [next((whole for whole in folders if file.startswith(f"{whole}/")), file) for file in files]
    return [*dict.fromkeys(wholes), *(f"spiking/{variants[name].reference}" for name in spiking)]


def settings_of(options: Mapping[str, Any], placement: Placement | None, *, seed: int = 0) -> ConversionSettings:
    """Turn the options into `ConversionSettings`; what is not given is left to those."""
    given = {name: options[option] for option, name in OPTIONS.items() if option in options}
    given["substeps"] = (given["substeps"],) if given.get("substeps") else ()
    given["weight_bits"] = _bits(given.get("weight_bits"), placement)
    return ConversionSettings(**given, seed=seed)


def _bits(text: str | int | None, placement: Placement | None) -> int | None:
    from neuromod.errors import UsageError

    if text is None or isinstance(text, int):
        return text
    if text != "target":
        if text.isascii() and text.isdigit() and 2 <= int(text) <= 16:
            return int(text)
        raise UsageError(f"--weight-bits '{text}' is not a number of bits; write a number from 2 to 16, or target")
    if placement is None:
        raise UsageError("--weight-bits target needs a placement; run `neuromod map --target NAME`, or give a number")
    from neuromod.hardware import bits_of

    return bits_of(placement.hardware or placement.target, option="--weight-bits")


def choose_aloud(network: Network, settings: ConversionSettings, *, talk: Talk) -> Conversion:
    """Choose a spiking network, and say what is tried and what is odd about it."""
    from neuromod.spiking import choose

    talk.say(f"{settings.reset} reset:")
    talk.say("substeps  percentile  tuned  accuracy  (rate)  agreement            state error  spikes/neuron/step")

    def show(c: Candidate) -> None:
        interval = f"{c.agreement.share:.3f} ({c.agreement.low:.3f}-{c.agreement.high:.3f})"
        threshold = f"{c.percentile:g}" + (f" x{c.multiple:g}" if c.multiple != 1 else "")
        talk.say(
            f"{c.substeps:8d}  {threshold:>10s}  {'yes' if c.tuned else 'no':>5s}  {c.accuracy:8.3f}  "
            f"{c.accuracy_rate:6.3f}  {interval}{c.state_error:14.3f}{c.spikes_per_neuron_per_step:20.3f}"
        )

    chosen = choose(network, settings, on_try=show)
    if (before := chosen.chosen.accuracy_unrounded) is not None:
        tuned = " and fine-tuned" if chosen.chosen.tuned else ""
        talk.say(
            f"Accuracy {before:.3f} before the weights were rounded to {settings.weight_bits} bits{tuned}, "
            f"{chosen.chosen.accuracy:.3f} after."
        )
    if not chosen.met:
        talk.warn(
            f"nothing that was tried keeps the accuracy within {settings.max_accuracy_drop:g} and at least "
            f"{settings.min_agreement:g} of the decisions with 95 % confidence; took {chosen.chosen.substeps} "
            "substeps, the best of it"
        )
    fine = chosen.fine_time
    if fine is not None and fine.share < settings.min_agreement:
        talk.warn(
            f"without spikes, too, the network makes only {fine.share:.3f} of its own decisions in time steps that "
            f"fine: its time step of {1e3 * network.dt_s:g} ms is long against its time constant of "
            f"{1e3 * network.tau_s:g} ms. Train with a longer one (`--set network.tau_ms=…`), or export the format "
            "snn, which keeps the time steps"
        )
    for ids, what in (
        (chosen.silent, "never fire{} in {} trials"),
        (chosen.saturated, "fire{} in every substep of more than 5 % of the time steps of {} trials"),
    ):
        if ids:
            names = ", ".join(map(str, ids[:10])) + (" …" if len(ids) > 10 else "")
            one = len(ids) == 1
            verb = what.format("s" if one else "", chosen.trials)
            talk.warn(f"{len(ids)} {'neuron' if one else 'neurons'} {verb}: {names}")
    return chosen
