"""Contractions: batched matrix product and 2-D convolution. Their derivatives are contractions again."""

from __future__ import annotations

import numpy as np

from ..graph import Node, apply
from ..op import Conv2d, MatMul
from ..view import Shape
from .move import PERMUTE, flip, spread


def _turned(x: Node) -> Node:
    return apply(PERMUTE, x, attrs=((0, 2, 1),))


MATMUL: MatMul = MatMul(
    name="matmul",
    numpy=np.matmul,
    vjp=lambda g, out, x, y: (apply(MATMUL, g, _turned(y)), apply(MATMUL, _turned(x), g)),
)


def _conv2d_numpy(
    image: np.ndarray, weight: np.ndarray, stride: Shape, padding: Shape, dilation: Shape, size: Shape
) -> np.ndarray:
    """Windows of the padded image, contracted with the weight; rows and columns beyond `size` are not needed."""
    kernel = weight.shape[2:]
    needs = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(size, stride, dilation, kernel, strict=True)]
    before = [max(p, 0) for p in padding]
    after = [max(need - p - have, 0) for need, p, have in zip(needs, padding, image.shape[2:], strict=True)]
    image = np.pad(image, ((0, 0), (0, 0), *zip(before, after, strict=True)))
    skip = [max(-p, 0) for p in padding]
    image = image[:, :, skip[0] :, skip[1] :]
    if 0 in (*image.shape, *weight.shape, *size):
        return np.zeros((image.shape[0], weight.shape[0], *size), image.dtype)
    n, c, h, w = image.strides
    windows = np.lib.stride_tricks.as_strided(
        image,
        (image.shape[0], image.shape[1], *size, *kernel),
        (n, c, h * stride[0], w * stride[1], h * dilation[0], w * dilation[1]),
        writeable=False,
    )
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(image.shape[0] * size[0] * size[1], -1)
    out = columns @ weight.reshape(weight.shape[0], -1).T
    return np.ascontiguousarray(out.reshape(image.shape[0], *size, -1).transpose(0, 3, 1, 2))


def _conv2d_vjp(g: Node, out: Node, image: Node, weight: Node) -> tuple[Node, Node]:
    stride, padding, dilation, _ = out.attrs
    return (
        _image_gradient(g, image, weight, stride, padding, dilation),
        _weight_gradient(g, image, weight, stride, padding, dilation),
    )


def _image_gradient(g: Node, image: Node, weight: Node, stride: Shape, padding: Shape, dilation: Shape) -> Node:
    """Every output pixel sends its gradient through the flipped weight: a convolution of the spread gradient."""
    turned = apply(PERMUTE, flip(flip(weight, 2), 3), attrs=((1, 0, 2, 3),))
    for axis in (0, 1):
        g = spread(g, 2 + axis, stride[axis])
    edge = tuple(d * (k - 1) - p for d, k, p in zip(dilation, weight.shape[2:], padding, strict=True))
    return apply(CONV2D, g, turned, attrs=((1, 1), edge, dilation, image.shape[2:]))


def _weight_gradient(g: Node, image: Node, weight: Node, stride: Shape, padding: Shape, dilation: Shape) -> Node:
    """The image against the gradient, channels as batch: strides and dilations change places."""
    batch_last = apply(PERMUTE, image, attrs=((1, 0, 2, 3),))
    as_weight = apply(PERMUTE, g, attrs=((1, 0, 2, 3),))
    found = apply(CONV2D, batch_last, as_weight, attrs=(dilation, padding, stride, weight.shape[2:]))
    return apply(PERMUTE, found, attrs=((1, 0, 2, 3),))


CONV2D = Conv2d("conv2d", _conv2d_numpy, _conv2d_vjp)

