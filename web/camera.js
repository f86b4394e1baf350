// Samples from the webcam: a class is named, and its button held while pictures are taken. They stay in this tab.

import { make } from "./pictures.js";
import { t } from "./strings.js";

const EVERY_MS = 100;
const MOST = 300; // of a class
const SIDE = 96;

/** Why there is no webcam here; "" when there may be one. */
export function cameraRefusal() {
  if (!isSecureContext) return "Webcam: browsers give it to pages on https or localhost alone, and this address is neither.";
  return navigator.mediaDevices ? "" : "Webcam: this browser offers none to pages.";
}

export class CameraSamples {
  /** Asks the person for the camera. */
  static async open() {
    try {
      return new CameraSamples(await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 320 } }));
    } catch (error) {
      const why = error instanceof DOMException ? error.name : "";
      if (why === "NotFoundError") throw new Error(t("No camera was found. Connect one, or take pictures from a folder."));
      if (why === "NotAllowedError") throw new Error(t("The browser was told not to give the camera to this page. Allow it beside the address, and try again."));
      throw error;
    }
  }

  /** @param {MediaStream} stream */
  constructor(stream) {
    this.stream = stream;
    /** @type {import("./own_data.js").Shot[]} */
    this.shots = [];
    this.video = make("video", "", "drawing");
    this.video.muted = this.video.playsInline = true;
    this.video.srcObject = stream;
    this.video.play();
    this.list = make("div", "", "stack");
    const add = make("button", t("Another class"), "small");
    add.type = "button";
    add.addEventListener("click", () => this.row());
    this.node = make("div", "", "draw-row");
    const right = make("div", "", "stack");
    right.append(make("p", t("Hold a button while the camera sees what belongs to its class."), "quiet"), this.list, add);
    this.node.append(this.video, right);
    this.row();
    this.row();
  }

  row() {
    const name = make("input");
    name.value = `class ${this.list.children.length + 1}`;
    name.setAttribute("aria-label", t("Name of the class"));
    const hold = make("button", t("Hold to take"), "small");
    const count = make("small", "0");
    hold.type = "button";
    const row = make("p", "", "buttons");
    row.append(name, hold, count);
    let timer = 0;
    let taken = 0;
    const take = async () => {
      if (taken >= MOST) return;
      taken += 1;
      count.textContent = String(taken);
      const label = name.value.trim() || "class";
      this.shots.push({ class: label, name: label, blob: await this.shot() });
    };
    const begin = () => {
      clearInterval(timer);
      take();
      timer = setInterval(take, EVERY_MS);
    };
    const end = () => clearInterval(timer);
    hold.addEventListener("pointerdown", begin);
    for (const name of ["pointerup", "pointerleave", "blur", "keyup"]) hold.addEventListener(name, end);
    hold.addEventListener("keydown", (event) => (event.key === " " || event.key === "Enter") && !event.repeat && begin());
    this.list.append(row);
  }

  shot() {
    const canvas = new OffscreenCanvas(SIDE, SIDE);
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const cut = Math.min(this.video.videoWidth, this.video.videoHeight) || SIDE;
    pen.drawImage(this.video, (this.video.videoWidth - cut) / 2, (this.video.videoHeight - cut) / 2, cut, cut, 0, 0, SIDE, SIDE);
    return canvas.convertToBlob();
  }

  stop() {
    for (const track of this.stream.getTracks()) track.stop();
  }
}
