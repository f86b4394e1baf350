"""Wrong arguments, written by hand, with their messages: rows for test_errors.py. test_arguments.py makes others from examples."""

from collections.abc import Callable
from typing import Any

import numpy as np

import distml_py as dm
from distml_py.errors import ArgumentError, DtypeError, IndexRangeError, LinAlgError, RecipeError, ShapeError
from distml_py.linalg.solving import on_host

X, Y = dm.ones(2, 3), dm.ones(2, 3, requires_grad=True)
F = dm.nn.functional
ROWS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: dm.zeros(2, dtpye=dm.float32), ArgumentError, "zeros has no argument 'dtpye'; did you mean dtype=?"),
    (lambda: dm.rand(2, generatr=None), ArgumentError, "rand has no argument 'generatr'; did you mean generator=?"),
    (lambda: X.sum(dmi=1), ArgumentError, "sum has no argument 'dmi'; did you mean dim=?"),
    (lambda: dm.sum("x"), DtypeError, "sum: argument 'input' is Tensor, got str 'x'"),
    (lambda: X.sum(keepdim="yes"), DtypeError, "sum: argument 'keepdim' is bool, got str 'yes'"),
    (lambda: X.sum(7), IndexRangeError, "sum: dim 7 of an array with 2 dimensions; use -2 to 1"),
    (lambda: X.view(2, 1.5), DtypeError, "view: a shape holds integers, got (2, 1.5)"),
    (lambda: X.expand(-3, 2, 3), ShapeError, "expand: (2, 3) does not expand to (-3, 2, 3)"),
    (lambda: X.repeat(-1, 2), ShapeError, "repeat: counts are from 0 up, got (-1, 2)"),
    (lambda: dm.mul(X), ArgumentError, "mul(a float32 tensor (2, 3)) cannot be computed:"),
    (lambda: X > "2", DtypeError, "gt takes tensors and numbers, got str"),
    (lambda: X.exp(2), ArgumentError, "exp(a float32 tensor (2, 3), int 2) cannot be computed:"),
    (lambda: X.to(memory=1), ArgumentError, "to has no argument 'memory'; did you mean memory_format=?"),
    (lambda: dm.neg(X > 0), DtypeError, "neg needs numbers, got bool; use .float() or .long(), or ~ and logical_xor for truths"),
    (lambda: F.gelu(X.long()), DtypeError, "gelu needs floating-point numbers, got int64; use .float()"),
    (lambda: X.lerp(X.long(), 0.5), DtypeError, "lerp needs arguments of one kind of number, got input float32, end int64"),
    (lambda: dm.softmax(X, None), DtypeError, "softmax: argument 'dim' is int, got NoneType"),
    (lambda: F.dropout("x"), DtypeError, "dropout: argument 'input' is Tensor, got str 'x'"),
    (lambda: dm.nn.MaxPool3d(), ArgumentError, "MaxPool3d() cannot be computed: MaxPool3d missing 1 required"),
    (lambda: dm.nn.Conv3d("a", 2, 3), DtypeError, "Conv3d: argument 'in_channels' is int, got str 'a'"),
    (lambda: dm.nn.Linear(3, 4, bais=False), ArgumentError, "Linear has no argument 'bais'; did you mean bias=?"),
    (lambda: dm.nn.Linear(3, "4"), DtypeError, "Linear: argument 'out_features' is int, got str '4'"),
    (lambda: dm.nn.Linear(3, -4), ShapeError, "a parameter's sizes are at least 0, got (-4, 3)"),
    (lambda: dm.nn.Dropout(1.5), ShapeError, "dropout: p is a probability, got 1.5"),
    (lambda: dm.nn.Hardtanh(1.0, 0.0), ShapeError, "Hardtanh: min_val 1.0 must be below max_val 0.0"),
    (lambda: dm.nn.MultiMarginLoss(3), ShapeError, "MultiMarginLoss: p is 1 or 2, got 3"),
    (lambda: dm.nn.TripletMarginLoss(0.0), ShapeError, "TripletMarginLoss: margin is above 0, got 0.0"),
    (lambda: dm.nn.init.normal_(X, std=-1), ShapeError, "normal_: std is at least 0, got -1"),
    (lambda: dm.nn.init.uniform_(X, 2.0), ShapeError, "uniform_: a is at most b, got 2.0 and 1.0"),
    (lambda: dm.optim.SGD(X), ArgumentError, "SGD takes tensors or groups of them, got Tensor; use [parameter]"),
    (lambda: dm.optim.Adam([dm.nn.Parameter(X)], lr="1"), DtypeError, "Adam: argument 'lr' is float, got str '1'"),
    (lambda: dm.optim.Adam([dm.nn.Parameter(X)], betas=[0.1]), RecipeError, "Adam: betas are two numbers, got (0.1,)"),
    (
        lambda: dm.optim.lr_scheduler.LambdaLR(dm.optim.SGD([dm.nn.Parameter(X)]), 0.1),
        ArgumentError,
        "LambdaLR: lr_lambda is a function of the epoch, or one for each group, got float",
    ),
    (lambda: dm.data.DataLoader([1], num_workers=-1), ShapeError, "DataLoader: num_workers counts from 0 up, got -1"),
    (lambda: dm.data.RandomSampler(3), DtypeError, "RandomSampler needs data with a length, got int"),
    (
        lambda: dm.data.DataLoader([1], batchsize=2),
        ArgumentError,
        "DataLoader has no argument 'batchsize'; did you mean batch_size",
    ),
    (lambda: dm.nn.utils.clip_grad_norm_([dm.nn.Parameter(X)], "x"), DtypeError, "clip_grad_norm_: argument 'max_norm' is float"),
    (lambda: X.index_fill(0, X.long(), 1.0), ShapeError, "index_fill: the index is a line of integers, got int64 (2, 3)"),
    (lambda: X.index_select(0, X), ShapeError, "index_select: the index of (2, 3) is a line of integers, got float32 (2, 3)"),
    (lambda: dm.where(X, X, X), DtypeError, "where takes a bool condition, got float32; compare it, or use .bool()"),
    (lambda: dm.bincount(dm.tensor([1]), minlength=-1), ShapeError, "bincount: minlength is at least 0, got -1"),
    (lambda: X.histc(4, 2, 1), ShapeError, "histc needs min up to max and bins from 1 up, got 2, 1 and 4"),
    (lambda: dm.atleast_1d([1, 2]), DtypeError, "atleast_1d and the like take tensors, got list; wrap it in tensor(...)"),
    (lambda: dm.cartesian_prod(X), ShapeError, "cartesian_prod takes lines, got [(2, 3)]"),
    (lambda: X.quantile(X), ShapeError, "quantile: q is a number or a line of floating-point numbers, got float32 (2, 3)"),
    (lambda: dm.tril_indices(-1, 2), ShapeError, "tril_indices: row and col are from 0 up, got -1 and 2"),
    (lambda: X.long().logcumsumexp(0), DtypeError, "logcumsumexp needs floating-point numbers, got int64; use .float()"),
    (lambda: X.diff(-1), ShapeError, "diff: n counts from 0 up, got -1"),
    (lambda: dm.arange(0, -3), ShapeError, "arange: from 0 to -3 there is no way in steps of 1; turn its sign"),
    (
        lambda: dm.tensor(None, dtype=dm.float32),
        DtypeError,
        "a tensor holds numbers or booleans, got object; convert the data first",
    ),
    (lambda: F.one_hot(dm.tensor([1]), 0), ShapeError, "one_hot takes integers and num_classes from 1 up, or -1, got int64 and 0"),
    (lambda: F.one_hot(dm.tensor([0, 3]), 3), IndexRangeError, "an index must be in [0, 3), found 0 to 3; check the labels"),
    (lambda: F.embedding(dm.tensor([1]), X, padding_idx=2), ShapeError, "embedding: padding_idx is one of 2 rows, got 2"),
    (
        lambda: F.nll_loss(X, dm.tensor([0, 1]), dm.ones(2)),
        ShapeError,
        "nll_loss: weight (2,) needs one factor for each of 3 classes",
    ),
    (
        lambda: F.layer_norm(X, (3,), dm.ones(2)),
        ShapeError,
        "layer_norm: weight, bias and running statistics have the shape (3,), got (2,)",
    ),
    (
        lambda: dm.linalg.inv(dm.zeros(2, 2)),
        LinAlgError,
        "inv of (2, 2): Singular matrix; add a little to its diagonal",
    ),
    (lambda: on_host("inv", dm.eye(2), lambda a: a * np.nan), LinAlgError, "inv of (2, 2): Singular matrix"),  # as NumPy in a tab
    (lambda: dm.linalg.cholesky(-dm.eye(2)), LinAlgError, "cholesky of (2, 2): Matrix is not positive definite"),
    (lambda: dm.linalg.det(X), ShapeError, "det needs square matrices (..., n, n), got (2, 3)"),
    (lambda: dm.linalg.qr(X.long()), DtypeError, "qr needs floating-point numbers, got int64; use .float()"),
    (lambda: dm.linalg.solve(dm.eye(2), dm.ones(3)), ShapeError, "solve needs A (..., n, n) and B (..., n, k) or (..., n), got"),
    (lambda: dm.linalg.qr(X, "complete"), ShapeError, "qr: mode is 'reduced' or 'r' here, got 'complete'"),
    (lambda: dm.linalg.qr(Y).R.sum().backward(), ShapeError, "qr: its gradient needs at least as many rows as columns"),
    (lambda: dm.linalg.eigh(dm.eye(2), "X"), ShapeError, "eigh: UPLO is 'L' or 'U', got 'X'"),
    (lambda: dm.linalg.svd(Y), ShapeError, "svd: its gradient needs full_matrices=False"),
    (lambda: dm.linalg.lstsq(X, dm.ones(3, 1)), ShapeError, "lstsq needs A (..., m, n) and B (..., m, k), got (2, 3) and (3, 1)"),
    (lambda: dm.combinations(X), ShapeError, "combinations takes a line and r from 0 up, got (2, 3) and 2"),
    (lambda: dm.histogram(X, 2, weight=dm.ones(2)), ShapeError, "histogram: weight (2,) needs the shape of input (2, 3)"),
    (lambda: dm.gcd(X, X), DtypeError, "gcd takes integers, got float32 and float32; use .long()"),
    (lambda: X.put(dm.tensor([0]), dm.ones(2)), ShapeError, "put: 1 places for 2 numbers"),
    (
        lambda: dm.gradient(X, edge_order=2),
        ShapeError,
        "gradient: edge_order is 1 and spacing a number, or one for each of 2 dimensions",
    ),
    (lambda: dm.gradient(dm.ones(1)), ShapeError, "gradient: each dimension needs two numbers, got (1,)"),
    (lambda: X.sum_to_size(4), ShapeError, "sum_to_size: (4,) does not expand to (2, 3)"),
    (lambda: dm.hann_window(-1), ShapeError, "a window has at least 0 numbers, got -1"),
    (lambda: dm.unravel_index(X, (2, 3)), DtypeError, "unravel_index takes integers, got float32; use .long()"),
    (lambda: F.pdist(dm.ones(2)), ShapeError, "pdist needs (n, d), got (2,)"),
]
