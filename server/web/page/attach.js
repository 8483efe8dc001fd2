// Files and pictures to be sent along: each goes to the server at once, and stands beside the question until then.

import { fill, h, signed } from "./dom.js";
import { api } from "./server.js";

export class Attached {
  /** *place*: where they are shown; *complain* is told of what is wrong with one. */
  constructor(place, complain) {
    this.place = place;
    this.complain = complain;
    this.files = [];
  }

  get busy() {
    return this.files.some((file) => !file.path);
  }

  add(files) {
    for (const file of files) this.#send(file);
  }

  /** The arguments that name them. */
  named() {
    const paths = (image) => this.files.filter((file) => file.path && file.image === image).map((file) => file.path);
    return Object.fromEntries(
      [
        ["files", paths(false)],
        ["images", paths(true)],
      ].filter(([, all]) => all.length),
    );
  }

  labels() {
    return this.files.map((file) => file.name);
  }

  clear() {
    this.files = [];
    this.#draw();
  }

  async #send(blob) {
    const image = /^image\/(png|jpeg|gif|webp)$/.test(blob.type);
    const file = {
      name: blob.name || "pasted",
      bytes: blob.size,
      image,
      path: "",
      picture: image && URL.createObjectURL(blob),
    };
    this.files.push(file);
    this.#draw();
    try {
      file.path = (await api("POST", `/api/files?name=${encodeURIComponent(file.name)}`, blob)).path;
    } catch (error) {
      this.#remove(file);
      this.complain(error);
    }
    this.#draw();
  }

  #remove(file) {
    this.files = this.files.filter((one) => one !== file);
    if (file.path) api("DELETE", `/api/files/${encodeURIComponent(file.path)}`).catch(() => {});
    this.#draw();
  }

  #draw() {
    fill(
      this.place,
      this.files.map((file) =>
        h(
          "span",
          { class: "chip" },
          file.picture && h("img", { src: file.picture, alt: "" }),
          h("span", {}, file.name),
          h("small", {}, file.path ? size(file.bytes) : "sending"),
          signed("close", `Take ${file.name} away`, () => this.#remove(file)),
        ),
      ),
    );
  }
}

const size = (bytes) =>
  bytes < 1024
    ? `${bytes} B`
    : bytes < 1048576
      ? `${Math.round(bytes / 1024)} KB`
      : `${(bytes / 1048576).toFixed(1)} MB`;
