"""A sample of tests/benchmarks/bench_import.py: every reader, every known change of a file, a few files each."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
try:
    import_cases = importlib.import_module("import_cases")
finally:
    sys.path.pop(0)

CASES = [
    pytest.param(case, id=f"{reader}: {name}")
    for reader, cases in import_cases.READERS.items()
    for name, case in cases.items()
]


@pytest.mark.parametrize("case", CASES)
def test_equal_or_refused_by_name(case, tmp_path):
    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def judged(data):
        made = case(data.draw, tmp_path)
        assert import_cases.judge(made) == ("refused" if made.w is None else "equal"), made.path.read_bytes()[:600]

    judged()


def test_the_judge_can_say_no(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,0.5\n2,3,1\n")
    right = [[0, 0, 0], [0.5, 0, 0], [0, 1, 0]]
    made = import_cases.Made
    assert import_cases.judge(made(tmp_path / "a.csv", right, [1, 2, 3])) == "equal"
    assert import_cases.judge(made(tmp_path / "a.csv", right)) != "equal"
    assert import_cases.judge(made(tmp_path / "a.csv", right, [1, 2, 3], ("turned round",))) != "equal"
    assert "weights" in import_cases.judge(made(tmp_path / "a.csv", [[0, 0, 0], [0, 0, 0], [0, 1, 0]], [1, 2, 3]))
    assert "to be refused" in import_cases.judge(made(tmp_path / "a.csv"))
