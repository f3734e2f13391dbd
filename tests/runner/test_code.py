"""Code from git, from archives (hostile ones too) and from the image."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skylift import runner
from tests.runner.conftest import Runners
from tests.runner.control_plane import ControlPlane


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """The URL of a bare repository, and its commits by what they print."""
    work, bare = tmp_path_factory.mktemp("git") / "work", tmp_path_factory.mktemp("bare") / "jobs.git"
    env = {**os.environ, "HOME": str(work.parent), "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        env.update({f"GIT_{role}_NAME": "Ann", f"GIT_{role}_EMAIL": "ann@example.com"})

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=work, env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    (work / "jobs").mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main")
    commits = {}
    for word in ("first", "second", "third"):
        (work / "jobs" / "flows.py").write_text(f"def go(): print({word!r})\n")
        git("add", ".")
        git("commit", "--quiet", "-m", word)
        commits[word] = git("rev-parse", "HEAD")
        if word == "first":
            git("tag", "-a", "v1", "-m", "release")
    git("branch", "fix/old", commits["second"])
    git("clone", "--quiet", "--bare", ".", str(bare))
    return f"file://{bare}", commits


def printed(plane: ControlPlane, runners: Runners, step: dict[str, Any], entrypoint: str = "flows.py:go") -> list[str]:
    """What the run printed, or the reason why it failed."""
    attempt = plane.attempt(entrypoint=entrypoint, code=[step])
    ended = runners.run(attempt)
    assert ended.code == 0
    assert attempt.end is not None
    if attempt.end["outcome"] == "completed":
        return attempt.messages("stdout")
    assert attempt.end["outcome"] == "failed", attempt.end
    return [attempt.end["reason"]]


@pytest.mark.parametrize(
    ("ref", "word"), [(None, "third"), ("fix/old", "second"), ("v1", "first"), ("full", "second"), ("short", "first")]
)
def test_git_by_branch_tag_and_commit(
    plane: ControlPlane, runners: Runners, repository: tuple[str, dict[str, str]], ref: str | None, word: str
) -> None:
    url, commits = repository
    known = {"full": commits[word], "short": commits[word][:9]}
    step = {"git": url, "ref": known.get(ref or "", ref), "subdirectory": "jobs"}
    assert printed(plane, runners, step) == [word]


def test_what_git_cannot_do_is_said_without_the_password(
    plane: ControlPlane, runners: Runners, repository: tuple[str, dict[str, str]]
) -> None:
    url, _ = repository
    [reason] = printed(plane, runners, {"git": url, "ref": "nowhere"})
    assert "at nowhere cannot be fetched" in reason
    assert "couldn't find remote ref nowhere" in reason
    [reason] = printed(plane, runners, {"git": url, "ref": None, "subdirectory": "nothing"})
    assert "no folder 'nothing'" in reason
    assert "jobs" in reason
    [reason] = printed(plane, runners, {"git": url, "ref": None, "subdirectory": "../.."})
    assert "leads out of the code" in reason
    [reason] = printed(plane, runners, {"git": "--upload-pack=touch x", "ref": None})
    assert "cannot be fetched" in reason
    attempt = plane.attempt(code=[{"git": "http://me:pa55word@127.0.0.1:9/x.git", "ref": None}])
    ended = runners.run(attempt, patch="runner.time.sleep = lambda seconds: None")
    assert attempt.end is not None
    assert "cannot be fetched" in attempt.end["reason"]
    assert "pa55word" not in f"{attempt.end} {attempt.logs} {ended.output}"


def test_an_image_without_git_is_told_what_to_do(plane: ControlPlane, runners: Runners, tmp_path: Path) -> None:
    attempt = plane.attempt(code=[{"git": "https://example.com/jobs.git", "ref": None}])
    runners.run(attempt, env={"PATH": str(tmp_path)})
    assert attempt.end is not None
    assert attempt.end["outcome"] == "failed"
    assert "install git" in attempt.end["reason"]


def zipped(files: dict[str, str], links: dict[str, str] | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        for name, target in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, target)
    return made.getvalue()


def tarred(files: dict[str, str], others: list[tuple[str, bytes, str]] | None = None) -> bytes:
    """`others` are (name, tar type, target)."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o755
            archive.addfile(info, io.BytesIO(text.encode()))
        for name, kind, target in others or []:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return made.getvalue()


FLOW = {
    "top/flows.py": "import os, helper\ndef go(): print('archived', os.access('run.sh', os.X_OK))\n",
    "top/run.sh": "x",
}


