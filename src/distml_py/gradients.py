"""PyTorch's torch.autograd.grad: gradients as values, which no tensor keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import graph, ops
from .differentiation import gradients_of
from .errors import GradientError
from .tensor import Tensor
from .tensor.gradient import seed_of
from .tensor.joining import stack
from .tensor.tensor import in_dtype

Tensors = Tensor | Sequence[Tensor]


def listed(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) or tensors is None else list(tensors)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """d(sum of outputs . grad_outputs) / d(inputs): one tensor an input; no .grad is touched.

    create_graph: the results can be differentiated again. allow_unused: None for an input that no output depends on,
    else that is a GradientError; materialize_grads: zeros for it. retain_graph: as in backward().
    is_grads_batched: grad_outputs have one dimension more in front, and so have the results.
    """
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        unused = bool(allow_unused or materialize_grads)
        return _batched(outputs, inputs, listed(grad_outputs), keep, create_graph, unused, materialize_grads)
    ends, wanted = listed(outputs), listed(inputs)
    given = listed(grad_outputs) if grad_outputs is not None else [None] * len(ends)
    if len(given) != len(ends):
        raise GradientError(f"grad: {len(ends)} outputs need as many grad_outputs, got {len(given)}")
    for tensor in wanted:
        if not tensor.requires_grad:
            raise GradientError("grad: one of the inputs does not require grad; call requires_grad_() on it before it is used")
    seeds = [seed_of(end, value) for end, value in zip(ends, given, strict=True)]
    found: list[Tensor | None] = []
    nodes = gradients_of([end._node for end in ends], seeds, [t._node for t in wanted], keep)
    for tensor, node in zip(wanted, nodes, strict=True):
        if node is None and not (allow_unused or materialize_grads):
            raise GradientError("grad: one of the inputs was not used for the outputs; set allow_unused=True if that is meant")
        if node is None:
            found.append(tensor._named(graph.full(0, tensor.shape, tensor._node.dtype)) if materialize_grads else None)
            continue
        if tensor._kind is not None:
            node, _ = in_dtype(node, tensor._kind)
        found.append(tensor._named(node if create_graph else graph.apply(ops.DETACH, node)))
        if create_graph:
            found[-1]._requires_grad = True  # type: ignore[union-attr]
    return tuple(found)


def _batched(
    outputs: Tensors, inputs: Tensors, seeds: list[Tensor], keep: bool, create: bool, unused: bool, zeros: bool
) -> tuple[Tensor | None, ...]:
    """grad() for each of the seeds' slices, stacked."""
    count = seeds[0].shape[0] if seeds and seeds[0].ndim else 0
    if not count or any(not seed.ndim or seed.shape[0] != count for seed in seeds):
        raise GradientError(f"grad(is_grads_batched=True) needs grad_outputs of one length, got {[seed.shape for seed in seeds]}")
    each = [
        grad(outputs, inputs, [seed[n] for seed in seeds], keep or n < count - 1, create, True, unused, False, zeros)
        for n in range(count)
    ]
    return tuple(None if one[0] is None else stack(one) for one in zip(*each, strict=True))
