"""tune() on WebGL2: real shaders are measured, numbers stay right, a second page load knows the winners without measuring."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from playwright.sync_api import BrowserContext, expect

import distml_py
from distml_py.backends.choices import FORMAT
from distml_py.variant import DEFAULT
from driving import edit, until_editor
from served import Coordinator
from tabs import Tab


class Lab(Protocol):
    """conftest's page, in which Python runs against the WebGL2 bridge."""

    page: Any

    def load(self) -> None: ...
    def run(self, source: str) -> Any: ...


SOURCE = """
import json
import js
import numpy as np
import distml_py as dm
from distml_py import engine, nn, optim, tuning
from distml_py.backends import tuner
from distml_py.backends.choices import Choices
from distml_py.backends.problems import name_of, problems
from distml_py.variant import DEFAULT, Variant

random = np.random.default_rng(0)
def data(*shape):
    return random.uniform(-1, 1, shape).astype(np.float32)

x, labels = dm.tensor(data(8, 3, 13, 12)), dm.tensor(np.arange(8) % 10)

class Case:
    '''A small convolution and a product, with their gradients and SGD.'''
    def __init__(self):
        dm.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(3, 17, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(17 * 156, 10))
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.05)
    def step(self, x, labels):
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model((x * 2 - 0.5).tanh()), labels)
        loss.backward()
        self.optimizer.step()
        return loss
    def weights(self):
        return [value.numpy() for value in self.model.state_dict().values()]

def after(steps):
    case = Case()
    for _ in range(steps):
        case.step(x, labels)
    return case.weights()

def apart(one, other):
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(one, other))

def on_numpy(work):
    gpu = engine.backend()
    engine.use_backend("reference")
    try:
        return work()
    finally:
        engine.use_backend(gpu)
"""


def tuning(lab: Lab, code: str) -> Any:
    """Runs code after SOURCE; its last line is a value for JSON."""
    lines = code.strip().splitlines()
    return lab.run(SOURCE + "\n".join(lines[:-1]) + f"\njson.dumps({lines[-1]})")


def test_a_step_is_tuned_and_its_numbers_stay_right(lab: Lab) -> None:
    found = tuning(
        lab,
        """
wanted = on_numpy(lambda: after(3))
before = apart(after(3), wanted)
report = dm.tune(Case().step, x, labels, budget_s=120)
again = dm.tune(Case().step, x, labels)
numbers = {"before": before, "after": apart(after(3), wanted), "again": len(again.findings), "known": len(again.known)}
ops = sorted({f.name.split()[0].strip(";") for f in report.findings})
numbers |= {"tried": [len(f.tried) for f in report.findings], "out": [list(f.out.values()) for f in report.findings]}
numbers | {"ops": ops, "left": report.left, "lines": str(report).splitlines()}
""",
    )
    assert found["before"] < 1e-4 and found["after"] < 1e-4, found
    assert {"conv2d", "conv2d_weight", "matmul"} <= set(found["ops"])
    assert found["left"] == [] and all(count >= 2 for count in found["tried"]), found
    assert found["again"] == 0 and found["known"] == len(found["tried"])
    assert not any(found["out"]), "a variant that this device cannot draw"
    assert len(found["lines"]) == found["known"] + 1


OTHERS = ((0, False, 0), (256, True, 1 << 20), (1 << 14, False, 1 << 20))  # enough, fetch, prologue
VARIANTS = [(layers, *others) for layers in (1, 2, 4, 6, 8) for others in OTHERS]


@pytest.mark.parametrize(("layers", "enough", "fetch", "prologue"), VARIANTS)
def test_every_variant_trains_alike_on_webgl(lab: Lab, layers: int, enough: int, fetch: bool, prologue: int) -> None:
    """All contractions in one variant; one with more layers than the device has is drawn with as many as there are."""
    found = tuning(
        lab,
        f"""
gpu, plain = engine.backend(), Choices(engine.backend().choices.layers)
wanted = on_numpy(lambda: after(2))
gpu.choices = plain
after(1)
names = [name_of(graph, number) for graph in engine.planned() for number in problems(graph)]
gpu.choices = plain.with_({{name: Variant({layers}, {enough}, {fetch}, {prologue}) for name in names}})
off = apart(after(2), wanted)
gpu.choices = plain
[off, len(names)]
""",
    )
    assert found[0] < 1e-4 and found[1] >= 4, found


