"""Tensors that share their numbers: a change of one is told to the others. Nodes never change; names move, all of them at once.

A view remembers its root (a tensor that is no view) and the moves that lead from the root's node to its own. A root knows its
views, and the other roots with the same numbers (what detach() made of it), all of them weakly.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import engine, graph, live, ops
from ..errors import GradientError, ShapeError
from ..graph import LEAF, Link, Node
from ..op import Op, bool_, float32, int32
from ..ops import DETACH, EXPAND, PAD, PERMUTE, RESHAPE, SLICE, WHERE
from ..ops.elementwise import cast
from ..view import Shape, contiguous_strides
from .grad_mode import is_grad_enabled

if TYPE_CHECKING:
    from .tensor import Tensor

Chain = tuple[tuple[Op, tuple[Any, ...]], ...]
"""moves, the first one first, each with its attributes"""

PASSED = (RESHAPE, PERMUTE, SLICE, EXPAND, PAD, ops.WINDOW)


@dataclass(eq=False, slots=True)
class View:
    """several: made by a function that gives more than one. flat: made under no_grad(), so no gradient passes it."""

    root: Tensor
    chain: Chain
    several: bool = False
    flat: bool = False


@dataclass(eq=False, slots=True)
class Numbers:
    """What roots share. version: changes so far. shape: that of the root which holds them all."""

    shape: Shape
    version: int = 0
    roots: list[weakref.ref[Tensor]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Root:
    """What a root knows. place: the moves from all of the numbers to its own. quiet: x.data, whose changes no graph hears of.

    results: what operations in place made of it last; their derivatives may need just these numbers.
    """

    numbers: Numbers
    place: Chain = ()
    quiet: bool = False
    views: list[weakref.ref[Tensor]] = field(default_factory=list)
    results: list[weakref.ref[Node]] = field(default_factory=list)


# ---------------------------------------------------------------- who shares with whom


def shared(found: Tensor, whole: Tensor, several: bool = False) -> Tensor:
    """found, which from now on shares its numbers with whole, of which it was made by moves alone."""
    if found is whole:
        return found
    chain = _moves(found._node, whole._node)
    if chain is None:
        return found
    view = whole._view
    root = whole
    if view is not None:
        root, chain, several = view.root, (*view.chain, *chain), several or view.several
    flat = not is_grad_enabled() or (view is not None and view.flat)
    found._view = View(root, chain, several, flat)
    _remember(root_of(root).views, found)
    return found


def detached(found: Tensor, whole: Tensor, quiet: bool = False) -> Tensor:
    """found, the numbers of whole outside the gradient's graph, as another root of them."""
    view = whole._view
    known = root_of(whole if view is None else view.root)
    place: Chain = known.place if view is None else (*known.place, *view.chain)
    found._root = Root(known.numbers, place, quiet)
    _remember(known.numbers.roots, found)
    return found


def root_of(tensor: Tensor) -> Root:
    if tensor._root is None:
        tensor._root = Root(Numbers(tensor.shape))
        _remember(tensor._root.numbers.roots, tensor)
    return tensor._root


def version_of(tensor: Tensor) -> int:
    root = tensor if tensor._view is None else tensor._view.root
    return 0 if root._root is None else root._root.numbers.version


def leave(tensor: Tensor) -> None:
    """The tensor shares its numbers with nobody any more; its views keep those that they have."""
    if tensor._root is not None:
        heir = tensor._alike()
        for view in _alive(tensor._root.views):
            assert view._view is not None
            view._view.root = heir
        heir._root = tensor._root
        numbers = tensor._root.numbers
        numbers.roots = [weakref.ref(heir if one is tensor else one) for one in _alive(numbers.roots)]
    tensor._root = tensor._view = None


def turn_into(tensor: Tensor, view: Tensor) -> None:
    """The tensor becomes this view of itself."""
    made = view._view
    assert made is not None
    root, chain, several, flat = made.root, made.chain, made.several, made.flat
    node, requires = view._node, view._requires_grad
    if root is tensor:
        leave(tensor)
        assert made.root is not tensor
        root = made.root
    tensor._node, tensor._requires_grad = node, requires
    tensor._view = View(root, chain, several, flat)
    _remember(root_of(root).views, tensor)


