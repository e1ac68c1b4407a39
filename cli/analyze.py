"""`neuromod analyze`: what grew where, and beside what chance would make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import held_run_option, output_options, seed_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.runs import Run


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
    from neuromod.stages import analyze_stage

    result = analyze_stage(run, talk=talk, **options)
    talk.result(result, describe(result))
