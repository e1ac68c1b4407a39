"""Every public name is documented: what it is, its parameters with shapes and units, its errors, its source."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

import neuromod

ROOT = Path(__file__).resolve().parent.parent

# Installed beside the library: the command line, and data.
OUTSIDE = ("neuromod.cli", "neuromod.hw_targets")

MODULES = sorted(
    item.name
    for item in pkgutil.walk_packages(neuromod.__path__, "neuromod.")
    if not item.name.startswith(OUTSIDE) and not item.name.rpartition(".")[2].startswith("_")
)

# The template of an exported model runs in another environment and documents itself.
EXEMPT = {"neuromod.exporting.snn_model", "neuromod.exporting.sanafe_referee"}

# A method that is from a paper names it: module -> what its docstring must hold.
SOURCES = {
    "neuromod.training.penalties.family": r"arXiv|doi|10\.\d{4}",
    "neuromod.mapping.placers.hilbert": r"10\.1145/3582016\.3582038",
    "neuromod.spiking.thresholds": r"10\.3389/fnins\.2017\.00682",
    "neuromod.tasks.yang19": r"10\.1038/s41593-018-0310-2",
    "neuromod.analysis.modularity": r"10\.\d{4}|arXiv",
}

# Errors of the library, which a docstring names where a function itself raises them.
ERRORS = {"UsageError", "StageError", "DoesNotFitError", "VerificationError", "InterruptedRunError", "SimulatorError"}

# A shape, as (n, n_in) or (steps, batch, n); scalars of NumPy have none.
SHAPE = re.compile(r"\([^()]*[\w….][^()]*\)|same shape|shape of|as `\w+`|scalar")

# What the end of a name promises of the unit.
UNITS = {
    "_s": r"\bs\b|[Ss]econd|step",
    "_ms": r"\bms\b|milliseconds",
    "_j": r"\bJ\b|joule",
    "_hz": r"\bHz\b|per second",
}


def public(module):
    """Functions and classes that a module defines and does not hide."""
    found = importlib.import_module(module)
    for name, value in vars(found).items():
        ours = inspect.isfunction(value) or inspect.isclass(value)
        if ours and not name.startswith("_") and value.__module__ == module:
            yield name, value


FUNCTIONS = [
    pytest.param(value, id=f"{module}.{name}")
    for module in MODULES
    if module not in EXEMPT
    for name, value in public(module)
    if inspect.isfunction(value)
]
CLASSES = [
    pytest.param(value, id=f"{module}.{name}")
    for module in MODULES
    if module not in EXEMPT
    for name, value in public(module)
    if inspect.isclass(value)
]


def faces():
    """What the packages hand on, by its name there; what the library itself offers, by its own."""
    for package in sorted(path.parent.name for path in (ROOT / "neuromod").glob("*/__init__.pyi")):
        face = importlib.import_module(f"neuromod.{package}")
        for name in face.__all__:
            yield f"neuromod.{package}.{name}", getattr(face, name)
    for name in neuromod.__all__:
        yield f"neuromod.{name}", getattr(neuromod, name)


# The stages take a run and what to say; they are the commands' own.
OFFERED = {name: value for name, value in faces() if not name.startswith("neuromod.stages.")}


@dataclass(frozen=True)
class Docstring:
    """A parsed docstring: its first line, and the entries of its sections, name -> (kind, description)."""

    summary: str
    sections: dict[str, dict[str, tuple[str, str]]]

    @property
    def parameters(self):
        return self.sections.get("Parameters", {})


def parse(text):
    """Parse numpydoc: sections are underlined, entries begin in the first column, what follows is indented."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(text or ""), flags=re.M)
    sections = {}
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        entries, names = {}, []
        for line in body.rstrip().split("\n"):
            if line and not line[0].isspace():
                head, _, kind = line.partition(" : ")
                names = [name.strip().lstrip("*") for name in head.split(",")]
                entries.update({name: (kind.strip(), "") for name in names})
            else:
                entries.update({name: (entries[name][0], f"{entries[name][1]} {line.strip()}") for name in names})
        assert title not in sections, f"two sections {title}"
        sections[title] = entries
    return Docstring(parts[0].strip().split("\n\n")[0], sections)


def arguments(function):
    return {
        name: item for name, item in inspect.signature(function).parameters.items() if not name.startswith("_")
    }  # fmt: skip


