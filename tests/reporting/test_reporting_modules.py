from __future__ import annotations

from types import SimpleNamespace

from neuromod.cli.output import Talk

from neuromod import reporting
from neuromod.reporting.sections.modules import modules
from neuromod.stages import analyze_stage


def test_the_report_shows_the_analysis_and_how_to_make_it(run_of, solver) -> None:
    run = run_of(solver)
    reporting.write(run)
    page = run.file(reporting.FILE)
    assert "neuromod analyze" in page.read_text(encoding="utf-8")
    result = analyze_stage(run, talk=Talk(quiet=True), trials_per_task=20, nulls=3)
    reporting.write(run)
    text = page.read_text(encoding="utf-8")
    assert f"form {result['clusters']} clusters" in text
    assert text.count(">cluster ") == result["clusters"] == len(result["lesions"])
    assert f"{result['within_cluster_distance']['value']:.3f}" in text


def test_what_was_not_measured_is_unknown() -> None:
    result = {"clusters": None, "importance_gap": None, "lesions": None, "mantel": None}
    section = modules(SimpleNamespace(result=lambda step: result))  # type: ignore[arg-type]
    assert section is not None
    assert all(row[1:] == ("unknown",) * 3 for row in section["rows"])
    assert section["lesions"] == []
    assert modules(SimpleNamespace(result=lambda step: {})) is None  # type: ignore[arg-type]
