"""What the surface raises, with its messages: rows for test_errors.py."""

import copy
import math
from collections.abc import Callable
from typing import Any

import distml_py as dm
from distml_py.errors import (
    ArgumentError,
    BackendError,
    DtypeError,
    GradientError,
    IndexRangeError,
    LinAlgError,
    ShapeError,
    UnsupportedError,
)

Row = tuple[Callable[[], Any], type[Exception], str]


def full(*shape: int) -> dm.Tensor:
    return dm.ones(*shape)


def leaf(*shape: int) -> dm.Tensor:
    return dm.ones(*shape, requires_grad=True)


class Short(dm.autograd.Function):
    """backward returns one gradient too few."""

    @staticmethod
    def forward(ctx: Any, x: dm.Tensor, y: dm.Tensor) -> dm.Tensor:
        return x + y

    @staticmethod
    def backward(ctx: Any, g: dm.Tensor) -> Any:
        return g


class Empty(dm.autograd.Function):
    pass


class Forward(dm.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: dm.Tensor) -> dm.Tensor:
        return x * 2


def changed() -> None:
    x = leaf(2)
    y = x * x
    with dm.no_grad():
        x.add_(1)
    y.sum().backward()


def twice() -> None:
    x = leaf(2)
    y = (x * x).sum()
    y.backward()
    y.backward()


ELEMENTWISE: list[Row] = [
    (lambda: dm.div(full(2), 2, rounding_mode="up"), DtypeError, "div: rounding_mode is None, 'floor' or 'trunc', got 'up'"),
    (
        lambda: full(2) & True,
        DtypeError,
        "bitwise_and takes integers or bool, got floating-point numbers; use .int() or logical_and and its like",
    ),
    (lambda: ~full(2), DtypeError, "bitwise_not takes integers or bool, got float32; use .int()"),
    (lambda: dm.exp(2.0), DtypeError, "exp takes a tensor, got float; wrap it in tensor(...)"),
    (
        lambda: dm.where(True, 1, 2),
        DtypeError,
        "where takes a bool tensor and two tensors or numbers, got bool as condition",
    ),
    (lambda: full(2).masked_fill(full(2), 1), DtypeError, "masked_fill takes a bool mask, got float32; use mask.bool()"),
    (
        lambda: full(2).masked_fill(full(2) > 0, full(2)),
        ShapeError,
        "masked_fill takes one number, got shape (2,); use where() or masked_scatter()",
    ),
    (
        lambda: dm.heaviside(full(2), full(2).int()),
        DtypeError,
        "heaviside needs two equal dtypes, got float32 and int32",
    ),
]
AUTOGRAD: list[Row] = [
    (
        changed,
        GradientError,
        "one of the variables needed for gradient computation has been modified by an inplace operation: mul of shape (2,) saved "
        "a tensor of shape (2,) that was changed since; change a .clone() of it",
    ),
    (lambda: full(2).register_hook(print), GradientError, "cannot register a hook on a tensor that doesn't require gradient"),
    (
        lambda: dm.autograd.grad([leaf(1), leaf(1)], leaf(1), [full(2, 1), full(3, 1)], is_grads_batched=True),
        GradientError,
        "grad(is_grads_batched=True) needs grad_outputs of one length, got [(2, 1), (3, 1)]",
    ),
    (
        twice,
        GradientError,
        "backward through the graph a second time: mul of shape (2,) was gone through before",
    ),
    (lambda: setattr(leaf(2), "grad", full(3)), ShapeError, "a gradient of shape (3,) was assigned to a tensor of shape (2,)"),
    (
        lambda: dm.arange(2).masked_fill(dm.tensor([True, False]), -math.inf),
        DtypeError,
        "masked_fill: int64 holds no -inf; use .float()",
    ),
    (
        lambda: dm.nn.Embedding(3, 2, _weight=full(2, 2)),
        ShapeError,
        "Embedding: _weight has shape (2, 2), not (3, 2)",
    ),
    (lambda: dm.nn.EmbeddingBag.from_pretrained(full(2)), ShapeError, "EmbeddingBag.from_pretrained needs (rows, width), got (2,)"),
    (lambda: dm.add(full(2), 1, out=dm.zeros(2, dtype=dm.int64)), DtypeError, "out: a result of float32 cannot be cast to int64"),
    (
        lambda: full(3).__setitem__(dm.tensor([True, False, True]), full(3)),
        ShapeError,
        "a value of shape (3,) was assigned to the 2 places of a mask; they must be as many",
    ),
    (lambda: full(3).expand(-1, 3), ShapeError, "expand: (3,) to (-1, 3): -1 keeps a size, and a new dimension in front has none"),
    (lambda: full(2).__delitem__(0), DtypeError, "a tensor does not support deleting items; index what stays, as x[mask]"),
    (lambda: dm.nn.AdaptiveLogSoftmaxWithLoss(4, 9, [6, 3]), ShapeError, "each value is between 1 and n_classes-1 = 8, got [6, 3]"),
    (
        lambda: dm.nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3])(full(2, 4), dm.tensor([1])),
        ShapeError,
        "AdaptiveLogSoftmaxWithLoss: input is (samples, features) and target (samples,), or one of each without",
    ),
    (
        lambda: dm.nn.utils.parametrize.remove_parametrizations(
            dm.nn.utils.parametrizations.weight_norm(dm.nn.Linear(2, 2)), "weight", leave_parametrized=False
        ),
        ShapeError,
        "remove_parametrizations: leave_parametrized=False needs an original of one tensor; this one has several",
    ),
    (
        lambda: dm.autograd.grad([leaf(1), leaf(1)], leaf(1), [full(1)]),
        GradientError,
        "grad: 2 outputs need as many grad_outputs, got 1",
    ),
    (
        lambda: dm.autograd.grad(leaf(1) * 2, full(1)),
        GradientError,
        "grad: one of the inputs does not require grad; call requires_grad_() on it before it is used",
    ),
    (
        lambda: dm.autograd.grad(leaf(1) * 2, leaf(1)),
        GradientError,
        "grad: one of the inputs was not used for the outputs; set allow_unused=True if that is meant",
    ),
    (lambda: Empty.apply(leaf(1)), NotImplementedError, "a Function needs a static forward(ctx, *args)"),
    (lambda: Forward.apply(leaf(1)).backward(), NotImplementedError, "a Function needs a static backward(ctx, *grad_outputs)"),
    (
        lambda: Short.apply(leaf(1), leaf(1)).backward(),
        GradientError,
        "Short.backward returned 1 gradients for 2 arguments of forward",
    ),
]