LIMITED = """
from distml_py.backends.webgl import WebGLBackend
from distml_py.browser import JsBridge

class Limited(JsBridge):
    '''A device whose draws have at most `layers` targets.'''
    def __init__(self, layers):
        super().__init__(js.bridge)
        self.texts, self.rooms = [], []
        plain, compiles, makes = self.limits, self.compile, self.texture
        self.limits = lambda: json.dumps(json.loads(plain()) | {"max_layers": layers})
        self.compile = lambda text, *rest: (self.texts.append(text), compiles(text, *rest))[1]
        self.texture = lambda *size: (self.rooms.append(size[2]), makes(*size))[1]
"""


@pytest.mark.parametrize("layers", [6, 4])  # fewer than four no WebGL2 device has
def test_a_device_with_few_draw_buffers_passes_the_self_test_and_trains(lab: Lab, layers: int) -> None:
    found = tuning(
        lab,
        LIMITED
        + f"""
bridge, gpu = Limited({layers}), engine.backend()
wanted = on_numpy(lambda: after(2))
engine.use_backend(WebGLBackend(bridge))
faults = [str(check) for check in dm.self_test() if not check.passed]
off = apart(after(2), wanted)
report = dm.tune(budget_s=0.5)
engine.use_backend(gpu)
[faults, off, max(text.count("out vec4") for text in bridge.texts), max(bridge.rooms)]
""",
    )
    assert found[0] == [] and found[1] < 1e-4
    assert found[2] == layers == found[3]


def test_a_captured_step_is_captured_anew_and_equals_the_eager_one(lab: Lab) -> None:
    found = tuning(
        lab,
        """
gpu = engine.backend()
plain = Choices(gpu.choices.layers)
def trained(compiled):
    gpu.choices = plain
    case = Case()
    step = dm.compile(case.step) if compiled else case.step
    for number in range(8):
        if number == 4:
            names = [name_of(graph, n) for graph in engine.planned() for n in problems(graph)]
            gpu.choices = plain.with_({name: Variant(2, 0, True) for name in names})
        step(x, labels)
    return case.weights(), step
eager, _ = trained(False)
captured, step = trained(True)
gpu.choices = plain
[all(a.tobytes() == b.tobytes() for a, b in zip(captured, eager)), step.recordings, step.replays]
""",
    )
    assert found == [True, 4, 4]


def test_a_wrong_variant_and_one_that_does_not_compile_are_put_out(lab: Lab) -> None:
    found = tuning(
        lab,
        """
from distml_py.backends import glsl, trials
plain = glsl.render
def broken(kernel, *rest):
    program = plain(kernel, *rest)
    block = getattr(kernel, "block", 8)
    if block == 2:
        return type(program)(program.text.replace("acc0 +=", "acc0 += 0.5 *"), program.scalars)
    return type(program)(program.text.replace("void main", "nonsense main"), program.scalars) if block == 1 else program
a, b = dm.tensor(data(33, 64)), dm.tensor(data(64, 20))
(a @ b).numpy()
glsl.render = broken
try:
    report = dm.tune(budget_s=90)
finally:
    glsl.render = plain
finding = next(f for f in report.findings if "33, 64" in f.name)
[{variant.layers: why for variant, why in finding.out.items()}, float(np.abs((a @ b).numpy() - a.numpy() @ b.numpy()).max())]
""",
    )
    assert "numbers differ" in found[0]["2"] and "shader failed" in found[0]["1"]
    assert found[1] < 1e-4


def test_tuning_leaves_no_textures_behind(lab: Lab) -> None:
    found = tuning(
        lab,
        """
gpu = engine.backend()
plain = gpu.choices = Choices(gpu.choices.layers)
step = dm.compile(Case().step)
def held():
    for _ in range(5):
        step(x, labels)
    gpu._pool.shrink()
    return [dm.memory()["textures"], dm.memory()["bytes"]]
real = tuner.Tuner._race
changes = []
def there_and_back():
    tuner.Tuner._race = lambda own, runners: (runners[-1], real(own, runners)[1])  # always the same
    dm.tune(budget_s=30, again=True)
    tuner.Tuner._race = real
    held()
    changes.append(gpu.choices != plain)
    gpu.choices = plain
    engine.drop_stale_plans()
    return held()
held()  # only what has run is tuned
[*(there_and_back() for _ in range(4)), changes]
""",
    )
    assert found[4] == [True] * 4 and found[1] == found[2] == found[3], found  # the first round brings scratch of its own


