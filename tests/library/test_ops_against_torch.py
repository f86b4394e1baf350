"""Every example call, forward and backward, judged by PyTorch: numbers, shapes and dtypes."""

import inspect
import re
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
import functional_examples
import op_examples
import surface_examples
from op_examples import Example, evaluate

COMPARED = [example for example in (*op_examples.EXAMPLES, *functional_examples.EXAMPLES) if example.torch]
# PyTorch's words that are no arithmetic; test_tensor.py has them
NO_EXAMPLE = {
    *("backward", "grad", "requires_grad", "requires_grad_", "is_leaf", "data", "node", "realize"),
    *("copy_", "zero_", "fill_", "add_", "sub_", "mul_", "div_"),
    *(
        "item",
        "item_later",
        "tolist",
        "numpy",
        "dim",
        "ndim",
        "numel",
        "size",
        "shape",
        "dtype",
        "is_floating_point",
        "is_nonzero",
        "to",
        "double",
    ),
    # what scripts ask for in passing
    *("is_cpu", "is_meta", "is_pinned", "is_shared", "mH", "new", "output_nr", "is_mkldnn", "is_vulkan", "volatile"),
    *("is_distributed", "is_inference"),
    *("coalesce", "to_sparse", "to_sparse_coo"),  # test_sparse.py
    *("is_ipu", "is_maia", "is_mps", "is_mtia", "is_nested", "is_quantized", "is_sparse_csr", "is_xla", "is_xpu", "real", "imag"),
    # test_views.py and test_module_state.py
    *(
        "data_ptr",
        "is_set_to",
        "record_stream",
        "to_dense",
        "register_post_accumulate_grad_hook",
        "retains_grad",
        "is_conj",
        "is_neg",
    ),
    # test_storage.py and test_random.py have these
    *(
        "H",
        "bfloat16",
        "byte",
        "char",
        "cpu",
        "storage_offset",
        "cuda",
        "device",
        "element_size",
        "get_device",
        "grad_fn",
        "half",
        "is_complex",
        "is_contiguous",
    ),
    *(
        "is_cuda",
        "is_same_size",
        "is_signed",
        "is_sparse",
        "itemsize",
        "layout",
        "nbytes",
        "ndimension",
        "nelement",
        "pin_memory",
        "short",
        "type",
    ),
    *("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros", "bernoulli", "multinomial", "register_hook", "retain_grad"),
}


def close(found: np.ndarray, wanted: np.ndarray, digits: np.dtype[Any]) -> None:
    """Equal for integers; for floats within their dtype's accuracy, measured on the largest number."""
    finite = wanted[np.isfinite(wanted)]
    largest = max(1.0, float(np.abs(finite).max(initial=0)))
    rtol, atol = (1e-5, 1e-6) if digits == np.float32 else (1e-10, 1e-13)
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol * largest)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("example", COMPARED, ids=lambda example: example.name)
@pytest.mark.filterwarnings("ignore:Using padding=.same.")
def test_an_example_gives_what_pytorch_gives(example: Example, dtype: str) -> None:
    inputs = [array.astype(dtype) if array.dtype == np.float32 else array for array in example.inputs]
    found, gradients = evaluate(dm, example, inputs)
    wide = [array.astype(np.int64) if array.dtype == np.int32 else array for array in inputs]  # PyTorch's index dtype
    wanted, their_gradients = evaluate(torch, example, wide)
    assert [array.shape for array in found] == [array.shape for array in wanted]
    assert [array.dtype.name for array in found] == [array.dtype.name for array in wanted]
    digits = min((array.dtype for array in found if array.dtype.kind == "f"), default=np.dtype(dtype), key=lambda d: d.itemsize)
    for ours, theirs in zip(found, wanted, strict=True):
        close(ours, theirs, digits)
    for array, mine, other in zip(inputs, gradients, their_gradients, strict=True):
        nothing = np.zeros(array.shape)  # None says the same
        close(nothing if mine is None else mine, nothing if other is None else other, digits)


def test_every_public_word_of_tensor_and_functional_has_an_example() -> None:
    text = "".join(map(inspect.getsource, (op_examples, functional_examples, surface_examples)))
    words = {name for name in vars(dm.Tensor) if not name.startswith("_")} - NO_EXAMPLE
    functional = dm.nn.functional
    words |= {
        name
        for name, value in vars(functional).items()
        if inspect.isfunction(value)
        and value.__module__.startswith((functional.__name__, "distml_py.functions"))
        and not name.startswith("_")
    } - {"pair", "reduced", "triple"}
    words -= {word for word in words if word.endswith("_")}  # test_in_place.py has them all
    missing = [word for word in sorted(words) if not re.search(rf"""[."]{word}\b""", text)]
    assert missing == []
