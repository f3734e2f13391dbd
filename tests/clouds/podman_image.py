"""An image from this machine's own files: its Python with Prefect from `.venv-prefect`, a shell and the usual tools.

Nothing is downloaded, and all paths are those of this machine, so that `.venv-prefect` works in it as it does here.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from tests.clouds.containers import ROOT

IMAGE = "localhost/skylift/prefect:test"
VENV = ROOT / ".venv-prefect"
TOOLS = (
    "sh bash cat cp date echo env false head kill ls mkdir printf pwd rm seq sleep tail tee test touch true yes".split()
)
LEFT_OUT = re.compile(r"/(test|tests|idlelib|tkinter|turtledemo|ensurepip|config-[^/]*|lib2to3)(/|$)")
ETC = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
SETTINGS = {
    "PATH": f"{VENV / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
}


def fingerprint() -> str:
    """Of what the image is made from; another one means that it is to be made anew."""
    parts = [Path(__file__).read_bytes(), (ROOT / "requirements" / "prefect.txt").read_bytes(), sys.version.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def write_image(file: IO[bytes], *, python: bool = True) -> None:
    """The root file system as a tar archive; without `python` a few megabytes with a shell and its tools."""
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, mode in (("tmp", 0o1777), ("root", 0o755), ("proc", 0o555), ("sys", 0o555), ("dev", 0o755)):
            archive.addfile(_entry(name, mode, tarfile.DIRTYPE))
        for name, target in (("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")):
            link = _entry(name, 0o777, tarfile.SYMTYPE)
            link.linkname = target
            archive.addfile(link)
        for name, text in ETC.items():
            entry = _entry(name, 0o644)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
        for name, source in sorted(_contents(_python() if python else []).items()):
            archive.add(source, name, recursive=False)


def _entry(name: str, mode: int, type_: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type = mode, type_
    return entry


def _contents(as_they_are: list[Path]) -> dict[str, str]:
    """Names in the image, and the file or link of this machine that each is made from. `as_they_are`: what else there
    is to be than the tools, with all libraries that it needs."""
    tools = [found for tool in TOOLS if (found := shutil.which(tool))]
    libraries = _libraries([*map(str, as_they_are), *tools])
    resolved = {_name(each): os.path.realpath(each) for each in (*tools, *libraries, *_certificates())}
    return {_name(str(each)): str(each) for each in as_they_are} | resolved


def _python() -> list[Path]:
    told = [str(VENV / "bin" / "python"), "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]
    stdlib = Path(subprocess.run(told, check=True, capture_output=True, text=True).stdout.strip())
    return [*_tree(stdlib, without="site-packages"), *_tree(VENV), *_links(VENV / "bin" / "python")]


def _links(link: Path) -> Iterator[Path]:
    """The links that lead on from one, and the file at their end."""
    while link.is_symlink():
        link = link.parent / os.readlink(link)
        yield link


def _name(path: str) -> str:
    """In the image /bin and /lib are links into /usr, as in all of today's distributions."""
    return re.sub(r"^/(bin|sbin|lib|lib64)/", r"/usr/\1/", path).lstrip("/")


def _tree(top: Path, without: str | None = None) -> Iterator[Path]:
    for folder, folders, files in os.walk(top):
        folders[:] = [each for each in folders if each != without and not (_left_out(folder, each, top))]
        yield from (Path(folder, each) for each in files)
        yield from (path for each in folders if (path := Path(folder, each)).is_symlink())


def _left_out(folder: str, name: str, top: Path) -> bool:
    inside = f"/{Path(folder, name).relative_to(top)}"
    return top != VENV and bool(LEFT_OUT.search(inside))


def _certificates() -> list[str]:
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    return [bundle] if os.path.exists(bundle) else []


def _libraries(paths: Iterable[str]) -> set[str]:
    """The shared libraries that these programs and extension modules are linked with, and those of name look-ups."""
    linked = [path for path in paths if _is_elf(path)]
    found: set[str] = set()
    for start in range(0, len(linked), 200):
        done = subprocess.run(["ldd", *linked[start : start + 200]], capture_output=True, text=True, check=False)
        found |= {match[1] for match in re.finditer(r"(?:=> |^\s+)(/[^\s]+) \(0x", done.stdout, re.MULTILINE)}
    by_folder = {str(Path(each).parent) for each in found if Path(each).name.startswith("libc.so")}
    extra = {str(path) for folder in by_folder for path in Path(folder).glob("libnss_[fd]*.so.2")}
    return {each for each in found | extra if not each.startswith(str(VENV))}


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False
