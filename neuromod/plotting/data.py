"""Pictures of data: some trials, their channels over time and what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuromod.plotting.overview import OKABE_ITO
from neuromod.trials import Trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Trials in the picture, and channels up to which each is a line.
_MOST, _LINES = 12, 12


def examples(data: Trials) -> Figure:
    """Draw training trials, some of each class; a line a channel, or an image of many channels.

    Parameters
    ----------
    data : Trials
        The data.
    """
    from matplotlib.figure import Figure

    train = data.part("train")
    chosen = _chosen(train)
    columns = min(4, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(7, 0.5 + 1.5 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for ax in axes[len(chosen) :]:
        ax.set_axis_off()
    scale = np.maximum(train.inputs[train.mask].std(axis=0), 1e-30)
    shift = train.inputs[train.mask].mean(axis=0)
    for ax, trial in zip(axes, chosen, strict=False):
        steps = int(train.mask[:, trial].sum())
        x = (train.inputs[:steps, trial] - shift) / scale
        if x.shape[1] <= _LINES:
            for k, line in enumerate(x.T):
                ax.plot(line, linewidth=0.8, color=OKABE_ITO[k % len(OKABE_ITO)])
        else:
            ax.imshow(x.T, aspect="auto", interpolation="nearest", cmap="cividis", origin="lower")
        ax.set_title(_title(train, int(trial)), fontsize=7, pad=2)
        ax.tick_params(labelsize=6, length=2)
    figure.supxlabel("time step", fontsize=8)
    figure.supylabel("standardised value" if train.inputs.shape[2] <= _LINES else "channel", fontsize=8)
    return figure


def _chosen(train: Trials) -> list[int]:
    """Trials in turn of each class, at most `_MOST`."""
    if train.values or train.readout == "every":
        return list(range(min(_MOST, train.n_trials)))
    answers = train.answers
    groups = [np.flatnonzero(answers == k).tolist() for k in range(train.n_classes)]
    found = [group[turn] for turn in range(_MOST) for group in groups if turn < len(group)]
    return found[:_MOST]


def _title(train: Trials, trial: int) -> str:
    if train.values:
        return f"trial {trial}"
    if train.readout == "every":
        there = np.unique(train.targets[train.reads[:, trial], trial])
        return ", ".join(train.class_names[k] for k in there[:4]) + (" …" if len(there) > 4 else "")
    return train.class_names[int(train.answers[trial])]
