"""What a coordinator does against workers that are wrong on purpose, as its command line asks for it. Nothing is done here."""

import argparse
from dataclasses import dataclass

from distml_py.errors import FormatError

from . import audit, robust


@dataclass(frozen=True)
class Guards:
    """aggregator: of robust.AGGREGATORS, how a step's gradients become one. audited: the share of shards that two owners compute.

    untrusted: strangers compute: an address does at most a fifth of a step, and a loss on held-out data that gets much worse
    takes the weights back.
    """

    aggregator: str = "mean"
    untrusted: bool = False
    audited: float = 0.0

    def check(self, deterministic: bool) -> None:
        """Raises FormatError for what cannot be."""
        if robust.rule(self.aggregator) is not robust.mean and deterministic:
            raise FormatError(f"a deterministic run has the aggregator mean, not {self.aggregator}: leave one of them away")
        if not 0 <= self.audited <= 1:
            raise FormatError(f"--audit is a share from 0 to 1, got {self.audited:g}")


TRUSTING = Guards()


def asked(options: argparse.Namespace) -> Guards:
    """Of the command line. With --untrusted everything is on that was not chosen otherwise."""
    rate = audit.RATE if options.untrusted else 0.0
    aggregator = options.aggregator or ("trimmed_mean" if options.untrusted else "mean")
    return Guards(aggregator, options.untrusted, rate if options.audit is None else options.audit)
