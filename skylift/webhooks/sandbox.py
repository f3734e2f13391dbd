"""Jinja for strangers' data: what a template may say is listed, and all that it does is counted.

Templates are written by those who may make webhooks, bodies by anyone who knows a secret. On top of Jinja's own sandbox
nothing is reached but JSON values: an attribute is a key, a method is one of a few of text, and there are no others of
Python's. Statements and functions that could go on for ever, or by which a text could grow without being counted, are
not there at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from skylift.webhooks.budget import CURRENT, PER_THING
from skylift.webhooks.filters import FILTERS, TESTS, finalize

METHODS = frozenset(
    "split rsplit splitlines strip lstrip rstrip removeprefix removesuffix startswith endswith lower upper title"
    " capitalize partition rpartition isdigit isalpha isalnum count find".split()
)
"""Of text."""
LOOP = frozenset("index index0 first last length revindex revindex0".split())
LONGEST_RANGE = 10_000
BIGGEST_BITS = 4_096
REFUSED = {
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.FilterBlock: "filter",
    nodes.AssignBlock: "set … endset",
    nodes.NSRef: "namespace",
    nodes.Pow: "**",
}
"""What a template may not say, by its words."""


def limited_range(*bounds: int) -> list[int]:
    """`range`, of a length that is no attack."""
    found = range(*bounds)
    if len(found) > LONGEST_RANGE:
        raise SecurityError(f"range() goes to {LONGEST_RANGE} at most")
    CURRENT.get().spend(len(found) * PER_THING)
    return list(found)


class _Counting(NodeTransformer):
    """Refuses what is not allowed, and has everything counted that reads or repeats."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if words := REFUSED.get(type(node)):
            raise TemplateSyntaxError(f"`{words}` may not be used in a webhook's template", node.lineno or 1)
        return super().generic_visit(node, *args, **kwargs)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named by Jinja
        if node.recursive:
            raise TemplateSyntaxError("`recursive` may not be used in a webhook's template", node.lineno)
        self.generic_visit(node)
        node.iter = _filter(cast("nodes.Expr", node.iter), "counted")
        turn = nodes.ExprStmt(_filter(nodes.Const(0), "turn"))
        node.body = [turn, *node.body]
        if node.test is not None:
            node.test = nodes.And(nodes.Not(_filter(nodes.Const(0), "turn")), node.test)
        return node.set_lineno(node.lineno, override=False)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        called = node.node
        is_range = isinstance(called, nodes.Name) and called.name == "range"
        is_method = isinstance(called, nodes.Getattr) and called.attr in METHODS
        if not (is_range or is_method) or node.dyn_args or node.dyn_kwargs:
            raise TemplateSyntaxError(
                f"Only range() and these methods of text may be called: {', '.join(sorted(METHODS))}", node.lineno
            )
        return self.generic_visit(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filter(node.expr, "counted")
        for operand in node.ops:
            operand.expr = _filter(operand.expr, "counted")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(nodes.List([*node.nodes], lineno=node.lineno), "concatenated")

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _filter(node.node, "counted")
        return node


def _filter(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno or 1)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja, of which only what is listed is left."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, optimized=False, cache_size=0, finalize=finalize)
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)
        self.globals = {"range": limited_range}

    def compiled(self, source: str) -> Callable[[dict[str, Any]], Any]:
        """A function of the variables. A source that is one `{{ … }}` gives its value as it is, any other a text."""
        tree: nodes.Template = _Counting().visit(self.parse(source))
        if lone := _lone_expression(tree):
            result = nodes.Assign(nodes.Name("result", "store"), lone, lineno=1)
            alone = nodes.Template([result], lineno=1)
            alone.set_environment(self)
            template = self.from_string(alone)
            return TemplateExpression(template, undefined_to_none=False)
        return self.from_string(tree).render

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A key of an object, and never what Python calls an attribute."""
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, str) and attribute in METHODS:
            return getattr(obj, attribute)
        if isinstance(obj, LoopContext) and attribute in LOOP:
            return getattr(obj, attribute)
        return self._nothing(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """As `getattr`; and places in lists and texts."""
        if isinstance(obj, dict):
            known = isinstance(argument, str | int) and argument in obj
            return obj[argument] if known else self.undefined(obj=obj, name=str(argument))
        if isinstance(obj, list | tuple | str) and isinstance(argument, int):
            return obj[argument] if -len(obj) <= argument < len(obj) else self.undefined(obj=obj, name=str(argument))
        return self._nothing(obj, argument)

    def _nothing(self, obj: Any, name: Any) -> Undefined:
        if isinstance(obj, Undefined):
            return self.undefined(name=obj._undefined_name)
        return self.undefined(obj=obj, name=str(name))

    def call(self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """What a method reads is counted."""
        CURRENT.get().read(getattr(__obj, "__self__", None), args)
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Numbers of any kind that stay small; of the rest only `+`, counted."""
        CURRENT.get().read(left, right)
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "+" and (numbers or (type(left) is type(right) and isinstance(left, str | list))):
            return left + right
        if not numbers or operator == "**" or _bits(left) + _bits(right) > BIGGEST_BITS:
            raise SecurityError(f"`{operator}` takes numbers of a reasonable size")
        return super().call_binop(context, operator, left, right)


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 64


def _lone_expression(tree: nodes.Template) -> nodes.Expr | None:
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return None
    parts = tree.body[0].nodes
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData) else None
