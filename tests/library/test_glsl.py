"""GLSL text: a pure, readable function of a kernel. What it computes is judged in Chromium, by test_webgl_ops.py."""

import re

import numpy as np
import pytest

import distml_py as dm
import op_examples
from distml_py import Tensor, schedule
from distml_py.backends.glsl import ROW, grid, render, texels
from distml_py.kernel import Convolution, Kernel
from distml_py.schedule import graph_of, linearize
from op_examples import Example, listed, loss_of, numbers

HELPERS = [
    "texel",
    "texeli",
    "load",
    "loadi",
    "uniform_bits",
    "floor_divide",
    "remainder",
    "sine",
    "cosine",
    "power",
    "logarithm",
    "root",
]


def kernels_of(*tensors: Tensor) -> list[Kernel]:
    key, _, _ = linearize([tensor.node for tensor in tensors])
    return [launch.kernel for launch in schedule.schedule(graph_of(key)).launches if launch.size]


def kernels_of_example(example: Example) -> list[Kernel]:
    """Those of its outputs and gradients."""
    tensors = [dm.tensor(array) for array in example.inputs]
    wanted = [t.requires_grad_() for t in tensors if t.is_floating_point() and example.differentiable]
    outputs = listed(example.call(dm, *tensors))
    loss = loss_of(dm, outputs)
    if loss is not None:
        loss.backward()
    return kernels_of(*outputs, *(t.grad for t in wanted if t.grad is not None))


def data(*shape: int) -> Tensor:
    return dm.tensor(numbers(*shape))


def test_equal_kernels_have_equal_texts_and_render_is_pure() -> None:
    texts: dict[Kernel, str] = {}
    for example in op_examples.EXAMPLES:
        for kernel in kernels_of_example(example):
            text = render(kernel).text
            assert texts.setdefault(kernel, text) == text == render(kernel).text


@pytest.mark.parametrize("example", op_examples.EXAMPLES, ids=lambda example: example.name)
def test_a_text_declares_what_it_uses_and_nothing_else(example: Example) -> None:
    for kernel in kernels_of_example(example):
        program = render(kernel)
        text = program.text
        body = text.split("result;\n", 1)[1]
        assert text.startswith("#version 300 es\n") and text.count("void main()") == 1
        for kind, name in re.findall(r"uniform (\w+) (\w+);", text):
            assert re.search(rf"\b{name}\b", body), f"{kind} {name} is declared and not used"
        for name in set(re.findall(r"\b[ts]\d+\b", body)):
            assert re.search(rf"uniform \w+ {name};", text), f"{name} is used and not declared"
        declared = re.findall(r"^uniform (float|int) s(\d+);", text, re.MULTILINE)
        assert "".join(kind[0] for kind, _ in declared) == program.scalars
        for name in HELPERS:
            if re.search(rf"\b{name}\(", body):
                assert re.search(rf"^\w+ {name}\(\w+ ", text, re.MULTILINE), f"{name} is called and not defined"
        assert text.count("{") == text.count("}") and text.count("(") == text.count(")")
        assert not re.search(r"[%/] 0\b(?!\.)", body), "a division by 0"


def test_a_fused_chain_reads_like_a_program() -> None:
    (kernel,) = kernels_of(((data(4, 5) * 2 + data(5)).exp() - 1).relu())
    assert render(kernel).scalars == "ff"
    assert (
        render(kernel).text.split("float element", 1)[1]
        == """(int i, float a0) {
    float v1 = a0 * s0;
    int p2 = (i % 5);
    float v3 = v1 + load(t1, p2);
    float v4 = isnan(v3) ? v3 : exp(v3);
    float v5 = v4 - s1;
    float v6 = v5 < 0.0 ? 0.0 : v5;
    return v6;
}
void main() {
    int n = (int(gl_FragCoord.y) << 10) + int(gl_FragCoord.x);
    int i = n << 2;
    vec4 x0 = texel(t0, n);
    result = vec4(element(i + 0, x0.x), element(i + 1, x0.y), element(i + 2, x0.z), element(i + 3, x0.w));
}
"""
    )


def test_a_padded_read_is_a_branch_that_stays_inside() -> None:
    (kernel,) = kernels_of(dm.nn.functional.pad(data(2, 3), (1, 0, 0, 1), value=7.5))
    body = render(kernel).text.split("float element", 1)[1]
    assert "= 7.5;" in body and "if (" in body
    assert body.index("if (") < body.index("load(t0")


def test_whole_texels_are_read_four_at_a_time() -> None:
    (aligned,) = kernels_of(data(8, 4).t() @ data(8, 12))
    assert "vec4 acc" in render(aligned).text
    (odd,) = kernels_of(data(3, 5) @ data(5, 3))
    assert "float acc" in render(odd).text


def test_a_direct_convolution_skips_what_lies_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "COLUMN_LIMIT", 0)
    (kernel,) = kernels_of(dm.nn.functional.conv2d(data(1, 1, 5, 5), data(1, 1, 3, 3), padding=1))
    assert isinstance(kernel, Convolution)
    assert "if (y < 0 || y >= 5) continue;" in render(kernel).text


def test_numbers_that_glsl_cannot_write_are_written_as_bits() -> None:
    texts = [
        render(k).text
        for value in (np.inf, -np.inf, np.nan)
        for k in kernels_of(dm.nn.functional.pad(data(2), (1, 1), value=value))
    ]
    assert [bits in text for bits, text in zip(("0x7f800000u", "0xff800000u", "0x7fc00000u"), texts, strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("size", "count", "columns", "rows"),
    [(0, 1, 1, 1), (1, 1, 1, 1), (4, 1, 1, 1), (5, 2, 2, 1), (4096, 1024, ROW, 1), (4097, 1025, ROW, 2), (70_000, 17_500, ROW, 18)],
)
def test_an_array_is_rows_of_1024_texels_of_four(size: int, count: int, columns: int, rows: int) -> None:
    assert texels(size) == count
    assert grid(size) == (columns, rows)
