"""The parameter schema of a Python entrypoint, read from its source: user code is never imported."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import Any

SIMPLE = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "list": {"type": "array"},
    "dict": {"type": "object"},
    "List": {"type": "array"},
    "Dict": {"type": "object"},
    "None": {"type": "null"},
}
"""What an annotation allows. One that is not here allows anything: better no check than a wrong one."""

Schema = dict[str, Any]


class NoFunctionError(Exception):
    """The module binds no such name."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How a module binds a name: by a function, or in a way that only running it would tell."""

    function: ast.FunctionDef | ast.AsyncFunctionDef | None


def parameter_schema(source: str, function: str) -> Schema | None:
    """The schema of a function's parameters; None where the source does not tell.

    Raises `SyntaxError`, and `NoFunctionError` where nothing is called so.
    """
    found = _find(ast.parse(source), function)
    if found.function is None or not all(map(_keeps_signature, found.function.decorator_list)):
        return None
    return _schema(found.function.args)


def _find(module: ast.Module, name: str) -> Bound:
    bound: Bound | None = None
    for node in module.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if node.name == name:
                    bound = Bound(node)
            case ast.ImportFrom() if any(alias.name == "*" for alias in node.names):
                bound = bound or Bound(None)
            case _:
                if name in _names(node):
                    bound = Bound(None)
    if bound is None:
        raise NoFunctionError(name)
    return bound


def _names(node: ast.AST) -> set[str]:
    """Every name that a statement may bind, however deep."""
    found: set[str] = set()
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.alias(name=name, asname=asname):
                found.add(asname or name.partition(".")[0])
    return found


def _keeps_signature(decorator: ast.expr) -> bool:
    """Prefect's decorators do; of others nobody knows."""
    if isinstance(decorator, ast.Call):
        decorator = decorator.func
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return name in ("flow", "task")


def _schema(args: ast.arguments) -> Schema:
    positional = args.args  # positional-only ones cannot be given by name
    defaults: list[ast.expr | None] = [None] * (len(args.posonlyargs) + len(positional) - len(args.defaults))
    defaults += args.defaults
    given = [
        *zip(positional, defaults[len(args.posonlyargs) :], strict=True),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]
    properties = {
        each.arg: _property(each.arg, each.annotation, default, place) for place, (each, default) in enumerate(given)
    }
    return {
        "title": "Parameters",
        "type": "object",
        "properties": properties,
        "required": [each.arg for each, default in given if default is None],
        "additionalProperties": args.kwarg is not None,
    }


def _property(name: str, annotation: ast.expr | None, default: ast.expr | None, place: int) -> Schema:
    schema = _allowed(annotation) if annotation else {}
    if isinstance(default, ast.Constant) and default.value is None and schema:
        schema = _any_of([schema, SIMPLE["None"]])
    described = {"title": name, "position": place, **schema}
    if default is not None:
        try:
            value = ast.literal_eval(default)
            json.dumps(value, allow_nan=False)
        except (ValueError, TypeError, SyntaxError, RecursionError):
            return described  # a default that has to be computed
        described["default"] = value
    return described


def _allowed(annotation: ast.expr) -> Schema:
    """What an annotation allows; `{}` is anything."""
    match annotation:
        case ast.Constant(value=None):
            return SIMPLE["None"]
        case ast.Constant(value=str(text)):
            try:
                return _allowed(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return {}
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return dict(SIMPLE.get(name, {}))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _any_of([_allowed(left), _allowed(right)])
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _generic(name, inner.elts if isinstance(inner, ast.Tuple) else [inner])
    return {}


def _generic(name: str, inner: list[ast.expr]) -> Schema:
    match name:
        case "Optional":
            return _any_of([_allowed(inner[0]), SIMPLE["None"]])
        case "Union":
            return _any_of([_allowed(each) for each in inner])
        case "Annotated":
            return _allowed(inner[0])
        case "list" | "List":
            return {"type": "array", "items": _allowed(inner[0])}
        case "dict" | "Dict":
            return {"type": "object"} | ({"additionalProperties": _allowed(inner[1])} if len(inner) == 2 else {})
        case "Literal" if all(isinstance(each, ast.Constant) for each in inner):
            values = [each.value for each in inner if isinstance(each, ast.Constant)]
            return {"enum": values} if all(isinstance(value, str | int | None) for value in values) else {}
    return {}


def _any_of(schemas: list[Schema]) -> Schema:
    if not all(schemas):
        return {}  # one of them allows anything
    flat = [each for schema in schemas for each in schema.get("anyOf", [schema])]
    distinct = [each for index, each in enumerate(flat) if each not in flat[:index]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
