"""The rate network in finer time steps, against itself, its closed form and an integrator of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from neuromod import Network
from neuromod.spiking import ConversionSettings, choose
from neuromod.spiking.dynamics.fine_time import states_in_fine_time


def net(w_rec: np.ndarray, *, tau_s: float = 0.2, seed: int = 0) -> Network:
    rng, n = np.random.default_rng(seed), len(w_rec)
    return Network(
        w_rec=w_rec, w_in=rng.normal(size=(n, 3)), w_out=rng.normal(size=(2, n)), bias=rng.normal(size=n),
        bias_out=np.zeros(2), dt_s=0.1, tau_s=tau_s,
    )  # fmt: skip


@given(st.integers(0, 1000), st.integers(1, 8), st.sampled_from([0.1, 0.2, 1.0]))
@settings(max_examples=200)
def test_one_substep_is_the_network(seed: int, n: int, tau_s: float) -> None:
    rng = np.random.default_rng(seed)
    # States stay small, so that rounding in single precision does.
    network = net(rng.uniform(-0.9, 0.9, (n, n)) / n, tau_s=tau_s, seed=seed)
    x = rng.normal(size=(12, 4, 3))
    assert states_in_fine_time(network, x, 1) == pytest.approx(network.states(x), abs=1e-4)


@given(st.integers(0, 1000), st.integers(2, 50))
@settings(max_examples=200)
def test_without_recurrent_synapses_the_substeps_do_not_matter(seed: int, substeps: int) -> None:
    network = net(np.zeros((5, 5)), seed=seed)
    x = np.random.default_rng(seed).normal(size=(12, 4, 3))
    assert states_in_fine_time(network, x, substeps) == pytest.approx(network.states(x), abs=1e-4)


def test_many_substeps_are_the_differential_equation() -> None:
    rng = np.random.default_rng(3)
    network = net(rng.normal(size=(6, 6)) * 0.5, seed=3)
    x = rng.normal(size=(8, 1, 3))
    # The leak of a whole time step is 1 - α, so its rate is -ln(1 - α) a step.
    w, rate = network.w_rec.toarray(), -np.log(1 - network.alpha)
    state, wanted = np.zeros(6), []
    for now in x[:, 0]:
        drive = network.w_in @ now + network.bias
        found = solve_ivp(lambda _, h: rate * (np.maximum(0, w @ h + drive) - h), (0, 1), state, rtol=1e-9, atol=1e-9)  # noqa: B023
        state = found.y[:, -1]
        wanted.append(state)
    got = states_in_fine_time(network, x, 2000)[:, 0]
    assert got == pytest.approx(np.array(wanted), abs=3e-3)
    assert states_in_fine_time(network, x, 1)[:, 0] != pytest.approx(np.array(wanted), abs=3e-2)


def test_a_conversion_says_what_the_time_step_costs(solver: Network) -> None:
    found = {
        (mode, delay): choose(
            solver,
            ConversionSettings(mode=mode, delay=delay, substeps=(4,), n_trials=100, tune="never", min_agreement=1.01),
        ).fine_time
        for mode, delay in (("hold", None), ("continuous", None), ("continuous", 0))
    }
    assert found["hold", None] is None
    # Half a time step of delay makes up for it.
    assert found["continuous", None] is None
    assert found["continuous", 0].share > 0.9


def test_export_names_the_time_constant_where_nothing_is_good_enough(
    solver: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    from neuromod.cli.output import Talk

    from neuromod.stages.export import choose_aloud

    # More than all decisions cannot be equal, so that every conversion falls short.
    asked = {"substeps": (2,), "n_trials": 100, "tune": "never", "min_agreement": 1.01}
    choose_aloud(solver, ConversionSettings(mode="continuous", delay=0, **asked), talk=Talk())
    said = " ".join(capsys.readouterr().err.split())
    assert "without spikes, too, the network makes only" in said
    assert "its time step of 100 ms is long against its time constant of 200 ms" in said
    choose_aloud(solver, ConversionSettings(mode="hold", **asked), talk=Talk())
    assert "without spikes" not in capsys.readouterr().err
