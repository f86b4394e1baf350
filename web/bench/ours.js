// The library as a contender: Pyodide, workloads.py and ours.py in this worker, a new bridge for every row.

/** Time inside the bridge, whatever it is called with: what is left of a step is Python's. Calls: all but the read that ends a round. */
const inside = { ms: 0, calls: 0 };

/** @param {any} bridge the same object, with a stopwatch around each function */
function timed(bridge) {
  return Object.fromEntries(
    Object.entries(bridge).map(([name, value]) => {
      if (typeof value !== "function") return [name, value];
      const call = (/** @type {any[]} */ ...values) => {
        const began = performance.now();
        try {
          return value.apply(bridge, values);
        } finally {
          inside.ms += performance.now() - began;
          inside.calls += name === "read" ? 0 : 1;
        }
      };
      return [name, call];
    }),
  );
}

/** @param {string} way "eager", "captured", "tuned" or "numpy" @param {object} _flags @param {number} [tune_s] of each row, for "tuned" */
export async function open(way, _flags, tune_s = 0) {
  const at = (/** @type {string} */ path) => new URL(path, location.origin).href;
  const { loadPyodide } = await import(at("/assets/pyodide.mjs"));
  const pyodide = await loadPyodide({ indexURL: at("/assets/"), lockFileURL: at("/assets/pyodide-lock.json") });
  await pyodide.loadPackage(["numpy", "distml-py"], { messageCallback: () => {} });
  for (const name of ["workloads.py", "ours.py"]) {
    pyodide.FS.writeFile(name, await (await fetch(at(`/web/bench/${name}`))).text());
  }
  const ours = pyodide.pyimport("ours");
  const work = pyodide.pyimport("workloads").WORK;
  if (way === "captured" && !pyodide.runPython("import distml_py; hasattr(distml_py, 'compile')")) {
    throw new Error("this version of the library has no compile()");
  }
  const { createBridge } = await import(at("/bridge/bridge.js"));
  /** @type {any} */ let bridge;
  /** @type {any} */ let contender;
  const stats = () => JSON.parse(contender.stats());

  return {
    version: pyodide.runPython("import distml_py; distml_py.__version__"),

    /** What every contender begins with, and how the row is run. @param {string} row */
    describe(row) {
      if (!work.has(row)) throw new Error("this version of the library has no such model");
      const made = work.get(row)();
      const arrays = ours.arrays(made).toJs({ depth: 2 }).map((/** @type {any[]} */ [name, shape, kind, numbers]) => ({
        name, kind, shape: shape.toJs(), data: numbers.toJs().slice(),
      }));
      return { arrays, units: made.units, checked: made.checked, lr: made.lr ?? 0 };
    },

    /** @param {string} row */
    prepare(row) {
      if (!work.has(row)) throw new Error("this version of the library has no such model");
      if (way !== "numpy") bridge = createBridge(new OffscreenCanvas(1, 1));
      contender = ours.Contender(way, work.get(row)(), way === "numpy" ? undefined : timed(bridge), tune_s);
    },

    /** The first unit, alone. */
    first() {
      const compile_ms = contender.first() * 1e3;
      return { compile_ms, choices: contender.choices() };
    },

    /** @param {number} units @param {number} rounds */
    repeat(units, rounds) {
      const before = way === "numpy" ? { draws: 0 } : stats();
      inside.ms = inside.calls = 0;
      const began = performance.now();
      contender.repeat(units, rounds);
      const ms = performance.now() - began;
      const [python_ms, calls] = [ms - inside.ms, inside.calls];
      if (way === "numpy") return { ms };
      const after = stats();
      return { ms, python_ms, bridge_calls: calls, draws: after.draws - before.draws, texture_bytes: after.texture_bytes };
    },

    roofline: () => JSON.parse(contender.roofline()),
    result: () => contender.result().toJs().slice(),
    weights: () => Object.fromEntries([...contender.weights().toJs().entries()]),

    close() {
      contender?.destroy();
      contender = undefined;
      bridge?.lose();
      bridge = undefined;
    },
  };
}
