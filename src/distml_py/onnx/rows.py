"""How each row of the op table is said in ONNX. One Writer writes one graph; values are names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import engine
from ..errors import UnsupportedError
from ..graph import CONST, Node
from ..op import Elementwise, bool_
from ..tensor import Tensor
from . import protobuf
from .tracing import Size, Sizes, Trace, is_given
from .words import COMPOSED, WORDS

Say = Callable[["Writer", Node], str]
ROWS: dict[str, Say] = {}


def row(name: str) -> Callable[[Say], Say]:
    def kept(say: Say) -> Say:
        ROWS[name] = say
        return say

    return kept


class Writer:
    """An expanded value keeps its own, smaller shape as long as its readers broadcast it."""

    def __init__(
        self,
        traced: Trace,
        sizes: Sizes,
        weights: Mapping[int, tuple[str, Tensor]],
        inputs: Sequence[str],
        outputs: Sequence[str],
        opset: int,
    ):
        self.traced, self.sizes, self.weights, self.opset = traced, sizes, weights, opset
        self.outputs = outputs
        self._said: list[tuple[str, tuple[str, ...], list[str], dict[str, Any]]] = []
        self.names: dict[int, str] = {}
        self.small: dict[int, Node] = {}  # expanded nodes, by what is expanded
        self.parts: dict[int, list[str]] = {}  # the results of statistics
        self._constants: dict[str, np.ndarray] = {}
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._symbols: dict[str, str] = {}
        self._count = 0
        self.own = dict(zip(map(id, traced.inputs), inputs, strict=True))
        for node in traced.nodes:
            self.names[id(node)] = self._name(node)
        for name, node in zip(outputs, traced.outputs, strict=True):
            self._said.append(("Identity", (self.value(node),), [name], {}))
        self._leave_out_unread()

    # ------------------------------------------------------------ the whole

    def _leave_out_unread(self) -> None:
        """Statistics of which nobody reads the whole, expansions that all readers do themselves."""
        read, kept = set(self.outputs), []
        for said in reversed(self._said):
            if read & set(said[2]):
                read |= set(said[1])
                kept.append(said)
        self._said = kept[::-1]
        self._constants = {name: array for name, array in self._constants.items() if name in read}

    def nodes(self) -> list[bytes]:
        return [protobuf.node(kind, given, made, f"{kind}_{made[0]}", named) for kind, given, made, named in self._said]

    def constants(self) -> list[bytes]:
        return [protobuf.tensor(name, array) for name, array in self._constants.items()]

    def results(self) -> list[tuple[str, int, list[protobuf.Dim]]]:
        found = []
        for name, node in zip(self.outputs, self.traced.outputs, strict=True):
            dims = [self._dim(size, f"{name}_{axis}") for axis, size in enumerate(self.sizes.shape(node))]
            found.append((name, protobuf.kind_of(node.dtype), dims))
        return found

    def _dim(self, size: Size | None, other: str) -> protobuf.Dim:
        if size is None or (size.names and (size.factor != 1 or len(size.names) > 1)):
            return other
        return size.names[0] if size.names else size.value

    # ------------------------------------------------------------ parts

    def call(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """One ONNX node; the name of what it gives, the last one of several."""
        self._count += 1
        names = [f"v{self._count}" if number == 0 else f"v{self._count}_{number}" for number in range(outputs)]
        self._said.append((kind, inputs, names, attributes))
        return names[-1]

    def constant(self, array: Any, dtype: Any = None) -> str:
        found = np.asarray(array, dtype)
        key = (found.dtype.name, found.shape, found.tobytes())
        if key not in self._known:
            self._known[key] = name = f"c{len(self._known)}"
            self._constants[name] = found
        return self._known[key]

    def scalar(self, value: float, node: Node) -> str:
        return self.constant(value, node.dtype)

    def symbol(self, name: str) -> str:
        """A size that may change, as an int64 vector of one number."""
        if name not in self._symbols:
            for node in self.traced.inputs:
                for axis, size in enumerate(self.sizes.shape(node)):
                    if name not in self._symbols and size is not None and size.names == (name,) and size.factor == 1:
                        shape = self.call("Shape", self.own[id(node)])
                        self._symbols[name] = self.call("Gather", shape, self.constant([axis], np.int64), axis=0)
        return self._symbols[name]

    def lengths(self, sizes: Sequence[Size | None], what: str) -> str:
        """Sizes as an int64 vector."""
        parts = []
        for size in sizes:
            if size is None:
                raise UnsupportedError(
                    f"onnx.export: {what} has a size that does not follow from dynamic_axes; leave that axis out"
                )
            part = self.constant([size.factor], np.int64)
            for name in size.names:
                part = self.call("Mul", part, self.symbol(name))
            parts.append(part)
        if all(size is not None and not size.names for size in sizes):
            return self.constant([size.value for size in sizes if size is not None], np.int64)
        return parts[0] if len(parts) == 1 else self.call("Concat", *parts, axis=0)

    def value(self, node: Node) -> str:
        """A node as it is, expanded where it was."""
        inner = self.small.get(id(node))
        if inner is None:
            return self.names[id(node)]
        if self.names[id(node)] == self.names[id(inner)]:
            same = [None if size == wide else size for size, wide in zip(inner.shape, node.shape, strict=True)]
            sizes = [Size(1, 1) if one is None else size for one, size in zip(same, self.sizes.shape(node), strict=True)]
            self.names[id(node)] = self.call("Expand", self.names[id(inner)], self.lengths(sizes, "an expanded array"))
        return self.names[id(node)]

    def loose(self, node: Node) -> tuple[str, Node]:
        """(a node, perhaps not yet expanded; what it is then): for readers that broadcast."""
        inner = self.small.get(id(node))
        return (self.value(node), node) if inner is None else (self.names[id(inner)], inner)

    # ------------------------------------------------------------ nodes

    def _name(self, node: Node) -> str:
        if id(node) in self.own:
            return self.own[id(node)]
        if id(node) in self.weights:
            name, tensor = self.weights[id(node)]
            self._constants[name] = np.asarray(tensor.detach().numpy())
            return name
        if is_given(node):
            return self._given(node)
        if node.op.name in ROWS:
            return ROWS[node.op.name](self, node)
        if isinstance(node.op, Elementwise):
            return self._elementwise(node)
        raise UnsupportedError(
            f"onnx.export: the model uses {node.op.name}, for which ONNX has no words here; leave that part out of the export"
        )

    def _given(self, node: Node) -> str:
        for (name, _), other in self.sizes.versions(node).items():
            if other.shape != node.shape or (node.op is CONST and other.attrs != node.attrs):
                raise UnsupportedError(
                    f"onnx.export: a number of the model follows {name!r}, as a mean over it does; leave it out of dynamic_axes"
                )
        return self.constant(node.attrs[0] if node.op is CONST else engine.fetch(node), node.dtype)

    def _elementwise(self, node: Node) -> str:
        """Expanded inputs are left to ONNX's broadcasting; where all are, the result is expanded."""
        given = [self.loose(parent) for parent in node.inputs]
        names = [name for name, _ in given]
        shape = np.broadcast_shapes(*(inner.shape for _, inner in given))
        if shape != node.shape:
            names = [self.value(parent) for parent in node.inputs]
        if node.op.name in WORDS:
            return self.call(WORDS[node.op.name], *names)
        say = COMPOSED.get(node.op.name)
        if say is None:
            raise UnsupportedError(
                f"onnx.export: the model uses {node.op.name}, for which ONNX has no words here; leave that part out of the export"
            )
        return say(self, node, *names)


