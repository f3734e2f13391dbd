"""Whether runs of a pool would start, found by reading only. What may not be read is `unknown`, never `failed`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from skylift.provider import Finding, ProviderError, Rejected, Unreachable, Verdict
from skylift_ecs import definition, quota
from skylift_ecs.client import EcsClient
from skylift_ecs.credentials import Credentials
from skylift_ecs.permissions import ALL, Names
from skylift_ecs.probe import Probe
from skylift_ecs.request import Configuration, read_configuration

Look = Callable[[], Iterator[Finding]]


def check(values: Mapping[str, Any], client_of: Callable[[Credentials], EcsClient]) -> Sequence[Finding]:
    """See `skylift.provider.Checks`."""
    try:
        configuration = read_configuration({"command": ["-"], **values})
        client = client_of(configuration.credentials)
        who = client.identity()
    except Rejected as error:
        return [Finding("Configuration", "failed", str(error), error.remedy)]
    except ProviderError as error:
        return [Finding("Identity", "failed", str(error), error.remedy)]
    found = [Finding("Identity", "ok", f"{who['Arn']} in {client.region}")]
    looks = _looks(configuration, client, Probe(client), who["Arn"])
    for what, look in looks.items():
        try:
            found += look()
        except Unreachable as error:
            found.append(Finding(what, "unknown", str(error), error.remedy))
        except ProviderError as error:
            found.append(Finding(what, "unknown", f"This could not be looked at: {error}", error.remedy))
        except Exception as error:  # nothing that Amazon may answer ends the check
            found.append(Finding(what, "unknown", f"The check itself failed ({type(error).__name__})"))
    return found


def _looks(configuration: Configuration, client: EcsClient, probe: Probe, arn: str) -> dict[str, Look]:
    return {
        "Permissions": lambda: _permissions(configuration, client, probe, arn),
        "Cluster": lambda: _cluster(configuration, probe),
        "Task definition": lambda: _definition(configuration, client, probe),
        "Network": lambda: _network(configuration, client),
        "Roles": lambda: _roles(configuration, probe),
        "Secrets": lambda: _secrets(configuration, probe),
        "Quota": lambda: _quota(configuration, probe),
    }


def _permissions(configuration: Configuration, client: EcsClient, probe: Probe, arn: str) -> Iterator[Finding]:
    if arn.endswith(":root"):
        yield Finding("Permissions", "ok", "The account's root user may do everything", "Use a role with less")
        return
    roles = list(_role_arns(configuration).values())
    purposes = {"runs", "logs"} | ({"secrets"} if configuration.secrets_bucket else set())
    wanted = [each for each in ALL if each.purpose in purposes and (roles or each.resource != "roles")]
    principal = _principal(arn)
    names = Names(
        partition=arn.split(":")[1],
        region=client.region,
        account=arn.split(":")[4],
        cluster=configuration.place.rpartition("/")[2],
        log_group=definition.log_group(configuration),
        dispatcher=principal,
        roles=roles,
        bucket=configuration.secrets_bucket or "",
    )
    denied = probe.denied(names, wanted)
    if denied:
        remedy = f"Allow them to {principal}; docs/providers/ecs.md has the policy"
        only_logs = all(each.purpose == "logs" for each in wanted if each.action in denied)
        verdict: Verdict = "warning" if only_logs else "failed"
        yield Finding("Permissions", verdict, f"Not allowed: {', '.join(sorted(denied))}", remedy)
    else:
        count = len({each.action for each in wanted})
        yield Finding("Permissions", "ok", f"All {count} that launching and watching need are allowed")


def _principal(arn: str) -> str:
    """The role behind an assumed role's session."""
    if ":assumed-role/" not in arn:
        return arn
    head, _, rest = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"


def _cluster(configuration: Configuration, probe: Probe) -> Iterator[Finding]:
    found = probe.cluster(configuration.place)
    if not found:
        remedy = "Create it, or correct 'cluster' and the region of 'aws_credentials'"
        yield Finding("Cluster", "failed", f"There is no active cluster {configuration.place!r}", remedy)
        return
    wanted = {each.get("capacityProvider") for each in configuration.strategy}
    if configuration.launch_type == "FARGATE_SPOT":
        wanted.add("FARGATE_SPOT")
    missing = sorted(str(each) for each in wanted - set(found.get("capacityProviders") or []))
    if missing:
        remedy = "aws ecs put-cluster-capacity-providers adds it"
        yield Finding("Cluster", "failed", f"The cluster lacks the capacity provider {', '.join(missing)}", remedy)
    else:
        yield Finding("Cluster", "ok", f"{configuration.place} is active")


