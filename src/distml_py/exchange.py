"""How a run's workers and its coordinator exchange what they computed: mode, codec and their numbers. Settings only.

A recipe names them as attributes, `distml serve` as options; they travel in Start and Run as a plain dictionary.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from .codecs import UP
from .errors import FormatError

MODES = ("sync", "local", "async")
MOST_LOCAL_STEPS = 1024
MOST_STALENESS = 64
MANY_STEPS = 16
DILOCO, PLAIN = (0.7, 0.9), (1.0, 0.0)  # outer learning rate and Nesterov momentum


@dataclass(frozen=True)
class Exchange:
    """mode: "sync", each step is the mean gradient of all shards; "local", each shard takes local_steps steps of its own with
    the recipe's optimizer before the mean of the changes is taken (see outer), local_steps 0: as many as keep transfers
    below a fifth of the time; "async": a step is taken as soon as batch_size samples came, at most `staleness` steps old and
    weighted 1 / sqrt(1 + age).

    codec: "fp32", "fp16", "int8" or "topk", both ways. quorum: the share of a step's samples that is enough once twice the
    usual time has passed; 1: wait for all.
    """

    mode: str = "sync"
    codec: str = "fp32"
    local_steps: int = 16
    outer_lr: float | None = None
    outer_momentum: float | None = None
    staleness: int = 4
    quorum: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.mode, str) or self.mode not in MODES:
            raise FormatError(f"a run's mode is {', '.join(MODES)}, got {self.mode!r}")
        if not isinstance(self.codec, str) or self.codec not in UP:
            raise FormatError(f"a run's codec is {', '.join(UP)}, got {self.codec!r}")
        limits = {
            "local_steps": (int, 0, MOST_LOCAL_STEPS), "outer_lr": (float, 1e-6, 10.0), "outer_momentum": (float, 0.0, 0.999),
            "staleness": (int, 0, MOST_STALENESS), "quorum": (float, 0.1, 1.0),
        }  # fmt: skip
        for name, (kind, least, most) in limits.items():
            value = getattr(self, name)
            if value is None and name in ("outer_lr", "outer_momentum"):
                continue
            fits = isinstance(value, (int, kind)) and not isinstance(value, bool)
            if not fits or not least <= value <= most:
                raise FormatError(f"a run's {name} is {kind.__name__} from {least:g} to {most:g}, got {value!r}")

    def config(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def own_steps(self) -> bool:
        """Whether workers take the recipe's steps themselves and send what these changed.

        With topk always: of gradients, most of which come late and many steps' worth at once, an Adam on the coordinator makes
        too small steps.
        """
        return self.mode == "local" or self.codec == "topk"

    @property
    def outer(self) -> tuple[float, float]:
        """(learning rate, Nesterov momentum) of the SGD that takes the mean of what workers changed.

        Where nothing was chosen: from 16 local steps on DiLoCo's. Fewer agree with each other too well, and momentum drives
        that too far, as it does what topk sends late: there it is the plain mean, local SGD. So it is where the number of steps
        follows the network.
        """
        many = self.mode == "local" and self.local_steps >= MANY_STEPS and self.codec != "topk"
        lr, momentum = DILOCO if many else PLAIN
        return lr if self.outer_lr is None else self.outer_lr, momentum if self.outer_momentum is None else self.outer_momentum

    def settled(self) -> "Exchange":
        """What a run does: topk in sync mode is one local step."""
        return replace(self, mode="local", local_steps=1) if (self.mode, self.codec) == ("sync", "topk") else self

    def deterministic(self) -> "Exchange":
        """What of it a run with equal bits may keep: every shard is waited for, and nothing is rounded away."""
        return replace(self, mode="sync", codec="fp32", quorum=1.0)


NAMES = tuple(field.name for field in fields(Exchange))


def exchange_of(config: dict[str, Any]) -> Exchange:
    """The settings in a Start or Run; what is missing has its default. Raises FormatError."""
    unknown = sorted(config.keys() - set(NAMES))
    if unknown:
        raise FormatError(f"an exchange has {', '.join(NAMES)}, got {unknown[0]!r:.50}")
    return Exchange(**config)
