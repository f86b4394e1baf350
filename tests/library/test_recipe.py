"""Recipes: what a seed means, what shards add up to, how a script is loaded, and what the checked-in ones reach."""

import gc
import math
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import distml_py as dm
from distml_py import nn, optim
from distml_py.blame import line_of
from distml_py.data import DataLoader, Dataset, Splits, TensorDataset, digits
from distml_py.errors import DistmlError, FormatError, NonFiniteError, RecipeError
from distml_py.recipe import Recipe, Training, load_recipe, train

RECIPES = Path(__file__).parents[2] / "web" / "recipes"


class Small(Recipe):
    """A network with a convolution and dropout on the digits."""

    batch_size, steps, shards = 50, 3, 4

    def data(self) -> Splits:
        return digits()

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(36, 10))

    def optimizer(self, parameters: Any) -> optim.Optimizer:
        return optim.Adam(parameters, lr=0.01)


class Few(Small):
    """Five samples, so that a batch of twelve runs through them more than twice."""

    batch_size, shards = 12, 1

    def data(self) -> Splits:
        part = TensorDataset(np.random.RandomState(0).rand(5, 1, 8, 8).astype(np.float32), np.arange(5, dtype=np.int32))
        return Splits(part, part, part)


def recipe(name: str) -> Recipe:
    return load_recipe(name, (RECIPES / f"{name}.py").read_text())


# ---------------------------------------------------------------- seeds


def curve(seed: int) -> tuple[list[float], dict[str, np.ndarray]]:
    training = Training(Small(), seed)
    return [training.step(step) for step in range(5)], training.weights()


def test_a_seed_means_one_curve_to_the_last_bit() -> None:
    (losses, weights), (again, same), (other, _) = curve(3), curve(3), curve(4)
    assert losses == again and losses != other
    assert [array.tobytes() for array in weights.values()] == [array.tobytes() for array in same.values()]


def test_every_sample_comes_once_in_a_pass() -> None:
    training = Training(Small(), 0)
    size = training.train_size
    steps = math.ceil(2 * size / 50)
    seen = np.concatenate([training.numbers(step, 0, 50) for step in range(steps)])[: 2 * size]
    for epoch in (seen[:size], seen[size:]):
        assert sorted(epoch.tolist()) == list(range(size))
    assert seen[:size].tolist() != seen[size:].tolist()


def test_a_batch_may_be_larger_than_the_data() -> None:
    training = Training(Few(), 0)
    numbers = training.numbers(0, 0, 12).tolist()
    assert sorted(numbers[:5]) == sorted(numbers[5:10]) == list(range(5))
    assert numbers[10:] == training.numbers(0, 10, 2).tolist()
    assert math.isfinite(training.step(0))


def test_samples_depend_on_seed_step_and_position_alone() -> None:
    one, other = Training(Small(), 7), Training(Small(), 7)
    for step in (60, 0, 21, 22, 3):
        whole = one.numbers(step, 0, 50).tolist()
        parts = [other.numbers(step, start, count).tolist() for start, count in ((37, 13), (0, 1), (1, 36))]
        assert parts[1] + parts[2] + parts[0] == whole


# ---------------------------------------------------------------- shards


@pytest.mark.parametrize("cuts", [[0, 50], [0, 25, 50], [0, 1, 18, 50], [0, 7, 8, 30, 49, 50]])
@pytest.mark.parametrize("make", [Small, lambda: recipe("digits_mlp"), lambda: recipe("digits_cnn")], ids=["small", "mlp", "cnn"])
def test_the_averaged_gradient_of_unequal_shards_is_the_full_batchs(make: Callable[[], Recipe], cuts: list[int]) -> None:
    """SEEDS.md, row 1, criterion (a)."""
    training = Training(make(), 1)
    training.step(0)
    loss, wanted = training.gradient(1, 0, 50)
    mean, losses = {name: np.zeros(array.shape) for name, array in wanted.items()}, 0.0
    for start, end in zip(cuts, cuts[1:], strict=False):
        part, gradient = training.gradient(1, start, end - start)
        losses += part * (end - start) / 50
        for name, array in gradient.items():
            mean[name] += array.astype(np.float64) * (end - start) / 50
    assert losses == pytest.approx(loss, rel=1e-6)
    for name, array in wanted.items():
        away = np.linalg.norm(mean[name] - array) / np.linalg.norm(array)
        assert away <= 1e-5, f"{name}: {away:.1e}"