RESTART = """async () => {
    const { recall, remember } = await import("/web/tuning.js");
    const device = JSON.parse(bridge.limits()).renderer;
    globalThis.remembered = await recall(device);
    globalThis.writes = [];
    globalThis.remember = (text) => { writes.push(text); globalThis.writing = remember(device, text); };
    return remembered;
}"""
START = """
from distml_py import browser
browser.start(js.bridge, remembered=js.remembered, remember=js.remember)
"""
# Something else than the default has to win, on every machine: here whoever comes last.
BIASED = """
real = tuner.Tuner._race
tuner.Tuner._race = lambda own, runners: (runners[-1], real(own, runners)[1])
report = dm.tune(Case().step, x, labels, budget_s=120)
tuner.Tuner._race = real
[dm.save_tuning(), len(report.findings), len(report.left)]
"""


def test_a_second_page_load_uses_the_winners_without_measuring(new_lab: Callable[[], Lab]) -> None:
    lab = new_lab()
    assert lab.page.evaluate(RESTART) == ""
    text, count, left = tuning(lab, START + BIASED)
    assert count >= 4 and left == 0
    kept = json.loads(text)["variants"].values()
    assert any(variant != dataclasses.asdict(DEFAULT) for variant in kept), kept
    lab.page.evaluate("() => writing")
    assert lab.page.evaluate("() => writes") == [text]

    lab.load()
    assert lab.page.evaluate(RESTART) == text
    found = tuning(
        lab,
        START
        + """
report = dm.tune(Case().step, x, labels, budget_s=120)
wanted = on_numpy(lambda: after(3))
[len(report.findings), len(report.known), dm.save_tuning(), apart(after(3), wanted), report.seconds]
""",
    )
    assert found[0] == 0 and found[1] >= 4 and found[2] == text
    assert found[3] < 1e-4 and found[4] < 0.5
    assert lab.page.evaluate("() => writes") == [], "nothing new was found, and nothing written"
    lab.page.close()


DAMAGES = ["text.replace('WebGL2: ', 'another: ')", "text.slice(0, -3)", "''", "text.replace(/fetch/g, 'etch')"]


def test_a_foreign_or_damaged_record_changes_nothing_and_a_whole_one_is_used(new_lab: Callable[[], Lab]) -> None:
    lab = new_lab()
    lab.page.evaluate(RESTART)
    found = {}
    for damage in ("text", *DAMAGES):
        lab.page.evaluate(
            f"""async () => {{
                const {{ remember }} = await import("/web/tuning.js");
                const device = JSON.parse(bridge.limits()).renderer;
                const variants = {{ "matmul; (4, 4); (4, 4)": {{ layers: 1, enough: 0, fetch: true }} }};
                const version = "{distml_py.__version__}";
                const text = JSON.stringify({{ format: {FORMAT}, device: `WebGL2: ${{device}}`, version, variants }});
                await remember(device, {damage});
            }}"""
        )
        lab.page.evaluate(RESTART)
        code = START + "[engine.backend().choices == Choices(engine.backend().choices.layers), dm.self_test()[0].passed]"
        found[damage] = tuning(lab, code)
    assert found == {"text": [False, True]} | dict.fromkeys(DAMAGES, [True, True])
    lab.page.close()


SCRIPT = """
import numpy as np
import distml_py
a = distml_py.tensor(np.ones((64, 96), np.float32))
print("remembered:", distml_py.save_tuning().count("layers"))
print(distml_py.tune(lambda: (a @ a.T).numpy(), budget_s=90))
"""


def test_the_engine_worker_of_the_page_remembers_across_a_reload(coordinator: Coordinator, context: BrowserContext) -> None:
    tab = Tab(context, coordinator.url)
    first = said(tab)
    assert "remembered: 0" in first and " 0 known, 0 left" in first and "0 tuned," not in first
    tab.page.reload()
    second = said(tab)
    assert "remembered: 0" not in second and "0 tuned, " in second and " 0 left" in second
    assert tab.errors == []


def said(tab: Tab) -> str:
    """What the script prints in the tab, on the GPU."""
    assert tab.until("the engine", lambda s: s["backend"])["backend"].startswith("WebGL2")
    until_editor(tab.page)
    edit(tab.page, SCRIPT)
    tab.page.get_by_role("button", name="Train").click()
    printed = tab.page.locator("#printed")
    expect(printed).to_contain_text(" left, ", timeout=120_000)
    return printed.text_content() or ""
