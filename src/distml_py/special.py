"""PyTorch's torch.special: functions of one number under their longer names."""

from .missing import getter as _getter
from .tensor.arithmetic import xlogy
from .tensor.elementwise import erf, erfc, erfinv, exp2, expm1, log1p, logit, round, sigmoid, sinc
from .tensor.gamma import digamma, polygamma
from .tensor.gamma import lgamma as gammaln
from .tensor.reduction import log_softmax, logsumexp, softmax

expit, psi = sigmoid, digamma

__all__ = [
    "digamma",
    "gammaln",
    "polygamma",
    "psi",
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "log1p",
    "log_softmax",
    "logit",
    "logsumexp",
    "round",
    "sinc",
    "softmax",
    "xlogy",
]

__getattr__ = _getter("torch.special", globals())
