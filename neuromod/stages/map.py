"""The placement of a run's network."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuromod.stages.activity import network_with_activity
from neuromod.stages.talk import Talk, TimeLeft, clock

if TYPE_CHECKING:
    from neuromod.errors import Advice, DoesNotFitError
    from neuromod.hardware import Target
    from neuromod.network import Network
    from neuromod.runs import Run


def map_stage(
    run: Run,
    *,
    talk: Talk,
    cores: tuple[int, int] | None = None,
    chips: tuple[int, int] | None = None,
    target: str | None = None,
    neurons_per_core: int | None = None,
    placer: str = "annealing",
    objective: str = "hops",
    effort: float = 1.0,
    seconds: float | None = None,
    seed: int = 0,
    activity: str | None = None,
    keep_best: bool = False,
) -> dict[str, Any]:
    """Place the network of a run, write `placement.json` and `.csv`, return what ``--json`` prints.

    With `keep_best`, Ctrl-C during the search ends it, and the placement of least cost so far is written.

    Raises
    ------
    InterruptedRunError
        If Ctrl-C ended the search before anything was found that keeps the limits.
    UsageError
        If an option cannot be used.
    DoesNotFitError
        If the network does not fit; the message lists every violation.
    """
    from neuromod.errors import DoesNotFitError, InterruptedRunError
    from neuromod.files import write_text
    from neuromod.hardware import (
        chip_with_borders,
        count_core_loads,
        mesh_of,
        packet_costs,
        packets_to_chips,
        routing,
        synaptic_events,
        target_files,
    )
    from neuromod.mapping import Effort, bounds, limits, placement, placers, precompile, search
    from neuromod.metrics import describe as describe_activity
    from neuromod.runs import commands, stop_request
    from neuromod.traffic import core_graph, packets_between_chips, report

    started = time.perf_counter()
    given = commands.as_record(
        "map",
        {
            "cores": cores,
            "chips": chips,
            "target": target,
            "neurons_per_core": neurons_per_core,
            "placer": placer,
            "objective": objective,
            "effort": effort,
            "seconds": seconds,
            "seed": seed,
            "activity": activity,
        },
    )
    # Refused before anything is done: pruning, which may come first, takes long.
    if target is not None:
        target_files.load_target(target)
    placers.find_placer(placer)
    packet_costs.check_objective(objective)
    precompile.begin()

    left, unheard = TimeLeft(), threading.Lock()

    def tell(share: float) -> None:
        now = time.perf_counter()
        rest = left.after(share, now)
        if now - started > 2:
            talk.progress(f"placing: {share:.0%}" + ("" if rest is None else f", about {clock(rest)} left"))

    def heard(asked: bool) -> bool:
        # Several searches ask; one of them answers.
        if asked and unheard.acquire(blocking=False):
            talk.say("Interrupted: the best placement so far is written next; once more ends at once, without it.")
        return asked

    name, network, active = network_with_activity(run, talk=talk, source=activity)
    target, cores = trained_for(network, target, cores if chips is None else cores or ())
    target_text = target_files.read_text(target)
    chip = target_files.parse_target(target_text, where=target)
    if chips is not None:
        own = chip
        chip, cores = search.join_chips(chip, cores or None, chips)
        target_text = target_text if chip is own else target_files.as_toml(chip)
    grid = search.choose_grid(chip, cores)
    capacity, origin = limits.capacity_of(network, chip, grid, neurons_per_core)
    talk.say(f"Placing {network.n:,} neurons on {grid} cores of {capacity:,} ({origin}) …")
    # The other methods search nothing that could be cut short.
    may_stop = keep_best and placer == placers.DEFAULT
    try:
        with stop_request() if may_stop else nullcontext(lambda: False) as asked:
            found = search.place(
                network, activity=active, cores=(grid.rows, grid.columns), target=chip,
                neurons_per_core=neurons_per_core, placer=placer, objective=objective, seed=seed,
                effort=Effort(effort, seconds, tell, lambda: heard(asked())),
            )  # fmt: skip
        interrupted = asked()
    except InterruptedRunError as error:
        raise InterruptedRunError(f"{error}; what was there before is as it was") from None
    except DoesNotFitError as error:
        as_typed = {**given, "cores": f"{grid.rows}x{grid.columns}" if cores else None, "chips": None}
        raise _in_commands(error, _Refused(run, network, name, chip, as_typed)) from None
    load = routing.measure(network, found.core_of, grid, active.rates)
    events = synaptic_events(network, active.rates, active.input_rates)
    bound = bounds.bound_hops(load.packets, load.destinations, active.rates, grid).best
    several = chip_with_borders(grid, chip) is not None
    hop, origin_of_hop = packet_costs.chip_hop(chip)
    shuffled = found.core_of[report.shuffle(network.n, seed)]
    intra, inter = report.synapses_across(network, found.core_of)
    result = {
        "grid": str(grid),
        "target": chip.name,
        "placer": placer,
        "objective": objective,
        "seed": seed,
        "neurons": network.n,
        "neurons_per_core": capacity,
        "capacity_from": origin,
        "cores_used": int((found.neurons_on > 0).sum()),
        "intra_core_synapses": intra,
        "inter_core_synapses": inter,
        "packets": float(load.packets.sum()),
        "hops": load.hops,
        "multicast_hops": load.multicast_hops,
        "chips": mesh_of(grid, chip),
        "chip_hop": {"hops": hop, "origin": origin_of_hop} if several else None,
        "packets_between_chips": packets_between_chips(load.packets, grid, chip),
        "packets_to_chips": packets_to_chips(network, found.core_of, active.rates, grid, chip),
        "max_link_load": float(load.links.max()),
        "busiest_core": count_core_loads(found.core_of, load, events, chip).busiest(grid),
        "bound": bound,
        "gap": (load.hops - bound) / bound if bound > 0 else 0.0 if load.hops == 0 else None,
        "activity": describe_activity(active),
        "shuffled_hops": routing.measure(network, shuffled, grid, active.rates).hops,
        "interrupted": interrupted,
        "seconds": round(time.perf_counter() - started, 3),
    }
    # All at the end, so that what ends the command before leaves the former placement.
    found.save(run.file("placement.json"), neuron_ids=network.neuron_ids, roles=placement.roles(network))
    graph = ["cores.graphml"] if grid.cores <= report.MOST_LISTED else []
    if graph:
        core_graph.write_graphml(run.file("cores.graphml"), found, load)
    else:
        run.file("cores.graphml").unlink(missing_ok=True)
    write_text(run.file("target.toml"), target_text)
    run.record(
        "map",
        arguments={
            "cores": str(grid),
            "chips": mesh_of(grid, chip),
            "target": chip.name,
            "neurons_per_core": neurons_per_core,
            "placer": placer,
            "objective": objective,
            "effort": effort,
            "time": seconds,
            "seed": seed,
            "activity": activity,
        },
        # Of a target of the user's own the run holds a copy; where it was is no one else's.
        given={**given, "target": Path(target).name} if Path(target).is_absolute() else given,
        seconds=time.perf_counter() - started,
        inputs=[name, "activity.safetensors"],
        outputs=["placement.json", "placement.csv", *graph, "target.toml"],
        result=result,
    )
    return {**result, "run": str(run.path)}


def trained_for(network: Network, target: str | None = None, cores: tuple[int, ...] | None = None) -> tuple[str, Any]:
    """Complete what was not asked for by what the network was trained for; cores of a chip, (), are left out."""
    from neuromod.hardware import layout, target_files

    found = layout.grown_on(network)
    if found is None:
        return target or "generic-mesh", cores
    grid, _ = found
    chip = network.info["chip"]
    if target is None:
        # A user's own file may be elsewhere by now.
        target = chip["target"] if chip["target"] in target_files.target_names() else "generic-mesh"
    return target, (grid.rows, grid.columns) if cores is None else cores


@dataclass(frozen=True, eq=False)
class _Refused:
    """A placement that was refused: what was to be placed, its file in the run, and what the command was given."""

    run: Run
    network: Network
    name: str
    target: Target
    given: Mapping[str, Any]


def _in_commands(error: DoesNotFitError, refused: _Refused) -> DoesNotFitError:
    """Return a refusal of `map` that says what to type."""
    from neuromod.errors import Advice, DoesNotFitError

    kept = [(advice, _say(advice, refused)) for advice in error.advice]
    said = {advice: words for advice, words in kept if words}
    if not said:
        why = "pruning with the options that it had leaves something else than what would fit"
        none = Advice("nothing", f"{why}; it takes another network or another target")
        said = {none: none.text}
    return DoesNotFitError(error.facts, tuple(said), words=", or ".join(said.values()))


def _say(advice: Advice, refused: _Refused) -> str:
    """Commands of an advice; empty where they would not do what was tried."""
    from neuromod.runs import commands

    if advice.kind == "nothing":
        return advice.text
    run = refused.run
    texts: list[str] = []
    changes: dict[str, Any] = {step.kind: step.value for step in advice.steps if step.kind != "keep"}
    for step in advice.steps:
        if step.kind == "keep":
            if run.given("prune").get("packets"):
                return "pruning further than before, which would undo the pruning by packets"
            assert isinstance(step.value, float)
            keep = _of_all(step.value, refused)
            if not _still_fits(keep, changes, refused):
                return ""
            texts += run.again("prune", keep=keep, threshold=None)
    typed = {key: value for key, value in commands.as_record("map", changes).items() if key in changes}
    # The target as it was typed: the copy in the run is that of the last placement.
    texts += commands.as_given("map", {**refused.given, **typed}, target_file=Path())
    known = "" if all(step.tried for step in advice.steps) else " or more (not tried, for its size)"
    return f"`{run.command(*texts)}`{known}"


def _of_all(keep: float, refused: _Refused) -> float:
    """Turn a share of a pruned network's pairs into one of the pairs of what it was pruned from."""
    from neuromod.network import Network
    from neuromod.removal import count_above, share_of, threshold_for

    if refused.name == "network.safetensors":
        return keep
    whole = Network.load(refused.run.file("network.safetensors"))
    threshold = threshold_for(refused.network, round(keep * refused.network.n**2))
    return share_of(count_above(whole, threshold), whole.n)


