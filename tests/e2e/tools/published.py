"""Schemas that others publish, in exactly the version that is pinned here: SARIF, JUnit and the report CRDs.

Each is a file of a Go module, which is how it can be had unchanged, with its licence, and locked by hash. Nothing of
the modules is built or run. What has been fetched is kept in the cache of `toolchain`, in a folder whose name contains
a hash over all pins.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.tools.toolchain import ToolMissingError, cache_root

__all__ = ["junit_schema", "report_crds", "sarif_schema"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFiles:
    """Files of a Go module. `h1` is the hash of the whole module, as `go.sum` has it."""

    module: str
    version: str
    h1: str
    licence: str
    files: tuple[str, ...]


# The working group's own repository has no release that the module proxy serves; Kyverno installs its CRDs.
POLICY_REPORTS = PublishedFiles(
    module="github.com/kyverno/kyverno",
    version="v1.19.1",
    h1="h1:/MkgFii3/VlQfKR1JpC9tVwNNVNQTt2S4U6qCsafsTU=",
    licence="Apache-2.0",
    files=(
        "config/crds/policyreport/wgpolicyk8s.io_policyreports.yaml",
        "config/crds/policyreport/wgpolicyk8s.io_clusterpolicyreports.yaml",
    ),
)
OPEN_REPORTS = PublishedFiles(
    module="github.com/openreports/reports-api",
    version="v0.2.1",
    h1="h1:g9KS3yle9Y1elmww4TK9EkD1rl6inIaiIJPX6e+u680=",
    licence="Apache-2.0",
    files=("config/crd/openreports.io_reports.yaml", "config/crd/openreports.io_clusterreports.yaml"),
)
SARIF = PublishedFiles(
    module="github.com/owenrumney/go-sarif/v3",
    version="v3.3.1",
    h1="h1:bKY8YnWcY8zYTiGVObC5wZLlfEvMkCxK9XMGXBbzEtQ=",
    licence="Unlicense; the schema in it is by OASIS",
    files=("pkg/report/v210/sarif/schema.go",),
)
JUNIT = PublishedFiles(
    module="github.com/yannh/kubeconform",
    version="v0.8.0",
    h1="h1:loDYd3a3spjIFrauqW67CDKF55Oo9R6uvC8AvpVd4ug=",
    licence="Apache-2.0; the schema in it is MIT, of the Jenkins project",
    files=("fixtures/junit.xsd",),
)


def report_crds() -> list[Path]:
    """Return the CustomResourceDefinitions of PolicyReport, ClusterPolicyReport, Report and ClusterReport, as YAML.

    Raises ToolMissingError if they are not in the cache and cannot be fetched.
    """
    return [*_provide(POLICY_REPORTS), *_provide(OPEN_REPORTS)]


def sarif_schema() -> Mapping[str, Any]:
    """Return the JSON Schema (draft 4) of SARIF 2.1.0 with errata 01, which the module has as a text in Go."""
    (source,) = _provide(SARIF)
    _, text, _ = source.read_text(encoding="utf-8").split("`")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def junit_schema() -> Path:
    """Return the XML Schema that Jenkins reads JUnit files by."""
    (schema,) = _provide(JUNIT)
    return schema


def _provide(published: PublishedFiles) -> list[Path]:
    """Return the files, fetching their module first if they are not in the cache."""
    pins = hashlib.sha256(repr(published).encode()).hexdigest()
    entry = cache_root() / f"{Path(published.files[0]).stem}-{pins[:16]}"
    if not entry.is_dir():
        _fill(entry, published)
    return [entry / Path(file).name for file in published.files]


def _fill(entry: Path, published: PublishedFiles) -> None:
    """Fetch the module and keep its files, all at once: of several processes that do so, the first one counts."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=f".{entry.name}-") as scratch:
        module = _downloaded(published, Path(scratch))
        content = Path(scratch, "content")
        content.mkdir()
        for file in published.files:
            shutil.copyfile(module / file, content / Path(file).name)
        try:
            content.rename(entry)
        except OSError:
            if not entry.is_dir():
                raise


def _downloaded(published: PublishedFiles, folder: Path) -> Path:
    """Return the folder of a Go module that is what it was when it was pinned. `folder` must lie in no module."""
    where = f"{published.module}@{published.version}"
    if shutil.which("go") is None:
        raise ToolMissingError(f"{where}: there is no `go` on PATH to fetch it with")
    command = ["go", "mod", "download", "-json", where]
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, timeout=600)
    if done.returncode != 0:
        raise ToolMissingError(f"{where}: `go mod download` ended with status {done.returncode}")
    answer = json.loads(done.stdout)
    if answer["Sum"] != published.h1:
        raise ToolMissingError(f"{where}: is not what was pinned: expected {published.h1}, found {answer['Sum']}")
    return Path(answer["Dir"])
