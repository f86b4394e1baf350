"""What scripts ask of PyTorch beside training: profilers, timers, settings of compilers, private bases, lists of operations."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import ArgumentError, MissingModuleError, ShapeError
from distml_py.stand_in import as_torch, foreach, run_program
from distml_py.stand_in.attention import sdpa_kernel
from distml_py.stand_in.benchmark import Timer
from distml_py.stand_in.profiler import tensorboard_trace_handler

PROGRAM = """
import torch, json, sys
from torch import nn
import torch._dynamo, torch._inductor.config as config
import torch.utils.benchmark as benchmark
from torch.profiler import ProfilerActivity, profile, record_function, schedule
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm, BatchNorm1d
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.loss import _Loss, _WeightedLoss
from torch.autograd.function import FunctionCtx, once_differentiable
config.coordinate_descent_tuning = torch._dynamo.config.suppress_errors = True
assert config.coordinate_descent_tuning and not torch.compiler.is_compiling() and not torch.is_autocast_cpu_enabled()
assert isinstance(BatchNorm1d(2), _BatchNorm) and isinstance(nn.Conv2d(1, 1, 1), _ConvNd)
assert not isinstance(nn.Linear(1, 1), _ConvNd)

@torch.compiler.disable
def double(x): return x * 2

class Squares(_Loss):
    def forward(self, a, b): return (a - b).square().mean()

class Net(nn.Module):
    wide: torch.jit.Final[bool]
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 2)
    def forward(self, x): return double(self.inner(x))

net, x = Net(), torch.ones(3, 4)
assert Squares()(net(x), net(x)).item() == 0 and Squares(reduction="sum").reduction == "sum"
seen = []
plan = schedule(wait=1, warmup=1, active=2, repeat=1)
with profile(activities=[ProfilerActivity.CPU], schedule=plan, on_trace_ready=lambda p: seen.append(p.key_averages())) as prof:
    for _ in range(6):
        with record_function("step"):
            net(x).sum().backward()
        prof.step()
assert len(seen) == 1 and seen[0].total_average().draws > 0 and "matmul" in seen[0].table(sort_by="cpu_time_total", row_limit=50)
(step,) = [row for row in seen[0] if row.key == "step"]
assert step.count == 2 and step.cpu_time_total == 2 * step.cpu_time > 0
assert step.ms > 0 and seen[0].total_average().ms == sum(row.ms for row in seen[0]) - step.ms
with torch.autograd.profiler.profile() as prof:
    net(x)  # nobody keeps it, and it is computed all the same
assert "matmul" in [row.key for row in prof.key_averages()]
prof.export_chrome_trace(sys.argv[1])
with sdpa_kernel([SDPBackend.MATH]), torch.autograd.graph.save_on_cpu():
    assert nn.functional.scaled_dot_product_attention(x, x, x).shape == (3, 4)
timed = benchmark.Timer("x @ x.T", globals={"x": x}).blocked_autorange(min_run_time=0.001)
assert timed.median > 0 and "x @ x.T" in repr(timed)
"""


def test_a_script_that_measures_and_sets_what_it_finds_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run_program("around.py", [str(tmp_path / "trace.json")], PROGRAM)
    assert code == 0, capsys.readouterr().err
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


LISTS: dict[str, Any] = {
    "add": ([0.5],),
    "sub": (["b"],),
    "mul": (["b"],),
    "div": ([2.0],),
    "neg": ([],),
    "sqrt": ([],),
    "pow": ([2],),
    "norm": ([],),
    "maximum": (["b"],),
    "lerp": (["b", 0.25],),
    "addcmul": (["b", "b", 0.5],),
    "addcdiv": (["b", "b", 2.0],),
    "clamp_min": ([0.6],),
}


@pytest.mark.parametrize("word", LISTS)
def test_operations_on_lists_are_pytorchs(word: str) -> None:
    def run(library: Any, function: Any) -> list[np.ndarray]:
        a = [library.tensor([0.25, 1.0]), library.tensor([[4.0]])]
        b = [library.tensor([0.5, 2.0]), library.tensor([[1.0]])]
        return [part.numpy() for part in function(a, *(b if one == "b" else one for one in LISTS[word][0]))]

    for mine, wanted in zip(
        run(dm, foreach.named(f"_foreach_{word}")), run(torch, getattr(torch, f"_foreach_{word}")), strict=True
    ):
        np.testing.assert_allclose(mine, wanted, rtol=1e-6)


def test_lists_change_in_place_where_asked() -> None:
    a, b = [dm.ones(2), dm.zeros(1)], [dm.full((2,), 3.0), dm.ones(1)]
    change: Any = foreach.named("_foreach_add_")
    assert change(a, b, alpha=-1) is None and [part.tolist() for part in a] == [[-2, -2], [-1]]
    with pytest.raises(ShapeError, match="_foreach_add_: 2 tensors and 1 others; lists must be equally long"):
        change(a, b[:1])
    assert foreach.named("_foreach_of_nothing") is None


def test_a_derivative_for_once_has_no_derivative() -> None:
    from distml_py.autograd import Function, once_differentiable

    class Square(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * g

    x = dm.tensor([3.0], requires_grad=True)
    (slope,) = dm.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    assert slope.tolist() == [6] and slope.grad_fn is None or not dm.autograd.grad(slope.sum(), x, allow_unused=True)[0]


def test_hooks_on_what_is_saved_are_taken_and_told() -> None:
    x = dm.ones(2, requires_grad=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with dm.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t), dm.autograd.graph.save_on_cpu(pin_memory=True):
            (x * x).sum().backward()
    assert x.grad.tolist() == [2, 2] and len(told) <= 1


def test_what_is_not_here_is_told() -> None:
    with pytest.raises(ArgumentError, match="sdpa_kernel takes an SDPBackend, or a list of them, got 'math'"), sdpa_kernel("math"):
        pass
    with pytest.raises(ArgumentError, match="lines are Python here, got language='cpp'"):
        Timer("1", language="cpp")
    with pytest.raises(ArgumentError, match="leave use_gzip away"):
        tensorboard_trace_handler("logs", use_gzip=True)
    with as_torch(), pytest.raises(MissingModuleError, match="torch.nn.attention.flex_attention; nearest is F.scaled_dot"):
        import torch.nn.attention.flex_attention  # noqa: F401
