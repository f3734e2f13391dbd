"""Secrets by reference: the environment names where a value is, and only the function itself reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from skylift.security.sealing import Sealer
from skylift_functions.aws.sdk import client, code_of
from skylift_functions.sealing import ReferredSealer as ReferredSealer
from skylift_functions.sealing import SecretReferenceError as SecretReferenceError
from skylift_functions.sealing import sealer_of


def setting(name: str, env: Mapping[str, str] | None = None) -> str | None:
    """The value of SKYLIFT_`name`, or of what SKYLIFT_`name`_FROM refers to. Raises `SecretReferenceError`."""
    env = os.environ if env is None else env
    reference = env.get(f"SKYLIFT_{name}_FROM")
    return read(reference, f"SKYLIFT_{name}_FROM") if reference else env.get(f"SKYLIFT_{name}") or None


def read(reference: str, variable: str) -> str:
    """What is kept under the ARN of a secret or of a parameter. Raises `SecretReferenceError` naming the variable."""
    service = reference.split(":")[2] if reference.count(":") >= 5 else ""
    try:
        if service == "secretsmanager":
            value = client("secretsmanager").get_secret_value(SecretId=reference)["SecretString"]
        elif service == "ssm":
            # A parameter's ARN is not taken everywhere that its name is.
            name = "/" + reference.partition(":parameter/")[2]
            value = client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        else:
            raise SecretReferenceError(f"{variable} must be the ARN of a Secrets Manager secret or of an SSM parameter")
    except SecretReferenceError:
        raise
    except Exception as error:  # without the SDK's words, which may quote more than a name
        action = "secretsmanager:GetSecretValue" if service == "secretsmanager" else "ssm:GetParameter"
        raise SecretReferenceError(
            f"What {variable} refers to could not be read ({code_of(error)}): see that it exists, holds text, and "
            f"that the function's role allows {action} on it, and kms:Decrypt where it has a key of its own"
        ) from None
    return str(value).strip()


def sealer(env: Mapping[str, str]) -> Sealer:
    """Raises `SecretReferenceError` where the environment names no keys."""
    missing = "Set SKYLIFT_SECRET_KEY_FROM to the ARN of the secret that holds the sealing keys"
    return sealer_of(env, read, missing=missing)
