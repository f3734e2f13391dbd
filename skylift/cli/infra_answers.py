"""What provisioners may be told: one flag for each question, and the questions on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from skylift.cli.options import on_terminal

if TYPE_CHECKING:
    from skylift.provisioner import Provisioner, Question

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Flag:
    """An answer on the command line. Here and not at the provisioners, so that help imports none of them."""

    name: str
    help: str
    kind: Literal["text", "list", "switch"] = "text"

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")


FLAGS = (
    Flag("region", "AWS, Google: where runs are started."),
    Flag("cluster", "AWS: the ECS cluster."),
    Flag("subnets", "AWS, Azure: subnets to run in, comma-separated; default: the default VPC's, Azure's own.", "list"),
    Flag("security_group", "AWS: the security group of runs; default: one of its own without inbound rules."),
    Flag(
        "dispatcher",
        "AWS, Google: who may push runs; default: on AWS this account, on Google whoever types. For Google also "
        "somebody in AWS (an ARN) or Azure (azure:tenant|object id|application). Azure: whose tokens to trust outside "
        "of it, as issuer|subject.",
    ),
    Flag("with_access_key", "AWS: push with an access key of a user of its own, not with a role.", "switch"),
    Flag(
        "events_to",
        "Who is told when runs end. AWS: a queue or a function. Google: a Pub/Sub topic, or a function as "
        "address|account.",
    ),
    Flag("project", "Google: the project."),
    Flag("service_account", "Google: the name of the account that runs have."),
    Flag("with_key", "Google: push with a downloaded key, not by impersonation.", "switch"),
    Flag("repository", "AWS, Google: the repository for images."),
    Flag("subscription", "Azure: the subscription."),
    Flag("location", "Azure: where runs are started."),
    Flag("resource_group", "Azure: the resource group; default: one of its own."),
    Flag("registry", "Azure: the container registry, by its name or id; default: one of its own."),
    Flag("with_secret", "Azure: push with a client secret, not with a managed identity.", "switch"),
    Flag("environment", "Modal: the environment."),
    Flag("app", "Modal: the app that runs belong to."),
    Flag("token_id", "Modal: the token; its secret is read from MODAL_TOKEN_SECRET or asked for."),
)


def answer_options(command: F) -> F:
    """Every flag, for a command that passes them on as they are."""
    for flag in reversed(FLAGS):
        if flag.kind == "switch":
            option = click.option(flag.option, flag.name, is_flag=True, default=None, help=flag.help)
        else:
            option = click.option(flag.option, flag.name, metavar=flag.name.upper(), help=flag.help)
        command = option(command)
    return command


def given_answers(values: dict[str, Any]) -> dict[str, Any]:
    """Takes the flags out of a command's parameters; those that were given."""
    kinds = {flag.name: flag.kind for flag in FLAGS}
    taken = {name: values.pop(name) for name in kinds if name in values}
    return {
        name: [each.strip() for each in value.split(",") if each.strip()] if kinds[name] == "list" else value
        for name, value in taken.items()
        if value is not None
    }


def answers_for(provisioner: Provisioner, given: Mapping[str, Any], *, ask_names: bool) -> dict[str, Any]:
    """Every question answered: by flag, by its default, or by whoever sits at the terminal. Raises `UsageError`."""
    known = {question.name for question in provisioner.questions}
    for name in given:
        if name not in known:
            flag = next(each.option for each in FLAGS if each.name == name)
            raise click.UsageError(f"{flag} means nothing to work pools of type {provisioner.type!r}")
    answers: dict[str, Any] = {}
    for question in provisioner.questions:
        if question.name in given:
            answers[question.name] = given[question.name]
        else:
            answers[question.name] = _answer(question, answers, ask_names=ask_names)
    return {name: value for name, value in answers.items() if value is not None}


def _answer(question: Question, answers: Mapping[str, Any], *, ask_names: bool) -> Any:
    may_ask = on_terminal() and question.kind == "text" and (ask_names or not question.customary)
    choices = list(question.choices(answers)) if question.choices and question.default is None else []
    if len(choices) == 1:
        return choices[0][0]
    if may_ask and (question.default is None or (question.customary and ask_names)):
        return _ask(question, choices)
    if question.default is None and question.kind == "text":
        what = f"; there are: {', '.join(value for value, _ in choices)}" if choices else ""
        flag = "--" + question.name.replace("_", "-")
        raise click.UsageError(f"Missing option '{flag}': {question.text}{what}")
    return question.default


def _ask(question: Question, choices: list[tuple[str, str]]) -> str:
    for value, what in choices:
        click.echo(f"  {value}  {what}" if what and what != value else f"  {value}", err=True)
    kind = click.Choice([value for value, _ in choices]) if choices else None
    answer: str = click.prompt(question.text, type=kind, default=question.default, show_choices=False, err=True)
    return answer
