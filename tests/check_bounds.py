"""Test neuromod with the lowest versions that pyproject.toml admits, or the newest: python tests/check_bounds.py lowest

Makes a virtual environment in a temporary folder, with `--python` or this one. PyTorch stays the newest that is
admitted unless `--torch` is given: its oldest builds bring several gigabytes of CUDA libraries.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What touches every dependency, in a minute or two.
TESTS = ("test_api", "test_network", "training/test_config", "training/test_training", "exporting/test_exporting_onnx",
         "exporting/test_exporting_nir", "importing/test_importing", "plotting/test_plots", "runs/test_rundir",
         "mapping/test_placers", "spiking/test_spiking", "cli/test_cli", "docs/test_docs")  # fmt: skip


def lowest(*, torch: bool) -> list[str]:
    """Return the lower bound of every dependency, as pip takes it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = []
    for line in [*project["dependencies"], *project["optional-dependencies"]["nir"]]:
        name, version = re.match(r"([\w-]+)>=([\w.]+)", line).groups()
        if name != "torch" or torch:
            found.append(f"{name}=={version}")
    return found


def main() -> None:
    """Install and test; one JSON object on stdout, exit code 1 if something fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=["lowest", "newest"])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--torch", action="store_true", help="the lowest PyTorch, too")
    parser.add_argument("--all", action="store_true", help="all tests, instead of those that touch every dependency")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run([options.python, "-m", "venv", str(folder / "venv")], check=True)
        python = str(folder / "venv" / "bin" / "python")
        wanted = lowest(torch=options.torch) if options.which == "lowest" else []
        pip = [python, "-m", "pip", "install", "-q", "--no-cache-dir", "--prefer-binary"]
        # A bound that no wheel exists for would be built for an hour.
        pip += ["--only-binary=:all:", "--no-binary=bimt-neuromod"]
        # Editable, because all tests include those of the sweep's and the report's own files in the tree.
        own = ["-e", f"{ROOT}[test]"] if options.all else [f"{ROOT}[nir]", "pytest", "hypothesis"]
        install = [*pip, *own, *wanted]
        done = subprocess.run(install, capture_output=True, text=True)
        content = {"which": options.which, "wanted": wanted, "installed": done.returncode == 0}
        if done.returncode:
            content["reason"] = done.stderr.strip().splitlines()[-3:]
        else:
            code = "import json; from neuromod.runs.run import versions; print(json.dumps(versions()))"
            told = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=folder)
            content["versions"] = json.loads(told.stdout) if told.returncode == 0 else told.stderr[-500:]
            files = [str(ROOT / "tests")] if options.all else [str(ROOT / "tests" / f"{name}.py") for name in TESTS]
            tests = subprocess.run(
                [python, "-m", "pytest", "-q", "--rootdir", str(ROOT), *files],
                capture_output=True, text=True, cwd=folder,
            )  # fmt: skip
            content |= {"passed": tests.returncode == 0, "tests": tests.stdout.strip().splitlines()[-8:]}
    print(json.dumps(content, indent=1))
    sys.exit(0 if content.get("passed") else 1)


if __name__ == "__main__":
    main()
