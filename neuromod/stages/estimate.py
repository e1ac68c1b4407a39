"""What a run's placement costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from neuromod.stages.activity import load_network_and_activity
from neuromod.stages.talk import Talk

if TYPE_CHECKING:
    from neuromod.runs import Run


def estimate_stage(run: Run, *, talk: Talk) -> dict[str, Any]:
    """Estimate the traffic of a run's placement, write `traffic.json`, return what ``--json`` prints.

    Raises
    ------
    StageError
        If the placement is stale.
    """
    from neuromod.files import write_json
    from neuromod.hardware import target_files
    from neuromod.mapping import Placement
    from neuromod.traffic import fit_rent
    from neuromod.traffic import report as traffic

    if run.step("map") is None:
        from neuromod.stages.map import map_stage

        talk.say("The network is not mapped yet: running `neuromod map` with its defaults first.")
        map_stage(run, talk=talk)
    started = time.perf_counter()
    run.require("map")
    # The activity that the placement was made from; counting it anew here would make the placement stale.
    name = run.network_file()
    network, activity = load_network_and_activity(run, name)
    placement = Placement.load(run.file("placement.json"))
    target = target_files.parse_target(run.file("target.toml").read_text(encoding="utf-8"), where="target.toml")
    report = traffic.estimate(network, placement, activity, target=target, seed=placement.seed)
    rent = fit_rent(network)
    content = {
        "grid": str(placement.grid),
        "target": placement.target,
        "placer": placement.placer,
        "neurons_per_core": placement.neurons_per_core,
        **report.as_json(),
        "rent_exponent": None if rent is None else rent.exponent,
        "rent_coefficient": None if rent is None else rent.coefficient,
    }
    write_json(run.file("traffic.json"), {"schema": traffic.SCHEMA, **content})
    result = {**content, "seconds": round(time.perf_counter() - started, 3)}
    run.record(
        "estimate",
        arguments={},
        seconds=time.perf_counter() - started,
        inputs=[name, "activity.safetensors", "placement.json", "target.toml"],
        outputs=["traffic.json"],
        result=result,
    )
    return {**result, "run": str(run.path)}
