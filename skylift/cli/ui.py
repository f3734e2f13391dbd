"""`skylift ui`: the web pages as files."""

from __future__ import annotations

import re
from pathlib import Path

import click

from skylift.cli.base import Group

API_URL = re.compile(r"(https?://[^\s/]+)?/\S*[^\s/]")
PATH = re.compile(r"(/[A-Za-z0-9_-]+)*/?")


@click.group(cls=Group, examples=["skylift ui export console --api-url https://api.example.com/api"])
def ui() -> None:
    """Web pages: the console, and Prefect's own."""


def _api_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not API_URL.fullmatch(value):
        raise click.BadParameter("an address such as https://api.example.com/api, or a path such as /api")
    return value


def _path(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not PATH.fullmatch(value):
        raise click.BadParameter("a path such as /ui")
    return value.rstrip("/")


@ui.command(
    examples=[
        "skylift ui export console --api-url https://api.example.com/api",
        "skylift ui export pages --prefect --api-url /api --path /ui",
    ]
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--prefect", is_flag=True, help="Prefect's own page (extra 'prefect-ui') instead of the console.")
@click.option(
    "--api-url",
    default="/api",
    show_default=True,
    callback=_api_url,
    help="Where the page finds the API: on another host, or at a path of its own.",
)
@click.option(
    "--path",
    default="/ui",
    show_default=True,
    callback=_path,
    help="Where Prefect's page will be on its host. (The console works anywhere.)",
)
def export(folder: Path, prefect: bool, api_url: str, path: str) -> None:
    """Write a web page into a new folder, for a bucket or a CDN.

    Where the API is on another host, let the page in: SKYLIFT_UI_ORIGINS='["https://console.example.com"]'.
    """
    from skylift.settings import Settings
    from skylift.ui_export import export_console, export_prefect

    if prefect:
        count = export_prefect(folder, api_url, path, Settings())
        click.echo(
            f"Wrote {count} files into {folder}, for {path}/ of its host; what is no file there is {path}/index.html"
        )
    else:
        count = export_console(folder, api_url)
        click.echo(f"Wrote {count} files into {folder}")