def test_a_gradient_changes_no_weights_and_is_zero_for_what_is_not_used() -> None:
    class Unused(Small):
        def model(self) -> nn.Module:
            net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
            net.idle = nn.Parameter(np.ones(3, np.float32))
            return net

    training = Training(Unused(), 0)
    before = training.weights()
    _, gradient = training.gradient(0, 0, 10)
    assert list(gradient) == list(before)
    assert gradient["idle"].tolist() == [0, 0, 0]
    assert all(np.array_equal(before[name], array) for name, array in training.weights().items())


# ---------------------------------------------------------------- going on


def test_a_run_goes_on_from_its_state_as_if_nothing_had_happened() -> None:
    one = Training(Small(), 0)
    for step in range(3):
        one.step(step)
    other = Training(Small(), 0)
    other.load_state(one.state())
    assert [other.step(step) for step in (3, 4)] == [one.step(step) for step in (3, 4)]


class Normed(Small):
    def model(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))


@pytest.mark.parametrize("captured", [True, False])
def test_what_batch_norm_has_seen_is_part_of_the_state(captured: bool) -> None:
    recipe = Normed()
    recipe.compile = captured
    one = Training(recipe, 0)
    for step in range(5):
        one.step(step)
    buffers = one.buffers()
    assert list(buffers) == [f"buffers/2.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")]
    assert buffers["buffers/2.num_batches_tracked"] == 5 and buffers["buffers/2.running_mean"].any()
    other = Training(recipe, 0)
    other.step(0)
    other.load_state(one.state())
    assert other.evaluate("validation") == one.evaluate("validation")
    assert [other.step(step) for step in (5, 6, 7)] == [one.step(step) for step in (5, 6, 7)]
    mine, theirs = one.buffers(), other.buffers()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_a_state_without_its_buffers_is_refused_and_changes_nothing() -> None:
    training = Training(Normed(), 0)
    training.step(0)
    before, state = training.buffers(), training.state()
    del state["buffers/2.running_var"]
    state["buffers/2.running_mean"] = np.ones(8, np.float32)
    with pytest.raises(FormatError, match="odd: buffers/2.running_var"):
        training.load_state(state)
    assert all(np.array_equal(before[name], array) for name, array in training.buffers().items())


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    training = Training(Small(), 0)
    before, state = training.weights(), training.state()
    state["weights/0.bias"] = np.full(4, np.nan, np.float32)
    with pytest.raises(FormatError, match="holds a NaN or an infinity"):
        training.load_state(state)
    assert all(np.array_equal(before[name], array) for name, array in training.weights().items())


def test_evaluation_reads_a_whole_split_without_dropout() -> None:
    training = Training(Small(), 0)
    first, again = training.evaluate("validation"), training.evaluate("validation")
    assert first == again and first[2] == 360
    loss, right = 0.0, 0
    training.model.eval()
    images, labels = training.splits.validation.fields
    scores = training.model(dm.tensor(images))
    loss = nn.functional.cross_entropy(scores, dm.tensor(labels)).item()
    right = int((scores.detach().numpy().argmax(1) == labels).sum())
    assert first[0] == pytest.approx(loss, rel=1e-5) and first[1] == right / 360


def test_a_large_split_is_read_in_batches_weighted_by_their_size() -> None:
    training = Training(Small(), 0)
    loss, accuracy, samples = training.evaluate("train")
    images, labels = training.splits.train.fields
    scores = training.model(dm.tensor(images))
    assert samples == 1077
    assert loss == pytest.approx(nn.functional.cross_entropy(scores, dm.tensor(labels)).item(), rel=1e-5)
    assert accuracy == pytest.approx(float((scores.detach().numpy().argmax(1) == labels).mean()))


def test_what_a_step_cost_is_reported() -> None:
    training = Training(Small(), 0)
    training.step(0)
    assert set(training.last) == {"cpu_ops", "step_ms", "python_ms", "draws", "texture_bytes"}
    assert training.last["cpu_ops"] > 0, "there is no GPU here"
    assert 0 < training.last["python_ms"] <= training.last["step_ms"]


