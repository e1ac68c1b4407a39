"""Every public name is documented: what it is, its parameters with shapes and units, its errors, its source."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
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
    "neuromod.spiking.conversion": r"10\.3389/fnins\.2017\.00682",
    "neuromod.tasks.yang19": r"10\.1038/s41593-018-0310-2",
    "neuromod.analysis.modularity": r"10\.\d{4}|arXiv",
}

# Words in which an array's place in a docstring says its shape.
SHAPE = re.compile(r"[{]|\([^()]*\)|float|int|str|bool|sequence|iterable|mapping|dict|list|tuple|callable|[A-Z]\w+")


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


def section(text, title):
    """Return the body of a numpydoc section; nothing where there is none."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text, re.M | re.S)
    return found[1] if found else ""


def named(body):
    """Return the parameters that a section names, with what stands behind the colon."""
    entries = {}
    for line in re.findall(r"^(\*{0,2}\w[^\n:]*?)(?: : ([^\n]*))?$", body, re.M):
        for name in line[0].split(","):
            entries[name.strip().lstrip("*")] = line[1]
    return entries


def raises_errors(function):
    """Whether the function itself raises one of the library's errors."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(
        isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        and getattr(node.exc.func, "id", "") in {"UsageError", "StageError", "DoesNotFitError", "VerificationError"}
        for node in ast.walk(tree)
    )  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module):
    assert (importlib.import_module(module).__doc__ or "").strip().count(" ") >= 2


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_say_what_they_take_and_what_they_raise(function):
    text = inspect.getdoc(function) or ""
    assert text.split("\n")[0].strip().endswith((".", ":", ",")) or len(text) > 40, "it has no docstring"
    parameters = [name for name in inspect.signature(function).parameters if not name.startswith("_")]
    body = section(text, "Parameters")
    if body:
        missing = [name for name in parameters if name not in named(body)]
        assert not missing, f"its parameters {missing} are not described"
    else:
        # A short function may name its arguments in its sentence.
        assert len(parameters) <= 4, "its parameters are not described"
    if raises_errors(function):
        assert "Raises" in text or re.search(r"\b(Raise|Refuse|refuse)", text), "what it raises is not said"


@pytest.mark.parametrize("kind", CLASSES)
def test_classes_say_what_their_fields_are(kind):
    text = inspect.getdoc(kind) or ""
    assert text.strip()
    fields = getattr(kind, "__dataclass_fields__", {})
    if not fields or (kind.__module__.endswith("settings") and kind.__name__ == "Settings"):
        return
    body = named(section(text, "Parameters"))
    missing = [name for name in fields if not name.startswith("_") and name not in body]
    assert not missing or (len(text) > 40 and not body), f"its fields {missing} are not described"
    for name, what in body.items():
        if name in fields and "NDArray" in str(fields[name].type):
            assert "(" in what, f"the field {name} is an array without a shape"


@pytest.mark.parametrize("name", [name for name in neuromod.__all__ if name != "__version__"])
def test_what_the_package_offers_is_described_in_full(name):
    value = getattr(neuromod, name)
    text = inspect.getdoc(value)
    body = named(section(text, "Parameters"))
    wanted = (
        list(value.__dataclass_fields__)
        if hasattr(value, "__dataclass_fields__")
        else [p for p in inspect.signature(value).parameters if not p.startswith("_")]
    )
    assert [item for item in wanted if item not in body] == []
    for item, what in body.items():
        # A list of several names may leave their kinds to where they are described.
        assert what == "" or SHAPE.search(what), (item, what)
    if inspect.isfunction(value):
        assert section(text, "Returns").strip()
        assert section(text, "Raises").strip()
        assert section(text, "Examples").strip()


@pytest.mark.parametrize(("module", "source"), SOURCES.items())
def test_methods_name_their_source(module, source):
    assert re.search(source, Path(importlib.import_module(module).__file__).read_text(encoding="utf-8"))


def test_the_library_page_lists_every_module():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"automodule:: ([\w.]+)", page))
    assert {module for module in MODULES if module not in EXEMPT} - listed == set()
    assert listed <= {*MODULES, "neuromod"}
