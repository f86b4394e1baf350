"""What torch.linalg has under the names it had before, as functions of torch and as methods of tensors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..tensor import Tensor, where
from ..tensor.arguments import guarded
from ..tensor.tensor import method
from . import decompositions, solving
from .decompositions import QR


class SVD(NamedTuple):
    U: Tensor
    S: Tensor
    V: Tensor


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> SVD:
    """U diag(S) V^T = input; torch.linalg.svd gives V^T."""
    U, S, Vh = decompositions.svd(input, full_matrices=not some)
    return SVD(U, S, Vh.mT) if compute_uv else SVD(U * 0, S, Vh.mT * 0)


def qr(input: Tensor, some: bool = True) -> QR:
    return decompositions.qr(input, "reduced" if some else "complete")


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    return decompositions.cholesky(input, upper=upper)


def logdet(input: Tensor) -> Tensor:
    """NaN where the determinant is negative, as its logarithm is."""
    sign, log = solving.slogdet(input)
    return where(sign < 0, math.nan, log)


inverse, det, slogdet, pinverse = solving.inv, solving.det, solving.slogdet, decompositions.pinv
matrix_exp, cholesky_solve, cholesky_inverse = solving.matrix_exp, decompositions.cholesky_solve, decompositions.cholesky_inverse
NAMES: dict[str, Any] = {
    **{"svd": svd, "qr": qr, "cholesky": cholesky, "logdet": logdet, "inverse": inverse, "det": det, "slogdet": slogdet},
    **{"pinverse": pinverse, "matrix_exp": matrix_exp, "cholesky_solve": cholesky_solve, "cholesky_inverse": cholesky_inverse},
}
for _name, _function in NAMES.items():
    NAMES[_name] = method(guarded(_name, _function), _name)
