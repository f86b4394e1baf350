"""GLSL text: a pure, readable function of a kernel. What it computes is judged in Chromium, by test_webgl_ops.py."""

import re
from collections.abc import Iterator

import numpy as np
import pytest

import distml_py as dm
import op_examples
from distml_py import Tensor, engine, nn
from distml_py.backends.glsl import render
from distml_py.backends.writer import Program
from distml_py.distributions.multivariate import cholesky
from distml_py.kernel import Convolution, Kernel, Launch, Map, Product
from distml_py.layout import Layout, layout_of
from distml_py.schedule import schedule
from distml_py.steps import graph_of, linearize
from distml_py.variant import Variant
from numpy_kernels import KernelBackend
from op_examples import Example, listed, loss_of, numbers


@pytest.fixture(autouse=True)
def _on_gpu() -> Iterator[None]:
    """Some of an example's rows are composed of others where a GPU computes."""
    engine.use_backend(KernelBackend())
    yield
    engine.use_backend("reference")


HELPERS = ["uniform_bits", "floor_divide", "remainder", "sine", "cosine", "power", "logarithm", "root"]
Rendered = tuple[Kernel, tuple[Layout, ...], Layout, bool]


def kernels_of(*tensors: Tensor) -> list[Rendered]:
    """What render() needs for each draw."""
    key, leaves, _ = linearize([tensor.node for tensor in tensors], lambda node: layout_of(node.shape))
    layouts = [layout_of(node.shape) for node in leaves]
    plan = schedule(graph_of(key))
    by_slot = dict(enumerate(layouts)) | {slot: part.layout for slot, part in plan.parts.items()}
    by_slot |= {launch.output: launch.region.whole if launch.region else launch.layout for launch in plan.launches}

    def rendered(launch: Launch) -> Rendered:
        return launch.kernel, tuple(by_slot[slot] for slot in launch.inputs), launch.layout, launch.region is not None

    return [rendered(launch) for launch in plan.launches if launch.size]


def kernels_of_example(example: Example) -> list[Rendered]:
    """Those of its outputs and gradients."""
    tensors = [dm.tensor(array) for array in example.inputs]
    wanted = [t.requires_grad_() for t in tensors if t.is_floating_point() and example.differentiable]
    outputs = listed(example.call(dm, *tensors))
    loss = loss_of(dm, outputs)
    if loss is not None:
        loss.backward()
    return kernels_of(*outputs, *(t.grad for t in wanted if t.grad is not None))


def main_of(program: Program) -> str:
    return program.text.split("void main() {\n", 1)[1]


def data(*shape: int) -> Tensor:
    return dm.tensor(numbers(*shape))


def test_render_is_pure() -> None:
    texts: dict[Rendered, str] = {}
    for example in op_examples.EXAMPLES:
        for kernel in kernels_of_example(example):
            text = render(*kernel).text
            assert texts.setdefault(kernel, text) == text


@pytest.mark.parametrize("example", op_examples.EXAMPLES, ids=lambda example: example.name)
def test_a_text_declares_what_it_uses_and_nothing_else(example: Example) -> None:
    for kernel in kernels_of_example(example):
        program = render(*kernel)
        text = program.text
        body = main_of(program)
        assert text.startswith("#version 300 es\n") and text.count("void main()") == 1
        for kind, name in re.findall(r"uniform (\w+) (\w+);", text):
            assert re.search(rf"\b{name}\b", body), f"{kind} {name} is declared and not used"
        for name in set(re.findall(r"\b[ts]\d+\b", body)):
            assert re.search(rf"uniform \w+ {name};", text), f"{name} is used and not declared"
        declared = re.findall(r"^uniform (float|int) s(\d+);", text, re.MULTILINE)
        assert "".join(kind[0] for kind, _ in declared) == program.scalars
        layers = kernel[2].layers
        assert re.findall(r"^layout\(location = (\d+)\) out i?vec4 result\1;", text, re.MULTILINE) == [
            str(n) for n in range(layers)
        ]
        assert re.findall(r"^    result(\d+) = ", body, re.MULTILINE) == [str(n) for n in range(layers)]
        for name in HELPERS:
            if re.search(rf"\b{name}\(", body):
                assert re.search(rf"^\w+ {name}\(\w+ ", text, re.MULTILINE), f"{name} is called and not defined"
        assert text.count("{") == text.count("}") and text.count("(") == text.count(")")
        assert not re.search(r"[%/] 0\b(?!\.)", body), "a division by 0"


def check_names(text: str) -> None:
    """Each name is given before it is used, in a scope that its use is in, and once."""
    scopes: list[set[str]] = [{"x", "y"}]
    for line in text.splitlines():
        named = re.match(r" *(?:for \()?(?:float|int|bool|vec4|ivec4) (\w+) = ", line)
        if "for (" in line:
            assert named
            scopes.append({named[1]})
        elif line.endswith("{"):
            scopes.append(set())
        for name in re.findall(r"(?<![.\w])(?:[a-z]+\d+|x|y|r|c|ky|k|n|line)(?!\w)(?!\()", line):
            known = any(name in scope for scope in scopes) or name.startswith(("vec", "ivec", "result"))
            assert known or re.fullmatch(r"[ts]\d+", name) or (named and name == named[1]), f"{name} in {line}"
        if named and "for (" not in line:
            assert named[1] not in set().union(*scopes) - {"x", "y"}, f"{named[1]} is named twice"
            scopes[-1].add(named[1])
        if line.strip() == "}" and len(scopes) > 1:
            scopes.pop()


