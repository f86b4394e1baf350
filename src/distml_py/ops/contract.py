"""Contractions: batched matrix product and 2-D convolution. Their derivatives are contractions again."""

from __future__ import annotations

import numpy as np

from ..graph import Node, apply
from ..op import Conv2d, Conv2dImage, Conv2dWeight, MatMul
from ..view import Shape
from .move import PERMUTE


def _turned(x: Node) -> Node:
    return apply(PERMUTE, x, attrs=((0, 2, 1),))


MATMUL: MatMul = MatMul(
    name="matmul",
    numpy=np.matmul,
    vjp=lambda g, out, x, y: (apply(MATMUL, g, _turned(y)), apply(MATMUL, _turned(x), g)),
)


def _convolve(image: np.ndarray, weight: np.ndarray, stride: Shape, padding: Shape, dilation: Shape, size: Shape) -> np.ndarray:
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


def _spread(image: np.ndarray, stride: Shape) -> np.ndarray:
    """stride - 1 zeros between neighbours."""
    if stride == (1, 1) or 0 in image.shape:
        return image
    wide = [(size - 1) * step + 1 for size, step in zip(image.shape[2:], stride, strict=True)]
    out = np.zeros((*image.shape[:2], *wide), image.dtype)
    out[:, :, :: stride[0], :: stride[1]] = image
    return out


def _conv2d_numpy(
    image: np.ndarray, weight: np.ndarray, stride: Shape, padding: Shape, dilation: Shape, size: Shape, groups: int
) -> np.ndarray:
    if groups == 1:
        return _convolve(image, weight, stride, padding, dilation, size)
    parts = zip(np.split(image, groups, 1), np.split(weight, groups, 0), strict=True)
    return np.concatenate([_convolve(x, w, stride, padding, dilation, size) for x, w in parts], 1)


def _image_numpy(
    g: np.ndarray, weight: np.ndarray, stride: Shape, padding: Shape, dilation: Shape, size: Shape, groups: int
) -> np.ndarray:
    """Every output pixel sends its gradient through the flipped weight: a convolution of the spread gradient."""
    edge = tuple(d * (k - 1) - p for d, k, p in zip(dilation, weight.shape[2:], padding, strict=True))
    parts = []
    for part, w in zip(np.split(_spread(g, stride), groups, 1), np.split(weight, groups, 0), strict=True):
        parts.append(_convolve(part, w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3), (1, 1), edge, dilation, size))
    return np.concatenate(parts, 1)


def _weight_numpy(
    image: np.ndarray, g: np.ndarray, stride: Shape, padding: Shape, dilation: Shape, size: Shape, groups: int
) -> np.ndarray:
    """The image against the gradient, channels as batch: strides and dilations change places."""
    parts = []
    for x, part in zip(np.split(image, groups, 1), np.split(g, groups, 1), strict=True):
        found = _convolve(x.transpose(1, 0, 2, 3), part.transpose(1, 0, 2, 3), dilation, padding, stride, size)
        parts.append(found.transpose(1, 0, 2, 3))
    return np.ascontiguousarray(np.concatenate(parts, 0))


def _sized(out: Node, of: Node) -> tuple[Shape, ...]:
    """The attributes of out's sibling whose result is as large as `of`."""
    stride, padding, dilation, _, groups = out.attrs
    return stride, padding, dilation, of.shape[2:], groups


def _conv2d_vjp(g: Node, out: Node, image: Node, weight: Node) -> tuple[Node, Node]:
    return apply(CONV2D_IMAGE, g, weight, attrs=_sized(out, image)), apply(CONV2D_WEIGHT, image, g, attrs=_sized(out, weight))


def _image_vjp(g: Node, out: Node, sent: Node, weight: Node) -> tuple[Node, Node]:
    return apply(CONV2D, g, weight, attrs=_sized(out, sent)), apply(CONV2D_WEIGHT, g, sent, attrs=_sized(out, weight))


def _weight_vjp(g: Node, out: Node, image: Node, sent: Node) -> tuple[Node, Node]:
    return apply(CONV2D_IMAGE, sent, g, attrs=_sized(out, image)), apply(CONV2D, image, g, attrs=_sized(out, sent))


# bilinear, all three: the derivative of each is made of the other two
CONV2D = Conv2d("conv2d", _conv2d_numpy, _conv2d_vjp)
CONV2D_IMAGE = Conv2dImage("conv2d_image", _image_numpy, _image_vjp)
CONV2D_WEIGHT = Conv2dWeight("conv2d_weight", _weight_numpy, _weight_vjp)
