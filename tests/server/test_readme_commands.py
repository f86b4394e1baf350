"""README's further commands do what it says. Quick start's two have tests of their own (tests/browser, .ci/run)."""

import hashlib
import json
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from served import Coordinator

ROOT = Path(__file__).parents[2]


def commands() -> list[list[str]]:
    """Every `.venv/bin/distml` command below "Quick start", split into words."""
    text = (ROOT / "README.md").read_text().split("## More machines")[1]
    return [shlex.split(found)[1:] for found in re.findall(r"\.venv/bin/distml [^`\n]+", text)]


def run(words: list[str], folder: Path, timeout_s: float = 120) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "distml_server", *words], cwd=folder, capture_output=True, text=True, timeout=timeout_s
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_these_are_the_commands() -> None:
    assert [words[:2] for words in commands()] == [
        ["serve", "--lan"], ["worker", "JOIN_LINK"], ["serve", "--recipe"], ["serve", "--help"],
        ["export-site", "site"], ["serve", "--with"], ["run", "web/recipes/digits_cnn.py"],
    ]  # fmt: skip


def test_lan_prints_two_links_with_tokens_and_a_qr_code(serve: Callable[..., Coordinator]) -> None:
    served = serve(*commands()[0][1:])
    assert served.host_link != served.join_link
    assert "█" in served.log.read_text() or "▀" in served.log.read_text()


def test_a_terminal_joins_with_the_link_and_ends_with_the_run(serve: Callable[..., Coordinator], tmp_path: Path) -> None:
    served = serve("--recipe", "digits_mlp", "--steps", "30")
    run([word.replace("JOIN_LINK", served.join_link) for word in commands()[1]], tmp_path)
    assert served.status()["state"] == "finished"


def test_a_run_without_any_tab_ends_with_its_result(tmp_path: Path) -> None:
    said = run([*commands()[2], "--port", "0", "--local-worker-after", "1"], tmp_path)
    assert re.search(r"finished: step 200, weights_sha256 \w{64}, test_accuracy 0\.9", said), said
    assert list((tmp_path / "runs" / "mlp").glob("*/checkpoint-*.safetensors"))


def test_the_page_is_written_as_plain_files(tmp_path: Path) -> None:
    said = run(commands()[4], tmp_path)
    assert "The page is in site" in said and (tmp_path / "site" / "index.html").is_file()


def test_a_package_is_served_to_tabs(serve: Callable[..., Coordinator]) -> None:
    served = serve(*commands()[5][1:])
    assert "Serving to tabs: einops " in served.log.read_text()
    with urllib.request.urlopen(served.url + "assets/pyodide-lock.json", timeout=10) as answer:
        entry = json.loads(answer.read())["packages"]["einops"]
    with urllib.request.urlopen(f"{served.url}assets/{entry['file_name']}", timeout=10) as answer:
        assert hashlib.sha256(answer.read()).hexdigest() == entry["sha256"]
        assert "immutable" in answer.headers["Cache-Control"], "kept by the browser"


def test_help_lists_the_options_and_a_recipe_trains_in_the_terminal() -> None:
    assert "--deterministic" in run(commands()[3], ROOT)
    said = run(commands()[6], ROOT)
    assert float(re.findall(r"test: .* accuracy ([\d.]+)%", said)[0]) >= 96