def test_train_reports_its_way_and_reads_the_test_split_once() -> None:
    lines: list[str] = []
    training = train(Small(), seed=1, steps=2, say=lines.append)
    assert len(lines) == 2
    assert lines[0].startswith("step 2: loss ") and "validation loss" in lines[0]
    assert lines[1].startswith("test: loss ") and "on 360 samples, backend reference (NumPy)" in lines[1]
    assert isinstance(training, Training)


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run_with_words(number: float) -> None:
    class Broken(Small):
        def loss(self, model: nn.Module, *batch: dm.Tensor) -> dm.Tensor:
            return super().loss(model, *batch) * number

    with pytest.raises(NonFiniteError, match=f"the loss is {number} at step 1; lower the learning rate, or check the data"):
        Training(Broken(), 0).step(0)
    with pytest.raises(NonFiniteError, match="at step 8"):
        Training(Broken(), 0).gradient(7, 0, 5)


SCRIPT = """import distml_py as dm

class Mine(dm.Recipe):
    steps = 7

    def data(self):
        return 1 / 0
"""


def test_a_script_is_loaded_under_its_own_name() -> None:
    loaded = load_recipe("mine", SCRIPT)
    assert (loaded.steps, type(loaded).__module__, type(loaded).__name__) == (7, "recipe_mine", "Mine")


def test_an_error_in_a_script_shows_its_file_line_and_text() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        Training(load_recipe("mine", SCRIPT), 0)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno, frame.line) == ("mine.py", 7, "return 1 / 0")
    with pytest.raises(NameError) as broken:
        load_recipe("mine", "x = 1\ny = nothing\n")
    assert traceback.extract_tb(broken.value.__traceback__)[-1].lineno == 2
    with pytest.raises(SyntaxError) as wrong:
        load_recipe("mine", "x = 1\ndef f(:\n")
    assert (wrong.value.filename, wrong.value.lineno) == ("mine.py", 2)


def test_a_script_defines_exactly_one_recipe() -> None:
    two = SCRIPT + "\nclass Other(dm.Recipe):\n    pass\n"
    with pytest.raises(RecipeError, match="mine.py must define one subclass of Recipe, found Mine, Other; see web/recipes"):
        load_recipe("mine", two)
    with pytest.raises(RecipeError, match="mine.py must define one subclass of Recipe, found none"):
        load_recipe("mine", "from distml_py.recipe import Recipe")


def test_a_script_that_trains_under_main_does_not_train_when_loaded() -> None:
    load_recipe("mine", SCRIPT + "\nif __name__ == '__main__':\n    raise SystemExit\n")


# ---------------------------------------------------------------- data


def test_a_data_loader_cuts_batches() -> None:
    data = TensorDataset(np.arange(10, dtype=np.float32), np.arange(10, dtype=np.int32) * 2)
    loader = DataLoader(data, batch_size=4)
    batches = list(loader)
    assert (len(loader), [len(x) for x, _ in batches]) == (3, [4, 4, 2])
    assert batches[1][0].tolist() == [4, 5, 6, 7] and batches[1][1].tolist() == [8, 10, 12, 14]
    assert (batches[0][0].dtype, batches[0][1].dtype) == (dm.float32, dm.int32)
    short = DataLoader(data, batch_size=4, drop_last=True)
    assert (len(short), len(list(short))) == (2, 2)


def test_shuffling_is_another_order_each_pass_and_the_same_for_a_seed() -> None:
    loader = DataLoader(TensorDataset(np.arange(50)), batch_size=50, shuffle=True)
    dm.manual_seed(1)
    first, second = (next(iter(loader))[0].tolist() for _ in range(2))
    assert sorted(first) == list(range(50)) and first != second
    dm.manual_seed(1)
    assert next(iter(loader))[0].tolist() == first


def test_a_dataset_of_ones_own_is_collated_field_by_field() -> None:
    class Squares(Dataset):
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> Any:
            return dm.full((2,), float(index)), index * index

    (x, y), *_ = DataLoader(Squares(), batch_size=3)
    assert x.tolist() == [[0, 0], [1, 1], [2, 2]] and y.tolist() == [0, 1, 4]


# ---------------------------------------------------------------- what the checked-in recipes reach


def accuracy(name: str, seed: int) -> float:
    return train(recipe(name), seed, say=lambda text: None).evaluate("test")[1]


@pytest.mark.slow
def test_the_digits_recipes_reach_what_they_promise() -> None:
    assert accuracy("digits_mlp", 0) >= 0.95
    reached = [accuracy("digits_cnn", seed) for seed in (0, 1, 2)]
    assert min(reached) >= 0.96 and sum(reached) / 3 >= 0.97, reached


