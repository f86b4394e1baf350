"""Eigenvalues of matrices that are not symmetric, where all of them are real: there are no complex numbers here. See solving.py."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..autograd import Function
from ..errors import UnsupportedError
from ..tensor import Tensor, where
from ..tensor.returned import returned
from .solving import checked, on_host, solve


@returned("linalg_eig")
class Eig(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


def _real(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eig(numbers)
    if np.iscomplexobj(values) and np.any(values.imag):
        raise UnsupportedError(
            "not implemented: torch.linalg.eig of a matrix with complex eigenvalues; nearest is numpy.linalg.eig of x.numpy()"
        )
    return np.real(values), np.real(vectors)


class _Eig(Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor]:
        values, vectors = (Tensor(np.array(part), A.dtype) for part in on_host("eig", A, _real))
        ctx.save_for_backward(values, vectors)
        return values, vectors

    @staticmethod
    def backward(ctx: Any, gl: Tensor, gv: Tensor) -> Tensor:
        """Source: Giles 2008, for columns of length 1."""
        values, V = ctx.saved_tensors
        eye = Tensor(np.eye(values.shape[-1]), values.dtype)
        told = V.mT @ gv
        told = told - (V.mT @ V) * (told * eye).sum(-2, keepdim=True)
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
        inner = told * where(eye > 0, 0.0, 1 / (gaps + eye)) + gl.unsqueeze(-1) * eye
        return solve(V.mT, inner @ V.mT)


def eig(A: Tensor) -> Eig:
    """Eigenvalues and eigenvectors of length 1, as columns, of (..., n, n): real numbers, where PyTorch gives complex ones.

    Raises UnsupportedError where an eigenvalue is not real.
    """
    return Eig(*_Eig.apply(checked("eig", A)))


def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of eig()."""
    return eig(A).eigenvalues