def _still_fits(keep: float, changes: Mapping[str, Any], refused: _Refused) -> bool:
    """Whether what `prune` makes, which also rounds weights to zero, fits, and the rates of a file are still its."""
    import numpy as np

    from neuromod.errors import DoesNotFitError, UsageError
    from neuromod.mapping import Effort
    from neuromod.mapping import search as mapping
    from neuromod.metrics import Activity
    from neuromod.network import Network
    from neuromod.removal import cut, threshold_for

    given = {"cores": None, "neurons_per_core": None, **refused.given, **changes}
    whole = Network.load(refused.run.file("network.safetensors"))
    record, chip = refused.run.step("prune"), whole.info.get("chip")
    bits = record["arguments"].get("weight_bits") if record else chip.get("weight_bits") if chip else None
    try:
        left = cut(whole, threshold_for(whole, round(keep * whole.n**2)), weight_bits=bits)
        if given["activity"] not in (None, "rates", "spikes") and left.n != refused.network.n:
            return False
        cores: Any = given["cores"]
        if isinstance(cores, str):
            cores = tuple(map(int, cores.split("x")))
        mapping.place(
            left, cores=cores, target=refused.target,
            activity=Activity(np.ones(left.n), np.ones(left.n_in), "every-step", 0),
            neurons_per_core=given["neurons_per_core"], placer=given["placer"] or "annealing", effort=Effort(0.001),
        )  # fmt: skip
    except (DoesNotFitError, UsageError):
        return False
    return True
