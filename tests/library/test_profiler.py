"""profile(): what took how long, by op, kernel and line, and that nothing is different inside or after it."""

import numpy as np

import distml_py as dm
from distml_py import engine, graph, nn, optim
from op_examples import numbers


def trained(steps: int, compiled: bool = False) -> tuple[nn.Module, object]:
    dm.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    x, labels = dm.tensor(numbers(5, 8)), dm.tensor([0, 1, 2, 1, 0])

    def step(x: dm.Tensor, labels: dm.Tensor) -> dm.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    run = dm.compile(step) if compiled else step
    for _ in range(steps):
        run(x, labels)
    return model, run


def test_each_op_has_a_row_with_its_line() -> None:
    x = dm.tensor(numbers(64, 64))
    with dm.profile() as p:
        y = x @ x  # the line that is named
        found = y.exp().sum()
        found.item()
    ops = {row.op: row for row in p.rows}
    assert {"matmul", "exp", "sum"} <= ops.keys()
    line = test_each_op_has_a_row_with_its_line.__code__.co_firstlineno + 3
    assert ops["matmul"].line == f"test_profiler.py:{line}" and ops["sum"].line == f"test_profiler.py:{line + 1}"
    assert ops["matmul"].bytes == 3 * 64 * 64 * 4 and ops["matmul"].draws == 1 and ops["matmul"].ms > 0
    assert p.ms == sum(row.ms for row in p.rows)
    assert len(p.recompiles) == 1 and len(p.host_stalls) == 1 and p.host_stalls[0][0] == f"test_profiler.py:{line + 2}"
    assert "matmul" in str(p) and "host stalls" in str(p)


def test_a_plan_that_is_known_is_no_recompile() -> None:
    x = dm.tensor(numbers(3, 3))
    (x * 2.5 + 1).numpy()
    with dm.profile() as p:
        (x * 3.5 + 1).numpy()
    assert p.recompiles == [] and [row.op for row in p.rows] and len(p.host_stalls) == 1


def test_training_inside_a_profile_gives_the_same_weights() -> None:
    plain, _ = trained(5)
    with dm.profile() as p:
        watched, _ = trained(5)
        captured, _ = trained(5, compiled=True)
    for name, value in plain.state_dict().items():
        assert np.array_equal(value.numpy(), watched.state_dict()[name].numpy())
        assert np.array_equal(value.numpy(), captured.state_dict()[name].numpy())
    assert {"matmul", "relu"} <= {row.op for row in p.rows}


def test_after_a_profile_nobody_is_told_anything() -> None:
    with dm.profile() as p:
        dm.tensor(numbers(3)).exp().numpy()
    rows = len(p.rows)
    dm.tensor(numbers(4)).tanh().numpy()
    assert len(p.rows) == rows and graph.watching == [] and not engine.watched()


def test_a_profile_ends_when_its_program_fails() -> None:
    try:
        with dm.profile():
            raise ValueError
    except ValueError:
        assert graph.watching == [] and not engine.watched()
