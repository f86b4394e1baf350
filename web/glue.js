// The Python that stands between the engine worker and the library.

/** Python's side of engine_worker.js: frames become typed arrays and errors JSON here, so that no PyProxy is ever left over. */
export const GLUE = `
import builtins, gc, json, math, pathlib, platform, shutil, sys, time, traceback, zipfile
import numpy
from pyodide.ffi import to_js
from distml_py import browser, packages, safetensors
from distml_py.alone import Alone
from distml_py.blame import line_of, words_of
from distml_py.errors import BackendError, RecipeError
from distml_py.inspection import look as looked
from distml_py.serialization import pytorch_snippet
from distml_py.stand_in import execute, told
from distml_py.tab import Tab

def no_terminal(prompt=""):
    raise RecipeError("input() asks at a terminal, and a tab has none: write the answer into the code")

builtins.input = no_terminal

def start(bridge, why, remembered, remember, alone, tested):
    global tab, driver
    backend = browser.start(bridge, why, remembered=remembered, remember=remember, tested=tested)
    kind = "webgl" if backend.startswith("WebGL2") else "reference"
    device = backend.partition(": ")[2] if kind == "webgl" else "NumPy in the browser"
    tab = Tab(kind, device, f"{platform.machine()}, Python {platform.python_version()}, NumPy {numpy.__version__}", time.monotonic)
    driver = Alone(tab) if alone else tab
    return backend

def guarded(work, told=lambda error: "".join(traceback.format_exception(error))):
    def call(*values):
        try:
            return to_js([None, work(*values)])
        except BaseException as error:
            text = words_of(error)
            return to_js([json.dumps({"message": text, "line": line_of(error), "traceback": told(error), "recipe": not isinstance(error, (BackendError, MemoryError))}), None])
    return call

def finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value

def begin(name, code, seed, steps, weights):
    return tab.prepare(name, code, seed, steps, None if weights is None else safetensors.loads(weights.to_bytes()))

def model():
    if tab.training is None:
        raise RecipeError("there is no model yet: press Train first")
    return tab.training

def store(path, data):
    file = pathlib.Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data.to_bytes())

def given(name, data):
    store(name, data)
    if zipfile.is_zipfile(name):
        shutil.unpack_archive(name, ".", "zip")

def run(name, code):
    try:
        execute(f"{name}.py", code=code)
    except SystemExit as asked:
        if asked.code not in (None, 0):
            print(asked.code if isinstance(asked.code, str) else f"exit code {asked.code}")
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    gc.collect()
    return True

def kept(kind, name):
    training = model()
    if kind == "snippet":
        return pytorch_snippet(training.model, f"{name}.safetensors").encode()
    if kind == "onnx":
        from distml_py.onnx.export import exported  # a page starts without it
        copy = training.recipe.model()  # parameters of its own, where training has them together
        copy.load_state_dict(training.model.state_dict())
        inputs = training.splits.train.batch(numpy.arange(2))[0]
        return exported(copy.eval(), inputs, ["input"], dynamic_axes={"input": {0: "batch"}})
    state = training.model.state_dict()
    return safetensors.dumps({name: value.detach().numpy() for name, value in state.items()})

def fit(name, code, seed, weights):
    if tab.busy:
        raise RecipeError("a run is in progress: stop it first")
    begin(name, code, seed, None, weights)

prepare = guarded(begin)
receive = guarded(lambda data: driver.receive(data if isinstance(data, str) else data.to_bytes()))
advance = guarded(lambda: driver.advance())
look = guarded(lambda what, options: json.dumps(looked(model(), what, json.loads(options))))
save = guarded(kept)
fit = guarded(fit)
put = guarded(store)
give = guarded(given)
script = guarded(run, told)
report = guarded(lambda: json.dumps({key: finite(value) for key, value in tab.report().items()}))
leave = guarded(lambda: tab.leave())
needed = guarded(packages.needed)
imported = guarded(packages.imported)
complaint = guarded(browser.complaint)
busy = lambda: driver.busy
lost_s = lambda: tab.lost_s

async def install(names):
    import micropip
    await micropip.install(names.to_py())

def fall_back(why):
    tab.backend, tab.device = "reference", "NumPy in the browser"
    return browser.start(None, why)
`;