def ints(*values: int) -> dm.Tensor:
    return dm.tensor(list(values))


def assigned(x: dm.Tensor, key: Any, value: Any) -> None:
    x[key] = value


WRITING: list[Row] = [
    (
        lambda: assigned(full(2, 3), 0, full(2, 3)),
        ShapeError,
        "a value of shape (2, 3) does not broadcast to the (3,) it is assigned to",
    ),
    (lambda: full(3).scatter(0, ints(0, 1), full(1)), ShapeError, "scatter: index (2,) must fit into src (1,)"),
    (
        lambda: full(3).scatter(0, ints(0), full(1), reduce="mean"),
        DtypeError,
        "scatter: reduce is 'add' or 'multiply', got 'mean'; use scatter_reduce() for others",
    ),
    (
        lambda: full(3).scatter_reduce(0, ints(0), full(1), "max"),
        DtypeError,
        "scatter_reduce: reduce is 'sum', 'mean', 'prod', 'amax' or 'amin', got 'max'",
    ),
    (
        lambda: full(3).index_reduce(0, ints(0), full(1), "sum"),
        DtypeError,
        "index_reduce: reduce is 'prod', 'mean', 'amax' or 'amin', got 'sum'",
    ),
    (
        lambda: full(3).masked_scatter(full(3), full(3)),
        DtypeError,
        "masked_scatter takes a bool mask, got float32; use mask.bool()",
    ),
    (
        lambda: full(3).fill_diagonal_(0),
        UnsupportedError,
        "not implemented: fill_diagonal_ of (3,) with wrap=False; nearest is a matrix without wrap",
    ),
    (
        lambda: full(2, 3).take_along_dim(ints(0), 0),
        ShapeError,
        "take_along_dim needs as many dimensions in indices (1,) as in input (2, 3)",
    ),
    (
        lambda: full(2, 3).index_add(0, ints(0, 1, 1), full(2, 3)),
        ShapeError,
        "index_add: the index is a line of 2 integers, one a slice, got shape (3,)",
    ),
    (lambda: full(2).gather(0, [0]), DtypeError, "an index is a tensor of integers, got list"),
    (
        lambda: full(2)[full(3) > 0],
        IndexRangeError,
        "a mask of shape (3,) does not fit the dimensions (2,) it indexes",
    ),
]
FINDING: list[Row] = [
    (lambda: full(3).masked_select(full(3)), DtypeError, "masked_select takes a bool mask, got float32; use mask.bool()"),
    (lambda: dm.bincount(full(3)), ShapeError, "bincount needs integers (n,), got float32 (3,)"),
    (lambda: dm.bincount(ints(0, -1)), IndexRangeError, "bincount: the integers are at least 0, found a negative one"),
    (lambda: dm.bincount(ints(0), full(2)), ShapeError, "bincount: weights (2,) must have the shape of input (1,)"),
    (lambda: full(3).topk(4), IndexRangeError, "topk: k is from 0 to the 3 numbers along dim -1, got 4"),
    (lambda: full(3).kthvalue(0), IndexRangeError, "kthvalue: k counts from 1 to the size of dim -1 of (3,), got 0"),
    (lambda: full(0).median(0), ShapeError, "median of no elements: shape (0,), dim 0"),
    (lambda: ints(1).quantile(0.5), DtypeError, "quantile needs floating-point numbers, got int64; use .float()"),
    (
        lambda: full(3).quantile(0.5, interpolation="cubic"),
        DtypeError,
        "quantile: interpolation is linear, lower, higher, nearest or midpoint, got 'cubic'",
    ),
    (
        lambda: dm.searchsorted(full(3), full(1), side="left", right=True),
        DtypeError,
        "searchsorted: side is 'left' or 'right' and agrees with right, got 'left' and True",
    ),
    (
        lambda: dm.searchsorted(full(2, 3), full(3, 1)),
        ShapeError,
        "searchsorted: all sizes but the last must agree, got (2, 3) and (3, 1)",
    ),
    (lambda: full(3).norm("nux"), DtypeError, "norm: p is a number, math.inf or 'fro', got 'nux'"),
    (lambda: full(3) * 1j, DtypeError, "not implemented: complex numbers, in mul; nearest is two float32 tensors"),
    (lambda: dm.tensor([1j]), DtypeError, "not implemented: complex numbers, complex128; nearest is two float32 tensors"),
    (lambda: ints(1).norm(), DtypeError, "norm needs floating-point numbers, got int64; use .float()"),
    (
        lambda: dm.linalg.matrix_norm(full(2, 2), 3),
        UnsupportedError,
        "not implemented: torch.linalg.matrix_norm(ord=3); nearest are 'fro', 'nuc', 1, 2 and inf",
    ),
    (lambda: dm.linalg.multi_dot([full(2)]), ShapeError, "multi_dot needs at least two tensors, got 1"),
]
MAKING: list[Row] = [
    (
        lambda: full(1).cuda(),
        BackendError,
        "there is no CUDA here; leave .cuda() away or use .to('webgl'), torch.cuda.is_available() is False",
    ),
    (
        lambda: dm.device("gpu"),
        BackendError,
        "there is no device 'gpu' here; use 'cpu' or 'webgl': everything runs on the current backend, reference (NumPy)",
    ),
    (
        lambda: full(1).to("cuda:0"),
        BackendError,
        "there is no device 'cuda:0' here; use 'cpu' or 'webgl': everything runs on the current backend, reference (NumPy)",
    ),
    (lambda: dm.linspace(0, 1, -1), ShapeError, "linspace: the number of steps is at least 0, got -1"),
    (
        lambda: dm.set_default_dtype(dm.float16),
        UnsupportedError,
        "not implemented: torch.set_default_dtype(torch.float16) here; nearest is dtype= where a tensor is made",
    ),
    (
        lambda: dm.set_default_dtype(dm.int64),
        DtypeError,
        "set_default_dtype: only floating-point types are supported as the default type, got torch.int64",
    ),
    (
        lambda: dm.multinomial(ints(1, 2), 1),
        DtypeError,
        "multinomial needs floating-point weights (n,) or (m, n), got int64 (2,)",
    ),
    (
        lambda: dm.multinomial(full(2), 3),
        ShapeError,
        "multinomial: 3 of 2 places cannot be drawn with replacement=False",
    ),
    (lambda: dm.normal(0, 1), ShapeError, "normal: two numbers need a size"),
    (
        lambda: dm.func.grad(lambda x: x * 2)(full(2)),
        GradientError,
        "grad: the function gives a tensor with one element; use vjp() or jacrev() for others",
    ),
]
SHAPES: list[Row] = [
    (
        lambda: full(2).geqrf(),
        UnsupportedError,
        "not implemented: torch.Tensor.geqrf; nearest is torch.Tensor.",
    ),
    (
        lambda: leaf(2).unsqueeze_(0),
        GradientError,
        "a leaf Variable that requires grad is being used in an in-place operation; use no_grad()",
    ),
    (lambda: dm.hsplit(full(2, 3), 2), ShapeError, "hsplit: (2, 3) does not divide into 2 equal parts along dim 1"),
    (lambda: dm.tensor(1.0).unbind(), ShapeError, "unbind of a 0-d tensor; it has no dimension to be cut along"),
    (
        lambda: dm.meshgrid(full(2), full(2), indexing="yx"),
        ShapeError,
        "meshgrid takes lines and indexing 'ij' or 'xy', got [(2,), (2,)], 'yx'",
    ),
    (lambda: full(3).tensor_split(0), ShapeError, "tensor_split: at least 1 part, got 0"),
    (lambda: full(2, 3).movedim(0, (0, 1)), ShapeError, "movedim: as many different places as dimensions, got 0 and (0, 1)"),
    (lambda: full(3).narrow(0, 2, 2), IndexRangeError, "narrow: 2 numbers from 2 on do not lie in dim 0 of size 3"),
    (lambda: full(3).roll((1, 2), 0), ShapeError, "roll: one shift a dimension, got (1, 2) for 0"),
    (lambda: full(2, 3).rot90(1, (0, 0)), ShapeError, "rot90 needs two different dimensions, got (0, 0)"),
    (lambda: full(2, 3).repeat(2), ShapeError, "repeat: one count a dimension of (2, 3), got (2,); use tile()"),
    (
        lambda: full(3).repeat_interleave(ints(1, 2)),
        ShapeError,
        "repeat_interleave: one count of at least 0 for each of 3, got [1, 2]",
    ),
    (lambda: full(3).unfold(0, 4, 1), ShapeError, "unfold: windows of 4, every 1 numbers, do not fit in dim 0 of (3,)"),
    (lambda: full(2, 3).diagonal(0, 1, 1), ShapeError, "diagonal needs two different dimensions, got 1 and 1 of (2, 3)"),
]
PRODUCTS: list[Row] = [
    (lambda: full(2) @ [1, 2], DtypeError, "matmul takes two tensors, got list; wrap it in tensor(...)"),
    (lambda: dm.mm(full(2), full(2, 2)), ShapeError, "mm needs tensors of 2, 2 dimensions, got (2,), (2, 2)"),
    (lambda: dm.bmm(full(2, 1, 1), full(3, 1, 1)), ShapeError, "bmm needs two batches of one size, got (2, 1, 1) and (3, 1, 1)"),
    (
        lambda: dm.matrix_power(full(2, 3), 2),
        ShapeError,
        "matrix_power needs square matrices and n of at least 0, got (2, 3) and 2",
    ),
    (
        lambda: dm.tensordot(full(2, 3), full(2, 3), ([0], [1])),
        ShapeError,
        "tensordot: dims ([0], [1]) name sizes that differ in (2, 3) and (2, 3)",
    ),
    (
        lambda: dm.tensordot(full(2), full(2), 2),
        ShapeError,
        "tensordot: dims is from 0 to the dimensions of (2,) and (2,), got 2",
    ),
    (lambda: dm.cross(full(2), full(2)), ShapeError, "cross needs a dimension of size 3, got (2,) and (2,)"),
    (lambda: full(2).tril(), ShapeError, "tril needs at least 2 dimensions, got (2,)"),
    (lambda: full(2, 2, 2).diag(), ShapeError, "diag takes a line or a matrix, got (2, 2, 2); use diagonal() or diag_embed()"),
    (lambda: dm.einsum("ij,jk", full(2, 2)), ShapeError, "einsum: 'ij,jk' names 2 operands, got 1"),
    (
        lambda: dm.einsum("ij->ii", full(2, 2)),
        ShapeError,
        "einsum: 'ij->ii' asks for dimensions that are not there, or twice",
    ),
    (lambda: dm.einsum("ijk", full(2, 2)), ShapeError, "einsum: 'ijk' of 'ijk' does not fit a tensor of shape (2, 2)"),
    (lambda: dm.einsum("ii", full(2, 3)), ShapeError, "einsum: 'i' of 'ii' stands for 2 and 3"),
    (lambda: dm.einsum("i,i", full(2), full(3)), ShapeError, "einsum: 'i' of 'i,i' stands for 2 and 3"),
]