def raised(function):
    """Errors of the library that the function itself raises."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call))
    return {getattr(call.func, "id", "") for call in calls} & ERRORS


def is_array(annotation):
    return re.search(r"NDArray|\bArray\b|csr_array", str(annotation)) is not None


def check_entries(entries, annotations):
    """Entries describe just these names; arrays have a shape, and names that promise a unit have it."""
    assert set(entries) - set(annotations) == set(), "described, and not there"
    assert set(annotations) - set(entries) == set(), "there, and not described"
    for name, (kind, what) in entries.items():
        # Names that mean what they mean elsewhere may leave their kinds to that place.
        assert kind or re.search(r"`[\w.]+`", what), f"{name} has no kind"
        assert what.strip(), f"{name} is not described"
        if kind and is_array(annotations[name]) and not re.search(r"callable|mapping|dict|sequence|list|tuple", kind):
            assert SHAPE.search(kind), f"{name} is an array without a shape: {kind}"
        for ending, unit in UNITS.items():
            assert not name.endswith(ending) or re.search(unit, what), f"{name} has no unit: {what}"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module):
    summary = parse(importlib.import_module(module).__doc__).summary
    assert re.match(r"[\w`].*[.:]$", summary, re.S), summary


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_say_what_they_do_and_what_they_raise(function):
    """Every one says it in a sentence; what it says of its parameters is true."""
    text = parse(function.__doc__)
    assert re.match(r"\S.*[.:,]$", text.summary, re.S), "its first paragraph is no sentence"
    if text.parameters:
        check_entries(text.parameters, {name: item.annotation for name, item in arguments(function).items()})
    said = set(text.sections.get("Raises", ()))
    if said:
        assert said <= ERRORS | {"ValueError", "TypeError", "KeyError", "OSError", "KeyboardInterrupt"}
    assert raised(function) <= said or re.search(r"\b([Rr]aise|[Rr]efuse)", function.__doc__), raised(function) - said


@pytest.mark.parametrize("kind", CLASSES)
def test_classes_say_what_their_fields_are(kind):
    text = parse(kind.__doc__)
    assert re.match(r"\S.*[.:]$", text.summary, re.S), "its first paragraph is no sentence"
    fields = getattr(kind, "__dataclass_fields__", {})
    if text.parameters and fields:
        check_entries(text.parameters, {name: item.type for name, item in fields.items() if not name.startswith("_")})


PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
LISTED = set(re.findall(r"auto(?:function|class|data):: ([\w.]+)", PAGE))
LISTED |= {f"neuromod.{name}" for name in neuromod.__all__}


@pytest.mark.parametrize("name", sorted(name for name in LISTED if inspect.isfunction(OFFERED.get(name))))
def test_functions_that_are_offered_are_described_in_full(name):
    function = OFFERED[name]
    text = parse(function.__doc__)
    taken = {key: item.annotation for key, item in arguments(function).items()}
    check_entries(text.parameters, taken)
    returned = inspect.signature(function).return_annotation
    if returned not in ("None", None):
        assert text.sections.get("Returns"), "what it returns is not described"
        if is_array(returned) and not re.search(r"tuple|dict|list|Mapping", str(returned)):
            assert SHAPE.search(" ".join(text.sections["Returns"])), "it returns an array without a shape"
    assert raised(function) <= set(text.sections.get("Raises", ())), "what it raises is not described"
    if name.count(".") == 1:
        assert {"Returns", "Raises", "Examples"} <= set(text.sections)


@pytest.mark.parametrize(
    "name",
    [name for name, value in OFFERED.items() if hasattr(value, "__dataclass_fields__") and isinstance(value, type)],
)
def test_classes_that_are_offered_are_described_in_full(name):
    kind = OFFERED[name]
    if kind.__name__ == "Settings":
        # Its fields are sections, each a class with a description of its own.
        return
    fields = {key: item.type for key, item in kind.__dataclass_fields__.items() if not key.startswith("_")}
    check_entries(parse(kind.__doc__).parameters, fields)


@pytest.mark.parametrize(("module", "source"), SOURCES.items())
def test_methods_name_their_source(module, source):
    assert re.search(source, Path(importlib.import_module(module).__file__).read_text(encoding="utf-8"))


def test_the_library_page_lists_what_a_user_needs():
    """Every class that the packages hand on, and everything that the library itself offers; nothing else is there."""
    modules = set(re.findall(r"automodule:: ([\w.]+)", PAGE))
    assert set(OFFERED) >= LISTED
    assert {"neuromod"} <= modules <= {*MODULES, "neuromod"}
    # A module that is listed shows what it defines.
    shown = {id(OFFERED[name]) for name in LISTED} | {id(value) for module in modules for _, value in public(module)}
    missing = [name for name, value in OFFERED.items() if inspect.isclass(value) and id(value) not in shown]
    assert not missing
