"""Every error that tensors, functionals, data and recipes raise, with its message: what was asked, what was found, what to try."""

import ast
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import argument_errors
import distml_py as dm
from distml_py import engine
from distml_py.data import DataLoader, Dataset, TensorDataset
from distml_py.errors import (
    ArgumentError,
    BackendError,
    DtypeError,
    GradientError,
    IndexRangeError,
    RecipeError,
    ShapeError,
    UnsupportedError,
)
from distml_py.op import TABLE, Elementwise
from distml_py.recipe import Recipe, Training, load_recipe
from distml_py.tensor import apply
from functional_examples import WRONG
from surface_errors import ROWS as SURFACE_ROWS

F = dm.nn.functional
SOURCE = Path(dm.__file__).parent
# the modules whose every raise statement has a row here; layers, optimizers and data have theirs beside PyTorch's
MODULES = [
    *(f"tensor/{path.stem}" for path in sorted((SOURCE / "tensor").glob("*.py"))),
    "broadcast",
    "indexing",
    "creation",
    "sampling",
    "func",
    *(f"linalg/{path.stem}" for path in sorted((SOURCE / "linalg").glob("*.py"))),
    "autograd",
    "differentiation",
    "graph",
    "engine",
    "ops/index",
    *(f"functions/{path.stem}" for path in sorted((SOURCE / "functions").glob("*.py"))),
    "nn/functional",
    "recipe",
]
ELSEWHERE = {
    ("tensor/tensor", "missing"): "test_missing.py has them",
    ("recipe", "_at"): "NonFiniteError: test_recipe.py trains into a NaN",
}


def full(*shape: int) -> dm.Tensor:
    return dm.ones(*shape)


def labels(*values: int) -> dm.Tensor:
    return dm.tensor(np.array(values, np.int32))


def leaf(*shape: int) -> dm.Tensor:
    return dm.ones(*shape, requires_grad=True)


class Only(Recipe):
    """A recipe with three numbers as data, and whatever else a row sets."""

    batch_size, shards = 2, 1

    def __init__(self, **changed: Any):
        vars(self).update(changed)

    def data(self) -> dm.data.Splits:
        part = TensorDataset(np.ones((3, 2), np.float32), np.zeros(3, np.int32))
        return dm.data.Splits(part, part, part)

    def model(self) -> dm.nn.Module:
        return dm.nn.Linear(2, 2)

    def optimizer(self, parameters: Any) -> dm.optim.Optimizer:
        return dm.optim.SGD(parameters)


def without_data() -> dm.data.Splits:
    part = TensorDataset(np.ones((0, 2), np.float32))
    return dm.data.Splits(part, part, part)


class Float32Only(engine.ReferenceBackend):
    """A backend without float64."""

    name = "small"
    dtypes = frozenset({dm.float32})


def on_small(work: Callable[[], Any]) -> None:
    engine.use_backend(Float32Only())
    try:
        work()
    finally:
        engine.use_backend("reference")


def without_derivative() -> None:
    op = Elementwise("uphill", np.negative)
    try:
        apply(op, leaf(1)).backward()
    finally:
        del TABLE["uphill"]