@pytest.mark.parametrize("example", op_examples.EXAMPLES, ids=lambda example: example.name)
def test_every_value_is_named_before_it_is_used_where_it_is_used(example: Example) -> None:
    for kernel in kernels_of_example(example):
        check_names(main_of(render(*kernel)))


def test_a_condition_that_is_met_within_a_loop_first_is_known_outside_it() -> None:
    """Of a Cholesky factor's gaps: the same test of a number that is read in a loop, and of one that is not."""
    spread = dm.eye(2) * dm.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)
    spread.realize()
    for kernel in kernels_of(cholesky(spread).isfinite().all()):
        check_names(main_of(render(*kernel)))


def test_what_a_fold_finds_outside_its_loop_is_known_after_it() -> None:
    table, index = data(4), dm.tensor([[0], [2], [1]])
    (kernel,) = kernels_of(table[index] * index.sum(1, keepdim=True))  # both read the same number of index
    body = main_of(render(*kernel))
    assert re.search(r"^    int v\d+ = x\d+\.x;", body, re.MULTILINE)


def test_a_fused_chain_of_whole_texels_reads_like_a_program() -> None:
    (kernel,) = kernels_of(((data(4, 8) * 2 + data(8)).exp() - 1).relu())
    assert render(*kernel).scalars == "ff"
    assert main_of(render(*kernel)).startswith(
        """    float x = gl_FragCoord.x - 0.5;
    float y = gl_FragCoord.y - 0.5;
    float u1 = (x + 0.5) * 0.5;
    float u2 = (y + 0.5) * 0.25;
    vec4 x3 = texture(t0, vec2(u1, u2));
    float v4 = x3.x * s0;
    vec4 x5 = texture(t1, vec2(0.5, u1));
    float v6 = v4 + x5.x;
    float v7 = mix(exp(v6), v6, isnan(v6));
    float v8 = v7 - s1;
    float v9 = mix(v8, 0.0, v8 < 0.0);
    float v10 = x3.y * s0;
"""
    )
    assert "floor(" not in render(*kernel).text, "a row of the array is a row of the texture: nothing is divided"


def test_a_product_of_whole_texels_reads_texels_and_divides_nothing() -> None:
    product, _ = kernels_of(data(8, 8) @ data(8, 12))
    body = main_of(render(*product))
    assert body.count("texture(t0") == 8 and body.count("texture(t1") == 4
    assert "floor(" not in body and "?" not in body


def test_a_variant_that_fetches_reads_every_texel_by_whole_coordinates() -> None:
    image, weight = data(2, 3, 9, 9), data(17, 3, 3, 3)
    key, _, _ = linearize(
        [(data(64, 64) @ data(64, 64)).node, nn.functional.conv2d(image, weight).node], lambda node: layout_of(node.shape)
    )
    plan = schedule(graph_of(key), lambda graph, number: Variant(fetch=True))
    layouts = {launch.output: launch.layout for launch in plan.launches} | dict.fromkeys(range(plan.leaves), layout_of((64, 64)))
    kinds = []
    for launch in plan.launches:
        if isinstance(launch.kernel, (Product, Convolution)):
            text = render(launch.kernel, [layouts[slot] for slot in launch.inputs], launch.layout).text
            assert "texelFetch(" in text and "texture(" not in text
            kinds.append(type(launch.kernel))
    assert kinds == [Product, Convolution]


def test_a_padded_read_is_a_choice() -> None:
    (kernel,) = kernels_of(dm.nn.functional.pad(data(2, 3), (1, 0, 0, 1), value=7.5))
    assert main_of(render(*kernel)).count("mix(7.5, ") == 4


def test_a_convolution_takes_zeros_for_what_lies_outside() -> None:
    (kernel,) = kernels_of(dm.nn.functional.conv2d(data(1, 1, 5, 8), data(1, 1, 3, 3), padding=1))
    assert re.search(r"bool b\d+ = c\d+ > 0.0 - 0.5 && c\d+ < 5.0 - 0.5;", main_of(render(*kernel)))
    assert "mix(vec4(0.0), " in main_of(render(*kernel))


def test_numbers_that_glsl_cannot_write_are_written_as_bits() -> None:
    texts = [
        render(*kernel).text
        for value in (np.inf, -np.inf, np.nan)
        for kernel in kernels_of(dm.nn.functional.pad(data(2), (1, 1), value=value))
    ]
    assert [bits in text for bits, text in zip(("0x7f800000u", "0xff800000u", "0x7fc00000u"), texts, strict=True)] == [True] * 3


def draws_of(program: Program) -> int:
    """How many random numbers are drawn for one texel, in one turn of its loop."""
    return main_of(program).count("uniform_bits(")


def test_random_numbers_are_not_drawn_in_long_loops() -> None:
    """A renderer that had 32 of them to write out, with what makes normal ones of them, lost the context after minutes."""
    x, y = data(20_000), data(200, 100)
    sampled = (
        (x * dm.randn(20_000)).mean(),
        (dm.randn(200, 100) * dm.randn(200, 100)).var(1),
        (y + dm.randn(200, 100)).log_softmax(1),
    )
    for tensor in sampled:
        for kernel in kernels_of(tensor):
            assert draws_of(render(*kernel)) <= 8 or isinstance(kernel[0], Map)


def test_what_a_loop_would_make_by_a_long_text_is_stored_first() -> None:
    first, *_ = kernels_of((dm.randn(20_000) * dm.randn(20_000)).mean())
    assert isinstance(first[0], Map) and draws_of(render(*first)) == 16
    assert not any(isinstance(kernel[0], Map) for kernel in kernels_of((data(20_000) * dm.rand(20_000)).mean()))
