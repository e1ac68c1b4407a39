"""The library as a notebook uses it: functions on `Network`, lazily imported, with examples that run."""

import doctest
import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

import neuromod

FUNCTIONS = [name for name in neuromod.__all__ if inspect.isfunction(getattr(neuromod, name))]


def test_the_steps_of_the_commands_are_there():
    steps = {"train", "prune", "place", "estimate", "export", "verify", "evaluate", "analyze", "generate"}
    assert steps <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_an_example_that_runs(name):
    function = getattr(neuromod, name)
    module = importlib.import_module(function.__module__)
    tests = doctest.DocTestFinder(recurse=False).find(function, name, module=module)
    assert tests[0].examples
    results = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(tests[0])
    assert results.attempted
    assert results.failed == 0


def test_importing_costs_nothing_and_submodules_do_not_hide_functions():
    code = (
        "import sys, neuromod; assert not {'numpy', 'torch', 'scipy'} & set(sys.modules);"
        "import neuromod.exporting, neuromod.verification.runners, neuromod.training.loop, neuromod.mapping.placers;"
        "assert all(callable(getattr(neuromod, n)) for n in neuromod.__all__ if n != '__version__')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_are_declared_once_and_alike():
    import ast
    from pathlib import Path

    tree = ast.parse(Path(neuromod.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body for alias in node.names}
    assert typed == neuromod._PUBLIC
    assert set(neuromod.__all__) == {*typed, "__version__"}


def test_the_whole_way_without_a_run(solver_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pruned = neuromod.prune(solver_network, threshold=0.1)
    assert pruned.network.n_synapses == 16
    placement = neuromod.place(pruned.network, cores=(2, 2))
    traffic = neuromod.estimate(pruned.network, placement)
    # Self-connections alone: nothing leaves a core.
    assert traffic.summary["hops_per_step"] == 0
    exported = neuromod.export(pruned.network, tmp_path / "out", placement=placement)
    proof = neuromod.verify(pruned.network, exported, n_trials=30)
    assert proof.passed
    assert proof.verified
    assert proof.figures["decision_agreement"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    for value in (solver_network, pruned, placement, traffic, exported, proof):
        text = value._repr_html_()
        assert text.startswith("<table>")
        assert text.count("<tr>") == text.count("</tr>") >= 2


def test_a_network_that_is_not_the_exported_one_fails(solver_network, tmp_path):
    exported = neuromod.export(solver_network, tmp_path)
    other = neuromod.Network(**{**_fields(solver_network), "w_out": solver_network.w_out * 1.5})
    proof = neuromod.verify(other, exported, n_trials=20)
    assert not proof.passed
    assert proof.reasons


def test_files_of_8_bits_are_verified_too(solver_network, tmp_path):
    exported = neuromod.export(solver_network, tmp_path, quantize="int8")
    proof = neuromod.verify(solver_network, exported, n_trials=60)
    assert proof.passed
    assert proof.figures["int8"]["network_int8_weights"]["trials"] == 60
    (tmp_path / "network_int8.onnx").write_bytes((tmp_path / "network_int8.onnx").read_bytes()[:500])
    proof = neuromod.verify(solver_network, exported, n_trials=60)
    assert not proof.passed
    assert "network_int8.onnx" in proof.reasons[0]
    (tmp_path / "network_int8.onnx").unlink()
    assert not neuromod.verify(solver_network, exported, n_trials=60).passed


def test_a_spiking_export_carries_what_its_verification_needs(solver_network, tmp_path):
    from neuromod.spiking.selection import Wishes

    exported = neuromod.export(
        solver_network, tmp_path, format="snn", wishes=Wishes(substeps=(10,), n_trials=60, tune="never")
    )
    assert exported.conversion.chosen.substeps == 10
    proof = neuromod.verify(solver_network, exported, n_trials=60, min_agreement=0.5, max_accuracy_gap=0.5)
    assert proof.verified
    assert proof.figures["probe_error"] <= 1


def test_formats_that_are_not_there_are_refused(solver_network, tmp_path):
    with pytest.raises(neuromod.errors.UsageError, match="needed onnx, snn, nir, sanafe"):
        neuromod.export(solver_network, tmp_path, format="tflite")
    with pytest.raises(neuromod.errors.UsageError, match=r"neuromod\.place"):
        neuromod.export(solver_network, tmp_path, format="sanafe")


def test_texts_of_a_network_are_escaped():
    network = neuromod.Network(
        w_rec=np.eye(2), w_in=np.eye(2), w_out=np.eye(2), bias=np.zeros(2), bias_out=np.zeros(2), dt_s=0.1, tau_s=0.1,
        info={"tasks": ["<script>alert(1)</script>"]},
    )  # fmt: skip
    assert "<script>" not in network._repr_html_()


def test_settings_are_taken_and_overridden():
    from neuromod.training import config

    base = config.load(None, (), {"network.neurons": 9, "tasks.names": "go", "training.steps": 3, "seed": 3})
    network = neuromod.train(base, neurons=4, more={"training.batch": 4})
    assert network.n == 4
    assert network.info["seed"] == 3


def _fields(network):
    import dataclasses

    return {item.name: getattr(network, item.name) for item in dataclasses.fields(network)}
