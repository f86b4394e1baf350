"""Browser files: where they come from, in which order, and that nothing but the locked bytes is ever handed on."""

import gzip
import hashlib
import http.server
import json
import random
import socket
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from distml_server import assets
from distml_server.assets import AssetError, Cdn, Lock, Pin, PypiWheel, Source, resolve

FILES = {"core.wasm": b"\0asm" + bytes(range(256)) * 200, "core.mjs": b"export default 1;\n" * 500, "library.whl": b"PK" * 999}
FOLDER = "carrier/frontend/"


def pin(data: bytes) -> Pin:
    return Pin(hashlib.sha256(data).hexdigest(), len(data))


LOCK = Lock(
    pyodide="0.0.1",
    cdn="unused",
    project="carrier",
    version="1.0",
    folder=FOLDER,
    files={name: pin(data) for name, data in FILES.items()},
    vendor={},
)


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, with the byte ranges that reading a wheel from afar needs."""

    requests: list[str]
    sizes: list[int]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        wanted = self.headers.get("Range", "")
        path = Path(self.translate_path(self.path))
        if not wanted or not path.is_file():
            return super().do_GET()
        data, (first, last) = path.read_bytes(), wanted.removeprefix("bytes=").split("-")
        start = int(first) if first else max(0, len(data) - int(last))
        end = int(last) if first and last else len(data) - 1
        part = data[start : end + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.sizes.append(len(part))  # before it is sent: who has got it may look at once
        self.wfile.write(part)
        return None

    def log_message(self, *_: Any) -> None:
        pass


class Site:
    """A real web server on loopback over a folder of files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        self.sizes: list[int] = []  # of the parts that range requests were answered with
        seen = {"requests": self.requests, "sizes": self.sizes}
        handler = partial(type("Handler", (RangeHandler,), seen), directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    site = Site(folder)
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def cdn(site: Site) -> Cdn:
    for name, data in FILES.items():
        (site.folder / name).write_bytes(data)
    return Cdn(site.url)


def wheel_index(site: Site, files: dict[str, bytes]) -> PypiWheel:
    """A package index on the site with one wheel that holds files."""
    with zipfile.ZipFile(site.folder / "carrier-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("carrier/huge.bin", random.Random(0).randbytes(300_000))
        for name, data in files.items():
            archive.writestr(FOLDER + name, data)
    page = site.folder / "simple" / "carrier"
    page.mkdir(parents=True)
    (page / "index.html").write_text('<a href="/carrier-1.0-py3-none-any.whl">carrier-1.0-py3-none-any.whl</a>')
    return PypiWheel("carrier", "1.0", FOLDER, index=site.url + "simple/")


def dead() -> Cdn:
    """A web server that is not there: its port was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Cdn(f"http://127.0.0.1:{probe.getsockname()[1]}/")


def held(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def silent(_: str) -> None:
    pass


def resolve_from(cache: Path, *sources: Source, say: Any = silent) -> Path:
    return resolve(cache, say, LOCK, sources)


def test_an_empty_cache_is_filled_from_the_first_source_that_answers(tmp_path: Path, cdn: Cdn) -> None:
    folder = resolve_from(tmp_path / "cache", cdn, dead())
    assert folder == tmp_path / "cache" / "pyodide-0.0.1"
    assert held(folder) == FILES


def test_a_full_cache_asks_nobody(tmp_path: Path, cdn: Cdn, site: Site) -> None:
    resolve_from(tmp_path, cdn)
    asked = len(site.requests)
    assert asked == len(FILES)
    said: list[str] = []
    assert held(resolve_from(tmp_path, cdn, say=said.append)) == FILES
    assert (len(site.requests), said) == (asked, [])


def test_when_the_first_source_is_away_the_wheel_on_the_index_gives_the_files(tmp_path: Path, site: Site) -> None:
    said: list[str] = []
    folder = resolve_from(tmp_path / "cache", dead(), wheel_index(site, FILES), say=said.append)
    assert held(folder) == FILES
    assert any("refused" in line.lower() for line in said), said


def test_only_a_part_of_the_wheel_is_read(tmp_path: Path, site: Site) -> None:
    source = wheel_index(site, {"library.whl": FILES["library.whl"]})
    assert dict(source.fetch({"library.whl": LOCK.files["library.whl"]})) == {"library.whl": FILES["library.whl"]}
    assert 0 < sum(site.sizes) < 100_000 < (site.folder / "carrier-1.0-py3-none-any.whl").stat().st_size


def test_a_source_that_has_some_files_is_completed_by_the_next(tmp_path: Path, site: Site, cdn: Cdn) -> None:
    (site.folder / "library.whl").unlink()
    folder = resolve_from(tmp_path / "cache", cdn, wheel_index(site, {"library.whl": FILES["library.whl"]}))
    assert held(folder) == FILES


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_in_the_cache_is_refused_and_fetched_again(tmp_path: Path, cdn: Cdn, site: Site, name: str) -> None:
    folder = resolve_from(tmp_path, cdn)
    flip(folder / name)
    site.requests.clear()
    said: list[str] = []
    assert held(resolve_from(tmp_path, cdn, say=said.append)) == FILES
    assert site.requests == [f"/{name}"]
    assert "Refusing the cached" in said[0] and name in said[0] and "SHA-256" in said[0]


def test_a_flipped_byte_that_cannot_be_replaced_stops_the_start(tmp_path: Path, cdn: Cdn) -> None:
    flip(resolve_from(tmp_path, cdn) / "core.wasm")
    with pytest.raises(AssetError, match=r"cannot get 1 files .*core\.wasm"):
        resolve_from(tmp_path, dead())


@pytest.mark.parametrize("wrong", [b"something else", b"", FILES["core.wasm"] + b"!"], ids=["other", "empty", "longer"])
def test_a_source_that_sends_the_wrong_bytes_is_not_believed(tmp_path: Path, cdn: Cdn, site: Site, wrong: bytes) -> None:
    (site.folder / "core.wasm").write_bytes(wrong)
    with pytest.raises(AssetError, match=r"its core\.wasm is the wrong file: SHA-256"):
        resolve_from(tmp_path / "cache", cdn)
    assert not (tmp_path / "cache" / "pyodide-0.0.1" / "core.wasm").exists()


def test_when_all_sources_fail_the_error_names_each_its_reason_and_a_way_out(tmp_path: Path, site: Site) -> None:
    nowhere, empty = dead(), Cdn(site.url)
    with pytest.raises(AssetError) as caught:
        resolve_from(tmp_path / "cache", nowhere, empty, PypiWheel("carrier", "1.0", FOLDER, index=site.url + "simple/"))
    message = str(caught.value)
    assert all(name in message for name in FILES)
    assert nowhere.url in message and "refused" in message.lower()
    assert empty.url in message and "404" in message
    assert "carrier 1.0 wheel" in message
    assert "internet connection" in message and str(tmp_path / "cache" / "pyodide-0.0.1") in message


def test_a_source_that_accepts_and_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        source = Cdn(f"http://127.0.0.1:{mute.getsockname()[1]}/", timeout_s=0.2)
        with pytest.raises(AssetError, match=r"no answer within 0\.2 s|timed out"):
            resolve_from(tmp_path, source)


def test_large_texts_get_a_compressed_sibling_once(tmp_path: Path, cdn: Cdn) -> None:
    folder = resolve_from(tmp_path, cdn)
    packed = {path.name: path for path in folder.glob("*.gz")}
    assert set(packed) == {"core.wasm.gz", "core.mjs.gz"}
    assert gzip.decompress(packed["core.wasm.gz"].read_bytes()) == FILES["core.wasm"]
    before = packed["core.wasm.gz"].stat().st_mtime_ns
    resolve_from(tmp_path, cdn)
    assert packed["core.wasm.gz"].stat().st_mtime_ns == before


@pytest.mark.parametrize("bad", [gzip.compress(b"alert(1)"), b"no gzip at all", b""], ids=["other contents", "noise", "empty"])
def test_a_changed_compressed_sibling_is_never_served(tmp_path: Path, cdn: Cdn, bad: bytes) -> None:
    packed = resolve_from(tmp_path, cdn) / "core.mjs.gz"
    packed.write_bytes(bad)
    resolve_from(tmp_path, cdn)
    assert gzip.decompress(packed.read_bytes()) == FILES["core.mjs"]


def test_something_appended_to_a_compressed_sibling_is_noticed(tmp_path: Path, cdn: Cdn) -> None:
    packed = resolve_from(tmp_path, cdn) / "core.mjs.gz"
    packed.write_bytes(packed.read_bytes() + gzip.compress(b"alert(1)"))
    resolve_from(tmp_path, cdn)
    assert gzip.decompress(packed.read_bytes()) == FILES["core.mjs"]


def test_no_half_written_file_is_left_behind(tmp_path: Path, cdn: Cdn) -> None:
    assert not list(resolve_from(tmp_path, cdn).glob("*.part"))


def test_a_cache_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path, cdn: Cdn) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(AssetError, match="cannot write .*--cache DIR"):
        resolve_from(tmp_path / "cache", cdn)


def test_the_cache_folder_follows_xdg_cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert assets.default_cache() == tmp_path / "distml_py"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert assets.default_cache().is_absolute() and "relative" not in str(assets.default_cache())


def test_vendored_files_are_the_ones_the_lock_names() -> None:
    lock = assets.read_lock()
    folder = assets.shipped_folder("web") / "vendor"
    assets.check_vendor(folder, lock)
    assert {path.name for path in folder.iterdir()} == set(lock.vendor)


@pytest.mark.fault("S32")
def test_a_flipped_byte_in_a_vendored_file_is_refused(tmp_path: Path) -> None:
    lock = assets.read_lock()
    source = assets.shipped_folder("web") / "vendor"
    for name in lock.vendor:
        (tmp_path / name).write_bytes((source / name).read_bytes())
    flip(tmp_path / "uPlot.esm.js")
    with pytest.raises(AssetError, match=r"uPlot\.esm\.js is not the file that assets\.lock\.json names: SHA-256"):
        assets.check_vendor(tmp_path, lock)
    (tmp_path / "uPlot.esm.js").unlink()
    with pytest.raises(AssetError, match="it is not there"):
        assets.check_vendor(tmp_path, lock)


def test_the_lock_pins_everything_that_pyodide_needs() -> None:
    lock = assets.read_lock()
    assert set(lock.files) == {
        "pyodide.mjs",
        "pyodide.asm.js",
        "pyodide.asm.wasm",
        "python_stdlib.zip",
        "numpy-2.2.5-cp313-cp313-pyodide_2025_0_wasm32.whl",
        "micropip-0.10.1-py3-none-any.whl",
        "packaging-24.2-py3-none-any.whl",
    }
    assert f"/v{lock.pyodide}/" in lock.cdn
    text = Path(assets.__file__).with_name("assets.lock.json").read_text()
    assert json.loads(text)["files"]["pyodide.asm.wasm"]["size_bytes"] == 8_645_967


def test_the_real_files_resolve_and_hold_what_the_lock_says() -> None:
    folder = resolve(say=silent)
    for name, wanted in assets.read_lock().files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted.sha256


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
