"""Parameter schemas from source."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.cli.signature import NoFunctionError, parameter_schema

ANY: dict[str, Any] = {}
NULL = {"type": "null"}
INT = {"type": "integer"}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("int", INT),
        ("float", {"type": "number"}),
        ("str", {"type": "string"}),
        ("bool", {"type": "boolean"}),
        ("'int'", INT),
        ("'int | None'", {"anyOf": [INT, NULL]}),
        ("int | None", {"anyOf": [INT, NULL]}),
        ("Optional[int]", {"anyOf": [INT, NULL]}),
        ("typing.Union[int, str]", {"anyOf": [INT, {"type": "string"}]}),
        ("list", {"type": "array"}),
        ("list[int]", {"type": "array", "items": INT}),
        ("dict[str, int]", {"type": "object", "additionalProperties": INT}),
        ("Annotated[int, 'x']", INT),
        ("Literal['a', 'b']", {"enum": ["a", "b"]}),
        ("datetime", ANY),
        ("Any | int", ANY),
        ("f()", ANY),
        ("'not python ['", ANY),
    ],
)
def test_annotations(annotation: str, schema: dict[str, Any]) -> None:
    found = parameter_schema(f"def f(x: {annotation}): ...", "f")
    assert found
    assert found["properties"] == {"x": {"title": "x", "position": 0, **schema}}
    assert found["required"] == ["x"]


def test_defaults_and_kinds_of_parameters() -> None:
    source = "async def f(a, /, b: int, c: int = None, *rest, d=os.getcwd(), e: str = 'x', **more): ..."
    found = parameter_schema(source, "f")
    assert found
    assert found["required"] == ["b"]
    assert list(found["properties"]) == ["b", "c", "d", "e"]
    assert found["properties"]["c"] == {
        "title": "c",
        "position": 1,
        "anyOf": [INT, NULL],
        "default": None,
    }
    assert "default" not in found["properties"]["d"]
    assert found["properties"]["e"]["default"] == "x"
    assert found["additionalProperties"] is True


def test_decorators_of_flows_are_known_and_others_make_no_promise() -> None:
    for decorator in ("flow", "flow(name='x')", "prefect.flow"):
        assert parameter_schema(f"@{decorator}\ndef f(x): ...", "f")
    assert parameter_schema("@cached\ndef f(x): ...", "f") is None


@pytest.mark.parametrize(
    "source",
    ["f = make()", "from x import f", "from x import *", "import f", "if x:\n def f(): ...", "from x import g as f"],
)
def test_names_that_only_running_would_explain(source: str) -> None:
    assert parameter_schema(source, "f") is None


def test_the_last_definition_counts() -> None:
    found = parameter_schema("def f(a): ...\ndef f(b): ...", "f")
    assert found
    assert found["required"] == ["b"]


def test_what_is_not_there() -> None:
    with pytest.raises(NoFunctionError):
        parameter_schema("def g(): ...", "f")
