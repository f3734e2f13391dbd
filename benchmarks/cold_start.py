"""What a cold start imports: the packaged functions, each by the Python that it will run on, against `import prefect`.

Measured over `dist/` (`make package`), with nothing else on the path; the platform's own start comes on top of it.
Google Cloud's functions are installed from their source archive as its build does, and have the framework's server with
them; Azure's share one package.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import package_azure
import package_gcp
from benchmarks.table import print_machine, print_table
from skylift_functions import aws, azure, gcp

ROOT = Path(__file__).resolve().parents[1]
TURNS = 5
SCRIPT = """
import sys, time, resource
sys.path[:0] = sys.argv[1].split(":")
wall, cpu = time.perf_counter(), time.process_time()
for name in sys.argv[2].split(","):
    __import__(name)
print(time.perf_counter() - wall, time.process_time() - cpu, len(sys.modules),
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="of the version that the zips were made for")
    python = parser.parse_args().python
    print_machine()
    rows = [*of_aws(python), *of_gcp(python), *of_azure(python)]
    prefect = ROOT / ".venv-prefect" / "bin" / "python"
    if prefect.exists():
        rows.append(("import prefect", "", *measure([str(prefect)], "", "prefect")))
    print_table(
        f"Cold imports of the packaged functions (median of {TURNS}; `import prefect` from its own environment)",
        ("Function", "zipped MB", "wall ms", "CPU ms", "modules", "MB resident"),
        rows,
    )


def of_aws(python: str) -> Iterator[tuple[object, ...]]:
    for each in aws.PLATFORM.functions:
        path = ROOT / "dist" / f"skylift-aws-{each.name}.zip"
        with tempfile.TemporaryDirectory(prefix="skylift-cold-") as folder, zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
            module = each.handler.rpartition(".")[0]
            yield f"aws {each.name}", path.stat().st_size / 2**20, *measure([python, "-I"], folder, module)


def of_gcp(python: str) -> Iterator[tuple[object, ...]]:
    with tempfile.TemporaryDirectory(prefix="skylift-cold-") as folder:
        source, installed = Path(folder) / "source", Path(folder) / "installed"
        with zipfile.ZipFile(package_gcp.ARCHIVE) as archive:
            archive.extractall(source)
        package_gcp.install(source, installed)
        subprocess.run([python, "-m", "compileall", "-q", str(installed)], check=True)  # as an image is
        for each in gcp.PLATFORM.functions:
            server = "functions_framework.aio" if each.name == "api" else "functions_framework"
            modules = f"{server},{each.handler.rpartition('.')[0]}"
            size = package_gcp.ARCHIVE.stat().st_size / 2**20
            yield f"gcp {each.name}", size, *measure([python, "-I"], str(installed), modules)


def of_azure(python: str) -> Iterator[tuple[object, ...]]:
    """All functions share the app; what each imports when it is first called comes on top of that."""
    with tempfile.TemporaryDirectory(prefix="skylift-cold-") as folder:
        with zipfile.ZipFile(package_azure.ARCHIVE) as archive:
            archive.extractall(folder)
        where, size = f"{folder}:{folder}/{package_azure.LIBRARIES}", package_azure.ARCHIVE.stat().st_size / 2**20
        yield "azure app", size, *measure([python, "-I"], where, "function_app")
        for name in azure.PLATFORM.modules:
            module = f"function_app,skylift_functions.azure.{name}"
            yield f"azure {name}", size, *measure([python, "-I"], where, module)


def measure(python: list[str], folder: str, module: str) -> tuple[float, float, int, float]:
    turns = []
    for _ in range(TURNS):
        words = [*python, "-c", SCRIPT, folder, module]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        turns.append([float(word) for word in done.stdout.split()])
    wall, cpu, modules, resident = (median(values) for values in zip(*turns, strict=True))
    return wall * 1000, cpu * 1000, int(modules), resident


if __name__ == "__main__":
    main()