def _remember(known: list[weakref.ref[Tensor]], tensor: Tensor) -> None:
    if len(known) >= 8 and len(known) & (len(known) - 1) == 0:  # at powers of two: those that are gone are forgotten
        known[:] = [ref for ref in known if ref() is not None]
    known.append(weakref.ref(tensor))


def _alive(known: list[weakref.ref[Tensor]]) -> list[Tensor]:
    return [tensor for ref in known if (tensor := ref()) is not None]


def _moves(node: Node, source: Node) -> Chain | None:
    """The moves from source to node; None when something else lies between."""
    found = []
    while node is not source:
        if node.op is not DETACH:
            if node.op not in PASSED:
                return None
            found.append((node.op, node.attrs))
        if not node.inputs:
            return None
        node = node.inputs[0]
    return tuple(reversed(found))


# ---------------------------------------------------------------- moves, there and back


def replay(node: Node, chain: Chain) -> Node:
    for op, attrs in chain:
        node = graph.apply(op, node, attrs=attrs)
    return node


def put_back(whole: Node, chain: Chain, part: Node) -> Node:
    """whole, with part where the moves lead."""
    stages = [whole]
    for op, attrs in chain:
        stages.append(graph.apply(op, stages[-1], attrs=attrs))
    hit: Node | None = None  # where part is new, as 1 and 0; None: everywhere
    for before, after in zip(reversed(stages[:-1]), reversed(stages[1:]), strict=True):
        part, hit = _back(before, after, part, hit)
    return part


def _back(before: Node, after: Node, part: Node, hit: Node | None) -> tuple[Node, Node | None]:
    """before, one move away from after, with part in after's place; and what is new of it."""
    whole = after.op is SLICE and all(one == (0, size, 1) for one, size in zip(after.attrs[0], before.shape, strict=True))
    if whole or after.op in (RESHAPE, PERMUTE, PAD):
        return (part, hit) if whole else (_vjp(part, after, before), hit and _vjp(hit, after, before))
    kind = part.dtype
    if hit is None:
        hit = graph.full(1, after.shape, int32)
    told = _vjp(hit, after, before)
    if after.op is EXPAND:  # at most one of the copies is new: those that are not say nothing
        part = graph.apply(WHERE, hit > 0, part, graph.full(0, part.shape, kind))
    spread = _vjp(cast(part, int32) if kind == bool_ else part, after, before)
    return graph.apply(WHERE, told > 0, cast(spread, kind), before), told


def _vjp(part: Node, after: Node, before: Node) -> Node:
    assert after.op.vjp is not None
    (found,) = after.op.vjp(part, after, before)
    assert found is not None
    return found


