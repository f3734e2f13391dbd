"""The checker itself: a fault that is put into good evidence is found."""

from __future__ import annotations

import pytest

from tests.chaos.evidence import Asked, Limits, Line, find_faults

LIMITS = Limits(pool=2, queues={"low": 1}, deployments={"narrow": 1}, first_queue="top")
ASKED = {
    "a": Asked("top", "wide"),
    "b": Asked("top", "wide"),
    "c": Asked("low", "narrow"),
    "d": Asked("low", "wide"),
    "e": Asked("other", "narrow"),
}


def check(text: str, limits: Limits = LIMITS) -> list[str]:
    """`+a` is a start of a, `-a` its end; `+a/2` is that of another process."""
    lines = []
    for number, word in enumerate(text.split()):
        run, _, process = word[1:].partition("/")
        lines.append(Line("start" if word[0] == "+" else "stop", run, int(process or 1), number))
    return find_faults(lines, ASKED, limits)


GOOD = "+a +b -a +c -b -c +d -d +e -e"


def test_good_evidence_has_no_fault() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("+a +b +c -a -b -c +d -d +e -e", "the pool had 3"),
        ("+a -a +b -b +c +d -c -d +e -e", "queue low had 2"),
        ("+a -a +b -b +c +e -c -e +d -d", "deployment narrow had 2"),
        ("+c -c +a -a +b -b +d -d +e -e", "while 2 of the first queue waited"),
        (GOOD.replace("+e -e", ""), "e started 0 times"),
        (GOOD.replace("-e", ""), "ended 0 times"),
        (GOOD + " +a -a", "a started 2 times"),
        (GOOD + " +x", "never asked for"),
        ("+a +b -a/2 -b +c -c +d -d +e -e", "was not the one that had started"),
    ],
)
def test_a_fault_is_found(text: str, words: str) -> None:
    assert any(words in fault for fault in check(text))