def _definition(configuration: Configuration, client: EcsClient, probe: Probe) -> Iterator[Finding]:
    try:
        if configuration.own_definition:
            found = client.describe_definition(configuration.own_definition)
            if not found:
                raise Rejected("There is no such task definition", remedy="Correct 'task_definition_arn'")
            target = definition.own_target(found, configuration)
            image = definition.main_container(found, configuration).get("image", "")
        else:
            built = definition.build(configuration, client.region, "")
            target = built.target
            containers = built.request["containerDefinitions"]
            image = next(each["image"] for each in containers if each["name"] == target.container)
    except Rejected as error:
        yield Finding("Task definition", "failed", str(error), error.remedy)
        return
    yield Finding("Task definition", "ok", f"Runs are in its container {target.container!r}")
    yield from _image(image, probe)
    yield from _logs(target, probe)


def _image(image: str, probe: Probe) -> Iterator[Finding]:
    try:
        there = probe.has_image(image)
    except ProviderError as error:
        yield Finding("Image", "unknown", f"ECR could not be asked about it: {error}", error.remedy)
        return
    if there is None:
        yield Finding("Image", "unknown", f"{image} is not in ECR, and other registries are not asked")
    elif there:
        yield Finding("Image", "ok", f"{image} is in ECR")
    else:
        yield Finding("Image", "failed", f"ECR has no image {image}", "Push it, or correct 'image'")


def _logs(target: definition.Target, probe: Probe) -> Iterator[Finding]:
    if not target.logs:
        message = "The container's output is kept nowhere: what goes wrong before the run's first word is not seen"
        yield Finding("Logs", "warning", message, "Set 'execution_role_arn', or 'configure_cloudwatch_logs'")
    elif probe.has_log_group(target.logs.group):
        yield Finding("Logs", "ok", f"To the log group {target.logs.group!r}")
    else:
        yield Finding("Logs", "ok", f"To the log group {target.logs.group!r}, which is created with the first run")


def _network(configuration: Configuration, client: EcsClient) -> Iterator[Finding]:
    given = configuration.given_network
    if given:
        yield Finding("Network", "ok", f"In {len(given.get('subnets', []))} subnets that the pool names")
    elif not configuration.on_fargate and not configuration.vpc_id:
        yield Finding("Network", "ok", "That of the cluster's machines")
    elif found := client.subnets(configuration.vpc_id):
        where = configuration.vpc_id or "the default VPC"
        yield Finding("Network", "ok", f"In {len(found)} subnets of {where}")
    else:
        yield Finding("Network", "failed", "There are no subnets to run in", "Set 'subnets', or 'vpc_id'")


def _role_arns(configuration: Configuration) -> dict[str, str]:
    """Those that are given."""
    overrides = configuration.task_run_request.get("overrides") or {}
    given = {
        "Execution role": configuration.task_definition.get("executionRoleArn"),
        "Task role": overrides.get("taskRoleArn") or configuration.task_definition.get("taskRoleArn"),
    }
    return {what: arn for what, arn in given.items() if arn}


def _roles(configuration: Configuration, probe: Probe) -> Iterator[Finding]:
    for what, arn in _role_arns(configuration).items():
        if probe.has_role(arn):
            yield Finding(what, "ok", f"{arn} is there")
        else:
            yield Finding(what, "failed", f"There is no role {arn}", "Create it, or correct the pool's variable")


def _secrets(configuration: Configuration, probe: Probe) -> Iterator[Finding]:
    for name, reference in sorted(configuration.wanted_secrets.items()):
        if probe.has_secret(reference):
            yield Finding("Secrets", "ok", f"What {name} refers to is there")
        else:
            remedy = "Create it in the pool's region, or correct the reference"
            yield Finding("Secrets", "failed", f"There is nothing where {name} refers to", remedy)


def _quota(configuration: Configuration, probe: Probe) -> Iterator[Finding]:
    if not configuration.on_fargate:
        yield Finding("Quota", "ok", f"{quota.MACHINES[0]:g} launches a second; room depends on the cluster's machines")
        return
    remedy = None
    try:
        vcpus = f", {probe.vcpus(configuration.launch_type):g} vCPUs at once"
    except ProviderError as error:
        vcpus, remedy = "; how many vCPUs at once could not be asked", error.remedy
    yield Finding("Quota", "ok", f"{quota.FARGATE[0]:g} launches a second{vcpus}", remedy)
