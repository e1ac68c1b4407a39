from __future__ import annotations

import numpy as np

from neuromod.metrics.agreements import agreement, wilson


def test_wilson_interval_of_published_values():
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for hits, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        np.testing.assert_allclose(wilson(hits, trials), (low, high), atol=5e-5)
    np.testing.assert_allclose(wilson(1, 29), (0.0061, 0.1718), atol=5e-5)


def test_agreement_counts_equal_decisions():
    found = agreement(np.array([0, 1, 2, 3]), np.array([0, 1, 5, 3]))
    assert (found.share, found.trials) == (0.75, 4)
    assert found.low < 0.75 < found.high
