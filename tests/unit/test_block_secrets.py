"""Checksums as clients compute them, and masks that nothing secret gets past."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from skylift.store.block_secrets import EVERYTHING, MASK, checksum, mask, secret_paths, unmask

# Schemas and checksums as the unmodified client sends them (3.8.8).
INNER: dict[str, Any] = {
    "block_schema_references": {},
    "block_type_slug": "inner",
    "properties": {
        "token": {"format": "password", "title": "Token", "type": "string", "writeOnly": True, "position": 0},
        "region": {"default": "eu", "title": "Region", "type": "string", "position": 1},
    },
    "required": ["token"],
    "secret_fields": ["token"],
    "title": "Inner",
    "type": "object",
}
PLAIN: dict[str, Any] = {
    "properties": {"key": {"format": "password", "title": "Key", "type": "string", "writeOnly": True}},
    "required": ["key"],
    "title": "Plain",
    "type": "object",
}
INNER_CHECKSUM = "sha256:bdb213508ece3c684714f92a30e1c4bf7ab669fb672ae33d2da1956aa2053fc7"
OUTER: dict[str, Any] = {
    "block_schema_references": {"inner": {"block_schema_checksum": INNER_CHECKSUM, "block_type_slug": "inner"}},
    "block_type_slug": "outer",
    "properties": {
        "inner": {"$ref": "#/definitions/Inner", "position": 0},
        "plain": {"$ref": "#/definitions/Plain", "position": 1},
        "many": {
            "default": [],
            "items": {"$ref": "#/definitions/Plain"},
            "title": "Many",
            "type": "array",
            "position": 2,
        },
        "byname": {"default": {}, "title": "Byname", "type": "object", "position": 3},
        "extra": {
            "anyOf": [{"additionalProperties": True, "type": "object"}, {"type": "null"}],
            "default": None,
            "title": "Extra",
            "position": 4,
        },
        "size": {"default": 1.0, "title": "Size", "type": "number", "position": 5},
    },
    "required": ["inner", "plain"],
    "secret_fields": ["inner.token", "plain.key", "many.key", "byname.key", "extra.*"],
    "title": "Outer",
    "type": "object",
    "definitions": {"Inner": INNER, "Plain": PLAIN},
}


def test_checksums_are_those_that_clients_ask_for() -> None:
    assert checksum(INNER) == INNER_CHECKSUM
    assert checksum(OUTER) == "sha256:479080512da2038d5284bac5db97be61fbee7ddc3fe14b4970ee26c027a7562d"


def test_every_secret_of_nested_fields_is_masked_and_comes_back() -> None:
    data = {
        "inner": {"token": "s1", "region": "eu"},
        "plain": {"key": "s2"},
        "many": [{"key": "s3"}, {"key": "s4"}],
        "byname": {"a": {"key": "s5"}, "key": {"key": "s6"}},
        "extra": {"deep": {"er": ["s7"]}, "none": None},
        "size": 2.0,
    }
    paths = secret_paths(OUTER)
    masked = mask(data, paths)
    assert masked == {
        "inner": {"token": MASK, "region": "eu"},
        "plain": {"key": MASK},
        "many": [{"key": MASK}, {"key": MASK}],
        "byname": {"a": {"key": MASK}, "key": MASK},
        "extra": {"deep": MASK, "none": None},
        "size": 2.0,
    }
    assert unmask(masked, data, paths) == data
    changed = masked | {"plain": {"key": "new"}}
    assert unmask(changed, data, paths) == data | {"plain": {"key": "new"}}


def test_a_wildcard_in_the_middle_reaches_through_every_key() -> None:
    fields = {"secret_fields": ["a.*.b"]}
    masked = mask({"a": {"x": {"b": 1, "c": 2}, "y": {"b": [3]}}, "b": 4}, secret_paths(fields))
    assert masked == {"a": {"x": {"b": MASK, "c": 2}, "y": {"b": [MASK]}}, "b": 4}


def test_a_schema_too_large_to_walk_hides_everything() -> None:
    names = [f"N{number}" for number in range(12)]
    knot = {name: {"properties": {each: {"$ref": f"#/definitions/{each}"} for each in names}} for name in names}
    fields = {"properties": {"a": {"$ref": "#/definitions/N0"}}, "definitions": knot}
    assert secret_paths(fields) == {EVERYTHING}
    assert mask({"a": {"b": "s"}, "c": 1}, {EVERYTHING}) == {"a": MASK, "c": MASK}


SECRET = "s3cr3t-"
values = st.recursive(
    st.text(max_size=5) | st.integers() | st.none() | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from("abc"), values), st.sampled_from(["a", "a.*", "*", "a.*.*"]))
def test_nothing_under_a_secret_field_gets_past_the_mask(data: dict[str, Any], path: str) -> None:
    paths = secret_paths({"secret_fields": [path]})
    masked = mask(data, paths)
    if path in ("a", "a.*", "*"):
        assert SECRET not in json.dumps(masked.get("a"))
    if path == "*":
        assert SECRET not in json.dumps(masked)
    else:
        assert {key: value for key, value in masked.items() if key != "a"} == {
            key: value for key, value in data.items() if key != "a"
        }
    assert unmask(masked, data, paths) == data
