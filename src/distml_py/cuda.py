"""PyTorch's torch.cuda, for scripts that ask: there is none."""


def is_available() -> bool:
    return False


def device_count() -> int:
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: distml_py.manual_seed is the seed of all."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Nothing to empty."""


def synchronize(device: object = None) -> None:
    """Nothing to wait for: numbers are waited for where they are read."""
