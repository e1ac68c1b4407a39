import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuromod.errors import UsageError
from neuromod.training import config
from neuromod.training.settings import Settings


def test_flags_win_over_assignments_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("seed = 1\n[training]\nsteps = 5\nbatch = 7\n[network]\nneurons = 9\n")
    got = config.load(path, ["training.steps=6", "network.neurons=16"], {"network.neurons": 25, "seed": None})
    assert (got.training.batch, got.training.steps, got.network.neurons, got.seed) == (7, 6, 25, 1)


@given(
    steps=st.integers(1, 10**6),
    strength=st.floats(0, 1e3),
    names=st.lists(st.sampled_from(["go", "anti", "dm1"]), min_size=1, unique=True),
)
def test_dump_and_load_are_inverse(
    tmp_path_factory: pytest.TempPathFactory, steps: int, strength: float, names: list[str]
) -> None:
    flags = {"training.steps": steps, "wiring.strength": strength, "tasks.names": names}
    settings = config.load(flags=flags)
    path = tmp_path_factory.mktemp("c") / "c.toml"
    path.write_text(config.dump(settings))
    assert config.load(path) == settings


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.stepz=3", "no setting 'training.stepz'; did you mean 'training.steps'?"),
        ("training.steps", "needed section.key=value"),
        ("training.steps=0", "training.steps = 0 is out of range"),
        ("training.steps=1.5", "needed a whole number"),
        ("training.steps=true", "needed a whole number"),
        ("training.learning_rate=nan", "needed a number"),
        ("training.learning_rate=inf", "needed a number"),
        ("network.tau_ms=50", "network.tau_ms = 50 is out of range: needed 100"),
        ("wiring.regularizer=l2", "unknown: needed bimt, l1, l1-local, l1-swap, sernn, lm-rnn, none"),
        ("tasks.semantics=old", "unknown: needed go-cue"),
        ("tasks.names=", "tasks.names is empty"),
        ("device=tpu", "unknown: needed auto, cpu, cuda"),
    ],
)
def test_what_cannot_be_used_is_named(assignment: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        config.load(None, [assignment])


@pytest.mark.parametrize(
    "text",
    [
        "not = = toml", "training = 3", "[training]\nsteps = []", "[nothing]\na = 1", "\0", "[tasks]\nnames = [['go']]",
        "[tasks]\nnames = [{ go = 1 }]",
    ],
)  # fmt: skip
def test_broken_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(UsageError):
        config.load(path)
    with pytest.raises(UsageError, match="cannot read"):
        config.load(tmp_path / "none.toml")


def test_every_number_has_a_range() -> None:
    """A setting added without a check would let nonsense through."""
    defaults = Settings()
    for section in (defaults.network, defaults.wiring, defaults.training):
        for field in dataclasses.fields(section):
            value = getattr(section, field.name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                name = f"{type(section).__name__.removesuffix('Settings').lower()}.{field.name}"
                with pytest.raises(UsageError, match="out of range"):
                    config.load(None, [f"{name}=-1" if isinstance(value, int) else f"{name}=-1.0"])


def test_a_truth_value_is_no_number() -> None:
    assert config.load(None, ["wiring.terminals=true"]).wiring.terminals
    for wrong in ("wiring.terminals=1", "training.steps=true", "wiring.strength=true"):
        with pytest.raises(UsageError, match="cannot be used"):
            config.load(None, [wrong])


def test_what_changes_the_loss_is_off_unless_asked_for():
    data = config.load(None, []).data
    assert (data.balance, data.input_noise, data.patience) == (False, 0.0, 0)
