// For other people's pages, as a plain script: <distml-trainer recipe="spiral"></distml-trainer> shows this coordinator's page
// in a frame, and has train(), pause(), step(), stop(), reset(), setCode(code), status, and the event "distml-status".

(() => {
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  const HOME = new URL("..", script?.src ?? location.href).href;

  class DistmlTrainer extends HTMLElement {
    constructor() {
      super();
      this.status = null;
      this.frame = null;
      this.hear = this.hear.bind(this);
    }

    connectedCallback() {
      const link = new URL(this.getAttribute("link") ?? HOME);
      const parts = new URLSearchParams(link.hash.slice(1));
      parts.set("embed", "1");
      if (this.hasAttribute("recipe")) parts.set("recipe", this.getAttribute("recipe") ?? "");
      link.hash = parts.toString();
      this.origin = link.origin;
      this.frame = document.createElement("iframe");
      this.frame.src = link.href;
      this.frame.title = this.getAttribute("title") ?? "Train a neural network";
      this.frame.width = "100%";
      this.frame.height = this.getAttribute("height") ?? "640";
      this.frame.addEventListener("load", () => this.tell("hello"));
      addEventListener("message", this.hear);
      this.replaceChildren(this.frame);
    }

    disconnectedCallback() {
      removeEventListener("message", this.hear);
    }

    hear(/** @type {MessageEvent} */ event) {
      if (event.source !== this.frame?.contentWindow || event.origin !== this.origin || event.data?.distml !== "status") return;
      this.status = event.data.value;
      this.dispatchEvent(new CustomEvent("distml-status", { detail: this.status, bubbles: true }));
    }

    tell(/** @type {string} */ kind, /** @type {unknown} */ value = null) {
      this.frame?.contentWindow?.postMessage({ distml: kind, value }, /** @type {string} */ (this.origin));
    }

    train() {
      this.tell("train");
    }

    pause() {
      this.tell("pause");
    }

    step() {
      this.tell("step");
    }

    stop() {
      this.tell("stop");
    }

    reset() {
      this.tell("reset");
    }

    setCode(/** @type {string} */ code, name = "embedded") {
      this.tell("code", { name, code });
    }
  }

  customElements.define("distml-trainer", DistmlTrainer);
})();