@pytest.mark.parametrize("name", ["code.zip", "code.tar.gz"])
def test_archives_over_http_and_from_files(plane: ControlPlane, runners: Runners, tmp_path: Path, name: str) -> None:
    files = {**FLOW, "lib/helper.py": ""}
    if name.endswith("zip"):
        content = zipped(files, {"top/helper.py": "../lib/helper.py"})
    else:
        content = tarred(files, [("top/helper.py", tarfile.SYMTYPE, "../lib/helper.py")])
    executable = str(not name.endswith("zip"))
    url = plane.file_url(name, content)
    step = {"archive": f"{url}?signature=secret", "subdirectory": "top", "sha256": hashlib.sha256(content).hexdigest()}
    assert printed(plane, runners, step) == [f"archived {executable}"]
    (tmp_path / name).write_bytes(content)
    assert printed(plane, runners, {"archive": f"file://{tmp_path / name}", "subdirectory": "top"}) == [
        f"archived {executable}"
    ]


def test_archives_that_cannot_be_had(plane: ControlPlane, runners: Runners) -> None:
    url = plane.file_url("code.zip", zipped(FLOW))
    [reason] = printed(plane, runners, {"archive": url, "sha256": "0" * 64})
    assert "not 0000" in reason
    [reason] = printed(plane, runners, {"archive": f"{url}x?signature=secret"})
    assert reason.endswith("code.zipx cannot be fetched: 404 Not Found")
    [reason] = printed(plane, runners, {"archive": plane.file_url("junk", b"junk")})
    assert "cannot be unpacked" in reason
    [reason] = printed(plane, runners, {"archive": "ftp://example.com/x.zip"})
    assert "must be an http, https or file URL" in reason
    [reason] = printed(plane, runners, {"path": "/no/such/folder"})
    assert "no folder '/no/such/folder'" in reason
    [reason] = printed(plane, runners, {"svn": "x"})
    assert "none of 'git', 'archive' and 'path'" in reason


SYM, HARD, FIFO = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE
OK = {"ok.py": "", "d/e/f/x": ""}
HOSTILE: dict[str, tuple[bytes, str]] = {
    "zip: up": (zipped({"../evil": "x"}), "outside"),
    "zip: absolute": (zipped({"/tmp/evil": "x"}), "outside"),
    "zip: backslash": (zipped({"a\\..\\evil": "x"}), "outside"),
    "zip: link out": (zipped({}, {"a": "/etc"}), "points outside"),
    "zip: through a link": (zipped({"a/evil": "x"}, {"a": "/tmp"}), "unpacked"),
    "tar: up": (tarred({"a/../../evil": "x"}), "outside"),
    "tar: absolute": (tarred({"/tmp/evil": "x"}), "outside"),
    "tar: link out": (tarred(OK, [("a", SYM, "../..")]), "points outside"),
    "tar: two links out": (
        tarred({**OK, "s/x": ""}, [("d/e/b", SYM, "../../s"), ("d/e/f/a", SYM, "../b/../..")]),
        "outside",
    ),
    "tar: hard link out": (tarred({}, [("a", HARD, "/etc/passwd")]), "unpacked"),
    "tar: fifo": (tarred({}, [("a", FIFO, "")]), "neither a file"),
    "tar: link over a file": (tarred({"a": "x"}, [("a", SYM, "/etc")]), "unpacked"),
    "tar: cut": (tarred({"a": os.urandom(4000).hex()})[:-2000], "unpacked"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_write_nothing_outside(tmp_path: Path, name: str) -> None:
    content, reason = HOSTILE[name]
    with pytest.raises(runner.CodeError, match=reason):
        runner.extract(io.BytesIO(content), str(tmp_path / "in" / "code"))
    assert [one.name for one in tmp_path.iterdir()] == ["in"]
    assert [one.name for one in (tmp_path / "in").iterdir()] == ["code"]
    assert not Path("/tmp/evil").exists()


def test_a_hard_link_inside_is_a_copy(tmp_path: Path) -> None:
    runner.extract(io.BytesIO(tarred({"a": "text"}, [("b", HARD, "a")])), str(tmp_path / "code"))
    assert (tmp_path / "code" / "b").read_text() == "text"


@pytest.mark.parametrize(("limit", "value"), [("CODE_BYTES", 1000), ("CODE_FILES", 1)])
def test_bombs_are_defused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(runner, limit, value)
    with pytest.raises(runner.CodeError, match="bigger than"):
        runner.extract(io.BytesIO(zipped({"a": "0" * 600, "b": "0" * 600})), str(tmp_path / "code"))


def test_code_steps_follow_each_other(plane: ControlPlane, runners: Runners, write: Callable[..., str]) -> None:
    """The last one's folder is where the run starts; the others can be imported from."""
    library = plane.file_url("lib.zip", zipped({"shared.py": "WORD = 'shared'"}))
    code = write("import os, shared\ndef go(): print(shared.WORD, os.getcwd())\n")
    attempt = plane.attempt(entrypoint="flows.py:go", code=[{"archive": library}, {"path": code}])
    runners.run(attempt)
    assert attempt.messages("stdout") == [f"shared {code}"]
