"""The block types that every installation has: what provisioners and templates keep credentials in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from skylift.models.base import JsonObject
from skylift.models.stored_values import BlockSchemaCreate, BlockTypeCreate
from skylift.store import Store, blocks
from skylift.store.block_secrets import checksum
from skylift.store.engine import Tx
from skylift.store.tables import block_schemas

VERSION = "skylift"


def _text(title: str, description: str) -> JsonObject:
    return {"type": "string", "title": title, "description": description}


def _object(title: str, description: str) -> JsonObject:
    return {"type": "object", "title": title, "description": description, "additionalProperties": True}


def _secret(title: str, description: str) -> JsonObject:
    return _text(title, description) | {"format": "password", "writeOnly": True}


def _schema(
    title: str, slug: str, properties: Mapping[str, JsonObject], *required: str, secret: tuple[str, ...] = ()
) -> JsonObject:
    hidden = [name for name, each in properties.items() if each.get("writeOnly")]
    return {
        "title": title,
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "block_type_slug": slug,
        "secret_fields": [*hidden, *secret],
        "block_schema_references": {},
    }


CATALOGUE: tuple[tuple[BlockTypeCreate, JsonObject], ...] = (
    (
        BlockTypeCreate(
            name="AWS Credentials",
            slug="aws-credentials",
            description="How runs are pushed to Amazon Web Services: a role to assume, or an access key.",
        ),
        _schema(
            "AWS Credentials",
            "aws-credentials",
            {
                "aws_access_key_id": _text("Access key", "The id of an access key; leave out to use a role."),
                "aws_secret_access_key": _secret("Secret key", "The secret half of the access key."),
                "aws_session_token": _secret("Session token", "Only with temporary credentials."),
                "role_arn": _text("Role", "The ARN of a role to assume: needs no key."),
                "external_id": _text("External id", "The word that the role asks of who assumes it, if any."),
                "profile_name": _text("Profile", "A profile of the machine that dispatches."),
                "region_name": _text("Region", "The region to work in, such as eu-central-1."),
                "assume_role_arn": _text("Role (Prefect's name)", "The same as the role, as Prefect's block calls it."),
                "assume_role_kwargs": _object("More for the role", "Further arguments of AssumeRole, by AWS's names."),
                "aws_client_parameters": _object("Client", "Where else to call: `endpoint_url` and `verify`."),
            },
        ),
    ),
    (
        BlockTypeCreate(
            name="GCP Credentials",
            slug="gcp-credentials",
            description="How runs are pushed to Google Cloud: a service account to impersonate, or its key.",
        ),
        _schema(
            "GCP Credentials",
            "gcp-credentials",
            {
                "project": _text("Project", "The project to work in."),
                "service_account_file": _text("Key file", "Path of a key file on the machine that dispatches."),
                "service_account_info": _object("Key", "The contents of a service account's key file."),
                "workload_identity_provider": _text(
                    "Workload identity provider",
                    "Where a machine in AWS or Azure becomes somebody in Google: "
                    "projects/N/locations/global/…/providers/P.",
                ),
                "azure_application": _text(
                    "Application in Azure", "With a machine in Azure: the application id URI, api://…, of its tokens."
                ),
                "key_id": _text("Key id", "Which of the account's keys it is; Skylift notes it when it makes one."),
                "impersonate_service_account": _text(
                    "Service account", "The e-mail of an account to impersonate: needs no key."
                ),
            },
            secret=("service_account_info.*",),
        ),
    ),
    (
        BlockTypeCreate(
            name="Azure Container Instance Credentials",
            slug="azure-container-instance-credentials",
            description="How runs are pushed to Azure: a service principal, or what the machine is signed in with.",
        ),
        _schema(
            "Azure Container Instance Credentials",
            "azure-container-instance-credentials",
            {
                "client_id": _text("Client", "The application id of the service principal or managed identity."),
                "tenant_id": _text("Tenant", "The directory that it belongs to."),
                "client_secret": _secret("Client secret", "Leave out for a managed or workload identity."),
            },
        ),
    ),
    (
        BlockTypeCreate(
            name="Modal Credentials",
            slug="modal-credentials",
            description="A token pair with which runs are pushed to Modal.",
        ),
        _schema(
            "Modal Credentials",
            "modal-credentials",
            {
                "token_id": _text("Token", "The id of the token."),
                "token_secret": _secret("Token secret", "The secret half of the token."),
            },
            "token_id",
            "token_secret",
        ),
    ),
    (
        BlockTypeCreate(
            name="Secret",
            slug="secret",
            description="One value that is kept sealed and shown masked, for templates and flows to read.",
        ),
        _schema(
            "Secret",
            "secret",
            {"value": {"title": "Value", "description": "Any JSON value.", "format": "password", "writeOnly": True}},
            "value",
        ),
    ),
)


def install(store: Store) -> None:
    """Put the catalogue into this store; where it is there already, only a look."""
    with store.reading() as tx:
        wanted = {checksum(fields) for _, fields in CATALOGUE}
        there = {row.checksum for row in tx.all(_known(wanted))}
    if wanted - there:
        store.transaction(ensure_block_types)


def ensure_block_types(tx: Tx) -> None:
    """Insert what is missing; what is there stays as it is."""
    for wanted, fields in CATALOGUE:
        blocks.insert_type(tx, wanted, is_protected=True)
        kind = blocks.type_by_slug(tx, wanted.slug)
        blocks.create_schema(tx, BlockSchemaCreate(block_type_id=kind.id, fields=fields, version=VERSION))


def _known(checksums: set[str]) -> Any:
    return select(block_schemas.c.checksum).where(
        block_schemas.c.checksum.in_(checksums), block_schemas.c.version == VERSION
    )
