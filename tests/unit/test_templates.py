"""Base job templates: checking, merging, references, rendering."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

from skylift.errors import InvalidError
from skylift.templates import (
    Fetched,
    Layer,
    Rendered,
    TemplateError,
    check_job_variables,
    check_template,
    effective_variables,
    references,
    render,
)

DOCUMENT = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
TEMPLATE: dict[str, Any] = {
    "variables": {
        "type": "object",
        "required": ["image"],
        "properties": {
            "image": {"type": "string", "pattern": "^registry[.]example[.]com/"},
            "cpu": {"type": "integer", "minimum": 256, "maximum": 4096, "default": 512},
            "size": {"enum": ["small", "large"], "default": "small"},
            "env": {"type": "object", "additionalProperties": {"type": "string"}, "default": {"A": "pool"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "priority": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            "when": {"type": "string", "format": "date-time"},
            "password": {"type": "string", "minLength": 8},
            "aws_credentials": {"$ref": "#/definitions/AwsCredentials"},
            "command": {"type": "array", "items": {"type": "string"}},
        },
        "definitions": {
            "AwsCredentials": {
                "type": "object",
                "properties": {"region": {"type": "string"}, "key": {"type": "string", "format": "password"}},
            }
        },
    },
    "job_configuration": {
        "image": "{{ image }}",
        "cpu": "{{ cpu }}",
        "command": "{{ command }}",
        "env": "{{ env }}",
        "name": "run-{{ ctx.flow_run.name }}-{{ size }}",
        "labels": [{"team": "{{ labels.team }}", "fixed": True}, "{{ priority }}"],
        "credentials": "{{ aws_credentials }}",
        "password": "{{ password }}",
    },
}
IMAGE = {"image": "registry.example.com/etl:1"}


def over(**values: Any) -> list[Layer]:
    return [Layer("deployment 'etl/nightly'", {**IMAGE, **values})]


def rendered(template: dict[str, Any] = TEMPLATE, layers: list[Layer] | None = None, **fetched: Any) -> Rendered:
    context = {"flow": {"name": "etl"}, "flow_run": {"name": "red-fox", "run_count": 2}}
    return render(template, over() if layers is None else layers, context=context, lookup=Fetched(**fetched))


def small(configuration: Any, **properties: Any) -> dict[str, Any]:
    return {"job_configuration": {"x": configuration}, "variables": {"properties": properties}}


def x_of(configuration: Any, values: dict[str, Any], **fetched: Any) -> Any:
    """What `x` becomes; every variable that is given is declared, without rules."""
    template = small(configuration, **{name.split(".")[0]: {} for name in values})
    return rendered(template, [Layer("flow run 'red-fox'", values)], **fetched).configuration.get("x", "gone")


class TestCheckTemplate:
    def test_good_ones(self) -> None:
        check_template({})
        check_template(TEMPLATE)
        check_template({"job_configuration": {}, "variables": {}})
        check_template(small("{{ ctx.flow.name }} {{ prefect.blocks.s3.b.c }} {{ prefect.variables.v }}"))
        check_template(small("{{ a.b }} {{ $X }}", a={"default": {"$ref": {"block_document_id": str(DOCUMENT)}}}))
        check_template(small("{{ a }}", a={"type": "integer", "default": "{{ prefect.variables.n }}"}))
        check_template(small("{{ a }}", a={"type": "integer", "nullable": True, "default": None}))

    @pytest.mark.parametrize(
        ("template", "field", "words"),
        [
            ([], "", "object"),
            ({"variables": {}}, "", "job_configuration"),
            ({"job_configuration": {}}, "", "variables"),
            ({"job_configuration": [], "variables": {}}, "job_configuration", "object"),
            ({"job_configuration": {}, "variables": {"type": "array"}}, "variables.type", "'object'"),
            (
                {"job_configuration": {"$ref": {"block_document_id": str(DOCUMENT)}}, "variables": {}},
                "job_configuration",
                "of its own",
            ),
            (small("{{ a }}"), "job_configuration.x", "{{ a }}"),
            (small(["", {"k": "{{ a.b }}"}]), "job_configuration.x.1.k", "{{ a.b }}"),
            (small("{{ a b }}", a={}), "job_configuration.x", "no placeholder"),
            (small({"{{ a }}": 1}, a={}), "job_configuration.x.{{ a }}", "key"),
            (small("{{ ctx }}"), "job_configuration.x", "context"),
            (small("{{ prefect.blocks.aws }}"), "job_configuration.x", "prefect.blocks.aws"),
            (small("{{ prefect.secrets.x }}"), "job_configuration.x", "prefect.secrets.x"),
            (small("{{ $1 }}"), "job_configuration.x", "{{ $1 }}"),
            (small("{{ a..b }}", a={}), "job_configuration.x", "{{ a..b }}"),
            (small("", a={"type": "int"}), "variables.properties.a.type", "JSON Schema"),
            (small("", a={"minimum": "1"}), "variables.properties.a.minimum", "number"),
            (small("", a={"pattern": "("}), "variables.properties.a.pattern", "regular expression"),
            (
                small("", a={"items": {"patternProperties": {"[": {}}}}),
                "variables.properties.a.items.patternProperties",
                "regular expression",
            ),
            (small("", a={"$ref": "https://example.com/s"}), "variables.properties.a.$ref", "points"),
            (small("", a={"$ref": "#/definitions/A"}), "variables.properties.a.$ref", "points"),
            (small("", a={"$id": "https://example.com/s"}), "variables.properties.a.$id", "supported"),
            (small("", **{"a b": {}}), "variables.properties.a b", "letters"),
            (small("", ctx={}), "variables.properties.ctx", "ctx"),
            (small("", a={"type": "integer", "default": "1"}), "variables.properties.a.default", "an integer"),
            (small("", a={"default": {"$ref": {"block_document_id": "1"}}}), "variables.properties.a.default", "UUID"),
            (small("", a={"default": ["{{ prefect.x }}"]}), "variables.properties.a.default.0", "prefect.x"),
            (small("", env={"default": {"A=B": "x"}}), "variables.properties.env.default.A=B", "A=B"),
            (small("x" * 600_000), "", "512 KiB"),
            (small(float("nan")), "job_configuration.x", "finite"),
            (small({1: 2}), "job_configuration.x.1", "string"),
            (small(b"x"), "job_configuration.x", "bytes"),
            (small("\0"), "job_configuration.x", "NUL"),
            (small(2**300), "job_configuration.x", "number"),
        ],
    )
    def test_bad_ones_are_refused_with_the_place_and_the_rule(self, template: Any, field: str, words: str) -> None:
        with pytest.raises(TemplateError) as caught:
            check_template(template)
        assert caught.value.field == f"base_job_template.{field}".removesuffix(".")
        assert words in str(caught.value)

    def test_is_an_invalid_error(self) -> None:
        assert issubclass(TemplateError, InvalidError)

    def test_a_schema_keyword_inside_data_is_data(self) -> None:
        check_template(small("", a={"default": {"pattern": "(", "$id": 1}, "enum": [{"pattern": "(", "$id": 1}]}))
        check_template(small("", pattern={"type": "string"}, default={"type": "integer", "default": 3}))


class TestCheckJobVariables:
    @pytest.mark.parametrize(
        ("values", "field", "words"),
        [
            ({"cpu": 128}, "cpu", "Job variable 'cpu' (from deployment 'etl/nightly') must be at least 256, not 128"),
            ({"cpu": 8192}, "cpu", "must be at most 4096, not 8192."),
            ({"cpu": "512"}, "cpu", "must be an integer, not '512'."),
            ({"cpu": True}, "cpu", "must be an integer, not true."),
            ({"size": "medium"}, "size", "must be one of 'small', 'large', not 'medium'."),
            ({"image": "evil/x"}, "image", "must match the pattern ^registry"),
            ({"priority": 0}, "priority", "must be at least 1, not 0."),
            ({"priority": "a"}, "priority", "must be an integer or null, not 'a'."),
            ({"when": "soon"}, "when", "must be a valid date-time, not 'soon'."),
            ({"labels": {"team": 3}}, "labels.team", "'labels.team'"),
            ({"labels.team": 3}, "labels.team", "'labels.team'"),
            ({"command": ["a", 1]}, "command.1", "'command.1'"),
            ({"env.A": 3}, "env.A", "must be a string."),
            ({"password": "hunter2"}, "password", "must have at least 8 characters."),
            ({"aws_credentials": {"key": 12345}}, "aws_credentials.key", "must be a string."),
            ({"aws_credentials": {"region": 12345}}, "aws_credentials.region", "must be a string."),
            ({"a.b": 1, "a.b.c": 2}, "a.b.c", "contradicts"),
            ({"env": {"": "x"}}, "env.", "no environment variable"),
            ({"cpu": {"$ref": {"block_document_id": "x"}}}, "cpu", "UUID"),
            ({"labels": {"a": "{{ prefect.blocks.x }}"}}, "labels.a", "prefect.blocks.x"),
        ],
    )
    def test_names_variable_rule_and_origin(self, values: dict[str, Any], field: str, words: str) -> None:
        for complete in (False, True):
            with pytest.raises(TemplateError) as caught:
                check_job_variables(TEMPLATE, over(**values), complete=complete)
            assert caught.value.field == f"job_variables.{field}"
            assert words in str(caught.value)
            assert "deployment 'etl/nightly'" in str(caught.value)
            assert "hunter2" not in str(caught.value)
            assert "12345" not in str(caught.value)

    def test_required_counts_only_when_complete(self) -> None:
        check_job_variables(TEMPLATE, [], complete=False)
        with pytest.raises(TemplateError, match=r"'image' is required .* nothing sets it") as caught:
            check_job_variables(TEMPLATE, [], complete=True)
        assert caught.value.field == "job_variables.image"
        check_job_variables(TEMPLATE, over(), complete=True)

    def test_null_takes_back(self) -> None:
        layers = [*over(priority=3, cpu=1024), Layer("flow run 'red-fox'", {"image": None})]
        with pytest.raises(TemplateError, match="flow run 'red-fox' sets it to null"):
            check_job_variables(TEMPLATE, layers, complete=True)
        layers = [*over(priority=3), Layer("flow run 'red-fox'", {"cpu": None, "priority": None})]
        assert effective_variables(TEMPLATE, layers) == {**IMAGE, "size": "small", "env": {"A": "pool"}}

    def test_required_null_where_null_is_a_value(self) -> None:
        template = small("{{ a }}", a={"anyOf": [{"type": "integer"}, {"type": "null"}]})
        template["variables"]["required"] = ["a"]
        layers = [Layer("flow run 'red-fox'", {"a": None})]
        check_job_variables(template, layers, complete=True)
        assert rendered(template, layers).configuration == {}

    def test_origin_is_the_layer_that_won(self) -> None:
        layers = [*over(cpu=1, env={"A": 1}), Layer("flow run 'red-fox'", {"cpu": 2})]
        with pytest.raises(TemplateError, match=r"flow run 'red-fox'.* not 2"):
            check_job_variables(TEMPLATE, layers, complete=True)
        layers = [*over(env={"A": 1}), Layer("flow run 'red-fox'", {"env": {"B": "x"}})]
        with pytest.raises(TemplateError, match=r"'env.A' \(from deployment 'etl/nightly'\)"):
            check_job_variables(TEMPLATE, layers, complete=True)

    def test_undeclared_ones(self) -> None:
        check_job_variables(TEMPLATE, over(colour="red"), complete=True)
        assert "colour" not in effective_variables(TEMPLATE, over(colour="red"))
        strict = {**TEMPLATE, "variables": {**TEMPLATE["variables"], "additionalProperties": False}}
        for complete in (False, True):
            with pytest.raises(TemplateError, match=r"'colour' \(from deployment") as caught:
                check_job_variables(strict, over(**{"colour.red": 1}), complete=complete)
            assert caught.value.field == "job_variables.colour"

    def test_rules_between_variables_wait_until_complete(self) -> None:
        template = small("{{ a }}", a={}, b={})
        template["variables"]["dependentRequired"] = {"a": ["b"]}
        layers = [Layer("deployment 'x/y'", {"a": 1})]
        check_job_variables(template, layers, complete=False)
        with pytest.raises(TemplateError, match="lacks a key that goes with"):
            check_job_variables(template, layers, complete=True)

    @pytest.mark.parametrize("value", ["{{ prefect.variables.n }}", "{{ $N }}", "{{ prefect.blocks.json.n.a }}"])
    def test_references_are_checked_when_rendered(self, value: str) -> None:
        layers = over(cpu=value)
        check_job_variables(TEMPLATE, layers, complete=True)
        fetched: dict[str, Any] = {
            "variables": {"n": 128},
            "environment": {"N": "128"},
            "allowed_environment": {"N"},
            "blocks": {("json", "n"): {"value": {"a": 128}, "a": 128}},
        }
        with pytest.raises(TemplateError, match=r"'cpu' \(from deployment 'etl/nightly'\) must be") as caught:
            rendered(layers=layers, **fetched)
        assert ("128" in str(caught.value)) == ("variables" in value), "a block's or the environment's value is shown"
        fetched["variables"] = {"n": 1024}
        if "variables" in value:
            assert rendered(layers=layers, **fetched).configuration["cpu"] == 1024

    def test_what_a_reference_cannot_mend_is_refused_at_once(self) -> None:
        with pytest.raises(TemplateError, match=r"labels\.b"):
            check_job_variables(TEMPLATE, over(labels={"a": "{{ $X }}", "b": 3}), complete=False)
        with pytest.raises(TemplateError, match="'command'"):
            check_job_variables(TEMPLATE, over(command={"a": "{{ $X }}"}), complete=False)

    def test_conditions_on_references_are_not_guessed(self) -> None:
        template = small("{{ a }}", a={}, b={})
        template["variables"] |= {
            "if": {"properties": {"a": {"const": "x"}}},
            "else": {"properties": {"b": {"maximum": 3}}},
        }
        layers = [Layer("flow run 'f'", {"a": "{{ prefect.variables.a }}", "b": 9})]
        check_job_variables(template, layers, complete=True)
        assert rendered(template, layers, variables={"a": "x"}).configuration == {"x": "x"}
        with pytest.raises(TemplateError, match="'b'"):
            rendered(template, layers, variables={"a": "y"})


class TestMerge:
    def test_order_and_shallow(self) -> None:
        layers = [
            *over(cpu=1024, labels={"a": "1", "b": "2"}),
            Layer("flow run 'red-fox'", {"labels": {"c": "3"}, "env": {"B": "run"}, "env.C": "dot"}),
        ]
        assert effective_variables(TEMPLATE, layers) == {
            **IMAGE,
            "cpu": 1024,
            "size": "small",
            "labels": {"c": "3"},
            "env": {"A": "pool", "B": "run", "C": "dot"},
        }

    def test_dotted_keys(self) -> None:
        values = {"a.b.c": 1, "a": {"b": {"c": 2, "d": 3}}, "env.X.Y": "1", "env": {"A": None}}
        template = small("{{ a }}", a={}, env={"default": {"A": "1", "B": "2"}})
        assert effective_variables(template, [Layer("x", values)]) == {
            "a": {"b": {"c": 2, "d": 3}},
            "env": {"B": "2", "X.Y": "1"},
        }

    def test_inputs_are_not_changed_nor_shared(self) -> None:
        layers = over(env={"B": "b"}, labels={"team": "x"})
        first = rendered(layers=layers)
        first.configuration["env"]["A"] = "changed"
        first.configuration["labels"][0]["team"] = "changed"
        again = rendered(layers=layers)
        assert again.configuration["env"] == {"A": "pool", "B": "b"}
        assert again.configuration["labels"] == [{"team": "x", "fixed": True}]
        assert layers == over(env={"B": "b"}, labels={"team": "x"})


class TestRender:
    def test_whole_template(self) -> None:
        assert rendered(layers=over(**{"labels.team": "data", "password": "correct horse"})).configuration == {
            **IMAGE,
            "cpu": 512,
            "env": {"A": "pool"},
            "name": "run-red-fox-small",
            "labels": [{"team": "data", "fixed": True}],
            "password": "correct horse",
        }
        assert rendered({}, []).configuration == {}

    @pytest.mark.parametrize("value", [1, 1.5, True, "s", [1, [2]], {"a": {"b": None}}, [], {}, "", 0, False])
    def test_a_placeholder_alone_keeps_the_type(self, value: Any) -> None:
        result = x_of("{{ a }}", {"a": value})
        assert result == value
        assert type(result) is type(value)

    @pytest.mark.parametrize(
        ("configuration", "values", "result"),
        [
            ("{{a}}", {"a": 1}, 1),
            ("{{\t\na }}", {"a": 1}, 1),
            (" {{ a }}", {"a": 1}, " 1"),
            ("{{ a }}{{ a }}", {"a": 1}, "11"),
            ("<{{ a }}>", {"a": None}, "<>"),
            ("<{{ a }}>", {"a": True}, "<True>"),
            ("<{{ a }}>", {"a": [1, "b"]}, '<[1, "b"]>'),
            ("{{ a }}", {"a": None}, "gone"),
            (["{{ a }}", 1, {"k": "{{ a }}"}], {"a": None}, [1, {}]),
            ("{{ a.b[1].c }}", {"a": {"b": [0, {"c": 5}]}}, 5),
            ("{{ a.b[7] }}", {"a": {"b": [0]}}, "gone"),
            ("{{ a.b }}", {"a": "text"}, "gone"),
            ("{{ ctx.flow_run.run_count }}", {}, 2),
            ("{{ ctx.flow_run.nothing }}", {}, "gone"),
            ("a }} b", {}, "a }} b"),
            (None, {}, None),
            ({"deep": [[{"k": ["{{ a }}"]}]]}, {"a": 2}, {"deep": [[{"k": [2]}]]}),
        ],
    )
    def test_placeholders(self, configuration: Any, values: dict[str, Any], result: Any) -> None:
        assert x_of(configuration, values) == result

    def test_references(self) -> None:
        fetched: dict[str, Any] = {
            "blocks": {
                ("secret", "tok"): {"value": "hunter2"},
                ("aws-credentials", "prod"): {"key": "AKIA", "more": {"list": [1, 2]}, "none": None},
            },
            "documents": {DOCUMENT: {"key": "by-id"}},
            "variables": {"region": "eu", "sizes": [1, 2], "null": None},
            "environment": {"HOME": "/root"},
            "allowed_environment": {"HOME", "UNSET"},
        }
        for configuration, result in {
            "{{ prefect.blocks.secret.tok }}": "hunter2",
            "{{ prefect.blocks.secret.tok.value }}": "hunter2",
            "Bearer {{ prefect.blocks.secret.tok }}": "Bearer hunter2",
            "{{ prefect.blocks.aws-credentials.prod }}": fetched["blocks"]["aws-credentials", "prod"],
            "{{ prefect.blocks.aws-credentials.prod.more.list[1] }}": 2,
            "{{ prefect.blocks.aws-credentials.prod.none }}": "gone",
            "{{ prefect.variables.region }}": "eu",
            "{{ prefect.variables.sizes }}": [1, 2],
            "{{ prefect.variables.missing }}": "gone",
            "<{{ prefect.variables.missing }}>": "<>",
            "{{ $HOME }}/x": "/root/x",
            "{{ $UNSET }}": "gone",
        }.items():
            assert x_of(configuration, {}, **fetched) == result
            assert x_of("{{ a }}", {"a": configuration}, **fetched) == result
            assert x_of("{{ a }}", {"a": [{"b": configuration}]}, **fetched) == [
                {} if result == "gone" else {"b": result}
            ]
        reference = {"$ref": {"block_document_id": str(DOCUMENT)}}
        assert x_of(reference, {}, **fetched) == {"key": "by-id"}
        assert x_of("{{ a }}", {"a": reference}, **fetched) == {"key": "by-id"}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{{ prefect.blocks.secret.none }}", "'secret/none', which does not exist"),
            ("{{ prefect.blocks.json.j.b }}", "no field 'b'"),
            ("<{{ prefect.blocks.json.j }}>", "an object"),
            ("{{ $HOME }}", "operator"),
        ],
    )
    def test_what_cannot_be_found(self, text: str, words: str) -> None:
        fetched = {"blocks": {("json", "j"): {"a": "hunter2", "c": 1}}}
        with pytest.raises(TemplateError) as caught:
            x_of(text, {}, **fetched)
        assert words in str(caught.value)
        assert caught.value.field == "base_job_template.job_configuration.x"
        with pytest.raises(TemplateError) as caught:
            x_of("{{ a }}", {"a": {"b": text}}, **fetched)
        assert words in str(caught.value)
        assert caught.value.field == "job_variables.a.b"
        assert "flow run 'red-fox'" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_missing_block_document(self) -> None:
        with pytest.raises(TemplateError, match=str(DOCUMENT)):
            x_of({"$ref": {"block_document_id": str(DOCUMENT)}}, {})

    def test_references_lists_all_that_is_asked_for(self) -> None:
        template = small("{{ a }} {{ $X }} {{ prefect.variables.v }}", a={"default": "{{ prefect.blocks.s.b }}"}, c={})
        reference = {"$ref": {"block_document_id": str(DOCUMENT)}}
        layers = [
            Layer("deployment 'x/y'", {"c": [reference], "undeclared": "{{ $NO }}", "a": "{{ $OVERRIDDEN }}"}),
            Layer("flow run 'f'", {"a": "{{ prefect.blocks.t.d.e }}{{ $Y }}"}),
        ]
        found = references(template, layers)
        assert found.blocks == {("t", "d")}
        assert found.documents == {DOCUMENT}
        assert found.variables == {"v"}
        assert found.environment == {"X", "Y"}
        assert references(template, ()).blocks == {("s", "b")}

    def test_secrets(self) -> None:
        result = rendered(
            layers=over(
                password="correct horse",
                labels={"t": "{{ prefect.variables.v }}"},
                aws_credentials={"region": "{{ prefect.blocks.aws.prod.region }}", "key": "AKIA"},
                env={"DB_PASSWORD": "swordfish", "PLAIN": "x"},
                command=["--token={{ prefect.blocks.secret.tok }}", "{{ $HOME }}"],
            ),
            blocks={("secret", "tok"): {"value": "hunter2"}, ("aws", "prod"): {"region": "eu-1", "pin": 12345}},
            variables={"v": "public"},
            environment={"HOME": "/root"},
            allowed_environment={"HOME"},
        )
        assert result.secrets == {"correct horse", "eu-1", "AKIA", "swordfish", "hunter2", "/root"}
        masked = result.masked()
        assert masked["command"] == ["********", "********"]
        assert masked["env"] == {"A": "pool", "DB_PASSWORD": "********", "PLAIN": "x"}
        assert masked["cpu"] == 512

    def test_fixed_env_wins(self) -> None:
        template: dict[str, Any] = {
            "job_configuration": {"env": {"FIXED": "team", "MAYBE": "{{ maybe }}"}},
            "variables": {"properties": {"env": {"type": "object"}, "maybe": {}}},
        }
        layers = [Layer("flow run 'f'", {"env": {"FIXED": "mine", "MAYBE": "mine", "MORE": "1"}})]
        assert rendered(template, layers).configuration == {"env": {"MORE": "1", "FIXED": "team"}}
        del template["variables"]["properties"]["env"]
        assert rendered(template, layers).configuration == {"env": {"FIXED": "team"}}


def test_a_render_takes_about_a_millisecond() -> None:
    layers = over(cpu=1024, env={"B": "{{ $HOME }}", "T": "{{ prefect.blocks.secret.tok }}"})
    lookup = Fetched({("secret", "tok"): {"value": "x"}}, {}, {}, {"HOME": "/"}, {"HOME"})
    best = 1.0
    for _ in range(50):
        start = time.perf_counter()
        render(TEMPLATE, layers, context={"flow_run": {"name": "n"}}, lookup=lookup)
        best = min(best, time.perf_counter() - start)
    assert best < 0.003, "more than three times the target, at best of fifty"


def test_a_switch_is_no_secret() -> None:
    """Whatever its name: or else every False in a log would be masked."""
    switch = {"type": "boolean", "default": False}
    template = {
        "variables": {"type": "object", "properties": {"with_token": switch}},
        "job_configuration": {"with_token": "{{ with_token }}"},
    }
    rendered = render(template, [], context={}, lookup=Fetched())
    assert rendered.configuration == {"with_token": False}
    assert rendered.secrets == frozenset()