# ---------------------------------------------------------------- moves


@row("reshape")
def _reshape(writer: Writer, node: Node) -> str:
    (parent,) = node.inputs
    if math.prod(parent.shape) == 1 and parent.op is CONST:
        return writer.constant(np.full(node.shape, parent.attrs[0], node.dtype))
    sizes = writer.sizes.shape(node)
    unsure = [axis for axis, size in enumerate(sizes) if size is None or size.names]
    if len(unsure) == 1 and 0 not in node.shape:
        dims = [-1 if axis in unsure else size for axis, size in enumerate(node.shape)]
        return writer.call("Reshape", writer.value(parent), writer.constant(dims, np.int64))
    return writer.call("Reshape", writer.value(parent), writer.lengths(sizes, "a reshaped array"), allowzero=1)


@row("expand")
def _expand(writer: Writer, node: Node) -> str:
    (parent,) = node.inputs
    inner = writer.small.get(id(parent), parent)
    writer.small[id(node)] = inner
    return writer.names[id(inner)]


@row("detach")
def _detach(writer: Writer, node: Node) -> str:
    return writer.value(node.inputs[0])


@row("permute")
def _permute(writer: Writer, node: Node) -> str:
    return writer.call("Transpose", writer.value(node.inputs[0]), perm=node.attrs[0])