def strides_of(tensor: Tensor) -> tuple[tuple[int, ...], int]:
    """(strides, offset) in PyTorch's storage, where roots are contiguous."""
    root = tensor if tensor._view is None else tensor._view.root
    place = root._root.place if root._root is not None else ()
    chain = place if tensor._view is None else (*place, *tensor._view.chain)
    shape = root._root.numbers.shape if root._root is not None else root.shape
    strides, offset = contiguous_strides(shape), 0
    steps = iter(range(len(chain)))
    for step in steps:
        op, attrs = chain[step]
        if chain[step + 1 : step + 2] and chain[step + 1][0] is PAD:  # a diagonal: see shape.diagonal
            strides, shape = (*strides[:-2], strides[-2] + strides[-1]), shape[:-1]
            for _ in range(4):
                next(steps)
        elif op is SLICE:
            offset += sum(far * first for far, (first, _, _) in zip(strides, attrs[0], strict=True))
            strides = tuple(far * by for far, (_, _, by) in zip(strides, attrs[0], strict=True))
            shape = tuple(count for _, count, _ in attrs[0])
        elif op is PERMUTE:
            strides, shape = tuple(strides[axis] for axis in attrs[0]), tuple(shape[axis] for axis in attrs[0])
        elif op is EXPAND:
            strides = tuple(far if a == b else 0 for far, a, b in zip(strides, shape, attrs[0], strict=True))
            shape = attrs[0]
        elif op is RESHAPE:
            strides, shape = reshaped_strides(shape, strides, attrs[0]) or contiguous_strides(attrs[0]), attrs[0]
        else:
            (size,), (by,), _ = attrs
            shape = (*shape[:-1], (shape[-1] - size) // by + 1, size)
            strides = (*strides[:-1], strides[-1] * by, strides[-1])
    return strides, offset


def reshaped_strides(shape: Shape, strides: tuple[int, ...], new: Shape) -> tuple[int, ...] | None:
    """The strides of the same storage seen in another shape; None where no strides say that."""
    if 0 in shape:
        return strides if shape == new else contiguous_strides(new)
    blocks: list[list[int]] = []  # (numbers, stride of the last) of dimensions that run on
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if blocks and blocks[-1][1] == size * stride:
            blocks[-1] = [blocks[-1][0] * size, stride]
        else:
            blocks.append([size, stride])
    found: list[int] = []
    room, stride = blocks.pop() if blocks else (1, 1)
    for size in reversed(new):
        if size != 1 and room == 1 and blocks:
            room, stride = blocks.pop()
        if room % size:
            return None
        found.append(stride)
        room, stride = room // size, stride * size
    return tuple(reversed(found)) if room == 1 and not blocks else None


def is_contiguous(tensor: Tensor, order: tuple[int, ...] | None = None) -> bool:
    """Do the numbers follow each other along the dimensions in this order, the last one first? None: as they are."""
    rows = tuple(range(len(tensor.shape)))
    order = rows if order is None else order
    if order == rows and tensor._view is None and (tensor._root is None or not tensor._root.place):
        return True
    if len(order) != len(rows):
        return False
    strides, sizes = strides_of(tensor)[0], tuple(tensor.shape[axis] for axis in order)
    return (order == rows and 0 in sizes) or all(
        size == 1 or strides[axis] == want for axis, size, want in zip(order, sizes, contiguous_strides(sizes), strict=True)
    )


# ---------------------------------------------------------------- changing numbers


def check_change(tensor: Tensor, requires: bool) -> None:
    """Raises what PyTorch raises when a tensor may not be changed in place. requires: the new numbers have a gradient."""
    view = tensor._view
    if view is not None and any(op is EXPAND for op, _ in view.chain) and _overlaps(tensor):
        raise ShapeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location; "
            f"a tensor of shape {tensor.shape} that was expanded is changed through a .clone()"
        )
    if not is_grad_enabled() or not (requires or tensor._requires_grad or (view is not None and view.root._requires_grad)):
        return
    if view is not None and (requires or view.root._requires_grad):
        if view.root._requires_grad and view.several:
            raise GradientError(
                "this view is the output of a function that returns multiple views; such views are not modified in place, "
                "use the operation without _ instead"
            )
        if view.root._requires_grad and view.flat:
            raise GradientError("a view was created in no_grad mode and is being modified in place with grad mode enabled")
        if view.root._requires_grad and view.root.is_leaf:
            raise GradientError(
                "a view of a leaf Variable that requires grad is being used in an in-place operation; use no_grad()"
            )
    if tensor._requires_grad and tensor.is_leaf:
        raise GradientError("a leaf Variable that requires grad is being used in an in-place operation; use no_grad()")


def _overlaps(tensor: Tensor) -> bool:
    return any(step == 0 and size > 1 for step, size in zip(strides_of(tensor)[0], tensor.shape, strict=True))


def change(tensor: Tensor, node: Node, requires: bool, fresh: bool) -> None:
    """The tensor's numbers become node's, and everyone's who shares them.

    requires: node has a gradient. fresh: nobody else has it.
    """
    view = tensor._view
    root = tensor if view is None else view.root
    known = root_of(root)
    known.numbers.version += 1
    _forget_results(known)
    if fresh and requires:
        known.results.append(weakref.ref(node))
    if view is not None:
        node = put_back(root._node, view.chain, node)
    before = _renamed(root, node, requires)
    if not known.quiet:
        before.stale = True
    _tell_views(root)
    _tell_roots(root)


