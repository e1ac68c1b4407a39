"""The analysis of a run's network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuromod.stages.talk import Talk

if TYPE_CHECKING:
    from neuromod.analysis import Analysis
    from neuromod.runs import Run


def analyze_stage(
    run: Run,
    *,
    talk: Talk,
    trials_per_task: int = 100,
    permutations: int = 1000,
    nulls: int = 50,
    density: float = 0.1,
    seed: int = 0,
    plot: Path | None = None,
) -> dict[str, Any]:
    """Measure the run's network, write `analysis.json`, return what ``--json`` prints."""
    from neuromod import analysis
    from neuromod.files import write_json
    from neuromod.plotting import analysis as figures
    from neuromod.runs import commands
    from neuromod.stages.prune import prune_stage

    begun = time.monotonic()
    if run.step("prune") is None and run.state("import")[0] != "fresh":
        talk.say("Pruning the network first, since that has not been done")
        prune_stage(run, talk=talk)
    name = run.network_file()
    network = run.network(name)
    inputs = sorted({name, "network.safetensors"})
    arguments: dict[str, Any] = {
        "trials_per_task": trials_per_task,
        "permutations": permutations,
        "nulls": nulls,
        "density": density,
        "seed": seed,
    }
    found = analysis.analyze(
        network,
        before=run.network("network.safetensors"),
        on_step=lambda measure: talk.progress(f"measuring {measure}"),
        **arguments,
    )
    content = {
        **found.to_dict(),
        "network": name,
        "positions": None if network.positions is None else network.positions.tolist(),
    }
    drawn = [str(path) for path in figures.write(content, plot)] if plot else []
    write_json(run.file(analysis.FILE), content)
    result = {"run": str(run.path), **summarize(found), "figures": drawn}
    run.record(
        "analyze",
        arguments=arguments,
        given=commands.as_record("analyze", arguments),
        seconds=time.monotonic() - begun,
        inputs=inputs,
        outputs=[analysis.FILE],
        result={**result, "figures": []},
    )
    return result


def summarize(found: Analysis) -> dict[str, Any]:
    """Return the figures of an analysis without its curves and tables."""
    import dataclasses

    def plain(item: Any) -> Any:
        return None if item is None else dataclasses.asdict(item)

    clusters, damage, length = found.clusters, found.lesions, found.wiring
    return {
        "neurons": found.neurons,
        "synapses": found.synapses,
        "active_neurons": len(found.active) if found.tasks else None,
        "accuracy": damage.accuracy if damage else None,
        "clusters": clusters.k if clusters else None,
        "cluster_sizes": [int((clusters.labels == c).sum()) for c in range(clusters.k)] if clusters else None,
        "cluster_method": clusters.method if clusters else None,
        "silhouette": clusters.silhouette if clusters else None,
        "importance_gap": plain(found.gap),
        "far_to_near_weight": found.far_to_near,
        "wiring_length": length.count if length else None,
        "weighted_wiring_length": length.weighted if length else None,
        "mean_weighted_length": found.mean_weighted_length,
        **{
            name: plain(getattr(found, name))
            for name in (
                "isolated_ratio",
                "within_cluster_distance",
                "within_cluster_squares",
                "isolated_by_index",
                "index_variance",
                "mantel",
                "functional_modularity",
                "louvain_modularity",
                "small_world",
            )
        },
        "lesions": None
        if damage is None
        else [
            {"cluster": item.cluster, "neurons": item.neurons, "accuracy": item.accuracy, "control": item.control}
            for item in damage.clusters
        ],
    }
