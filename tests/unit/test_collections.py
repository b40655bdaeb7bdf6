"""tools/collections fetches what requirements.yml pins from a Galaxy that answers: one on loopback, real artifacts."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PIN = yaml.safe_load((ROOT / "requirements.yml").read_text(encoding="utf-8"))["collections"][0]
NEWER = "99.0.0"
NAMESPACE, _, NAME = PIN["name"].partition(".")


class Galaxy(BaseHTTPRequestHandler):
    """What `ansible-galaxy` asks of version 3 of Galaxy's API, for one collection."""

    def __init__(self, artifacts: dict[str, Path], asked: list[str], *arguments: object) -> None:
        """Answer with these artifacts, by version, and write down what was asked."""
        self.artifacts, self.asked = artifacts, asked
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer one question."""
        path = self.path.partition("?")[0].strip("/")
        self.asked.append(path)
        here = f"http://{self.headers['Host']}"
        collection = f"api/v3/collections/{NAMESPACE}/{NAME}"
        known: dict[str, object] = {
            "api": {"available_versions": {"v3": "v3/"}},
            collection: {"namespace": NAMESPACE, "name": NAME, "deprecated": False},
            f"{collection}/versions": {
                "meta": {"count": len(self.artifacts)},
                "links": {"next": None},
                "data": [{"version": version} for version in self.artifacts],
            },
        }
        for version, artifact in self.artifacts.items():
            known[f"{collection}/versions/{version}"] = {
                "namespace": {"name": NAMESPACE},
                "collection": {"name": NAME},
                "name": NAME,
                "version": version,
                "metadata": {"dependencies": {}},
                "download_url": f"{here}/{artifact.name}",
                "artifact": {"sha256": hashlib.sha256(artifact.read_bytes()).hexdigest()},
                "signatures": [],
                "href": f"/{collection}/versions/{version}/",
            }
        files = {artifact.name: artifact.read_bytes() for artifact in self.artifacts.values()}
        body = files.get(path) or (json.dumps(known[path]).encode() if path in known else None)
        self.send_response(200 if body else 404)
        self.end_headers()
        self.wfile.write(body or b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def build(version: str, folder: Path) -> Path:
    """Return an artifact of the collection with almost nothing in it."""
    source = folder / version
    source.mkdir()
    meta = {"namespace": NAMESPACE, "name": NAME, "version": version, "readme": "README.md", "authors": ["nobody"]}
    (source / "galaxy.yml").write_text(yaml.safe_dump(meta), encoding="utf-8")
    (source / "README.md").write_text(f"{version}\n", encoding="utf-8")
    galaxy = str(Path(sys.executable).with_name("ansible-galaxy"))
    command = [galaxy, "collection", "build", str(source), "--output-path", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder / f"{NAMESPACE}-{NAME}-{version}.tar.gz"


@pytest.fixture
def galaxy(tmp_path: Path) -> tuple[str, list[str]]:
    """Start the Galaxy with the pinned version and a newer one; return its address and what it was asked."""
    artifacts = {version: build(version, tmp_path) for version in (NEWER, PIN["version"])}
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Galaxy, artifacts, asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}", asked


def test_collections_come_from_a_galaxy_that_answers(galaxy: tuple[str, list[str]], tmp_path: Path) -> None:
    """The pinned version, not the newest; the wheel is not asked for."""
    address, asked = galaxy
    venv = tmp_path / "venv"
    venv.mkdir()
    for entry in ("bin", "lib", "pyvenv.cfg"):
        (venv / entry).symlink_to(Path(sys.executable).parents[1] / entry)
    away = {"ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_GALAXY_SERVER": address, "HOLDFAST_VENV": str(venv)}
    done = subprocess.run(
        [ROOT / "tools/collections", "/bin/false"], env={**os.environ, **away}, cwd=ROOT, capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = venv / "collections/ansible_collections" / NAMESPACE / NAME / "MANIFEST.json"
    assert json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"] == PIN["version"]
    assert f"{NAMESPACE}-{NAME}-{PIN['version']}.tar.gz" in asked
