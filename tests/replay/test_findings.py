"""Findings: the worst decides, and each has its place."""

from pathlib import Path

import pytest

from synap.errors import DamagedError
from synap.replay.findings import Finding, Findings, Verdict
from synap.wal.segment import Torn

HERE, THERE = Path("/here"), Path("/there")


def findings_of(*verdicts: Verdict) -> Findings:
    findings = Findings()
    for verdict in verdicts:
        findings.found.append(Finding(verdict, HERE, "what"))
    return findings


@pytest.mark.parametrize(
    ("verdicts", "worst", "exit_code"),
    [
        ([], Verdict.NOTE, 0),
        ([Verdict.NOTE], Verdict.NOTE, 0),
        ([Verdict.NOTE, Verdict.TORN, Verdict.NOTE], Verdict.TORN, 1),
        ([Verdict.DAMAGED, Verdict.TORN], Verdict.DAMAGED, 2),
    ],
)
def test_the_worst_decides(verdicts: list[Verdict], worst: Verdict, exit_code: int) -> None:
    findings = findings_of(*verdicts)
    assert (findings.verdict, findings.exit_code) == (worst, exit_code)


def test_what_a_reader_says_is_taken_over() -> None:
    findings = Findings()
    findings.damage(DamagedError(HERE, "bad frame", seq=7, offset=128))
    findings.damage(DamagedError(HERE, "not a name", seq=0), THERE)
    findings.torn(Torn(HERE, 200, 1000, "the file ends inside it"), 9)
    findings.note(THERE, "left over")
    assert findings.found == [
        Finding(Verdict.DAMAGED, HERE, "bad frame", 7, 128),
        Finding(Verdict.DAMAGED, THERE, "not a name", None, None),
        Finding(Verdict.TORN, HERE, "1,000 bytes of a write that was not finished: the file ends inside it", 9, 200),
        Finding(Verdict.NOTE, THERE, "left over"),
    ]
