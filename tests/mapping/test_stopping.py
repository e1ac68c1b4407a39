"""A search that is told to stop: its placement keeps the capacity and is no worse than what it began with."""

import itertools

import numpy as np
import pytest

from neuromod import Network
from neuromod.errors import DoesNotFitError, InterruptedRunError
from neuromod.hardware import Grid, load_target
from neuromod.mapping import Effort, make_problem
from neuromod.mapping.placers import annealing, multilevel
from neuromod.mapping.search import place


def network(w, positions=None):
    n = len(w)
    return Network(
        w_rec=w, w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n), bias_out=np.zeros(1), dt_s=0.1,
        tau_s=0.2, positions=positions, rates=np.ones(n),
    )  # fmt: skip


def local(side=16):
    rng = np.random.default_rng(0)
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    near = np.abs(at[:, None] - at[None]).sum(axis=-1)
    return network(((near > 0) & (rng.random(near.shape) < np.exp(-near / 1.5))).astype(float), at)


def modular():
    rng = np.random.default_rng(1)
    module = rng.integers(0, 12, 240)
    same = module[:, None] == module[None]
    return network((rng.random(same.shape) < np.where(same, 0.4, 0.003)).astype(float))


class After:
    """Says stop from the so-manieth question on."""

    def __init__(self, questions):
        self.asked = itertools.count()
        self.questions = questions

    def __call__(self):
        return next(self.asked) >= self.questions


@pytest.mark.parametrize("questions", [0, 1, 7, 40])
@pytest.mark.parametrize("objective", ["hops", "packets", "multicast", "max-link", "max-core"])
@pytest.mark.parametrize("make", [local, modular])
def test_the_best_so_far_is_kept(make, objective, questions):
    net = make()
    problem = make_problem(net, net.rates, Grid(3, 4), 24, objective=objective)
    rng = np.random.default_rng(0)
    core_of = annealing.place(problem, rng, Effort(20.0, should_stop=After(questions)))
    assert np.bincount(core_of, minlength=12).max() <= 24
    if make is local and objective in ("hops", "packets"):
        cut = annealing._cut(problem, np.random.default_rng(0))
        assert annealing.rank(problem, core_of) <= annealing.rank(problem, cut)


def test_on_many_chips_too():
    net = local(20)
    found = place(
        net, chips=(2, 2), cores=(2, 4), target="loihi1", neurons_per_core=16, effort=Effort(50.0, should_stop=After(9))
    )
    assert found.neurons_on.max() <= 16


def test_groups_of_modules_end_level_by_level():
    net = modular()
    problem = make_problem(net, net.rates, Grid(3, 4), 24)
    core_of = multilevel.place(problem, np.random.default_rng(0), Effort(50.0, should_stop=After(2)))
    assert np.bincount(core_of, minlength=12).max() <= 24


def test_a_search_that_is_never_stopped_asks_in_vain():
    net = local()
    problem = make_problem(net, net.rates, Grid(3, 4), 24)
    one, two = (
        annealing.place(problem, np.random.default_rng(0), effort)
        for effort in (Effort(0.1), Effort(0.1, should_stop=lambda: False))
    )
    assert one.tolist() == two.tolist()


def test_looking_more_often_changes_nothing(monkeypatch):
    """Segments are cut into pieces between which the search may stop; tries and temperatures are the same."""
    from neuromod.mapping.local_search import run

    net = local()
    problem = make_problem(net, net.rates, Grid(3, 4), 24)
    whole = annealing.place(problem, np.random.default_rng(0), Effort(0.1))
    monkeypatch.setattr(run, "_CHUNK", 100)
    assert annealing.place(problem, np.random.default_rng(0), Effort(0.1)).tolist() == whole.tolist()


def test_stopped_before_anything_fits_is_not_a_refusal():
    from dataclasses import replace

    from neuromod.hardware import Figure

    net, chip = local(), load_target("generic-mesh")
    tight = replace(chip, figures={**chip.figures, "in_axons": Figure(25.0, "chosen", "here")})
    with pytest.raises(InterruptedRunError, match="before a placement was found that keeps every limit"):
        place(net, cores=(3, 4), target=tight, effort=Effort(should_stop=lambda: True))
    # What can never fit is refused all the same.
    with pytest.raises(DoesNotFitError):
        place(net, cores=(1, 1), neurons_per_core=10, effort=Effort(should_stop=lambda: True), advise=False)