def _forget_results(known: Root) -> None:
    for ref in known.results:
        if (result := ref()) is not None:
            result.stale = True
    known.results.clear()


def tell(root: Tensor) -> None:
    """To be called when a root got a node with other numbers by itself."""
    if root._root is not None:
        root._root.numbers.version += 1
        _tell_views(root)
        _tell_roots(root)


def _renamed(tensor: Tensor, node: Node, requires: bool) -> Node:
    """The tensor's node becomes one for these numbers, and says where gradients go. Returns the one before."""
    if live.state.recorder is not None:
        live.state.recorder.moved(tensor)
    before = tensor._node
    if before.owner is not None:
        tensor._node = graph.apply(DETACH, node)
        tensor._node.owner, tensor._node.hooks = before.owner, before.hooks
        engine.keep(tensor._node)  # a parameter that is changed by hand, step after step
    elif not is_grad_enabled() or not (requires or tensor._requires_grad):
        tensor._node = graph.apply(DETACH, node)
        if tensor._requires_grad:
            _continue(tensor._node, before)
    else:  # a node of its own all the same: node may be a leaf, with an owner
        tensor._node = graph.apply(RESHAPE, node, attrs=(node.shape,))
        tensor._requires_grad = True
    engine.hold(tensor)
    return before


def _continue(node: Node, before: Node) -> None:
    """Gradients of node go on to `before`, of which it is another value."""
    joint = Node(LEAF, (), (), (), float32)
    joint.link = Link((before,), _passed_on)
    node.link = Link((joint,), None, 0)


def _passed_on(arrived: dict[int, tuple[Node, Node]]) -> list[Node | None]:
    return [arrived[0][1]]


def _tell_views(root: Tensor) -> None:
    assert root._root is not None
    for tensor in _alive(root._root.views):
        view = tensor._view
        if view is None or view.root is not root:
            continue
        if live.state.recorder is not None:
            live.state.recorder.moved(tensor)
        before, node = tensor._node, replay(root._node, view.chain)
        own = before.owner is not None and before.owner() is tensor
        flat = own or view.flat or not root._requires_grad
        tensor._node = graph.apply(DETACH, node) if flat else node
        if own:
            tensor._node.owner, tensor._node.hooks = before.owner, before.hooks
        else:
            tensor._requires_grad = not flat
        engine.hold(tensor)


def _tell_roots(root: Tensor) -> None:
    known = root._root
    assert known is not None
    others = [other for other in _alive(known.numbers.roots) if other is not root]
    if not others:
        return
    whole = _whole(root, others)
    for other in others:
        assert other._root is not None
        before = other._node
        _changed_behind(other, graph.apply(DETACH, replay(whole, other._root.place)))
        if not known.quiet and not other._root.quiet:
            before.stale = True
            _forget_results(other._root)
        _tell_views(other)


def _changed_behind(tensor: Tensor, node: Node) -> None:
    if live.state.recorder is not None:
        live.state.recorder.moved(tensor)
    before, tensor._node = tensor._node, node
    if before.owner is not None:
        node.owner, node.hooks = before.owner, before.hooks
        engine.keep(node)
    elif tensor._requires_grad:
        _continue(node, before)
    engine.hold(tensor)


def _whole(root: Tensor, others: list[Tensor]) -> Node:
    """All numbers, as root knows them where it reaches."""
    assert root._root is not None
    if not root._root.place:
        return graph.apply(DETACH, root._node)
    whole = next((o._node for o in others if o._root is not None and not o._root.place), None)
    if whole is None:
        whole = graph.full(0, root._root.numbers.shape, root._node.dtype)
        for other in others:
            assert other._root is not None
            whole = put_back(whole, other._root.place, other._node)
    return put_back(graph.apply(DETACH, whole), root._root.place, graph.apply(DETACH, root._node))
