// What this tab knows before anybody has said anything. Its type and the truths told from it are in status.js.

/** @returns {import("./status.js").Knowledge} */
export function nothingKnown() {
  return {
    engine: loadingEngine(),
    link: { phase: "connecting" },
    role: "",
    worker: "",
    join_url: "",
    run: null,
    coordinator: null,
    train: "idle",
    script: null,
    stepping: false,
    resetting: false,
    dismissed: null,
    joined: false,
    consent: "",
    resting: false,
    working: null,
    report: null,
    reasons: {},
    gpu: null,
    problem: null,
  };
}

/** @returns {import("./status.js").Knowledge["engine"]} */
export function loadingEngine() {
  return { phase: "loading", stage: "Downloading the Python engine", loaded: 0, total: 0, backend: null };
}