SHARING: list[Row] = [
    (
        lambda: dm.func.functional_call(dm.nn.Linear(1, 1), {"w": full(1)}, full(1, 1)),
        GradientError,
        "functional_call: names that the module has not: ['w']; names that are missing: []",
    ),
    (lambda: dm.func.vmap(lambda a: a, in_dims=(0, 0))(full(2)), ShapeError, "vmap: in_dims (0, 0) do not fit 1 arguments"),
    (
        lambda: dm.func.vmap(lambda a, b: a)(full(2), full(3)),
        ShapeError,
        "vmap needs one size of at least 1 along in_dims, got [2, 3]",
    ),
    (
        lambda: full(1, 3).expand(2, 3).add_(1),
        ShapeError,
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location; "
        "a tensor of shape (2, 3) that was expanded is changed through a .clone()",
    ),
    (
        lambda: (leaf(4) * 2).split(2)[0].add_(1),
        GradientError,
        "this view is the output of a function that returns multiple views; such views are not modified in place, "
        "use the operation without _ instead",
    ),
    (
        lambda: dm.no_grad()((leaf(4) * 2).view)(2, 2).add_(1),
        GradientError,
        "a view was created in no_grad mode and is being modified in place with grad mode enabled",
    ),
    (
        lambda: leaf(4)[1:].add_(1),
        GradientError,
        "a view of a leaf Variable that requires grad is being used in an in-place operation; use no_grad()",
    ),
    (lambda: (leaf(4) * 2)[1:].detach_(), GradientError, "can't detach views in place; use detach() instead"),
    (
        lambda: full(4).view(dm.float16),
        UnsupportedError,
        "not implemented: torch.Tensor.view(torch.float16) of torch.float32; nearest is torch.Tensor.to(torch.float16)",
    ),
]


