"""Names that PyTorch has and this library has not: said so, with the nearest thing; and the table of all names is current."""

from pathlib import Path
from typing import Any

import pytest

import distml_py as dm
import support_source
import torch_names_source
from distml_py.errors import MissingNameError
from distml_py.torch_names import NAMES


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: dm.geqrf, "not implemented: torch.geqrf; nearest is"),
        (lambda: dm.dropout_, "not implemented: torch.dropout_; nearest is torch.dropout"),
        (lambda: dm.ones(1).geqrf, "not implemented: torch.Tensor.geqrf; nearest is"),
        (lambda: dm.ones(1).eig(), "not implemented: torch.Tensor.eig; nearest is numpy.linalg.eig of x.numpy()"),
        (lambda: dm.linalg.eig, "not implemented: torch.linalg.eig; nearest is numpy.linalg.eig of x.numpy()"),
        (lambda: dm.autograd.enforce_grad_layout_policy, "not implemented: torch.autograd.enforce_grad_layout_policy; nearest is"),
        (lambda: dm.func.linearize, "not implemented: torch.func.linearize; nearest is torch.func.jvp"),
        (lambda: dm.nn.FractionalMaxPool2d, "not implemented: torch.nn.FractionalMaxPool2d; nearest is torch.nn."),
        (lambda: dm.nn.functional.fractional_max_pool2d, "not implemented: torch.nn.functional.fractional_max_pool2d; nearest is"),
        (lambda: dm.optim.SparseAdam, "not implemented: torch.optim.SparseAdam; nearest is torch.optim."),
    ],
)
def test_a_name_that_is_not_here_says_so_and_names_the_nearest(ask: Any, message: str) -> None:
    with pytest.raises(MissingNameError) as caught:
        ask()
    assert str(caught.value).startswith(message) or message in str(caught.value)
    assert isinstance(caught.value, AttributeError) and isinstance(caught.value, NotImplementedError)


def test_hasattr_is_false_and_what_pytorch_has_not_either_is_a_plain_attribute_error() -> None:
    assert (
        not hasattr(dm, "geqrf")
        and not hasattr(dm.ones(1), "geqrf")
        and hasattr(dm, "sin")
        and not hasattr(dm.nn, "FractionalMaxPool2d")
    )
    for ask in (lambda: dm.flibber, lambda: dm.ones(1).flibber, lambda: dm.nn.Flibber):
        with pytest.raises(AttributeError, match="here as in PyTorch"):
            ask()


def test_the_list_of_names_is_that_of_the_pytorch_that_judges() -> None:
    assert torch_names_source.TARGET.read_text() == torch_names_source.text(), "run tests/library/torch_names_source.py --write"
    assert len(NAMES["torch"]) > 400 and "matmul" in NAMES["torch"] and "view" in NAMES["torch.Tensor"]


def test_the_table_of_support_is_current() -> None:
    found = Path(support_source.TARGET).read_text()
    assert found == support_source.text(), "run: nox -s support"
