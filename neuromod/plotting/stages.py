"""Figures of single steps: tasks, training curves, what pruning took away, traffic, substeps, verified exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.exporting import titles
from neuromod.network import Network
from neuromod.plotting.overview import OKABE_ITO
from neuromod.reporting import count, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neuromod.trials import Trials

# Lines differ in their dashes, too.
BLUE, ORANGE, GREEN = OKABE_ITO[:3]
GREY = "#7f7f7f"


def trials(examples: Trials) -> Figure:
    """Draw one trial of each task: its stimuli over time, and below them the class that is wanted at each step.

    Parameters
    ----------
    examples : Trials
        The first trial of each task is drawn, in the order of the names.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = 5 if len(examples.names) <= 25 else 8
    rows = -(-len(examples.names) // columns)
    figure = Figure(figsize=(7, 0.4 + 1.15 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(examples.names) :]:
        ax.set_axis_off()
    # The fixation cue and two rings, as many positions each as there are answers; the rest tells the task.
    stimuli = 1 + 2 * (examples.n_classes - 1)
    for number, (ax, name) in enumerate(zip(axes, examples.names, strict=False)):
        trial = int(np.flatnonzero(examples.task == number)[0])
        steps = int(examples.mask[:, trial].sum())
        wanted = np.eye(examples.n_classes)[examples.targets[:steps, trial]]
        gap = np.full((steps, 1), np.nan)
        image = np.hstack([examples.inputs[:steps, trial, :stimuli], gap, wanted]).T
        ax.imshow(image, aspect="auto", interpolation="nearest", cmap="cividis", vmin=0, vmax=1.2)
        ax.set_title(name, fontsize=6, pad=2)
        ax.set_yticks([stimuli / 2, stimuli + 1 + examples.n_classes / 2])
        ax.set_yticklabels(["inputs", "wanted"] if number % columns == 0 else [])
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.tick_params(labelsize=5, length=1.5)
    figure.supxlabel("time step", fontsize=7)
    return figure


def training(metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss, accuracy and wiring length over the steps of a training, as wide as a page's text (7 in).

    Parameters
    ----------
    metrics : sequence of mapping
        The lines of ``metrics.jsonl``.

    Raises
    ------
    UsageError
        If nothing was logged.
    """
    from matplotlib.ticker import FuncFormatter

    if not metrics:
        raise UsageError("nothing was logged, so there is nothing to draw; lower training.log_every")
    figure, axes = _row(3)
    step = [line["step"] for line in metrics]
    for ax, key, label, scale in (
        (axes[0], "loss", "task loss, nat", "log"),
        (axes[1], "accuracy", "accuracy on training trials", "linear"),
        (axes[2], "wiring_length", "wiring length, pitches", "log"),
    ):
        values = np.array([line.get(key, np.nan) for line in metrics], float)
        ax.plot(step, values, color=BLUE, linewidth=1)
        ax.set(xlabel="training step", ylabel=label)
        if scale == "log" and np.nanmax(values, initial=0) > 0:
            ax.set_yscale("log", nonpositive="clip")
            for axis in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
                axis(FuncFormatter(_plain(values)))
    return figure


def pruning(before: Network, after: Network, threshold: float) -> Figure:
    """Draw the magnitudes of the recurrent weights in falling order with the threshold, and the synapses kept.

    Parameters
    ----------
    before, after : Network
        The network and what pruning left of it.
    threshold : float
        Weights of at most this magnitude were removed.
    """
    figure, axes = _row(3, widths=(2, 1, 1))
    magnitude = np.sort(np.abs(before.w_rec.data))[::-1]
    axes[0].plot(np.arange(1, len(magnitude) + 1), magnitude, color=BLUE, linewidth=1)
    if threshold > 0:
        axes[0].axhline(threshold, color=ORANGE, linestyle="--", linewidth=1, label=f"threshold {threshold:.3g}")
        axes[0].legend(fontsize=7, frameon=False, loc="lower left")
    axes[0].set(xlabel="rank of the recurrent weight", ylabel="magnitude of the weight", xscale="log", yscale="log")
    for ax, name, pair in (
        (axes[1], "neurons", (before.n, after.n)),
        (axes[2], "recurrent synapses", (before.n_synapses, after.n_synapses)),
    ):
        bars = ax.bar(("before", "after"), pair, 0.6, color=[GREY, BLUE])
        ax.bar_label(bars, [f"{value:,}" for value in pair], fontsize=7, padding=1)
        ax.margins(y=0.1)
        ax.set(ylabel=name)
    return figure


def traffic(estimate: Mapping[str, Any]) -> Figure:
    """Draw packets, hops and the busiest link beside those of the shuffled placement, and the load of the cores.

    Parameters
    ----------
    estimate : mapping
        Content of ``traffic.json``.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = _row(2)
    keys = ("packets_per_step", "hops_per_step", "multicast_hops_per_step", "max_link_load_per_step")
    names = ("packets", "hops", "hops,\nmulticast", "busiest\nlink")
    at = np.arange(len(keys))
    for k, (label, part, colour) in enumerate(
        (("this placement", estimate, BLUE), ("shuffled", estimate["shuffled"], GREY))
    ):
        bars = axes[0].bar(at + 0.4 * k - 0.2, [part[key] for key in keys], 0.38, color=colour, label=label)
        axes[0].bar_label(bars, [count(float(part[key])) for key in keys], fontsize=6)
    axes[0].margins(y=0.1)
    axes[0].set(xticks=at, ylabel="packets or hops\nper time step (estimate)")
    axes[0].set_xticklabels(names, fontsize=7)
    axes[0].legend(fontsize=7, frameon=False)
    for key, label, colour, style in (
        ("packets_sent_per_step", "sent", BLUE, "-"),
        ("packets_received_per_step", "received", ORANGE, "--"),
    ):
        load = np.sort([core[key] for core in estimate["per_core"]])[::-1]
        axes[1].step(np.arange(1, len(load) + 1), load, style, where="mid", color=colour, label=label, linewidth=1)
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[1].set_ylim(bottom=0)
    axes[1].set(xlabel="core, by rank", ylabel="packets\nper time step (estimate)")
    axes[1].legend(fontsize=7, frameon=False)
    return figure


def substeps(sweep: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw accuracy, agreement and spikes of the conversions that were tried, over the number of substeps.

    Parameters
    ----------
    sweep : sequence of mapping
        ``sweep`` of a spiking export, objects as of `substeps.Candidate`.

    Raises
    ------
    UsageError
        If nothing was tried.
    """
    if not sweep:
        raise UsageError('no spiking network was exported, so there is nothing to draw; export with `format="snn"`')
    figure, axes = _row(2)
    for tuned, style in ((False, "o-"), (True, "s--")):
        part = [line for line in sweep if bool(line["tuned"]) == tuned]
        if not part:
            continue
        x, name = [line["substeps"] for line in part], "fine-tuned" if tuned else "converted"
        # Wider, since both lines are often one.
        accuracy = [line["accuracy"] for line in part]
        axes[0].plot(x, accuracy, style, color=BLUE, label=f"accuracy, {name}", markersize=7, linewidth=3.5)
        share = [line["agreement"]["share"] for line in part]
        axes[0].plot(x, share, style, color=ORANGE, label=f"equal decisions, {name}", markersize=4)
        spikes = [line["spikes_per_neuron_per_step"] for line in part]
        axes[1].plot(x, spikes, style, color=GREEN, label=name, markersize=4)
    axes[0].axhline(sweep[0]["accuracy_rate"], color=GREY, linestyle=":", label="accuracy of the rate network")
    axes[0].set(xlabel="substeps per time step", ylabel="share of trials")
    axes[1].set(xlabel="substeps per time step", ylabel="spikes per neuron and time step")
    for ax in axes:
        ax.locator_params(axis="x", integer=True)
        ax.legend(fontsize=6, frameon=False)
    return figure


def verified(parts: Mapping[str, Mapping[str, Any]], min_agreement: float) -> Figure:
    """Draw for each export the share of decisions equal to the network's, with its interval, and both accuracies.

    Parameters
    ----------
    parts : mapping of str to mapping
        The exports of ``verify.json`` by name.
    min_agreement : float
        Least share of equal decisions that passes a spiking export.

    Raises
    ------
    UsageError
        If no export could be run.
    """
    ran = {name: part for name, part in parts.items() if part.get("decision_agreement") is not None}
    if not ran:
        raise UsageError("no export has decisions, so there is nothing to draw; see the reasons that `verify` gives")
    figure, axes = _row(2)
    at = np.arange(len(ran))
    share = np.array([part["decision_agreement"] for part in ran.values()])
    low, high = np.array([part["decision_agreement_interval"] for part in ran.values()]).T
    axes[0].errorbar(at, share, yerr=[share - low, high - share], fmt="o", color=BLUE, markersize=4, capsize=3)
    axes[0].axhline(min_agreement, color=GREY, linestyle=":", label="least that passes, spiking")
    axes[0].set(ylabel="share of equal decisions,\n95 % confidence")
    for key, label, colour, mark in (
        ("accuracy", "export", ORANGE, "o"),
        ("accuracy_reference", "network", "black", "_"),
    ):
        shown = [np.nan if part[key] is None else part[key] for part in ran.values()]
        axes[1].plot(at, shown, mark, color=colour, label=label, markersize=7)
    # At least 10 points of accuracy: a narrower axis makes a difference of nothing look large.
    low, high = axes[1].get_ylim()
    middle, half = (low + high) / 2, max(high - low, 0.1) / 2
    axes[1].set(ylabel="accuracy", ylim=(middle - half, middle + half))
    for ax in axes:
        ax.set(xticks=at, xlim=(-0.5, len(ran) - 0.5))
        ax.set_xticklabels([titles().get(name, name).replace(", ", "\n") for name in ran])
        ax.legend(fontsize=6, frameon=False)
    return figure


def _plain(values: npt.NDArray[np.float64]) -> Callable[[float, int], str]:
    """Write a tick of a logarithmic axis as a number: 1, 2 and 5 of each decade, or all where values span less."""
    wide = np.nanmax(values) > 10 * np.nanmin(values[values > 0])
    return lambda value, _: tidy(value) if not wide or f"{value:e}"[0] in "125" else ""


def _row(number: int, widths: tuple[int, ...] | None = None) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.4), layout="constrained")
    axes = list(figure.subplots(1, number, width_ratios=widths))
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=7, which="both")
        ax.xaxis.label.set_size(8)
        ax.yaxis.label.set_size(8)
    return figure, axes