@row("slice")
def _slice(writer: Writer, node: Node) -> str:
    (parent,) = node.inputs
    if id(parent) in writer.parts and node.attrs[0][0][1:] == (1, 1):
        part = writer.parts[id(parent)][node.attrs[0][0][0]]
        whole = all(cut == (0, size, 1) for cut, size in zip(node.attrs[0][1:], parent.shape[1:], strict=True))
        if whole:
            return writer.call("Unsqueeze", part, writer.constant([0], np.int64))
    versions = writer.sizes.versions(node)
    axes, starts, steps, ends = [], [], [], []
    for axis, ((first, count, step), size) in enumerate(zip(node.attrs[0], parent.shape, strict=True)):
        others = {name: other.attrs[0][axis] for name, other in versions.items()}
        if (first, count, step) == (0, size, 1) and all(
            cut == (0, other.inputs[0].shape[axis], 1) for cut, other in zip(others.values(), versions.values(), strict=True)
        ):
            continue
        found = writer.sizes.of(count, {name: cut[1] for name, cut in others.items()})
        if (
            any((cut[0], cut[2]) != (first, step) for cut in others.values())
            or found is None
            or (found.names and (first or step != 1))
        ):
            raise UnsupportedError(
                "onnx.export: a slice follows a size of dynamic_axes in a way ONNX cannot say; leave that axis out"
            )
        end = first + count * step
        axes.append(axis)
        starts.append(first)
        steps.append(step)
        ends.append(found if found.names else Size(end if end >= 0 else -(2**31), end if end >= 0 else -(2**31)))
    if not axes:
        return writer.value(parent)
    vectors = [writer.constant(numbers, np.int64) for numbers in (starts, axes, steps)]
    return writer.call("Slice", writer.value(parent), vectors[0], writer.lengths(ends, "a slice"), vectors[1], vectors[2])


@row("pad")
def _pad(writer: Writer, node: Node) -> str:
    pairs, fill = node.attrs
    if any(other.attrs != node.attrs for other in writer.sizes.versions(node).values()):
        raise UnsupportedError("onnx.export: padding follows a size of dynamic_axes; leave that axis out")
    pads = writer.constant([before for before, _ in pairs] + [after for _, after in pairs], np.int64)
    if node.dtype == bool_:  # Pad has no booleans
        whole = writer.call("Cast", writer.value(node.inputs[0]), to=protobuf.INT32)
        padded = writer.call("Pad", whole, pads, writer.constant(int(fill), np.int32))
        return writer.call("Cast", padded, to=protobuf.BOOL)
    return writer.call("Pad", writer.value(node.inputs[0]), pads, writer.scalar(fill, node))


@row("window")
def _window(writer: Writer, node: Node) -> str:
    """Each windowed axis becomes two: which window, where in it."""
    kernel, stride, dilation = node.attrs
    lead = len(node.inputs[0].shape) - len(kernel)
    name = writer.value(node.inputs[0])
    for number, (size, step, apart) in enumerate(zip(kernel, stride, dilation, strict=True)):
        count = node.shape[lead + number]
        if writer.sizes.moving(node.inputs[0], lead + number):
            raise UnsupportedError("onnx.export: windows along an axis of dynamic_axes; leave that axis out")
        places = np.arange(count)[:, None] * step + np.arange(size) * apart
        name = writer.call("Gather", name, writer.constant(places, np.int64), axis=lead + 2 * number)
    rank = len(kernel)
    order = [*range(lead), *(lead + 2 * n for n in range(rank)), *(lead + 2 * n + 1 for n in range(rank))]
    return name if rank == 1 else writer.call("Transpose", name, perm=order)


# ---------------------------------------------------------------- sources, places


@row("iota")
def _iota(writer: Writer, node: Node) -> str:
    shape, axis = node.attrs[:2]
    sizes = writer.sizes.shape(node)
    size = sizes[axis]
    column = [-1 if a == axis else 1 for a in range(len(shape))]
    if size is not None and not size.names:
        line = writer.constant(np.arange(shape[axis], dtype=np.int32).reshape(column))
    else:
        end = writer.call("Cast", writer.lengths([size], "numbers in a row"), to=protobuf.INT32)
        end = writer.call("Squeeze", end, writer.constant([0], np.int64))
        numbers = writer.call("Range", writer.constant(0, np.int32), end, writer.constant(1, np.int32))
        line = writer.call("Reshape", numbers, writer.constant(column, np.int64))
    rest = [Size(1, 1) if a == axis else one for a, one in enumerate(sizes)]
    if all(one is not None and one.value == 1 and not one.names for one in rest):
        return line
    return writer.call("Expand", line, writer.lengths(rest, "numbers in a row"))


