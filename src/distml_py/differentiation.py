"""Reverse-mode differentiation: a function from graph to graph. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .errors import GradientError
from .graph import CONST, Node

# whose numbers the derivative of a row needs, where PyTorch needs them, too: what was changed in place since is an error
SAVED = {
    **{name: "inputs" for name in ("mul", "div", "log", "sin", "cos", "erf", "abs", "matmul", "conv2d", "maximum", "minimum")},
    **{name: "inputs" for name in ("asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh", "log1p", "pow")},
    **{name: "output" for name in ("exp", "exp2", "expm1", "sqrt", "tanh", "sigmoid", "reciprocal", "relu", "softmax")},
}
VIEWS = ("reshape", "expand", "permute", "slice")
watch: list[Callable[[Node, int, Node], None] | None] = [None]  # told of each derivative; what may change in this module


def parents_of(node: Node) -> tuple[Node, ...]:
    """Where a gradient goes on from node: its inputs, unless a link says otherwise; nowhere behind a detach."""
    if node.link is not None:
        return node.link.parents
    return () if node.op.name == "detach" else node.inputs


def order(outputs: Iterable[Node]) -> list[Node]:
    """Every node a gradient of the outputs may pass, inputs before users. Without recursion: graphs can be deep."""
    done: set[int] = set()
    found: list[Node] = []
    stack: list[tuple[Node, bool]] = [(node, False) for node in outputs]
    while stack:
        node, ready = stack.pop()
        if ready:
            found.append(node)
        elif id(node) not in done:
            done.add(id(node))
            stack.append((node, True))
            stack.extend((parent, False) for parent in parents_of(node) if id(parent) not in done)
    return found


def gradients(output: Node, seed: Node, wanted: Sequence[Node]) -> list[Node | None]:
    """d(output . seed) / d(wanted): see gradients_of."""
    return gradients_of([output], [seed], wanted)


def gradients_of(outputs: Sequence[Node], seeds: Sequence[Node], wanted: Sequence[Node], keep: bool = True) -> list[Node | None]:
    """d(sum of outputs . seeds) / d(wanted): one node each, None where no output depends on it.

    seeds: the gradients that arrive at the outputs, of their shapes. keep: whether the graph may be gone through again.
    Raises GradientError when an op on the way has no derivative, needs numbers that were changed in place since, or was gone
    through before without keep.
    """
    targets = {id(node) for node in wanted}
    nodes = order(outputs)
    leads: set[int] = set()
    for node in nodes:
        if id(node) in targets or any(id(parent) in leads for parent in parents_of(node)):
            leads.add(id(node))
    changed = {id(node) for node in nodes if node.stale}
    arriving: dict[int, Node] = {}
    joined: dict[int, dict[int, tuple[Node, Node]]] = {}
    passed: list[Node] = []
    for output, seed in zip(outputs, seeds, strict=True):
        arriving[id(output)] = arriving[id(output)] + seed if id(output) in arriving else seed
    for node in reversed(nodes):
        g = arriving.get(id(node))
        if g is not None and node.hooks:
            for hook in tuple(node.hooks.values()):
                g = hook(g)
            arriving[id(node)] = g
        if (g is None and id(node) not in joined) or not any(id(parent) in leads for parent in parents_of(node)):
            continue
        if node.op.name in SAVED and _saves(node):
            passed.append(node)
        for number, (parent, part) in enumerate(zip(parents_of(node), _parts(node, g, joined), strict=True)):
            if part is not None and id(parent) in leads:
                if watch[0] is not None:
                    watch[0](node, number, part)
                if changed and part is not g:
                    _check_unchanged(node, part, changed)
                known = arriving.get(id(parent))
                arriving[id(parent)] = part if known is None else known + part
    for node in () if keep else passed:
        node.used = True
    return [arriving.get(id(node)) for node in wanted]


def _saves(node: Node) -> bool:
    """Whether PyTorch keeps numbers for the derivative of node, which it lets go with the first gradient: not for a factor that
    is one number, since means and the like are made of them here. Raises GradientError when a gradient was here before."""
    if node.link is not None or (node.op.name in ("mul", "div") and any(_one_number(other) for other in node.inputs)):
        return False
    if node.used:
        raise GradientError(
            f"backward through the graph a second time: {node.op.name} of shape {node.shape} was gone through before; "
            "pass retain_graph=True to the first backward() or grad() if that is meant, or detach() what an earlier step left"
        )
    return True


def _one_number(node: Node) -> bool:
    while node.op.name in ("expand", "reshape"):
        node = node.inputs[0]
    return node.op is CONST


def _parts(node: Node, g: Node | None, joined: dict[int, dict[int, tuple[Node, Node]]]) -> Sequence[Node | None]:
    """One gradient for each of parents_of(node)."""
    link = node.link
    if link is not None and link.backward is None:  # one output of several: they wait for each other at the joint
        assert g is not None
        joined.setdefault(id(link.parents[0]), {})[link.index] = (node, g)
        return (None,)
    if link is not None and link.backward is not None:
        return link.backward(joined[id(node)])
    if node.op.vjp is None:
        raise GradientError(f"{node.op.name} has no derivative, but a gradient is asked through it; use .detach() before it")
    return node.op.vjp(g, node, *node.inputs)


def _check_unchanged(node: Node, part: Node, changed: set[int]) -> None:
    """Raises GradientError when part, which node sends on, is made of saved numbers that were changed in place since."""
    saved = {"inputs": node.inputs, "output": (node,)}.get(SAVED.get(node.op.name, ""), ())
    watched = {id(other): other for other in saved if id(_viewed(other)) in changed}
    if not watched:
        return
    before = {id(node), *(id(other) for other in node.inputs)}
    stack, seen = [part], set()
    while stack:
        other = stack.pop()
        if id(other) in watched:
            raise GradientError(
                f"one of the variables needed for gradient computation has been modified by an inplace operation: {node.op.name} "
                f"of shape {node.shape} saved a tensor of shape {other.shape} that was changed since; change a .clone() of it"
            )
        if id(other) not in seen and id(other) not in before:
            seen.add(id(other))
            stack.extend(other.inputs if len(seen) < 64 else ())


def _viewed(node: Node) -> Node:
    """What a view is a view of. A reshape to its own shape is a copy: clone()."""
    while node.op.name in VIEWS and not (node.op.name == "reshape" and node.inputs[0].shape == node.shape):
        node = node.inputs[0]
    return node
