import importlib
import importlib.util
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import neuromod

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_declared_packages_equal_the_tree():
    found = {"neuromod.cli", "neuromod.hw_targets"}
    found |= {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "neuromod").rglob("__init__.py")}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


def test_every_file_that_is_not_python_is_packaged():
    declared = PROJECT["tool"]["setuptools"]["package-data"]
    folders = {"neuromod.hw_targets": "hw_targets", "neuromod.cli": "cli"}
    for package in PROJECT["tool"]["setuptools"]["packages"]:
        folder = ROOT / folders.get(package, package.replace(".", "/"))
        patterns = (*declared["*"], *declared.get(package, []))
        packed = {path for pattern in patterns for path in folder.glob(pattern)}
        # A folder of data within belongs to the package around it.
        data = [path for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"]
        around = [folder, *(path for path in data if not list(path.rglob("*.py")))]
        files = {path for inside in around for path in inside.iterdir() if path.is_file()}
        # Programs among the data are no modules.
        modules = {path for path in packed if path.suffix == ".py"}
        assert {path for path in files if path.suffix not in (".py", ".pyc")} | modules == packed, package


def test_the_check_of_bounds_names_tests_that_exist():
    spec = importlib.util.spec_from_file_location("check_bounds", ROOT / "tests" / "check_bounds.py")
    check_bounds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_bounds)
    assert [name for name in check_bounds.TESTS if not (ROOT / "tests" / f"{name}.py").is_file()] == []


def test_the_version_is_the_same_everywhere():
    declared = PROJECT["project"]["version"]
    assert neuromod.__version__ == declared == version("bimt-neuromod")
    (cited,) = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert cited == declared


def test_the_changelog_knows_the_version():
    headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    released, _, begun = neuromod.__version__.partition(".dev")
    assert headings[0] == (released, " (unreleased)" if begun else headings[0][1])
    assert begun or re.fullmatch(r" - \d{4}-\d\d-\d\d", headings[0][1])
    assert not any("unreleased" in what for _, what in headings[1:])


def test_the_changelog_sends_to_modules_that_are_there():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    moved = text[text.index("### Moved") : text.index("### Added")]
    new = re.findall(r"\| `(neuromod[\w.]*)`[^|]*\|$", moved, re.M)
    assert len(new) > 80
    for name in new:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, thing = name.rpartition(".")
            assert hasattr(importlib.import_module(module), thing), name


def test_every_public_name_is_there_and_documented():
    for name in neuromod.__all__:
        assert name in dir(neuromod)
        thing = getattr(neuromod, name)
        assert name == "__version__" or thing.__doc__, name
    with pytest.raises(AttributeError, match="nonsense"):
        neuromod.nonsense  # noqa: B018


def test_the_bounds_of_torch_are_those_that_the_readme_states():
    (bound,) = [item for item in PROJECT["project"]["dependencies"] if item.startswith("torch")]
    assert f"`{bound}`" in (ROOT / "README.md").read_text()


def test_the_licence_is_stated_once():
    assert PROJECT["project"]["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
