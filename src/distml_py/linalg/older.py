"""What torch.linalg has under the names it had before, as functions of torch and as methods of tensors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..tensor import Tensor, where
from ..tensor.arguments import guarded
from ..tensor.moments import MATRIX_NORMS, vector_norm
from ..tensor.returned import returned
from ..tensor.tensor import method
from . import decompositions, solving
from . import lu as factors
from .decompositions import QR


@returned("svd")
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


@returned("triangular_solve")
class TriangularSolve(NamedTuple):
    solution: Tensor
    cloned_coefficient: Tensor


def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> TriangularSolve:
    """X with A X = input; torch.linalg.solve_triangular takes them the other way round."""
    whole = A.mT if transpose else A
    found = solving.solve_triangular(whole, input, upper=upper != transpose, unitriangular=unitriangular)
    return TriangularSolve(found, A.clone())


def lu_solve(input: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """X with A X = input; torch.linalg.lu_solve takes them the other way round."""
    return factors.lu_solve(LU_data, LU_pivots, input)


def orgqr(input: Tensor, tau: Tensor) -> Tensor:
    return factors.householder_product(input, tau)


def nuclear_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The sum of singular values."""
    values = decompositions.svdvals(input if dim is None else input.movedim(tuple(dim), (-2, -1))).sum(-1)
    if not keepdim:
        return values
    for axis in sorted(axis % input.ndim for axis in ((-2, -1) if dim is None else dim)):
        values = values.unsqueeze(axis)
    return values


MATRIX_NORMS["nuc"] = nuclear_norm


def frobenius_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return vector_norm(input, 2, dim, keepdim)


def logdet(input: Tensor) -> Tensor:
    """NaN where the determinant is negative, as its logarithm is."""
    sign, log = solving.slogdet(input)
    return where(sign < 0, math.nan, log)


inverse, det, slogdet, pinverse = solving.inv, solving.det, solving.slogdet, decompositions.pinv
matrix_exp, cholesky_solve, cholesky_inverse = solving.matrix_exp, decompositions.cholesky_solve, decompositions.cholesky_inverse
NAMES: dict[str, Any] = {
    **{"svd": svd, "qr": qr, "cholesky": cholesky, "logdet": logdet, "inverse": inverse, "det": det, "slogdet": slogdet},
    **{"triangular_solve": triangular_solve, "lu": factors.torch_lu, "lu_solve": lu_solve, "lu_unpack": factors.lu_unpack},
    **{"orgqr": orgqr, "nuclear_norm": nuclear_norm, "frobenius_norm": frobenius_norm},
    **{"pinverse": pinverse, "matrix_exp": matrix_exp, "cholesky_solve": cholesky_solve, "cholesky_inverse": cholesky_inverse},
}
FREE = ("lu_unpack", "nuclear_norm", "frobenius_norm")  # functions of torch alone
for _name, _function in NAMES.items():
    NAMES[_name] = guarded(_name, _function) if _name in FREE else method(guarded(_name, _function), _name)
