"""Errors raised on purpose: each says what was asked, what was found and what to try. Nothing is computed here.

PyTorch raises RuntimeError for most of what is wrong with shapes, dtypes and indices, and ValueError, TypeError or IndexError
for the rest: ours are both, so that whoever catches PyTorch's catches these.
"""

from .size import as_tuples


class DistmlError(Exception):
    """The root of every error this package raises on purpose.

    line: where in a recipe to look when the traceback does not pass through it; 0 is unknown.
    """

    line = 0

    def __init__(self, *told: object):
        super().__init__(*(as_tuples(part) if isinstance(part, str) else part for part in told))


class ShapeError(DistmlError, RuntimeError, ValueError):
    """Shapes that do not fit the operation."""


class EmptyError(ShapeError, IndexError):
    """A reduction of no elements to one of them."""


class ExpectedError(ShapeError, IndexError, AssertionError):
    """Sizes of layers that PyTorch asserts."""


class DtypeError(DistmlError, NotImplementedError, TypeError):
    """A dtype, or a Python type, that the operation does not take."""


class IndexRangeError(DistmlError, RuntimeError, IndexError):
    """An index or a dimension outside its range."""


class ArgumentError(DistmlError, RuntimeError, TypeError, ValueError, IndexError):
    """Arguments that a function does not have, or cannot compute with."""


class GradientError(DistmlError, RuntimeError):
    """A gradient that cannot be computed: no graph, no derivative, or a non-scalar without a gradient."""


class GradcheckError(DistmlError, RuntimeError):
    """A derivative is not that of the function's numbers."""


class NotCloseError(DistmlError, AssertionError):
    """Numbers that a test wanted to be close, and are not."""


class LinAlgError(DistmlError, RuntimeError):
    """A matrix that has no inverse, no factor, or whose iteration does not end."""


class BackendError(DistmlError, RuntimeError):
    """A backend that cannot do what was asked: not available, a failed kernel, a lost GPU, no memory."""


class AbsentDeviceError(BackendError, AssertionError):
    """CUDA and the like: PyTorch asserts that it was compiled with them."""


class GpuLostError(BackendError):
    """The browser took the GPU away, and with it what was computed there. What starts from host arrays works again."""


class OutOfMemoryError(BackendError):
    """No room for one more array on the GPU: the message names the largest ones that are held."""


class UnsupportedError(DistmlError, NotImplementedError):
    """Something PyTorch has and this library has not: the message names the nearest thing."""


class UnreadyModuleError(ShapeError, AttributeError):
    """A module that was given attributes before Module.__init__() was called."""


class MissingNameError(UnsupportedError, AttributeError):
    """A name that PyTorch's module has and ours has not; hasattr() is False."""


class MissingModuleError(UnsupportedError, ModuleNotFoundError):
    """A module that PyTorch or torchvision has and this library has not."""


class FormatError(DistmlError, ValueError):
    """Bytes that are not what they claim to be: a frame, a safetensors file, a checkpoint."""


class RecipeError(DistmlError, ValueError):
    """A training script that does not define what a run needs."""


class CaptureError(DistmlError, RuntimeError):
    """A step that cannot be captured, or a replay that would not be what was captured."""


class NonFiniteError(DistmlError, ArithmeticError):
    """A NaN or an infinity where training needs a number."""
