"""What keeps the tree as `docs/architecture.md` draws it: floors, faces, sizes, words of the commands."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY, COMMANDS = ROOT / "neuromod", ROOT / "cli"

# From the top down: a unit, a package or a module beside them, imports only what stands on lower floors.
FLOORS = (
    ("cli",),
    ("stages",),
    ("plotting", "exploring"),
    ("verification", "reporting", "sweeping"),
    ("importing", "runs"),
    ("pruning", "exporting", "training", "traffic"),
    ("spiking", "mapping", "analysis", "data", "chips"),
    ("metrics", "hardware", "removal"),
    ("quantization",),
    ("tasks", "network"),
    ("arrays", "files", "trials", "populations"),
    ("errors", "geometry", "kernels", "notebook", "version"),
)
FLOOR_OF = {unit: floor for floor, units in enumerate(reversed(FLOORS), start=1) for unit in units}

# Modules that others may reach into past the face of their package, and why.
REACHED_INTO: dict[str, str] = {}

# Steps that take settings by keyword alone, beside those of the library's face.
STEPS = {"convert", "from_arrays", "tune", "verify_chip", "verify_nir", "map_stage", "prune_stage"}

# What changes while it is used; every other dataclass is frozen.
STATES = {"Flat", "Search", "State", "Talk", "TimeLeft", "WiringState", "_Tries"}

MOST_MODULES, MOST_PARAMETERS = 12, 8


def unit_of(path: Path) -> str:
    """Return the package, or the module beside the packages, that a file belongs to."""
    if path.is_relative_to(COMMANDS):
        return "cli"
    parts = path.relative_to(LIBRARY).parts
    return parts[0] if len(parts) > 1 else path.stem


def files() -> list[Path]:
    """Return every module of the library and of the commands; the face of the whole library is on no floor."""
    everything = [*LIBRARY.rglob("*.py"), *COMMANDS.rglob("*.py"), *LIBRARY.rglob("*.pyi")]
    return sorted(path for path in everything if path.parent != LIBRARY or path.stem != "__init__")


def imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, module and name of what a file imports of neuromod, for type checking included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "neuromod":
            for name in node.names:
                yield node.lineno, node.module or "", name.name
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "neuromod":
                    yield node.lineno, name.name, ""


def is_module(dotted: str) -> bool:
    path = ROOT / Path(*dotted.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_unit_stands_on_a_floor():
    assert {unit_of(path) for path in files()} == set(FLOOR_OF)
    assert len(FLOORS) <= 13


def test_the_documentation_draws_the_floors():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r"```text\n(cli\n.*?)```", page, re.S)[0].strip().split("\n")
    floors = tuple(tuple(unit.removesuffix(".py") for unit in line.split(" | ")) for line in drawn)
    assert [set(units) for units in floors] == [set(units) for units in FLOORS]


def test_nothing_imports_from_its_own_floor_or_from_above():
    climbed = []
    for path in files():
        unit = unit_of(path)
        for line, module, name in imports(path):
            parts = [*module.split("."), name]
            other = parts[1] if parts[1] in FLOOR_OF else None
            if other is not None and other != unit and FLOOR_OF[other] >= FLOOR_OF[unit]:
                climbed.append(
                    f"{where(path, line)}: {unit}, floor {FLOOR_OF[unit]}, imports {other}, floor {FLOOR_OF[other]}"
                )
            if module == "neuromod" and other is None and path.parent != COMMANDS:
                climbed.append(f"{where(path, line)}: {unit} imports the face of the whole library ({name})")
    assert not climbed, "\n".join(climbed)


def test_no_modules_import_each_other():
    graph = nx.DiGraph()
    for path in files():
        own = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for _, module, name in imports(path):
            target = f"{module}.{name}" if is_module(f"{module}.{name}") else module
            if path.suffix == ".py" and path.stem != "__init__":
                graph.add_edge(own, target)
    assert nx.is_directed_acyclic_graph(graph), nx.find_cycle(graph)


def test_other_packages_are_entered_by_their_faces():
    past = []
    for path in files():
        for line, module, _ in imports(path):
            parts = module.split(".")
            if len(parts) > 2 and parts[1] != unit_of(path) and module not in REACHED_INTO:
                past.append(f"{where(path, line)}: {module}; name it in the face of neuromod.{parts[1]}")
    assert not past, "\n".join(past)


def test_folders_are_small():
    folders = {path.parent for path in LIBRARY.rglob("*.py")}
    crowded = {
        str(folder.relative_to(ROOT)): n for folder in folders if (n := len(list(folder.glob("*.py")))) > MOST_MODULES
    }
    assert not crowded


def strings(path: Path) -> Iterator[ast.Constant]:
    """Yield the strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node


# Command lines that are no words to a person.
COMMAND_LINES = {
    "sweeping/trial.py": "starts the commands of a trial as processes, and is the one place that does",
    "exporting/sanafe_referee.py": "a program that is written beside the export, with an option of its own",
    "exporting/chips/examples/loihi.py": "a program that is written into the folder of the export",
    "exporting/chips/examples/loihi2.py": "a program that is written into the folder of the export",
    "exporting/chips/examples/xylo.py": "a program that is written into the folder of the export",
    "verification/chips.py": "starts those programs as processes",
    "verification/simulators.py": "starts those programs as processes",
}


def test_the_library_does_not_speak_of_the_command_line():
    assert all((LIBRARY / path).is_file() for path in COMMAND_LINES)
    spoken = [
        f"{where(path, node.lineno)}: {node.value[:80]!r}"
        for path in LIBRARY.rglob("*.py")
        if unit_of(path) not in ("stages", "runs") and path.relative_to(LIBRARY).as_posix() not in COMMAND_LINES
        for node in strings(path)
        if re.search(r"(?<![\w-])--[a-z][a-z-]+|`neuromod [a-z]", node.value)
    ]
    assert not spoken, "\n".join(spoken)


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and not any("compiled" in ast.unparse(d) for d in node.decorator_list):
            yield node


def test_functions_take_few_parameters():
    """Compiled kernels take arrays, and the public steps settings by keyword; everything else passes a dataclass."""
    import neuromod

    public = STEPS | {name for name in neuromod.__all__ if inspect.isfunction(getattr(neuromod, name))}
    long = []
    for path in LIBRARY.rglob("*.py"):
        for node in functions(path):
            a = node.args
            positional = len(a.posonlyargs) + len(a.args)
            total = positional + len(a.kwonlyargs)
            if (positional if node.name in public else total) > MOST_PARAMETERS:
                long.append(f"{where(path, node.lineno)}: {node.name} takes {total}")
    assert not long, "\n".join(long)


@pytest.mark.parametrize("unit", sorted(unit for unit in FLOOR_OF if (LIBRARY / unit).is_dir()))
def test_faces_hand_on_what_they_name_and_nothing_else(unit):
    init = LIBRARY / unit / "__init__.py"
    stub = init.with_suffix(".pyi")
    assert stub.exists(), f"{unit} has no face"
    assert len(ast.parse(init.read_text(encoding="utf-8")).body) <= 3
    import importlib

    face = importlib.import_module(f"neuromod.{unit}")
    for name in face.__all__:
        assert getattr(face, name) is not None


def test_dataclasses_are_frozen_but_for_states():
    free = set()
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                said = [ast.unparse(decorator) for decorator in node.decorator_list]
                if any("dataclass" in text and "frozen=True" not in text for text in said):
                    free.add(node.name)
    assert free == STATES
