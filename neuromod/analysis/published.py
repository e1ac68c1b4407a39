"""What the paper's figure shows, read off the image: to be drawn beside ours, never instead."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def growing_brains() -> dict[str, Any]:
    """Points of figure 2 of Liu, Khona, Fiete and Tegmark 2023, arXiv:2310.07711.

    Returns
    -------
    dict
        ``bimt``, ``l1``, ``none`` as rows of (active neurons, error, wiring length in pitches), ``accuracy_per_task``,
        ``mean_weight_at_distance`` as rows of (pitches, mean weight), ``source``, ``uncertainty`` and ``about``.
    """
    text = resources.files("neuromod.analysis").joinpath("growing_brains.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
