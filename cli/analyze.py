"""`neuromod analyze`: what grew where, and beside what chance would make."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import held_run_option, output_options, seed_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.analysis import Analysis
    from neuromod.runs.run import Run


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
    from neuromod.network import Network
    from neuromod.plotting import analysis as figures
    from neuromod.runs import commands

    from .prune import prune_stage

    begun = time.monotonic()
    if run.state("prune")[0] == "missing" and run.state("import")[0] != "fresh":
        talk.say("Pruning the network first, since that has not been done")
        prune_stage(run, talk=talk)
    name = run.network_file()
    network = Network.load(run.file(name))
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
        before=Network.load(run.file("network.safetensors")),
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


def describe(result: dict[str, Any]) -> str:
    """Return the result in words; what was not measured is unknown."""

    def number(value: float | None, form: str = ".3f") -> str:
        return "unknown" if value is None else format(value, form)

    def beside(name: str, key: str = "value") -> str:
        item = result[name]
        return (
            "unknown"
            if item is None
            else f"{item[key]:.3f}, chance {item['null_mean']:.3f}, z {number(item['z'], '.1f')}"
        )

    gap, small = result["importance_gap"], result["small_world"]
    rows = [
        ["active neurons", f"{number(result['active_neurons'], 'd')} of {result['neurons']}"],
        [
            "functional clusters",
            f"{number(result['clusters'], 'd')} by {result['cluster_method'] or 'unknown'}, "
            f"silhouette {number(result['silhouette'])}",
        ],
        ["within-cluster distance", beside("within_cluster_distance")],
        ["isolated neurons", beside("isolated_ratio")],
        ["similarity with distance", beside("mantel")],
        ["importance gap", f"{number(gap and gap['decades'], '.1f')} decades after {number(gap and gap['rank'], 'd')}"],
        ["weight at 4 pitches to 1", number(result["far_to_near_weight"])],
        ["wiring length", f"{number(result['wiring_length'], ',.0f')} pitches"],
        ["Q of functional clusters", beside("functional_modularity", "q")],
        ["Q by Louvain", beside("louvain_modularity", "q")],
        ["small-worldness", number(small and small["sigma"], ".2f")],
    ]
    lines = [table([[name, value.ljust(60)] for name, value in rows])]
    if result["lesions"]:
        lesions = [
            [f"cluster {item['cluster']}", str(item["neurons"]), f"{item['accuracy']:.3f}", f"{item['control']:.3f}"]
            for item in result["lesions"]
        ]
        lines += [
            f"accuracy {result['accuracy']:.3f}; without one cluster, and without as many neurons at random:",
            table(lesions, header=["silenced", "neurons", "accuracy", "random"]),
        ]
    return "\n".join([*lines, *result["figures"]])


@click.command("analyze", short_help="Measure functional clusters and modules, each beside chance.")
@click.option("--trials", "trials_per_task", type=click.IntRange(2), default=100, show_default=True, help="Per task.")
@click.option("--permutations", type=click.IntRange(100), default=1000, show_default=True, help="Shuffled labels.")
@click.option("--nulls", type=click.IntRange(2), default=50, show_default=True, help="Random networks beside Q.")
@click.option("--density", type=float, default=0.1, show_default=True, help="Share of pairs, the strongest, in Q.")
@click.option("--plot", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER", help="Draw figures there.")
@seed_option
@held_run_option
@output_options
def command(run: Run, talk: Talk, **options: Any) -> None:
    """Measure functional clusters, where they lie, modules of the wiring, and what is lost without each cluster.

    \b
    Examples:
      neuromod analyze
      neuromod analyze --plot figures
    """
    result = analyze_stage(run, talk=talk, **options)
    talk.result(result, describe(result))
