"""What the rounds ask the coordinator to do, as values. They are carried out in order; nothing is done here."""

from dataclasses import dataclass

from distml_py import wire


@dataclass(frozen=True)
class Send:
    to: str
    message: wire.FromCoordinator


@dataclass(frozen=True)
class SendWeights:
    """The weights after `version` steps: the newest, or older ones that are still to be evaluated."""

    to: tuple[str, ...]
    version: int


@dataclass(frozen=True)
class SendSolo:
    """Solo, with the whole state: weights and optimizer."""

    to: str


@dataclass(frozen=True)
class SendEnded:
    to: str


@dataclass(frozen=True)
class Take:
    """Keep the gradient just received: it is the one that counts for its shard of this step's data.

    weight: less than 1 when it was computed at older weights.
    """

    shard: int
    samples: int
    step: int = 0
    weight: float = 1.0


@dataclass(frozen=True)
class Commit:
    """Sum what was taken, in the order of its data, and step the optimizer: the weights become `version`."""

    version: int


@dataclass(frozen=True)
class Adopt:
    """The tensors of the Checkpoint just received are the run's state after `version` steps."""

    version: int


@dataclass(frozen=True)
class Finish:
    """The run is over, "finished" or "stopped": store it and tell everybody (Ended)."""

    state: str


@dataclass(frozen=True)
class Reject:
    """Answer with Rejected. bad: nothing a correct worker would send, so repeating it costs the connection."""

    to: str
    reason: str
    detail: str
    bad: bool = False
    lease: str = ""  # what was answered


@dataclass(frozen=True)
class Restore:
    """The weights and the optimizer become again what they were after `version` steps; the run stands where it stands."""

    version: int


@dataclass(frozen=True)
class Eject:
    """Close its connection: it was caught."""

    worker: str
    detail: str


Effect = Send | SendWeights | SendSolo | SendEnded | Take | Commit | Adopt | Finish | Reject | Restore | Eject