@row("uniform")
def _uniform(writer: Writer, node: Node) -> str:
    """Other numbers in each run: what draws is exported as drawing."""
    shape = writer.lengths(writer.sizes.shape(node), "random numbers")
    return writer.call("RandomUniformLike", writer.call("Expand", writer.scalar(0, node), shape), low=0.0, high=1.0)


@row("gather")
def _gather(writer: Writer, node: Node) -> str:
    """Whole rows where the index is the same along a row; else number by number."""
    source, index = node.inputs
    axis = node.attrs[0]
    inner = writer.small.get(id(index))
    others = [size for a, size in enumerate(source.shape) if a != axis]
    if inner is not None and axis == 0 and all(size == 1 for size in inner.shape[1:]) and others == list(index.shape[1:]):
        flat = writer.call("Reshape", writer.names[id(inner)], writer.constant([-1], np.int64))
        return writer.call("Gather", writer.value(source), flat, axis=0)
    return writer.call("GatherElements", writer.value(source), writer.value(index), axis=axis)


@row("scatter_add")
def _scatter_add(writer: Writer, node: Node) -> str:
    index, source = node.inputs
    zeros = writer.call("Expand", writer.scalar(0, node), writer.lengths(writer.sizes.shape(node), "a sum by index"))
    return writer.call("ScatterElements", zeros, writer.value(index), writer.value(source), axis=node.attrs[1], reduction="add")


@row("argsort")
def _argsort(writer: Writer, node: Node) -> str:
    """Equals stay in order in ONNX as well."""
    axis, descending = node.attrs
    size = writer.lengths([writer.sizes.shape(node)[axis]], "a sorted axis")
    found = writer.call("TopK", writer.value(node.inputs[0]), size, outputs=2, axis=axis, largest=int(descending), sorted=1)
    return writer.call("Cast", found, to=protobuf.INT32)


# ---------------------------------------------------------------- reductions, contractions


def _reduced(writer: Writer, kind: str, name: str, axes: Sequence[int]) -> str:
    if kind == "ReduceSum" or writer.opset >= 18:
        return writer.call(kind, name, writer.constant(list(axes), np.int64), keepdims=1)
    return writer.call(kind, name, axes=axes, keepdims=1)


@row("sum")
def _sum(writer: Writer, node: Node) -> str:
    name = writer.value(node.inputs[0])
    return _reduced(writer, "ReduceSum", name, node.attrs[0]) if node.attrs[0] else name


@row("amax")
def _amax(writer: Writer, node: Node) -> str:
    name = writer.value(node.inputs[0])
    return _reduced(writer, "ReduceMax", name, node.attrs[0]) if node.attrs[0] else name


@row("argmax")
def _argmax(writer: Writer, node: Node) -> str:
    name = writer.value(node.inputs[0])
    if node.inputs[0].dtype == bool_:
        name = writer.call("Cast", name, to=protobuf.INT32)
    return writer.call("Cast", writer.call("ArgMax", name, axis=node.attrs[0][0], keepdims=1), to=protobuf.INT32)


def _whole(writer: Writer, node: Node, parts: list[str]) -> str:
    """Results of statistics one behind the other; most readers take one of them."""
    writer.parts[id(node)] = parts
    first = writer.constant([0], np.int64)
    return writer.call("Concat", *(writer.call("Unsqueeze", part, first) for part in parts), axis=0)


@row("moments")
def _moments(writer: Writer, node: Node) -> str:
    (x,), (axes, eps) = node.inputs, node.attrs
    sizes = [writer.sizes.shape(x)[axis] for axis in axes]
    if any(size is None or size.names for size in sizes):
        raise UnsupportedError("onnx.export: statistics over an axis of dynamic_axes; leave that axis out")
    count = writer.scalar(max(math.prod(x.shape[axis] for axis in axes), 1), node)
    name = writer.value(x)
    mean = writer.call("Div", _reduced(writer, "ReduceSum", name, axes), count)
    away = writer.call("Sub", name, mean)
    square = _reduced(writer, "ReduceSum", writer.call("Mul", away, away), axes)
    variance = writer.call("Add", writer.call("Div", square, count), writer.scalar(eps, node))
    return _whole(writer, node, [mean, square, writer.call("Reciprocal", writer.call("Sqrt", variance))])


