"""What is typed again makes the same: options of every step, recorded, said and parsed back."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod import cli
from neuromod.runs import commands
from neuromod.training import config
from neuromod.training.settings import Settings

STEPS = [step for step in commands.OPTIONS if step != "train"]

# What neither changes a step nor is a part of it: where it works, how it talks, figures beside it; other parts of it.
BESIDE = {"run_path", "as_json", "quiet", "verbose", "plot", "formats", "packets", "compare", "out", "runs"}
BESIDE |= {"network", "engine", "workers", "scheduler"}


def parse(text):
    """Return the command and the values of its parameters, as click finds them."""
    name, *arguments = shlex.split(text)[1:]
    root = click.Context(cli.group)
    command = cli.group.get_command(root, name)
    with command.make_context(name, arguments, parent=root) as context:
        return name, context.params


def parameters(step):
    name = shlex.split(commands.COMMANDS[step])[1]
    return {param.name: param for param in cli.group.get_command(click.Context(cli.group), name).params}


def values(param):
    """Draw values of an option, as click hands them over."""
    kind = param.type
    if isinstance(kind, click.Choice):
        return st.sampled_from(list(kind.choices))
    if getattr(param, "is_flag", False):
        return st.booleans()
    if isinstance(kind, click.IntRange):
        return st.integers(kind.min or 0, kind.max or 10**6)
    if isinstance(kind, click.FloatRange):
        return st.floats(kind.min or 0, 1 if kind.max is None else kind.max)
    if kind.name == "float":
        return st.floats(1e-6, 1e6)
    if kind.name == "ROWSxCOLUMNS":
        return st.tuples(st.integers(1, 99), st.integers(1, 99))
    if kind.name.startswith("ROLE=COLUMN"):
        columns = st.text("abc, =2é", min_size=1, max_size=6).map(str.strip).filter(bool)
        return st.dictionaries(st.sampled_from(["source", "target", "weight"]), columns, min_size=1)
    text = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
    return text.map(Path) if isinstance(kind, click.Path) else text


@pytest.mark.parametrize("step", STEPS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_options_recorded_said_and_parsed_are_the_same(step, data):
    params = parameters(step)
    options = {}
    for option in commands.OPTIONS[step]:
        if option.key == "file" or data.draw(st.booleans(), label=option.key):
            options[option.key] = data.draw(values(params[option.key]))
    record = {"arguments": {}, "given": commands.as_record(step, options)}
    (text,) = commands.as_given(step, commands.given_to(step, record), target_file=Path("none"))
    _, found = parse(text)
    for option in commands.OPTIONS[step]:
        assert found[option.key] == options.get(option.key, option.default), text
    if step.startswith("export-"):
        assert found["formats"] == (step.removeprefix("export-"),)


@pytest.mark.parametrize("step", STEPS)
def test_every_option_of_a_command_is_recorded_with_its_default(step):
    params, known = parameters(step), {option.key: option for option in commands.OPTIONS[step]}
    for name, option in known.items():
        assert option.flag in ("", *params[name].opts)
        if option.default is None:
            # Left to the command, which finds it.
            assert not isinstance(params[name].default, str | int | float)
        else:
            assert option.default == params[name].default
    if not step.startswith("export-"):
        assert set(params) - BESIDE == set(known)


def test_the_exports_together_record_every_option_of_the_command():
    known = {option.key for step in STEPS if step.startswith("export-") for option in commands.OPTIONS[step]}
    assert set(parameters("export-onnx")) - BESIDE == known


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "tasks.names": st.lists(st.sampled_from(["go", "anti", "dm1"]), min_size=1, unique=True),
            "network.neurons": st.integers(2, 999),
            "wiring.strength": st.floats(0, 9),
            "training.batch": st.integers(1, 99),
            "training.learning_rate": st.floats(1e-4, 1),
            "chip.cores": st.sampled_from(["3x3", "2x8"]),
            "chip.target": st.sampled_from(["loihi1", "my chip.toml", "a'b.toml"]),
            "seed": st.integers(0, 99),
        },
    )
)
def test_training_is_typed_again_with_its_settings(flags):
    wanted = config.load(None, (), flags)
    record = {"arguments": config.to_dict(wanted)}
    (text,) = commands.as_given("train", commands.given_to("train", record), target_file=Path("none"))
    _, found = parse(text)
    typed = {
        "tasks.names": found["tasks"],
        "network.neurons": found["neurons"],
        "wiring.strength": found["strength"],
        "chip.cores": "x".join(map(str, found["cores"])) if found["cores"] else None,
        "chip.target": found["target"],
        "seed": found["seed"],
    }
    assert config.load(None, found["assignments"], typed) == wanted
    assert set(commands.SETTINGS) <= set(config.flatten(config.to_dict(Settings())))
    assert set(commands.SETTINGS.values()) <= {opt for param in parameters("train").values() for opt in param.opts}


def test_pruning_by_packets_is_typed_again_with_the_placement_that_it_saw():
    packets = {"map": {"cores": "2x2", "seed": 3}, "max_accuracy_drop": 0.05, "trials_per_task": 200, "seed": 0}
    made = commands.as_given("prune", {"keep": 0.1, "packets": [packets]}, target_file=Path("none"))
    assert made == (
        "neuromod prune --keep 0.1",
        "neuromod map --cores 2x2 --seed 3",
        "neuromod prune --packets --max-accuracy-drop 0.05",
    )


OLD = {
    "map": (
        {"cores": "3x3", "target": "generic-mesh", "neurons_per_core": None, "placer": "annealing",
         "objective": "hops", "effort": 1.0, "time": 2.5, "seed": 0, "activity": None},
        ("neuromod map --cores 3x3 --target generic-mesh --time 2.5",),
    ),
    "prune": (
        {"threshold": None, "keep": 0.1, "max_accuracy_drop": 0.01, "trials_per_task": 200, "seed": 0,
         "weight_bits": 8, "packets": {"max_accuracy_drop": 0.02, "trials_per_task": 200, "seed": 0}},
        ("neuromod prune --keep 0.1 --weight-bits 8", "neuromod map",
         "neuromod prune --packets --max-accuracy-drop 0.02"),
    ),
    "export-snn": (
        {"substeps": [10], "mode": "hold", "reset": "hard", "tune": "needed", "granularity": "tensor", "delay": 0,
         "floor": None, "n_trials": 1000, "weight_bits": 4, "seed": 2},
        ("neuromod export --format snn --substeps 10 --reset hard --weight-bits 4 --weight-steps tensor --seed 2",),
    ),
    "export-nir": ({"substeps": [], "form": "literal"}, ("neuromod export --format nir --nir-form literal",)),
    "import": ({"file": "a b.npz", "recurrent": None, "input": "w", "readout": None},
               ("neuromod import --input w 'a b.npz'",)),
    "estimate": ({}, ("neuromod estimate",)),
}  # fmt: skip


@pytest.mark.parametrize("step", OLD)
def test_records_of_version_0_1_0_are_read(step):
    arguments, expected = OLD[step]
    given = commands.given_to(step, {"arguments": arguments})
    assert commands.as_given(step, given, target_file=Path("none")) == expected


def test_what_was_tampered_with_is_left_out():
    assert commands.as_given("map", {"cores": ["x"], "seed": {}}, target_file=Path("none")) == ("neuromod map",)
    assert commands.as_given("prune", {"packets": [1, {"map": 3, "seed": "x"}]}, target_file=Path("none")) == (
        "neuromod prune", "neuromod map", "neuromod prune --packets",
    )  # fmt: skip
    assert commands.as_given("activity", {}, target_file=Path("none")) == ()
