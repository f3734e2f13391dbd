"""Ids sort in the order in which they were made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from skylift.ids import new_id


def test_ids_of_one_process_ascend() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}


def test_ids_of_many_threads_are_unique() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: new_id(), range(5_000)))
    assert len(set(made)) == 5_000
