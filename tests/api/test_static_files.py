"""Web pages beside the API: what is sent of a folder, and that nothing of the API is hidden by it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from skylift.api import create_app, front_page, sites
from skylift.api.static_files import Site, SiteRoute
from skylift.errors import MissingExtraError
from skylift.parts import Parts
from skylift.registry import Providers
from skylift.security.sealing import Sealer
from skylift.settings import Settings, Ui
from skylift.store import Store

POLICY = "default-src 'none'"
SCRIPT = "console.log('hello');\n" * 100


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough: nothing of this is in it."""
    return sqlite_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "built"
    for name, content in {
        "index.html": "<p>index</p>",
        "assets/app-1f2e.js": SCRIPT,
        "favicon.svg": "<svg/>",
        ".env": "SECRET=hunter2",
    }.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(content)
    (tmp_path / "beside.txt").write_text("hunter2")
    return made


def _client(parts: Parts, *served: Site) -> TestClient:
    app = create_app(parts, pages=[SiteRoute(site) for site in served])
    return TestClient(app, base_url="http://skylift", raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def web(parts: Parts, folder: Path) -> TestClient:
    return _client(parts, Site(folder, POLICY), Site(folder, "default-src 'self'", "/a/ui", has_paths=True))


def _with(parts: Parts, **settings: object) -> Parts:
    return Parts(parts.settings.model_copy(update=settings), parts.store, parts.providers, parts.sealer)


def test_the_index_and_files_have_a_policy_a_type_and_a_tag(web: TestClient) -> None:
    index = web.get("/")
    assert (index.status_code, index.text) == (200, "<p>index</p>")
    assert index.headers["Content-Type"] == "text/html; charset=utf-8"
    assert index.headers["Content-Security-Policy"] == POLICY
    assert index.headers["X-Content-Type-Options"] == "nosniff"
    assert index.headers["Cache-Control"] == "no-cache"
    again = web.get("/", headers={"If-None-Match": f'"other", {index.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == index.headers["ETag"]
    assert web.head("/").status_code == 200


def test_what_has_a_hash_in_its_name_never_changes_and_is_sent_compressed(web: TestClient) -> None:
    script = web.get("/assets/app-1f2e.js")
    assert "immutable" in script.headers["Cache-Control"]
    assert script.headers["Content-Encoding"] == "gzip"
    assert script.headers["Vary"] == "Accept-Encoding"
    assert script.text == SCRIPT
    assert int(script.headers["Content-Length"]) < len(SCRIPT) / 10
    plain = web.get("/assets/app-1f2e.js", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.text == SCRIPT


def test_a_file_that_is_built_anew_is_sent_anew(web: TestClient, folder: Path) -> None:
    before = web.get("/").headers["ETag"]
    (folder / "index.html").write_text("<p>another index</p>")
    after = web.get("/", headers={"If-None-Match": before})
    assert (after.status_code, after.text) == (200, "<p>another index</p>")


@pytest.mark.parametrize(
    "path",
    [
        "/.env",
        "/assets/../.env",
        "/%2e%2e/beside.txt",
        "/..%2fbeside.txt",
        "/assets/%2e%2e/%2e%2e/beside.txt",
        "//etc/passwd",
        "/..\\beside.txt",
        "/assets",
        "/assets/",
        "/nothing.js",
    ],
)
def test_nothing_else_is_sent(web: TestClient, path: str) -> None:
    answer = web.get(f"http://skylift{path}")
    assert answer.status_code in (307, 404)
    assert "hunter2" not in answer.text


def test_the_api_answers_as_without_pages(web: TestClient, client: TestClient) -> None:
    for method, path in [
        ("GET", "/api/health"),
        ("GET", "/api/nothing"),
        ("DELETE", "/api/health"),
        ("GET", "/api/flows"),
        ("POST", "/hooks/none"),
        ("GET", "/docs"),
        ("POST", "/"),
        ("GET", "/nothing"),
    ]:
        here, there = web.request(method, path), client.request(method, f"http://skylift{path}", follow_redirects=False)
        assert (here.status_code, here.content) == (there.status_code, there.content) or path == "/", path
    assert web.post("/").status_code in (404, 405)


def test_pages_with_paths_get_the_index_but_not_for_assets(web: TestClient) -> None:
    for path in ("/a/ui/", "/a/ui/runs/flow-run/1", "/a/ui/favicon.svg"):
        answer = web.get(path)
        assert answer.status_code == 200
        assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
    assert web.get("/a/ui/runs/flow-run/1").text == "<p>index</p>"
    assert web.get("/a/ui/assets/gone-0000.js").status_code == 404
    assert web.get("/a/ui").headers["Location"] == "http://skylift/a/ui/"
    assert web.get("/a").status_code == 404


def test_without_pages_the_front_page_says_where_they_are(parts: Parts) -> None:
    front = _client(parts).get("/")
    assert "skylift ui export" in front.text
    assert "default-src 'none'" in front.headers["Content-Security-Policy"]
    led = _client(_with(parts, console_url="https://console.example.com/")).get("/")
    assert (led.status_code, led.headers["Location"]) == (307, "https://console.example.com/")


def test_a_console_that_is_not_built_says_how(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "console_folder", lambda: tmp_path / "console")
    app = create_app(parts, pages=sites.routes(parts))
    web = TestClient(app, base_url="http://skylift")
    assert front_page.NOT_BUILT in web.get("/").text
    (tmp_path / "console").mkdir()
    (tmp_path / "console" / "index.html").write_text("<p>built</p>")
    assert web.get("/").text == "<p>built</p>"


def test_prefects_page_is_asked_for_by_name(parts: Parts, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "index.html").write_text("<script src='/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER/assets/app-1f2e.js'>")
    both = _with(parts, ui=Ui.PREFECT, prefect_ui_folder=folder, prefect_ui_path="/a/b/v2")
    web = TestClient(create_app(both, pages=sites.routes(both)), base_url="http://skylift")
    assert web.get("/").url.path == "/a/b/v2/"
    assert web.get("/a/b/v2/runs").text == "<script src='/a/b/v2/assets/app-1f2e.js'>"
    assert web.get("/a/b/v2/runs").headers["Content-Security-Policy"].count("'unsafe-eval'") == 1
    told = web.get("/a/b/ui-settings").json()
    assert (told["api_url"], told["auth"], told["v2_base_url"]) == ("/api", None, "/a/b/v2")
    assert web.post("/api/api_keys/", json={"name": "first", "role": "admin"}).status_code == 201
    assert web.get("/a/b/ui-settings").json()["auth"] == "BASIC"
    nowhere = _with(both, prefect_ui_folder=folder / "nowhere")
    with pytest.raises(MissingExtraError, match=r"skylift\[prefect-ui\]"):
        sites.routes(nowhere)


def test_pages_of_named_origins_may_call_the_api(parts: Parts, store: Store) -> None:
    settings = Settings(home=parts.settings.home, ui_origins=("https://console.example.com",))
    there = Parts(settings, store, Providers(), Sealer.from_settings(settings))
    web = _client(there)
    asked = {"Origin": "https://console.example.com", "Access-Control-Request-Method": "POST"}
    wanted = asked | {"Access-Control-Request-Headers": "authorization,content-type,x-prefect-api-version"}
    allowed = web.options("/api/flows/filter", headers=wanted)
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://console.example.com"
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert web.get("/api/health", headers=asked).headers["Access-Control-Allow-Origin"] == asked["Origin"]
    other = web.options("/api/flows/filter", headers=wanted | {"Origin": "https://evil.example.com"})
    assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize(
    "wrong",
    [{"ui": "vue"}, {"prefect_ui_path": "ui"}, {"prefect_ui_path": "/api/ui"}, {"prefect_ui_path": "/ui/"},
     {"console_url": "console"}, {"ui_origins": ["*"]}, {"ui_origins": ["https://a.example.com/path"]}],
)  # fmt: skip
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings.model_validate(wrong)


def test_the_tag_is_of_what_is_sent_before_compression(folder: Path) -> None:
    site = Site(folder, POLICY, rewritten=lambda content: content.replace(b"hello", b"there"))
    found = site.read("assets/app-1f2e.js")
    assert found
    assert gzip.decompress(found.body).decode() == SCRIPT.replace("hello", "there")
    assert site.read("assets/app-1f2e.js") is found