def bent() -> None:
    dm.linalg.lu(leaf(3, 2)).U.sum().backward()


STORAGE: list[Row] = [
    (lambda: dm.diagonal_scatter(full(2, 2), full(3)), ShapeError, "diagonal_scatter: the diagonal has shape (2,), src (3,)"),
    (lambda: dm.imag(full(2)), DtypeError, "imag is not implemented for tensors with non-complex dtypes"),
    (lambda: full(2).imag, DtypeError, "imag is not implemented for tensors with non-complex dtypes"),
    (lambda: dm.mvlgamma(full(2), 0), ShapeError, "mvlgamma: p is at least 1, got 0"),
    (lambda: ints(2) % 0, ArgumentError, "ZeroDivisionError: remainder of integers by 0; use floats"),
    (lambda: full(2).quantile(1.5), ShapeError, "quantile() q must be in the range [0, 1] but got 1.5"),
    (
        lambda: (leaf(2) * 2).register_post_accumulate_grad_hook(print),
        GradientError,
        "post accumulate grad hooks cannot be registered on non-leaf tensors, nor without requires_grad",
    ),
    (
        lambda: dm.nn.functional.mse_loss(full(2), full(2), "sum"),
        DtypeError,
        "mse_loss: this argument is size_average in PyTorch, got 'sum'; write reduction='sum'",
    ),
    (
        lambda: full(2).as_strided((2,), (-1,)),
        ShapeError,
        "as_strided: size and stride are as many numbers of at least 0, got (2,) and (-1,)",
    ),
    (
        lambda: full(6).as_strided((3,), (3,)),
        ShapeError,
        "as_strided: (3,) with strides (3,) from number 0 on leaves a storage of 6",
    ),
    (lambda: leaf(2).resize_(1), GradientError, "cannot resize variables that require grad; use .detach() or view()"),
    (lambda: full(2).resize_(-1), ShapeError, "resize_: sizes are at least 0, got (-1,)"),
    (lambda: ints(2) ** -1, DtypeError, "Integers to negative integer powers are not allowed; use .float()"),
    (
        lambda: leaf(2).numpy(),
        GradientError,
        "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
    ),
    (
        lambda: copy.deepcopy(leaf(2) * 2),
        GradientError,
        "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment; use .detach()",
    ),
    (lambda: dm.frombuffer(b"1234", dtype=dm.bfloat16), DtypeError, "frombuffer: NumPy knows no bfloat16; read int16 and use"),
    (lambda: dm.frombuffer(b"123", dtype=dm.int16), ShapeError, "frombuffer: 3 bytes from 0 on do not hold whole int16s"),
    (lambda: dm.range(3), ShapeError, "range takes a start and an end; use arange()"),
    (lambda: dm.range(3, 1), ShapeError, "range: from 3 to 1 there is no way in steps of 1; turn its sign"),
    (lambda: dm.kaiser_window(-1), ShapeError, "a window has at least 0 numbers, got -1"),
    (
        lambda: dm.randint(0, 2**40, (1,)),
        ShapeError,
        "randint: integers are 32 bits wide here, so low and high are at most 2**31 apart; got 0 and 1099511627776",
    ),
    (lambda: dm.poisson(ints(1)), DtypeError, "poisson needs floating-point rates, got int64; use .float()"),
    (lambda: dm.poisson(-full(1)), ShapeError, "poisson: rates are at least 0, found a negative one or NaN"),
    (
        lambda: dm.binomial(ints(1), full(1)),
        DtypeError,
        "binomial needs floating-point numbers of one dtype, got int64 and float32",
    ),
    (lambda: dm.binomial(full(1), full(1) * 2), ShapeError, "binomial: counts are at least 0 and probabilities in [0, 1]"),
    (lambda: full(1).geometric_(1.5), ShapeError, "geometric_: p is in (0, 1), got 1.5"),
]
FACTORS: list[Row] = [
    (
        lambda: dm.linalg.eig(dm.tensor([[0.0, -1.0], [1.0, 0.0]])),
        UnsupportedError,
        "not implemented: torch.linalg.eig of a matrix with complex eigenvalues; nearest is numpy.linalg.eig of x.numpy()",
    ),
    (lambda: dm.linalg.tensorinv(full(2, 3), 1), ShapeError, "tensorinv: the first 1 sizes of (2, 3) and the others need one"),
    (lambda: dm.linalg.tensorsolve(full(2, 3), full(2)), ShapeError, "tensorsolve: A (2, 3) does not map to B (2,)"),
    (lambda: dm.linalg.vander(full(2), N=0), ShapeError, "vander: N is at least 1, got 0"),
    (
        lambda: dm.linalg.lu_factor(dm.zeros(2, 2)),
        LinAlgError,
        "lu_factor of (2, 2): U[1,1] is 0, so it cannot be solved with; use lu()",
    ),
    (lambda: dm.linalg.lu_solve(dm.eye(2), ints(1, 2), full(2)), ShapeError, "lu_solve needs B (..., n, k), got (2,)"),
    (
        lambda: dm.linalg.householder_product(full(2, 3), full(1)),
        ShapeError,
        "householder_product needs A (..., m, n) with m >= n and tau of at most n, got (2, 3) and (1,)",
    ),
    (bent, ShapeError, "lu: its gradient needs square matrices, got (3, 2)"),
    (lambda: dm.linalg.lu(dm.zeros(2, 2), pivot=False), LinAlgError, "lu: a pivot is 0 without row exchanges; use pivot=True"),
    (
        lambda: dm.nn.functional.feature_alpha_dropout(full(2), training=True),
        ShapeError,
        "feature_alpha_dropout needs (n, channels, ...), at least two dimensions, got (2,)",
    ),
]
ROWS: list[Row] = [*STORAGE, *FACTORS, *SHARING, *ELEMENTWISE, *AUTOGRAD, *WRITING, *FINDING, *MAKING, *SHAPES, *PRODUCTS]
