"""The worker of the host that steps by itself: what it may say of its steps, and how long its answer is waited for. Pure."""

from distml_py import wire

from .effects import Reject

REASONS = ("periodic", "yield", "final")


class Solo:
    """yield_deadline_s: until when its answer to Yield is waited for."""

    def __init__(self, worker: str, step: int) -> None:
        self.worker, self.step = worker, step
        self.yield_deadline_s: float | None = None

    def silent(self, now: float) -> bool:
        """Whether it was asked to stop and has not answered in time: its steps since the last checkpoint are lost."""
        return self.yield_deadline_s is not None and now > self.yield_deadline_s


def refusal(
    solo: Solo | None, run: wire.Run | None, version: int, sender: str, message: wire.Progress | wire.Checkpoint
) -> Reject | None:
    """Why this does not count; None when it does. solo: who steps alone now; version: where the run stands."""
    if run is None or message.run != run.run or solo is None or solo.worker != sender:
        return Reject(sender, "stale", "this worker does not step alone now: what it did since then does not count")
    if not version <= message.step <= run.steps:
        return Reject(sender, "bad_step", f"expected step {version}-{run.steps}, got {message.step}", bad=True)
    if isinstance(message, wire.Progress):
        return None
    if message.reason not in REASONS:
        return Reject(sender, "invalid", f"a checkpoint's reason is not {message.reason!r}", bad=True)
    if message.reason == "final" and message.step != run.steps:
        return Reject(sender, "bad_step", f"final is step {run.steps}, got {message.step}", bad=True)
    return None
