"""PyTorch's torch.utils.tensorboard, without TensorBoard's format: scalars and texts go to a file of JSON lines."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any


class SummaryWriter:
    """add_scalar and its kin append {"tag", "value", "step", "time"} to log_dir/events.jsonl; pictures and graphs are left out.

    log_dir: default runs/<time>. Said once a process: what is written, and what is not.
    """

    said: set[str] = set()

    def __init__(self, log_dir: Any = None, comment: str = "", purge_step: int | None = None, **_: Any):
        self.log_dir = str(log_dir or Path("runs") / (time.strftime("%b%d_%H-%M-%S") + comment))
        self.path = Path(self.log_dir) / "events.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8")
        self._say("file", f"SummaryWriter writes scalars and texts as JSON lines to {self.path}; TensorBoard cannot read them")

    def _say(self, what: str, text: str) -> None:
        if what not in self.said:
            self.said.add(what)
            warnings.warn(text, stacklevel=3)

    def _add(self, tag: str, value: Any, step: Any, walltime: float | None = None) -> None:
        line = {"tag": tag, "value": value, "step": None if step is None else int(step), "time": walltime or time.time()}
        self._file.write(json.dumps(line) + "\n")

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None, walltime: float | None = None, **_: Any) -> None:
        self._add(tag, float(scalar_value), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: Any = None, walltime: float | None = None
    ) -> None:
        for name, value in tag_scalar_dict.items():
            self._add(f"{main_tag}/{name}", float(value), global_step, walltime)

    def add_text(self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None) -> None:
        self._add(tag, str(text_string), global_step, walltime)

    def add_hparams(self, hparam_dict: Mapping[str, Any], metric_dict: Mapping[str, Any], **_: Any) -> None:
        self._add("hparams", {name: str(value) for name, value in hparam_dict.items()}, None)
        for name, value in metric_dict.items():
            self._add(name, float(value), None)

    def add_image(self, tag: str, *args: Any, **named: Any) -> None:
        """Left out, and said once."""
        self._say("left out", "SummaryWriter leaves pictures, histograms, figures, embeddings and graphs out")

    add_images = add_histogram = add_figure = add_graph = add_embedding = add_pr_curve = add_video = add_audio = add_image

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def get_logdir(self) -> str:
        return self.log_dir

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
