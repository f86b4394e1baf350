"""THE op table: one row an op. Importing this package fills `distml_py.op.TABLE`."""

from .atlas import PACK, PART
from .attention import ATTENTION, ATTENTION_KEY, ATTENTION_LSE, ATTENTION_QUERY, ATTENTION_VALUE
from .contract import CONV2D, CONV2D_IMAGE, CONV2D_WEIGHT, MATMUL
from .elementwise import (
    ABS,
    ADD,
    CAST,
    COS,
    DIV,
    EQ,
    ERF,
    EXP,
    FLOOR,
    FLOOR_DIVIDE,
    GE,
    GELU_SLOPE,
    GELU_TANH,
    GT,
    ISFINITE,
    LE,
    LOG,
    LOG_SOFTMAX,
    LOGICAL_AND,
    LOGICAL_NOT,
    LOGICAL_OR,
    LT,
    MAXIMUM,
    MINIMUM,
    MUL,
    NE,
    NEG,
    NORMALIZE,
    POW,
    RECIPROCAL,
    RELU,
    REMAINDER,
    SIGMOID,
    SIGN,
    SIN,
    SOFTMAX,
    SOFTPLUS,
    SQRT,
    SUB,
    TANH,
    WHERE,
)
from .functions import (
    ACOS,
    ACOSH,
    ASIN,
    ASINH,
    ATAN,
    ATAN2,
    ATANH,
    COSH,
    ERFC,
    ERFINV,
    EXP2,
    EXPM1,
    HYPOT,
    LOG1P,
    LOG2,
    LOG10,
    SINH,
)
from .index import GATHER, SCATTER_ADD
from .move import DETACH, EXPAND, PAD, PERMUTE, RESHAPE, SLICE, WINDOW
from .narrow import BITS, BRAIN, FROM_BITS, HALF
from .ordering import ARGSORT, LAST_AT
from .reduce import AMAX, ARGMAX, EXP_SUM, MOMENTS, SUM
from .rounding import (
    BITWISE_AND,
    BITWISE_OR,
    BITWISE_XOR,
    FMOD,
    ISNAN,
    LEFT_SHIFT,
    RIGHT_SHIFT,
    ROUND,
    TRUNC,
)
from .source import IOTA, UNIFORM

__all__ = [name for name in dir() if name.isupper()]
