"""Names that PyTorch has and this library has not: said so, with the nearest thing; and the table of all names is current."""

from pathlib import Path
from typing import Any

import pytest

import distml_py as dm
import support_source
import torch_names_source
from distml_py.errors import BackendError, MissingNameError
from distml_py.torch_names import NAMES


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: dm.geqrf, "not implemented: torch.geqrf; nearest is"),
        (lambda: dm.dropout_, "not implemented: torch.dropout_; nearest is torch.dropout"),
        (lambda: dm.ones(1).geqrf, "not implemented: torch.Tensor.geqrf; nearest is"),
        (lambda: dm.ones(1).eig(), "not implemented: torch.Tensor.eig; nearest is torch.linalg.eig"),
        (lambda: dm.linalg.ldl_factor, "not implemented: torch.linalg.ldl_factor; nearest is torch.linalg.lu_factor"),
        (lambda: dm.autograd.enforce_grad_layout_policy, "not implemented: torch.autograd.enforce_grad_layout_policy; nearest is"),
        (lambda: dm.func.functionalize, "not implemented: torch.func.functionalize; nearest is torch.func.functional_call"),
        (lambda: dm.nn.FractionalMaxPool2d, "not implemented: torch.nn.FractionalMaxPool2d; nearest is torch.nn."),
        (lambda: dm.nn.functional.fractional_max_pool2d, "not implemented: torch.nn.functional.fractional_max_pool2d; nearest is"),
        (lambda: dm.fft, "not implemented: torch.fft; nearest is numpy.fft of x.numpy()"),
        (lambda: dm.nn.Linear(1, 1).get_extra_state(), "not implemented: torch.nn.Module.get_extra_state; nearest is state_dict()"),
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
        with pytest.raises(AttributeError, match="nor is it among PyTorch's documented names"):
            ask()


def test_the_list_of_names_is_that_of_the_pytorch_that_judges() -> None:
    assert torch_names_source.TARGET.read_text() == torch_names_source.text(), "run tests/library/torch_names_source.py --write"
    assert len(NAMES["torch"]) > 400 and "matmul" in NAMES["torch"] and "view" in NAMES["torch.Tensor"]


def test_the_table_of_support_is_current() -> None:
    found = Path(support_source.TARGET).read_text()
    assert found == support_source.text(), "run: nox -s support"


def test_an_attribute_that_a_module_has_nowhere_is_told_as_pytorch_tells_it() -> None:
    layer = dm.nn.Linear(1, 1)
    assert not hasattr(layer, "get_extra_state") and not hasattr(layer, "fc1")
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'fc1'"):
        layer.fc1  # noqa: B018
    with pytest.raises(BackendError, match="there is no CUDA here; leave .cuda\\(\\) away"):
        layer.cuda()


def test_gradients_can_be_turned_off() -> None:
    with dm.autograd.set_grad_enabled(False):
        assert not dm.is_grad_enabled()


def test_a_part_of_a_model_can_be_another_one() -> None:
    model = dm.nn.Sequential(dm.nn.Sequential(dm.nn.Linear(1, 1)))
    model.set_submodule("0.0", dm.nn.Identity())
    assert isinstance(model[0][0], dm.nn.Identity)
    assert model.to_empty(device="cpu") is model.share_memory() is model


ABSENT = [
    "torch.fft",
    "torch.fx",
    "torch.nested",
    "torch.masked",
    "torch.package",
    "torch.signal",
    "torch.export",
    "torch.quantization",
    "torch.ao",
    "torch.monitor",
    "torch.futures",
    "torch.nn.qat",
    "torch.nn.intrinsic",
    "torch.nn.attention.flex_attention",
    "torch.utils.dlpack",
    "torch.utils.cpp_extension",
    "torch.utils.mobile_optimizer",
    "torch.fx.experimental",
]


@pytest.mark.parametrize("name", ABSENT)
def test_a_module_that_is_not_here_says_so_however_it_is_asked_for(name: str) -> None:
    home, _, last = name.rpartition(".")
    tries = [f"import {name}", f"import {name} as short", f"from {name} import something", f"import torch\n{name}.something"]
    tries += [f"from {home} import {last}\n{last}.something"]
    with dm.as_torch():
        for text in tries:
            with pytest.raises(NotImplementedError, match=r"not implemented: torch\..*; nearest is "):
                exec(text, {})


@pytest.mark.parametrize(
    "text",
    [
        *("torch.ones(2) * 1j", "torch.tensor([1j])", "torch.complex64", "torch.view_as_complex(torch.ones(2, 2))", "torch.qint8"),
        *("torch.polar", "torch.stft", "torch.float8_e5m2", "torch.UntypedStorage", "torch.quantize_per_tensor"),
    ],
)
def test_complex_and_quantized_numbers_say_that_they_are_not_here(text: str) -> None:
    with dm.as_torch(), pytest.raises((NotImplementedError, TypeError), match="not implemented: .*; nearest is "):
        exec(f"import torch\n{text}", {})