@pytest.mark.parametrize(
    ("wrong", "method"),
    [
        (("return digits()", "return 3"), "def data"),
        (("nn.Linear(64, self.width)", "nn.Linear(63, self.width)"), "def model"),
        (("lr=0.2", "lr=1e30"), "def optimizer"),
    ],
)
def test_an_error_that_happens_in_the_library_points_at_the_method_of_the_recipe(wrong: tuple[str, str], method: str) -> None:
    code = (RECIPES / "digits_mlp.py").read_text().replace(*wrong)
    line = next(number for number, text in enumerate(code.split("\n"), 1) if method in text)
    with pytest.raises(DistmlError) as raised:
        training = Training(load_recipe("wrong", code), 0)
        for step in range(50):
            training.step(step)
    assert line_of(raised.value) == line


# ---------------------------------------------------------------- capture


@pytest.mark.parametrize("make", [Small, lambda: recipe("digits_mlp"), lambda: recipe("digits_cnn")], ids=["small", "mlp", "cnn"])
def test_a_captured_run_is_the_uncaptured_one_bit_for_bit(make: Callable[[], Recipe]) -> None:
    found = []
    for compiled in (True, False):
        chosen = make()
        chosen.compile = compiled
        training = Training(chosen, 2)
        losses = [training.step(step) for step in range(6)]
        shards = [training.gradient(step, start, 13) for step in (6, 7, 8) for start in (0, 13)]
        training.evaluate("validation")
        losses += [training.step(step) for step in range(6, 9)]
        arrays = [*training.weights().values(), *(array for _, gradient in shards for array in gradient.values())]
        found.append((losses, [loss for loss, _ in shards], [array.tobytes() for array in arrays]))
        if compiled:
            assert training._step.replays >= 5 and training._shard.replays >= 3
    assert found[0] == found[1]


def test_shards_after_steps_alone_are_of_the_weights_that_were_loaded_last() -> None:
    """A host that stepped alone goes on with the weights it has, and then with those of others."""
    training = Training(recipe("digits_mlp"), 0)
    for step in range(6):
        training.step(step)
    weights = {name: array.copy() for name, array in training.weights().items()}
    for step in range(6, 12):
        if step > 6:
            training.load_weights(dict(weights))
        judge = Training(recipe("digits_mlp"), 0)
        judge.load_weights(dict(weights))
        for start in (0, 16, 32, 48):
            (loss, found), (wanted, gradients) = training.gradient(step, start, 16), judge.gradient(step, start, 16)
            assert loss == pytest.approx(wanted, abs=1e-6)
            for name, gradient in gradients.items():
                np.testing.assert_allclose(found[name], gradient, rtol=1e-5, atol=1e-7)
        weights = {name: (array - 0.05 * gradients[name]).astype(np.float32) for name, array in weights.items()}
    assert training._shard.replays >= 12  # type: ignore[attr-defined]


def test_a_recipe_that_reads_its_loss_runs_its_python_each_time_and_says_why() -> None:
    seen: list[float] = []

    class Reading(Few):
        def loss(self, model: nn.Module, *batch: dm.Tensor) -> dm.Tensor:
            loss = super().loss(model, *batch)
            seen.append(loss.item())
            return loss

    training = Training(Reading(), 0)
    with pytest.warns(RuntimeWarning, match=r"runs eagerly: test_recipe.py:\d+ reads a number inside the step"):
        losses = [training.step(step) for step in range(4)]
    assert seen == losses


def test_a_loss_that_is_no_number_is_told_with_its_own_step_however_late_it_is_read() -> None:
    class Rising(Few):
        def optimizer(self, parameters: Any) -> optim.Optimizer:
            return optim.SGD(parameters, lr=1e39)

    training = Training(Rising(), 0)
    coming = [training.begin(step) for step in range(5)]
    with pytest.raises(NonFiniteError) as caught:
        for number, loss in enumerate(coming):
            assert loss.ready() and loss.step == number
            loss.result()
    assert f"at step {number + 1};" in str(caught.value)


def test_a_step_asks_the_backend_for_no_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(Few(), 0)
    asked: list[int] = []
    plain = type(dm.engine.backend()).stats
    monkeypatch.setattr(type(dm.engine.backend()), "stats", lambda self: asked.append(1) or plain(self))
    training.step(0)
    training.gradient(1, 0, 3)
    assert asked == []
    assert training.last["draws"] == 0 and asked == [1]


def test_a_training_is_freed_by_reference_counts_alone() -> None:
    gc.collect()
    gc.disable()
    try:
        training = Training(Few(), 0)
        for step in range(5):
            training.step(step)
        training.gradient(5, 0, 3)
        model = weakref.ref(training.model)
        del training
        assert model() is None
    finally:
        gc.enable()
