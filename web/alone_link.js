// In the place of the coordinator's socket where there is none: the engine itself says what a coordinator would (alone.py).

/** The same verbs as Connection. */
export class AloneLink {
  /** @param {import("./engine.js").Engine} engine @param {import("./socket.js").Handlers} handlers */
  constructor(engine, handlers) {
    this.engine = engine;
    this.handlers = handlers;
  }

  connect() {
    this.handlers.link({ phase: "open" });
    this.handlers.frame({ type: "welcome", role: "host", worker: "alone", join_url: "" }, "");
  }

  /** @param {object | string | ArrayBuffer} data */
  send(data) {
    const command = typeof data === "string" || data instanceof ArrayBuffer ? null : /** @type {any} */ (data);
    if (command === null) this.engine.frame(/** @type {string | ArrayBuffer} */ (data));
    else if (command.type === "command") this.engine.frame(JSON.stringify(command));
    return true;
  }

  close() {}
}
