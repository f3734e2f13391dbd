"""Which web pages are served beside the API: the console at `/`, Prefect's own under a path, both or none."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from starlette.routing import BaseRoute

from skylift.api import front_page, prefect_ui
from skylift.api.static_files import Site, SiteRoute
from skylift.errors import MissingExtraError
from skylift.parts import Parts
from skylift.settings import Settings, Ui

CONSOLE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)


def console_folder() -> Path:
    """Where the built console is, in an installed package; in a checkout `make console` puts it there."""
    return Path(str(files("skylift") / "console"))


def routes(parts: Parts) -> tuple[BaseRoute, ...]:
    """What the settings ask for. Raises `MissingExtraError` where Prefect's page is wanted and not installed."""
    settings = parts.settings
    found: list[BaseRoute] = []
    if settings.ui in (Ui.CONSOLE, Ui.BOTH):
        found += [SiteRoute(Site(console_folder(), CONSOLE_POLICY)), front_page.saying(front_page.NOT_BUILT)]
    if settings.ui in (Ui.PREFECT, Ui.BOTH):
        found.append(SiteRoute(prefect_ui.site(parts, prefect_folder(settings), settings.prefect_ui_path)))
    if settings.ui is Ui.PREFECT:
        found.append(front_page.leading(f"{settings.prefect_ui_path}/"))
    if settings.ui is Ui.NONE:
        found.append(front_page.elsewhere(settings))
    return tuple(found)


def prefect_folder(settings: Settings) -> Path:
    """Where Prefect's built page is. Raises `MissingExtraError`."""
    found = settings.prefect_ui_folder or prefect_ui.installed_folder()
    if found is None or not (found / "index.html").is_file():
        where = f"not in {found}" if found else "not installed"
        raise MissingExtraError(f"Prefect's web page is {where}: pip install 'skylift[prefect-ui]'")
    return found
