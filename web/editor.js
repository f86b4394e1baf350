// The recipe's code in a plain textarea with line numbers beside it; marks the line an error names. Tab leaves it: no trap.

export class Editor {
  /** @param {HTMLTextAreaElement} text @param {HTMLElement} gutter */
  constructor(text, gutter) {
    this.text = text;
    this.gutter = gutter;
    this.marked = 0;
    /** Whether a person changed the code since it was last filled in. */
    this.edited = false;
    text.addEventListener("input", () => {
      this.edited = true;
      this.mark(0);
    });
    text.addEventListener("scroll", () => this.follow());
    this.number();
  }

  get code() {
    return this.text.value;
  }

  /** @param {string} code */
  fill(code) {
    if (this.text.value !== code) this.text.value = code;
    this.edited = false;
    this.mark(0);
  }

  /** Marks a line (from 1) in the margin; 0 takes the mark away. @param {number} line */
  mark(line) {
    this.marked = line;
    this.number();
  }

  /** Puts the cursor on a line and selects it. @param {number} line */
  select(line) {
    const lines = this.text.value.split("\n");
    if (line < 1 || line > lines.length) return;
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    this.text.focus({ preventScroll: true });
    this.text.setSelectionRange(start, start + lines[line - 1].length);
    this.text.scrollTop = Math.max(0, (line - 4) * this.lineHeight());
    this.text.scrollLeft = 0;
    this.follow();
  }

  lineHeight() {
    return parseFloat(getComputedStyle(this.text).lineHeight) || 20;
  }

  number() {
    const count = this.text.value.split("\n").length;
    while (this.gutter.children.length > count) this.gutter.lastElementChild?.remove();
    while (this.gutter.children.length < count) {
      const number = document.createElement("span");
      number.textContent = String(this.gutter.children.length + 1);
      this.gutter.append(number);
    }
    this.gutter.querySelector(".marked")?.classList.remove("marked");
    this.gutter.children[this.marked - 1]?.classList.add("marked");
    this.follow();
  }

  follow() {
    this.gutter.style.transform = `translateY(${-this.text.scrollTop}px)`;
  }
}