@row("exp_sum")
def _exp_sum(writer: Writer, node: Node) -> str:
    name, axes = writer.value(node.inputs[0]), node.attrs[0]
    top = _reduced(writer, "ReduceMax", name, axes)
    return _whole(writer, node, [top, _reduced(writer, "ReduceSum", writer.call("Exp", writer.call("Sub", name, top)), axes)])


@row("matmul")
def _matmul(writer: Writer, node: Node) -> str:
    return writer.call("MatMul", writer.value(node.inputs[0]), writer.value(node.inputs[1]))


@row("conv2d")
def _conv2d(writer: Writer, node: Node) -> str:
    image, weight = node.inputs
    stride, padding, dilation, size, groups = node.attrs
    kernel = weight.shape[2:]
    if writer.sizes.moving(image, 2) or writer.sizes.moving(image, 3) or min(padding) < 0:
        raise UnsupportedError("onnx.export: a convolution whose padding ONNX cannot say, or whose image size is in dynamic_axes")
    needs = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(size, stride, dilation, kernel, strict=True)]
    after = [max(need - p - have, 0) for need, p, have in zip(needs, padding, image.shape[2:], strict=True)]
    return writer.call(
        "Conv", writer.value(image), writer.value(weight),
        strides=stride, dilations=dilation, group=groups, kernel_shape=kernel, pads=[*padding, *after],
    )  # fmt: skip


@row("conv2d_image")
def _conv2d_image(writer: Writer, node: Node) -> str:
    """A transposed convolution."""
    sent, weight = node.inputs
    stride, padding, dilation, size, groups = node.attrs
    kernel = weight.shape[2:]
    if any(other.attrs != node.attrs for other in writer.sizes.versions(node).values()) or min(padding) < 0:
        raise UnsupportedError(
            "onnx.export: a transposed convolution whose padding ONNX cannot say, or whose size is in dynamic_axes"
        )
    full = [s * (n - 1) + d * (k - 1) + 1 for n, s, d, k in zip(sent.shape[2:], stride, dilation, kernel, strict=True)]
    after = [have - p - want for have, p, want in zip(full, padding, size, strict=True)]
    return writer.call(
        "ConvTranspose", writer.value(sent), writer.value(weight),
        strides=stride, dilations=dilation, group=groups, kernel_shape=kernel,
        pads=[*padding, *(max(more, 0) for more in after)], output_padding=[max(-more, 0) for more in after],
    )  # fmt: skip


# ---------------------------------------------------------------- attention


def _scores(writer: Writer, node: Node, masks: Sequence[Node]) -> str:
    query, key = node.inputs[:2]
    causal, batch = node.attrs
    turned = writer.call("Transpose", writer.value(key), perm=(0, 2, 1))
    scores = writer.call("MatMul", writer.value(query), turned)
    rows, columns = query.shape[1], key.shape[1]
    if not all(writer.sizes.fixed(one) for one in (*masks, query, key)) and (masks or causal):
        raise UnsupportedError("onnx.export: attention with a mask over an axis of dynamic_axes; leave that axis out")
    if causal:
        seen = np.where(np.arange(rows)[:, None] >= np.arange(columns), 0, -np.inf)
        scores = writer.call("Add", scores, writer.constant(seen, node.dtype))
    for mask in masks:
        wide = writer.call("Reshape", scores, writer.constant([*batch, rows, columns], np.int64))
        added = writer.call("Add", wide, writer.value(mask))
        scores = writer.call("Reshape", added, writer.constant([math.prod(batch), rows, columns], np.int64))
    return scores


@row("attention_lse")
def _attention_lse(writer: Writer, node: Node) -> str:
    found = _reduced(writer, "ReduceLogSumExp", _scores(writer, node, node.inputs[2:]), (2,))
    return writer.call("Squeeze", found, writer.constant([2], np.int64))


@row("attention")
def _attention(writer: Writer, node: Node) -> str:
    scores = _scores(writer, node, node.inputs[4:])
    lse = writer.call("Unsqueeze", writer.value(node.inputs[3]), writer.constant([2], np.int64))
    return writer.call("MatMul", writer.call("Exp", writer.call("Sub", scores, lse)), writer.value(node.inputs[2]))
