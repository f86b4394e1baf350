"""The page's features, each with the tests that carry its number: `@pytest.mark.ux(5)`. Printed after `pytest --ux`."""

from collections import defaultdict
from collections.abc import Mapping

FEATURES = {
    1: "first screen trains in one click, no account",
    2: "useful before the runtime is loaded",
    3: "progress with bytes and stage, cancel, retry",
    4: "live loss and accuracy charts",
    5: "train and validation curve together",
    6: "confusion matrix, click a cell for its samples",
    7: "sample predictions, worst mistakes",
    8: "draw a digit, or type it",
    9: "decision boundary, first-layer filters",
    10: "model and hyper-parameters by controls",
    11: "code editor with examples, Ctrl + Enter",
    12: "controls and code stay in step",
    13: "pause, resume, step, stop",
    14: "reset and reproducible seed",
    15: "share link with configuration",
    16: "QR or link to join as worker",
    17: "list of workers",
    18: "own contribution shown",
    19: "host pauses all, removes, locks joining",
    20: "projector view",
    21: "measured speed-up chart",
    22: "download model",
    23: "load and resume a model",
    24: "own data: CSV, pictures, text",
    25: "webcam samples",
    26: "data stays on the device, said so",
    27: "errors with cause and next step",
    28: "connection state always visible",
    29: "works alone without coordinator",
    30: "offline after first load, no CDN",
    31: "keyboard operable, no trap",
    32: "screen reader: names, live region, data table",
    33: "contrast, 24 px targets, reduced motion",
    34: "dark mode: system and toggle",
    35: "mobile layout 320 px",
    36: "battery and background honesty",
    37: "run history, compare runs",
    38: "languages",
    39: "embedding: element and JS API",
    40: "guided lessons",
}


class UxTable:
    """Collects outcomes by feature."""

    def __init__(self) -> None:
        self.outcomes: dict[int, list[bool]] = defaultdict(list)

    def note(self, numbers: list[int], passed: bool) -> None:
        for number in numbers:
            self.outcomes[number].append(passed)

    def lines(self, features: Mapping[int, str] = FEATURES) -> list[str]:
        return [f"{number:2}  {name:48}  {self.word(number)}" for number, name in features.items()]

    def word(self, number: int) -> str:
        found = self.outcomes.get(number)
        return "fail (no test)" if not found else f"pass ({len(found)})" if all(found) else "fail"
