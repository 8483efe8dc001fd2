// What an AI writes, in the document: only blocks that changed are drawn again, and of a long one only the end stands.

import { button, drawn, h } from "./dom.js";
import { api } from "./server.js";

const MOST = 120;
const DROPPED = 40;

export class Writing {
  constructor() {
    this.body = h("div", { class: "md" });
    this.above = button("", () => this.#showAll(), { class: "quiet earlier", hidden: true });
    this.node = h("div", {}, this.above, this.body);
    this.blocks = [];
    this.known = [];
    this.offset = 0;
    this.most = MOST;
  }

  get length() {
    return this.blocks.length;
  }

  get text() {
    return this.body.textContent;
  }

  /** Has the document show *blocks*, of which those before *from* are as they were. */
  draw(blocks, from = 0) {
    this.blocks = blocks;
    if (blocks.length - this.offset > this.most + DROPPED) this.#hide(blocks.length - this.most);
    for (let place = Math.max(from, this.offset); place < blocks.length; place++) this.#put(place);
    while (this.body.children.length > blocks.length - this.offset) this.body.lastChild.remove();
    this.known.length = blocks.length;
  }

  /** Draws Markdown that did not come as blocks. */
  async drawText(text) {
    const { blocks } = await api("POST", "/api/blocks", { texts: [text] });
    this.draw(blocks[0].map((tree) => [tree]));
  }

  #put(place) {
    const told = JSON.stringify(this.blocks[place]);
    const there = this.body.children[place - this.offset];
    if (there && this.known[place] === told) return;
    this.known[place] = told;
    const node = h("div", {}, drawn(this.blocks[place]));
    if (there) there.replaceWith(node);
    else this.body.append(node);
  }

  #hide(offset) {
    for (let place = this.offset; place < offset && this.body.firstChild; place++) this.body.firstChild.remove();
    this.offset = Math.max(0, offset);
    this.above.hidden = this.offset === 0;
    this.above.textContent = `Show what is above (${this.offset} parts)`;
  }

  #showAll() {
    this.most = Infinity;
    this.offset = 0;
    this.known = [];
    this.above.hidden = true;
    this.body.replaceChildren();
    this.draw(this.blocks);
  }
}
