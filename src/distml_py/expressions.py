"""What an expression of a kernel reads and weighs, and the same expression with its inputs counted anew."""

from __future__ import annotations

from .kernel import Apply, Expression, Load, Make, Pick, Read, Scalar
from .op import weight_of as weight_of_helper

MAX_INPUTS = 12  # a draw can bind 16 textures on every WebGL2 device; a fused chain stops well before


def inputs_of(value: Expression) -> set[int]:
    """The numbers of the arrays it reads."""
    match value:
        case Load(input=number):
            return {number}
        case Read(of=of):
            return inputs_of(of)
        case Apply(args=args) | Make(args=args):
            return set().union(*map(inputs_of, args))
        case Pick(of=of, index=index):
            return inputs_of(of) | inputs_of(index)
        case _:
            return set()


def weight_of(value: Expression) -> int:
    """What its calls of GLSL functions cost a renderer, see op.weight_of(); each is written out four times in a kernel."""
    match value:
        case Apply(op=op, args=args) | Make(op=op, args=args):
            return weight_of_helper(op.helper) + sum(map(weight_of, args))
        case Read(of=of):
            return weight_of(of)
        case Pick(of=of, index=index):
            return weight_of(of) + weight_of(index)
        case _:
            return 0


def renumbered(value: Expression, inputs: dict[int, int], scalars: dict[int, int]) -> Expression:
    """Its arrays and numbers on the host counted anew, in order of appearance; both dicts grow: old number -> new one."""
    match value:
        case Load(number, dtype):
            return Load(inputs.setdefault(number, len(inputs)), dtype)
        case Scalar(number, dtype):
            return Scalar(scalars.setdefault(number, len(scalars)), dtype)
        case Read(views, of, dtype, work):
            return Read(views, renumbered(of, inputs, scalars), dtype, work)
        case Apply(op, args, dtype, work):
            return Apply(op, tuple(renumbered(arg, inputs, scalars) for arg in args), dtype, work)
        case Make(op, attrs, args, dtype, work):
            return Make(op, attrs, tuple(renumbered(arg, inputs, scalars) for arg in args), dtype, work)
        case Pick(of, index, shape, index_shape, axis, dtype, work):
            of, index = renumbered(of, inputs, scalars), renumbered(index, inputs, scalars)
            return Pick(of, index, shape, index_shape, axis, dtype, work)
        case _:
            return value
