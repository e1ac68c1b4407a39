"""Machine code on disk: in the user's cache where the installation cannot be written, and made before it is needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuromod import kernels
from neuromod.mapping import precompile

SCRIPT = """
import json, sys
import numpy as np
from neuromod import Network
from neuromod.mapping.placers import Effort, place
from neuromod.mapping.local_search.proposals import search
from neuromod.hardware.grid import Grid
w = np.zeros((4, 4))
w[[1, 0, 2, 3, 2], [0, 1, 1, 2, 3]] = 1
net = Network(w_rec=w, w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
              bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
place(net, np.ones(4), Grid(1, 2), 3, effort=Effort(0.001))
print(json.dumps({"folder": search.stats.cache_path, "found": sum(search.stats.cache_hits.values())}))
"""


def test_an_installation_that_is_read_only(tmp_path, monkeypatch):
    # Numba is told that nothing beside the modules can be written, as in an installation of the administrator.
    from numba.core import caching

    # Numba 0.60 has the class under a private name.
    in_the_cache = getattr(caching, "UserWideCacheLocator", None) or caching._UserWideCacheLocator
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [in_the_cache])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    double = kernels.compiled(lambda x: 2 * x)
    assert double(21) == 42
    assert str(tmp_path) in str(double.stats.cache_path)
    # And where no folder at all can be written, it is compiled without being kept.
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    triple = kernels.compiled(lambda x: 3 * x)
    assert triple(14) == 42
    assert triple.stats.cache_path is None


def test_machine_code_of_other_sources_is_not_taken_up(tmp_path, monkeypatch):
    # A kernel holds the code of those that it calls: that of a module before an upgrade would run with data of today.
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))

    def hits(sources):
        monkeypatch.setattr(kernels, "SOURCES", sources)
        thrice = kernels.compiled(lambda x: 3 * x)
        assert thrice(14) == 42
        return sum(thrice.stats.cache_hits.values())

    assert [hits("a"), hits("a"), hits("b"), hits("b"), hits("a")] == [0, 1, 0, 1, 0]


def test_what_is_compiled_early_is_found_later(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "neuromod.mapping.precompile"], check=True, env=environment)
    files = sorted(tmp_path.rglob("*.nbi"))
    assert any("proposals.search-" in file.name for file in files)
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, env=environment, capture_output=True, text=True)
    said = json.loads(done.stdout)
    assert said["found"] == 1
    assert str(tmp_path) in said["folder"]


@pytest.mark.parametrize("there", [True, False])
def test_a_second_process_begins_only_where_nothing_is_there(tmp_path, monkeypatch, there):
    from neuromod.mapping.local_search import proposals

    begun = []
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: begun.append(args))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(proposals.search._cache, "_cache_path", str(tmp_path))
    if there:
        Path(tmp_path, "proposals.search-81.py311.nbi").touch()
    precompile.begin()
    assert len(begun) == (0 if there else 1)


def test_late_kernels_run_on_a_network_of_one_neuron():
    # What is compiled ahead has the types that the search calls with: nothing is compiled twice.
    from neuromod.mapping.local_search.core_exchange import count_packets

    precompile.compile_late()
    before = len(count_packets.signatures)
    rows = np.zeros(6, np.int32)
    count_packets(rows, rows.view(np.float64), np.zeros(1, np.int32), np.zeros((1, 1)))
    assert len(count_packets.signatures) == before


def test_groups_are_compiled_with_the_types_that_are_used():
    from neuromod.hardware import Grid
    from neuromod.mapping.local_search import groups
    from neuromod.mapping.placers import Effort, make_problem, multilevel
    from neuromod.network import Network

    kernels_of_groups = (groups.search_groups, groups.probe_groups, groups.push_out)
    precompile.compile_groups()
    before = [len(kernel.signatures) for kernel in kernels_of_groups]
    w = np.kron(np.eye(4), np.ones((6, 6))) + np.eye(24, k=7)
    net = Network(
        w_rec=w, w_in=np.zeros((24, 1)), w_out=np.zeros((1, 24)), bias=np.zeros(24), bias_out=np.zeros(1), dt_s=0.1,
        tau_s=0.1,
    )  # fmt: skip
    problem = make_problem(net, np.ones(24), Grid(2, 3), 5)
    multilevel.place(problem, np.random.default_rng(0), Effort(0.01))
    assert [len(kernel.signatures) for kernel in kernels_of_groups] == before