ROWS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: dm.polygamma(2, dm.ones(1)), UnsupportedError, "torch.polygamma of order 2; nearest are orders 0 and 1"),
    # what a tensor is made of
    (lambda: dm.tensor(["a"]), DtypeError, "a tensor holds numbers or booleans, got <U1; convert the data first"),
    (
        lambda: dm.tensor([1], dtype=np.dtype("complex64")),
        DtypeError,
        "dtype complex64 is not supported; use one of bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64",
    ),
    (lambda: dm.ones(1).bfloat16().numpy(), DtypeError, "NumPy has no bfloat16; use .float().numpy()"),
    (lambda: dm.tensor([2**31]), DtypeError, "integers are 32 bits wide here, found 2147483648 to 2147483648; use float32"),
    (lambda: dm.arange(3) + 2**31, DtypeError, "integers are 32 bits wide here, found 2147483648; use a float"),
    (lambda: dm.zeros(2, -1), ShapeError, "a shape holds sizes of at least 0, got (2, -1)"),
    (lambda: dm.zeros(2.5), ArgumentError, "a shape holds integers, got (2.5,)"),
    (lambda: dm.arange(), ArgumentError, "arange needs an end: arange(end), or arange(start, end, step)"),
    (lambda: dm.arange(0, 3, 0), ShapeError, "arange: step is 0, so it would never end"),
    (lambda: dm.randint(3, 3, (1,)), ShapeError, "randint needs low < high, got 3 and 3"),
    # its numbers
    (lambda: len(dm.tensor(1.0)), ArgumentError, "len() of a 0-d tensor; use .item() for its number"),
    (lambda: full(2).item_later(), ShapeError, "item_later() needs one element, got shape (2,); reduce first"),
    (
        lambda: range(full(1)),
        DtypeError,
        "only integer tensors of a single element can be converted to an index, got float32",
    ),
    (lambda: full(2).item(), ShapeError, "item() needs one element, got shape (2,); use .tolist() or reduce first"),
    (lambda: bool(full(2)), ShapeError, "the truth of a tensor of shape (2,) is ambiguous; use .all() or .any()"),
    # gradients
    (lambda: dm.tensor([1], requires_grad=True), GradientError, "only floating-point tensors have gradients, this one is int64"),
    (
        lambda: (leaf(2) * 2).requires_grad_(False),
        GradientError,
        "only a leaf can stop to require grad, this tensor was computed; use .detach()",
    ),
    (
        lambda: full(1).retain_grad(),
        GradientError,
        "retain_grad() of a tensor that takes part in no gradients; ask for requires_grad_()",
    ),
    (lambda: full(1).backward(), GradientError, "backward() of a tensor that no leaf with requires_grad=True leads to"),
    (lambda: leaf(2).backward(), GradientError, "backward() without a gradient needs one element, got shape (2,); sum it first"),
    (lambda: leaf(2).backward(full(3)), ShapeError, "the gradient has shape (3,), the tensor (2,)"),
    (
        lambda: without_derivative(),
        GradientError,
        "uphill has no derivative, but a gradient is asked through it; use .detach() before it",
    ),
    (
        lambda: leaf(2).add_(1),
        GradientError,
        "a leaf Variable that requires grad is being used in an in-place operation; use no_grad()",
    ),
    # in place
    (lambda: full(2).add_(full(3, 2)), ShapeError, "in place, the shape (2,) must stay, the result has (3, 2)"),
    (lambda: dm.arange(2).add_(0.5), DtypeError, "in place, int64 must stay, the result is float32; convert first"),
    (lambda: full(2).copy_(full(3, 2)), ShapeError, "copy_: (3, 2) does not broadcast to (2,)"),
    # shapes
    (lambda: full(2) + full(3), ShapeError, "add needs shapes that broadcast (equal or 1, from the right), got (2,) and (3,)"),
    (lambda: full(2) + [1.0, 2.0], DtypeError, "add takes tensors and numbers, got list; wrap it in tensor(...)"),
    (lambda: full(2).clamp(), DtypeError, "clamp needs min, max or both"),
    (lambda: full(6).reshape(4, -1), ShapeError, "reshape: shape (4, -1) does not hold 6 elements"),
    (lambda: full(2, 3).flatten(1, 0), ShapeError, "flatten: start_dim 1 comes after end_dim 0"),
    (lambda: full(2, 3).permute(0, 0), ShapeError, "permute needs each of 2 dimensions once, got (0, 0)"),
    (lambda: full(2, 3, 4).t(), ShapeError, "t() takes at most 2 dimensions, got shape (2, 3, 4); use .transpose(dim0, dim1)"),
    (lambda: full(2, 3).expand(4, 3), ShapeError, "expand: (2, 3) does not expand to (4, 3)"),
    (lambda: full(5).split(0), ShapeError, "split: the size of a part is at least 1, got 0"),
    (lambda: full(5).split([2, 2]), ShapeError, "split: sizes [2, 2] do not add up to 5"),
    (lambda: full(5).chunk(0), ShapeError, "chunk: at least 1 chunk, got 0"),
    (lambda: full(2).sum(2), IndexRangeError, "sum: dim 2 of an array with 1 dimensions; use -1 to 0"),
    (lambda: full(2).sum("a"), DtypeError, "sum: a dimension is an int, got str"),
    (lambda: full(2, 3).sum((0, -2)), ShapeError, "sum: a dimension appears twice in dim=(0, -2)"),
    (lambda: full(0, 3).amax(), ShapeError, "amax of no elements: shape (0, 3), dim None; it has no identity"),
    (lambda: dm.arange(3).mean(), DtypeError, "mean needs floating-point numbers, got int64; use .float()"),
    (lambda: full(1) @ dm.tensor(1.0), ShapeError, "matmul needs at least 1 dimension, got (1,) @ (); use * for numbers"),
    (lambda: full(2, 3) @ full(2, 3), ShapeError, "matmul needs (..., m, k) @ (..., k, n), got (2, 3) @ (2, 3)"),
    (lambda: full(2, 3) @ dm.arange(3), DtypeError, "matmul needs two equal numeric dtypes, got float32 and int64"),
    (lambda: dm.cat([]), ShapeError, "cat needs tensors with at least 1 dimension, got none"),
    (lambda: dm.cat([dm.tensor(1.0)]), ShapeError, "cat needs tensors with at least 1 dimension, got numbers; use stack"),
    (lambda: dm.cat([full(2, 3), full(2, 4)]), ShapeError, "cat along dim 0 needs equal other sizes, got (2, 3), (2, 4)"),
    (lambda: dm.stack([full(2), full(3)]), ShapeError, "stack needs tensors of one shape, got (2,), (3,)"),
    # indices
    (lambda: full(2)[0, 0], IndexRangeError, "an array with 1 dimensions was indexed with 2 indices"),
    (lambda: full(2, 2)[..., ..., 0], IndexRangeError, "an index holds at most one '...' before its last item"),
    (lambda: full(2)["a"], ArgumentError, "an index is an int, a slice, None, '...' or an integer tensor, got str"),
    (lambda: full(2, 3)[0, 3], IndexRangeError, "index 3 is outside dimension 1 of size 3"),
    (lambda: full(2)[full(1)], ArgumentError, "an index tensor holds integers, got float32"),
    (lambda: full(2, 3)[labels(0, 1), labels(3, 0)], IndexRangeError, "an index must be in [-3, 3), found 0 to 3"),
    (lambda: full(2).gather(0, full(1)), DtypeError, "gather: the index holds integers, got float32"),
    (lambda: full(2, 2).gather(0, labels(0)), ShapeError, "gather: index (1,) must fit into (2, 2) off dim 0"),
    (lambda: full(2).gather(0, labels(-1)), IndexRangeError, "an index must be in [0, 2), found -1 to -1; check the labels"),
    (lambda: full(2)[labels(1) + 1].numpy(), IndexRangeError, "an index must be in [0, 2), found 2 to 2; check the labels"),
    (
        lambda: full(0, 2).gather(0, labels(1).reshape(1, 1) + 0),
        IndexRangeError,
        "an index of shape (1, 1) into a dimension of size 0: there are no places; are the data empty?",
    ),
    (lambda: full(2).scatter_add(0, labels(0, 1), full(1)), ShapeError, "scatter_add: index (2,) must fit into src (1,)"),
    (
        lambda: full(2, 3).to(memory_format=dm.channels_last),
        ShapeError,
        "required rank 4 tensor to use channels_last format, got (2, 3)",
    ),
    # functional
    (
        lambda: F.linear(full(2, 3), full(4, 5)),
        ShapeError,
        "linear: the last size of input (2, 3) must equal the last of weight (4, 5)",
    ),
    (
        lambda: F.conv2d(full(2, 2), full(1, 1, 1, 1)),
        ShapeError,
        "conv2d needs input (n, c, h, w) and weight (o, c, kh, kw), got (2, 2), (1, 1, 1, 1)",
    ),
    (
        lambda: F.conv2d(full(1, 1, 2, 2), full(1, 1, 1, 1).int()),
        DtypeError,
        "conv2d needs two equal dtypes, got float32 and int32",
    ),
    (
        lambda: F.conv2d(full(1, 1, 2, 2), full(3, 1, 1, 1), full(2)),
        ShapeError,
        "conv2d: weight (3, 1, 1, 1) needs bias (3,), got (2,)",
    ),
    (
        lambda: F.conv2d(full(1, 2, 2, 2), full(3, 1, 1, 1)),
        ShapeError,
        "conv2d: input (1, 2, 2, 2) has 2 channels, weight (3, 1, 1, 1) takes 1",
    ),
    (
        lambda: F.conv2d(full(1, 1, 2, 2), full(1, 1, 1, 1), stride=2, padding="same"),
        ShapeError,
        "conv2d: padding='same' needs stride 1",
    ),
    (
        lambda: F.conv2d(full(1, 1, 2, 2), full(1, 1, 3, 3)),
        ShapeError,
        "conv2d: the kernel (3, 3) is larger than the padded input (2, 2)",
    ),
    (
        lambda: F.conv2d(full(1, 3, 2, 2), full(2, 1, 1, 1), groups=2),
        ShapeError,
        "conv2d: groups=2 must divide the channels of (1, 3, 2, 2) and (2, 1, 1, 1)",
    ),
    (
        lambda: F.conv2d(full(1, 1, 2, 2), full(1, 1, 1, 1), stride=0),
        ShapeError,
        "stride is an int or two ints of at least 1, got 0",
    ),
    (
        lambda: F.max_pool2d(full(2, 2), 2),
        ShapeError,
        "max_pool2d needs (n, c, h, w), got (2, 2); add a batch dimension with .unsqueeze(0)",
    ),
    (
        lambda: F.max_pool2d(full(1, 1, 4, 4), 2, padding=2),
        ShapeError,
        "max_pool2d: padding (2, 2) is more than half of the kernel (2, 2)",
    ),
    (lambda: F.avg_pool2d(full(1, 1, 2, 2), 3), ShapeError, "avg_pool2d: the kernel (3, 3) is larger than the padded input (2, 2)"),
    (
        lambda: F.max_pool2d(full(1, 1, 2, 2).bool(), 2),
        DtypeError,
        "max_pool2d needs floating-point numbers, got bool; use .float()",
    ),
    (
        lambda: F.avg_pool2d(full(1, 1, 2, 2).int(), 2),
        DtypeError,
        "avg_pool2d needs floating-point numbers or int64, got int32; use .float()",
    ),
    (lambda: F.pad(full(2), (1, 1, 1)), ShapeError, "pad: 3 sizes for 1 dimensions; give two for each of the last ones"),
    (lambda: F.pad(full(2), (-2, -1)), ShapeError, "pad: (-2, -1) cuts more than there is in (2,)"),
    (lambda: F.dropout(full(2), -0.1), ShapeError, "dropout: p is a probability, got -0.1"),
    (lambda: F.gelu(full(2), "fast"), ShapeError, "gelu: approximate is 'none' or 'tanh', got 'fast'"),
    (lambda: F.batch_norm(full(2), None, None), ShapeError, "batch_norm needs (n, channels, ...), got (2,)"),
    (lambda: F.batch_norm(full(2, 3), None, None), ShapeError, "batch_norm: training=False needs running_mean and running_var"),
    (
        lambda: F.batch_norm(full(1, 3), None, None, training=True),
        ShapeError,
        "batch_norm: more than one number a channel is needed when training, got (1, 3)",
    ),
    (
        lambda: F.layer_norm(full(2, 4), 3),
        ShapeError,
        "layer_norm: the last sizes of input (2, 4) must be normalized_shape (3,)",
    ),
    (lambda: F.rms_norm(full(2, 4), ()), ShapeError, "rms_norm: the last sizes of input (2, 4) must be normalized_shape ()"),
    (
        lambda: F.group_norm(full(2, 5), 2),
        ShapeError,
        "group_norm: num_groups=2 must divide the channels of (n, channels, ...), got (2, 5)",
    ),
    (lambda: F.embedding(labels(0), full(3)), ShapeError, "embedding needs weight (rows, width), got (3,)"),
    (
        lambda: F.scaled_dot_product_attention(full(3, 2, 2), full(2, 2, 2), full(2, 2, 2), enable_gqa=True),
        ShapeError,
        "enable_gqa: the heads of query (3, 2, 2) must be a multiple of those of (2, 2, 2)",
    ),
    (lambda: dm.func.jacrev(abs, 2)(full(2)), ShapeError, "jacrev: argnums=2 of a call with 1 arguments"),
    (lambda: dm.func.stack_module_state([]), ShapeError, "stack_module_state: at least one module is needed"),
    (
        lambda: dm.func.stack_module_state([dm.nn.ReLU(), dm.nn.Tanh()]),
        GradientError,
        "stack_module_state: the modules must be of one class",
    ),
    (
        lambda: dm.func.stack_module_state([dm.nn.ReLU(), dm.nn.ReLU().eval()]),
        GradientError,
        "stack_module_state: all modules must be in train() mode, or all in eval() mode",
    ),
    (
        lambda: F.scaled_dot_product_attention(full(2, 2), full(2, 2), full(2, 2), full(2, 2), is_causal=True),
        ShapeError,
        "scaled_dot_product_attention takes attn_mask or is_causal, not both",
    ),
    (lambda: F.mse_loss(full(2), full(2), "avg"), ShapeError, "reduction is 'mean', 'sum' or 'none', got 'avg'"),
    (lambda: F.nll_loss(full(2, 3), full(2)), DtypeError, "nll_loss: labels are integers, got float32; use .long()"),
    (lambda: F.cross_entropy(full(2, 0), labels(0, 0)), ShapeError, "cross_entropy of no classes: scores (2, 0)"),
    (lambda: F.cross_entropy(full(2, 3), labels(0)), ShapeError, "nll_loss: scores (2, 3) need labels (2,), got (1,)"),
    (
        lambda: F.cross_entropy(full(2, 3), labels(0, 3)),
        IndexRangeError,
        "an index must be in [0, 3), found 0 to 3; check the labels",
    ),
    (
        lambda: F.cross_entropy(full(2, 3), full(3)),
        ShapeError,
        "cross_entropy: probabilities (3,) must have the shape of the scores (2, 3)",
    ),
    (
        lambda: F.cross_entropy(full(2, 3), full(2, 3), full(2)),
        ShapeError,
        "cross_entropy: weight (2,) needs one factor for each of 3 classes",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(full(2), full(3)),
        ShapeError,
        "binary_cross_entropy_with_logits: (2,) and (3,) must be equal",
    ),
    # backends
    (
        lambda: dm.use_backend("cuda"),
        BackendError,
        "unknown backend 'cuda'; 'reference' is known by name, others are given as objects",
    ),
    (
        lambda: on_small(lambda: full(2).double().realize()),
        DtypeError,
        "small has no float64; convert with .float() or use the reference backend",
    ),
    (
        lambda: on_small(lambda: (dm.tensor(np.ones(2)) + 1).realize()),
        DtypeError,
        "small has no float64; convert with .float() or use the reference backend",
    ),
    (
        lambda: on_small(lambda: engine.buffer_of(dm.tensor(np.ones(2)).node)),
        DtypeError,
        "small has no float64; convert with .float() or use the reference backend",
    ),
    # data
    (lambda: Dataset()[0], NotImplementedError, "Dataset has no __getitem__(index)"),
    (lambda: len(Dataset()), TypeError, "object of type 'Dataset' has no len()"),  # so list() of a stream asks for none
    (lambda: TensorDataset(np.ones(2), np.ones(3)), ShapeError, "TensorDataset needs fields of one length, got [(2,), (3,)]"),
    (lambda: DataLoader(TensorDataset(np.ones(2)), batch_size=0), ShapeError, "DataLoader: batch_size is at least 1, got 0"),
    # recipes
    (lambda: Recipe().data(), RecipeError, "Recipe needs data(self) that returns Splits(train, validation, test), or one data set"),
    (lambda: Recipe().model(), RecipeError, "Recipe needs model(self) that returns a Module"),
    (lambda: Recipe().optimizer([]), RecipeError, "Recipe needs optimizer(self, parameters) that returns an Optimizer"),
    (lambda: Training(Only(data=without_data), 0), RecipeError, "the training split is empty"),
    (
        lambda: Training(Only(data=lambda: 3), 0),
        RecipeError,
        "data() returns a Splits, a pair of arrays (inputs, labels), a Dataset or a list of samples, got int; see web/recipes",
    ),
    (
        lambda: Training(Only(loss=lambda model, *batch: model(batch[0])), 0).step(0),
        RecipeError,
        "loss() returns a tensor of shape (), got (2, 2)",
    ),
    (
        lambda: Training(Only(loss=lambda model, *batch: 1.0), 0).step(0),
        RecipeError,
        "loss() returns a tensor of shape (), got float",
    ),
    (lambda: Training(Only(batch_size=0), 0), RecipeError, "Only.batch_size is an int of at least 1, got 0"),
    (lambda: Training(Only(steps="9"), 0), RecipeError, "Only.steps is an int of at least 1, got '9'"),
    (lambda: Training(Only(micro_batch=-1), 0), RecipeError, "Only.micro_batch is an int, 0 for none, got -1"),
    (lambda: Training(Only(mode="back"), 0), RecipeError, "Only: a run's mode is sync, local, async, got 'back'"),
    (lambda: Training(Only(shards=3), 0), RecipeError, "3 shards of a batch of 2: a shard holds at least one sample"),
    (
        lambda: load_recipe("empty", "x = 1"),
        RecipeError,
        "empty.py must define one subclass of Recipe, found none; see web/recipes for examples",
    ),
]
ROWS += WRONG

ROWS += SURFACE_ROWS + argument_errors.ROWS


@pytest.mark.parametrize(("wrong", "error", "message"), ROWS, ids=[row[2] for row in ROWS])
def test_an_error_says_what_was_asked_what_was_found_and_what_to_try(
    wrong: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        wrong()


def raised_in(wrong: Callable[[], Any]) -> tuple[str, int]:
    """(file, line) of the raise statement that a row ends in."""
    try:
        wrong()
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return frame.filename, frame.lineno or 0
    raise AssertionError("nothing was raised")


def test_every_raise_statement_has_a_row() -> None:
    """A new error goes red here until its message is asserted."""
    raised = {raised_in(wrong) for wrong, _, _ in ROWS}
    silent = []
    for module in MODULES:
        path = SOURCE / f"{module}.py"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                reached = any(file == str(path) and node.lineno <= line <= (node.end_lineno or 0) for file, line in raised)
                if not reached and (module, node.exc.func.id) not in ELSEWHERE:
                    silent.append(f"{module}.py:{node.lineno}: {ast.unparse(node.exc)[:80]}")
    assert silent == []
