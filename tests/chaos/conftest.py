"""What the tests of faults share. Those marked `chaos` run under `nox -s chaos` alone: they take their time."""

from crowd import inline

__all__ = ["inline"]
