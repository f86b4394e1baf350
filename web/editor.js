// The recipe's code in CodeMirror, loaded only where somebody may edit. Before it is there, the code is shown as plain text.

import { fileAt } from "./place.js";

const LABEL = "Code";
const UNSEEN_MS = 500; // a hidden page is not painted, and needs its editor all the same

/** The page is seen before it works on: to make an editor takes a quarter of a second on a slow machine. @returns {Promise<void>} */
function painted() {
  return new Promise((go) => {
    requestAnimationFrame(() => setTimeout(go));
    setTimeout(go, UNSEEN_MS);
  });
}

export class Editor {
  /** @param {HTMLElement} box */
  constructor(box) {
    this.box = box;
    this.text = "";
    /** @type {any} CodeMirror's view, null until it is loaded */
    this.view = null;
    /** @type {Promise<void> | null} */
    this.opening = null;
    this.marked = 0;
    this.locked = false;
    /** Whether a person changed the code since it was last filled in. */
    this.edited = false;
    /** @type {((byHand: boolean) => void)[]} told after each change of the code */
    this.listeners = [];
    /** @type {() => void} Ctrl + Enter */
    this.run = () => {};
    this.plain = document.createElement("pre");
    this.plain.className = "waiting-code";
    box.append(this.plain);
  }

  get code() {
    return this.view ? this.view.state.doc.toString() : this.text;
  }

  /** @param {(byHand: boolean) => void} listener */
  onChange(listener) {
    this.listeners.push(listener);
  }

  /** Loads CodeMirror, once. */
  open() {
    this.opening ??= this.load();
    return this.opening;
  }

  async load() {
    await painted();
    const cm = await import(fileAt("web/vendor/codemirror.esm.js"));
    const { setMark, marks } = markedLine(cm);
    this.setMark = setMark;
    this.readOnly = new cm.Compartment();
    this.cm = cm;
    const changed = cm.EditorView.updateListener.of((/** @type {any} */ update) => {
      if (!update.docChanged) return;
      const byHand = !update.transactions.some((/** @type {any} */ one) => one.isUserEvent("fill"));
      if (byHand) {
        this.edited = true;
        this.mark(0);
      }
      for (const listener of this.listeners) listener(byHand);
    });
    const run = { key: "Mod-Enter", run: () => (this.run(), true) };
    this.view = new cm.EditorView({
      doc: this.text,
      extensions: [
        cm.keymap.of([run, cm.indentWithTab]),
        cm.basicSetup,
        cm.python(),
        cm.indentUnit.of("    "),
        cm.syntaxHighlighting(colours(cm)),
        marks,
        changed,
        this.readOnly.of(cm.EditorState.readOnly.of(this.locked)),
        cm.EditorView.contentAttributes.of({ id: "code", tabindex: "0", "aria-label": LABEL, "aria-describedby": "code-hint", spellcheck: "false", autocapitalize: "off" }),
      ],
    });
    this.plain.replaceWith(this.view.dom);
    if (this.marked) this.mark(this.marked);
  }

  /** @param {boolean} locked */
  lock(locked) {
    if (locked === this.locked) return;
    this.locked = locked;
    this.view?.dispatch({ effects: this.readOnly.reconfigure(this.cm.EditorState.readOnly.of(locked)) });
  }

  /** Puts other code in, as when another recipe is picked. @param {string} code */
  fill(code) {
    if (this.code !== code) this.replace(0, this.code.length, code);
    this.edited = false;
    this.mark(0);
  }

  /** Changes a part of the code, as a control does; it can be undone. @param {number} from @param {number} to @param {string} text */
  replace(from, to, text) {
    if (this.view) return this.view.dispatch({ changes: { from, to, insert: text }, userEvent: "fill" });
    this.text = this.text.slice(0, from) + text + this.text.slice(to);
    this.plain.textContent = this.text;
    for (const listener of this.listeners) listener(false);
  }

  /** Marks a line (from 1); 0 takes the mark away. @param {number} line */
  mark(line) {
    this.marked = line;
    if (!this.view) return;
    const there = line > 0 && line <= this.view.state.doc.lines;
    queueMicrotask(() => this.view.dispatch({ effects: this.setMark.of(there ? this.view.state.doc.line(line).from : -1) }));
    this.view.contentDOM.setAttribute("aria-invalid", String(there));
  }

  /** Puts the cursor on a line and selects it. @param {number} line */
  select(line) {
    if (!this.view || line < 1 || line > this.view.state.doc.lines) return;
    const { from, to } = this.view.state.doc.line(line);
    this.view.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true });
    this.view.focus();
  }
}

/** A line that stands out. @param {any} cm */
function markedLine(cm) {
  const setMark = cm.StateEffect.define();
  const line = cm.Decoration.line({ class: "cm-marked" });
  const marks = cm.StateField.define({
    create: () => cm.Decoration.none,
    update(/** @type {any} */ value, /** @type {any} */ transaction) {
      const found = value.map(transaction.changes);
      const effect = transaction.effects.findLast((/** @type {any} */ one) => one.is(setMark));
      if (effect === undefined) return found;
      return effect.value < 0 ? cm.Decoration.none : cm.Decoration.set([line.range(effect.value)]);
    },
    provide: (/** @type {any} */ field) => cm.EditorView.decorations.from(field),
  });
  return { setMark, marks };
}

/** Python in the page's own colours, light and dark. @param {any} cm */
function colours({ HighlightStyle, tags }) {
  return HighlightStyle.define([
    { tag: [tags.keyword, tags.operatorKeyword, tags.self], color: "var(--code-word)" },
    { tag: [tags.string, tags.special(tags.string)], color: "var(--code-text)" },
    { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
    { tag: tags.comment, color: "var(--quiet)", fontStyle: "italic" },
    { tag: [tags.definition(tags.variableName), tags.definition(tags.className), tags.function(tags.variableName)], color: "var(--code-name)" },
  ]);
}
