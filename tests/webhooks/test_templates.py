"""Templates: what they can say, and that nothing else can be got out of them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.errors import InvalidError
from skylift.webhooks import mapping
from skylift.webhooks.deliveries import Delivery
from skylift.webhooks.payloads import read

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PUSH = {
    "ref": "refs/heads/main",
    "size": 3,
    "items": ["by", "name"],
    "private": False,
    "repository": {"full_name": "octo/hello", "topics": []},
    "commits": [{"id": "a1", "added": ["x.py"]}, {"id": "b2", "added": ["y.py", "z.py"]}],
}


def variables(body: Any = None, headers: dict[str, str] | None = None, query: dict[str, str] | None = None) -> Any:
    content = json.dumps(PUSH if body is None else body).encode()
    delivery = Delivery(content, {"content-type": "application/json"} | (headers or {}), query or {})
    return mapping.variables(delivery, read(delivery), NOW, "hook")


def made(template: dict[str, Any], **given: Any) -> mapping.Wanted:
    mapping.check(template)
    return mapping.wanted(template, None, variables(**given))


def parameter(text: Any, **given: Any) -> Any:
    return made({"parameters": {"p": text}}, **given).parameters["p"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ body.size }}", 3),
        (" {{ body.size }}", " 3"),
        ("{{ body.private }}", False),
        ("{{ body.repository }}", PUSH["repository"]),
        ("{{ body.commits | map(attribute='id') | list }}", ["a1", "b2"]),
        ("{{ body.commits | selectattr('id', 'eq', 'b2') | map(attribute='added') | first }}", ["y.py", "z.py"]),
        ("{{ body.commits | length + body.size }}", 5),
        ("{{ body.ref.removeprefix('refs/heads/') }}", "main"),
        ("{{ body.ref.split('/')[-1] | upper }}", "MAIN"),
        ("{{ body.ref.split('/')[1:] }}", ["heads", "main"]),
        ("{{ body['items'] }} {{ body.items | join('+') }}", '["by", "name"] by+name'),
        ("{{ body.missing | default(none) }}", None),
        ("{{ body.missing is defined }}", False),
        ("{{ body.size == 3 and 'main' in body.ref }}", True),
        ("{{ {'a': [body.size, 'x']} }}", {"a": [3, "x"]}),
        ("{{ body.repository | items | list }}", [["full_name", "octo/hello"], ["topics", []]]),
        ("{{ '[1, {\"a\": null}]' | fromjson }}", [1, {"a": None}]),
        ("{{ 'eyJhIjogMX0=' | b64decode | fromjson }}", {"a": 1}),
        ("{{ body.repository | tojson }}", '{"full_name": "octo/hello", "topics": []}'),
        ("{% for each in body.commits %}{{ loop.index }}:{{ each.id }} {% endfor %}", "1:a1 2:b2 "),
        ("{% for each in body.commits if each.id != 'a1' %}{{ each.id }}{% else %}none{% endfor %}", "b2"),
        ("{% if body.private %}no{% else %}yes{% endif %}", "yes"),
        ("{% set x = body.size * 2 %}{{ x }}", "6"),
        ("{{ body.size ~ '/' ~ body.private }}", "3/false"),
        ("{{ headers['x-github-event'] }} of {{ webhook }} at {{ received }}", f"push of hook at {NOW.isoformat()}"),
        ("{{ query.branch }}", "dev"),
        ("{{ (7 / 2) | round }} {{ 2.345 | round(1) }}", "4.0 2.3"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("no template } at all", "no template } at all"),
        (17, 17),
    ],
)
def test_what_can_be_said(text: Any, value: Any) -> None:
    found = parameter(text, headers={"x-github-event": "push"}, query={"branch": "dev"})
    assert found == value
    assert type(found) is type(value)


def test_all_fields() -> None:
    found = made(
        {
            "parameters": "{{ body.repository }}",
            "job_variables": {"env": {"REF": "{{ body.ref }}"}},
            "name": "push-{{ body.commits[0].id }}",
            "idempotency_key": "{{ body.ref }}@{{ body.commits | last | tojson | length }}",
            "tags": ["{{ body.ref.split('/') | last }}", "hook"],
            "start_time": "2026-03-01T13:00:00+01:00",
            "when": "{{ body.ref == 'refs/heads/main' }}",
        }
    )
    assert found.parameters == PUSH["repository"]
    assert found.job_variables == {"env": {"REF": "refs/heads/main"}}
    assert (found.name, found.tags, found.start_time) == ("push-a1", ["main", "hook"], NOW)
    assert found.idempotency_key == "refs/heads/main@39"
    assert made({"start_time": "{{ body.at }}"}, body={"at": 1772366400.5}).start_time == datetime(
        2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC
    )


@pytest.mark.parametrize("text", ["{{ body.private }}", "{{ body.size == 4 }}", "false", "", "{{ 'No' }}", "0", False])
def test_when_it_is_not_wanted(text: Any) -> None:
    found = made({"when": text, "parameters": {"p": "{{ body.is_not_there }}"}})
    assert not found.is_wanted


ATTACKS = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ body.__class__.__mro__ }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''.__class__.__base__.__subclasses__() }}",
    "{{ self }}{{ self.__init__.__globals__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ range.__self__ }}",
    "{{ headers.items.__func__ }}",
    "{{ [].append(1) }}",
    "{{ body.clear() }}",
    "{{ body.update({'a': 1}) }}",
    "{{ body.ref.split.__self__ }}",
    "{{ body.ref.format(1) }}",
    "{{ '{0.__class__}'.format(body) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ 'x'.ljust(10 ** 9) }}",
    "{{ 'x'.zfill(1000000000) }}",
    "{{ body.ref.encode() }}",
    "{{ namespace() }}",
    "{{ dict(a=1) }}",
    "{{ lipsum(100) }}",
    "{{ joiner() }}",
    "{% include '/etc/passwd' %}",
    "{% extends 'x' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import path %}",
    "{% block x %}{% endblock %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% for x in [1] %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for x in [1] %}{{ loop.__class__ }}{{ loop._iterator }}{% endfor %}",
    "{% set ns.x = 1 %}",
    "{% set x %}y{% endset %}",
    "{% filter upper %}x{% endfilter %}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 'x' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'x' | center(1000000000) }}",
    "{{ 'x' | indent(1000000000) }}",
    "{{ ['x'] | map('center', 1000000000) | list }}",
    "{{ 1 | round(1000000000, 'ceil') }}",
    "{{ 'x' | format(1) }}",
    "{{ [1] | slice(1000000000) | list }}",
    "{{ 1 | tojson(indent=1000000000) }}",
    "{{ range(1000000000) | list }}",
    "{{ range(0, 1000000000, 1) }}",
    "{% for a in range(9999) %}" * 3 + "{% endfor %}" * 3,
    "{% for a in range(10000) %}{% for b in range(10000) if b < 0 %}{% endfor %}{% endfor %}",
    "{% for a in body.commits %}{% for a in range(9000) %}{% if a in range(9000) %}{% endif %}{% endfor %}{% endfor %}",
    "{% set x = 'xxxxxxxxxxxxxxxx' %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}",
    "{% set x = 'xxxxxxxxxxxxxxxx' %}" + "{% set x = x + x %}" * 40 + "{{ x }}",
    "{% set x = [1, 2, 3] %}" + "{% set x = x + x %}" * 40 + "{{ x }}",
    "{% set x = [1] %}" + "{% set x = [x, x] %}" * 40 + "{{ x }}",
    "{% set x = 'xxxxxxxxxxxxxxxx' %}" + "{% set x = x.split('') %}" * 40 + "{{ x }}",
    "{% set x = 'xxxxxxxxxxxxxxxx' %}" + "{% set x = x | replace('x', x) %}" * 40 + "{{ x }}",
    "{% set x = 'xxxxxxxxxxxxxxxx' %}" + "{% set x = [x, x, x, x] | join(x) %}" * 40 + "{{ x }}",
    "{% set x = 9999999999 %}" + "{% set x = x * x %}" * 40 + "{{ x }}",
    "{{ [body, body, body, body] * 1000 }}",
    "{{ (" + "[" * 5000 + "]" * 5000 + ") }}",
    "{{ " + "not " * 9000 + "1 }}",
    "{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}",
    "{{ undefined_name }}",
    "{{ body.nothing.at.all }}",
    "{{ 1 / 0 }}",
    "{{ body.size.real }}",
    "{{ body | random }}",
    "{{ {1: 2}[body] }}",
    "{{ range }}",
    "{{ body.ref.split }}",
    "{{ caller() }}",
    "{% do body.clear() %}",
    "{% debug %}",
    "{{ 'x' is filter('x') }}",
    "{{ body.ref.split(*['/']) }}",
    "{{",
    "{% for %}",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_attacks_come_to_nothing(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(InvalidError) as refused:
        parameter(text)
    assert time.monotonic() - began < 10
    assert refused.value.field
    assert len(str(refused.value)) < 400


def test_what_a_body_holds_is_never_a_template() -> None:
    body = {"ref": "{{ 7 * 7 }}{% include 'x' %}", "items": "{{ headers }}"}
    assert parameter("{{ body.ref }}", body=body) == body["ref"]
    assert parameter("{{ body }}", body=body) == body
    assert parameter("<{{ body.ref }}>", body=body) == f"<{body['ref']}>"


def test_a_senders_text_does_not_reach_blocks_by_job_variables() -> None:
    body = {"ref": "{{ prefect.blocks.secret.x }}"}
    for variables_ in ({"env": {"A": "{{ body.ref }}"}}, "{{ {body.ref: 1} }}", {"command": ["a", "{{ body.ref }}"]}):
        with pytest.raises(InvalidError, match="may not hold"):
            made({"job_variables": variables_}, body=body)


def test_proofs_are_not_shown() -> None:
    proofs = {"authorization": "Bearer secret", "skylift-signature": "v1=secret", "stripe-signature": "secret"}
    proofs |= {"x-hub-signature-256": "secret", "cookie": "secret"}
    shown = parameter("{{ [headers, query] }}", headers=proofs, query={"token": "secret", "a": "b"})
    assert "secret" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ({"params": {}}, "no field 'params'"),
        ({"parameters": {"p": "x" * 40_000}}, "longer than"),
        ({"parameters": {"p": ["x"] * 600}}, "more than 500 texts"),
        ({"parameters": {"deep": {"p": "{{ a b }}"}}}, "template.parameters.deep.p"),
        ({"parameters": {"p": "{{ a | nothing }}"}}, "No filter named 'nothing'"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_at_once(template: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        mapping.check(template)


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ({"parameters": "{{ body.size }}"}, "template.parameters"),
        ({"tags": "{{ body.size }}"}, "template.tags"),
        ({"tags": ["{{ body }}"]}, "template.tags"),
        ({"start_time": "soon"}, "template.start_time"),
        ({"start_time": "{{ 1e300 }}"}, "template.start_time"),
        ({"start_time": "{{ body.private }}"}, "template.start_time"),
        ({"name": "{{ body }}"}, "template.name"),
        ({"idempotency_key": "{{ body.ref ~ 'é' * 1 }}"}, "template.idempotency_key"),
        ({"parameters": {"p": "{{ 1e300 * 1e300 }}"}}, "template.parameters.p"),
    ],
)
def test_results_that_do_not_fit(template: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        made(template)
    assert str(refused.value.field).startswith(field)


def test_a_result_that_is_too_large() -> None:
    body = {"text": "x" * 400_000}
    with pytest.raises(InvalidError, match="gives more than"):
        made({"parameters": {"p": "{{ [body.text, body.text, body.text] }}"}}, body=body)
    with pytest.raises(InvalidError, match="too much"):
        made({"parameters": {"p": "{{ body }}" * 100}}, body=body)


SCHEMA = {"type": "object", "properties": {"name": {}, "size": {}}}


@pytest.mark.parametrize(
    ("schema", "body", "parameters"),
    [
        (SCHEMA, {"name": "Ada", "other": 1}, {"name": "Ada"}),
        (SCHEMA, [1, 2], {}),
        (None, {"name": "Ada", "other": 1}, {"name": "Ada", "other": 1}),
        ({"properties": {}}, {"name": "Ada"}, {}),
        ({"properties": {"body": {}}}, {"name": "Ada"}, {"body": {"name": "Ada"}}),
        ({"properties": {"body": {}}}, {"body": 1}, {"body": 1}),
        ({"properties": {"body": {}}}, [1, 2], {"body": [1, 2]}),
    ],
)
def test_without_a_template(schema: Any, body: Any, parameters: Any) -> None:
    assert mapping.wanted(None, schema, variables(body)).parameters == parameters


@given(text=st.text(st.sampled_from("{}%|.[]()'\"_ abody10*~+-<>=:,\n\\#é\0"), max_size=60))
def test_any_text_is_a_template_or_is_refused(text: str) -> None:
    try:
        parameter(text)
    except InvalidError:
        pass
