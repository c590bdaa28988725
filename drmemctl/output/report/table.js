/* The LMB table: rows made from the data when they are shown, 200 at a time, and the filter over all of them. */

const SHOWN = 200;

class LmbTable {
  constructor(data) {
    const names = ["aa", "domains", "node", "letter", "flags", "state", "sameDrc"];
    this.kinds = data.kinds.map((values) => Object.fromEntries(names.map((name, i) => [name, values[i]])));
    this.kind = Uint16Array.from(unpacked(data.kind));
    this.count = Float64Array.from(unpacked(data.count));
    this.size = data.size === null ? null : BigInt(data.size);
    this.digits = data.digits;
    this.length = this.kind.length;
    this.place(unpacked(data.base), unpacked(data.drc), BigInt(data.unit));
    this.table = document.getElementById("lmb-table");
    this.body = this.table.tBodies[0];
    this.rest = document.getElementById("lmb-table-rest") || this.table.parentNode.insertAdjacentElement("afterend", element("p", { class: "more" }));
    this.form = document.getElementById("filter");
    this.text = document.getElementById("filter-text");
    this.node = document.getElementById("filter-node");
    this.state = document.getElementById("filter-state");
    this.result = document.getElementById("filter-result");
    this.addNodes();
    this.listen();
    this.apply();
  }

  addNodes() {
    const letters = new Map(this.kinds.map((kind) => [kind.node, kind.letter]));
    letters.delete("-");
    const nodes = [...letters.keys()].sort((a, b) => (a === "none") - (b === "none") || a - b);
    for (const node of nodes) this.node.append(element("option", { value: node }, `${letters.get(node)} ${node}`));
  }

  place(bases, drcs, unit) {
    this.base = new BigUint64Array(this.length);
    this.drc = new Uint32Array(this.length);
    let base = 0n;
    let drc = 0;
    for (let i = 0; i < this.length; i++) {
      base = BigInt.asUintN(64, base + BigInt(bases[i]) * unit);
      drc += drcs[i];
      this.base[i] = base;
      this.drc[i] = drc;
      base += BigInt(this.count[i]) * (this.size || 0n);
      drc += this.count[i];
    }
  }

  listen() {
    this.form.hidden = false;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", () => this.apply());
    this.form.addEventListener("reset", () => setTimeout(() => this.apply()));
    this.button = element("button", { type: "button" });
    this.button.addEventListener("click", () => this.more());
  }

  filter(text) {
    this.form.reset();
    this.text.value = text;
    this.apply();
    this.form.scrollIntoView({ block: "start" });
    this.text.focus({ preventScroll: true });
  }

  last(i) {
    return this.size === null ? this.base[i] : this.base[i] + BigInt(this.count[i]) * this.size - 1n;
  }

  matches() {
    const [node, state, text] = [this.node.value, this.state.value, this.text.value.trim().toLowerCase()];
    const range = parsedRange(text);
    const kinds = this.kinds.map(
      (kind) =>
        (!node || kind.node === node) &&
        (!state || kind.state === state) &&
        (!text || !!range || `${kind.domains} ${kind.flags} ${kind.state}`.includes(text)),
    );
    const found = [];
    for (let i = 0; i < this.length; i++) {
      if (kinds[this.kind[i]] && (!range || this.holds(i, ...range))) found.push(i);
    }
    return found;
  }

  /* Whether a row has one of these addresses, or, where one number was given, the LMB with that DRC index. */
  holds(i, first, last) {
    if (this.base[i] <= last && this.last(i) >= first) return true;
    if (first !== last || first >> 32n) return false;
    const drc = Number(first) - this.drc[i];
    return this.kinds[this.kind[i]].sameDrc ? drc === 0 : drc >= 0 && drc < this.count[i];
  }

  apply() {
    this.found = this.matches();
    this.shown = 0;
    this.body.replaceChildren();
    this.more();
    let lmbs = 0;
    for (const i of this.found) lmbs += this.count[i];
    const size = this.size === null || !lmbs ? "" : `, ${sizeText(BigInt(lmbs) * this.size)}`;
    const of = this.found.length === this.length ? "" : ` of ${this.length.toLocaleString("en")}`;
    this.result.textContent = `${this.found.length.toLocaleString("en")}${of} ${this.length === 1 ? "row" : "rows"}: ${counted(lmbs, "LMB")}${size}`;
  }

  more() {
    const next = this.found.slice(this.shown, this.shown + SHOWN);
    this.shown += next.length;
    this.body.append(...next.map((i) => this.row(i)));
    const rest = this.found.length - this.shown;
    this.button.textContent = `Show ${Math.min(SHOWN, rest)} more of ${rest.toLocaleString("en")}`;
    this.rest.replaceChildren(...(rest ? [this.button] : []));
  }

  row(i) {
    const kind = this.kinds[this.kind[i]];
    const node = /^\d+$/.test(kind.node) ? [this.chip(kind), " ", kind.node] : [kind.node];
    const size = this.size === null ? "?" : sizeText(this.size * BigInt(this.count[i]));
    const tone = kind.state === "assigned" ? "good" : "quiet";
    return element(
      "tr",
      {},
      element("td", { class: "code" }, this.addresses(i)),
      element("td", { class: "right" }, size),
      element("td", { class: "right" }, this.count[i].toLocaleString("en")),
      element("td", { class: "code" }, this.drcs(i)),
      element("td", { class: "right code" }, kind.aa),
      element("td", { class: "code" }, kind.domains),
      element("td", { class: kind.node === "none" ? "right bad" : "right" }, ...node),
      element("td", { class: tone }, kind.flags),
    );
  }

  chip({ node, letter }) {
    return element("span", { class: `chip n${node % 6}`, "aria-hidden": "true" }, letter);
  }

  addresses(i) {
    const first = hex(this.base[i], this.digits);
    return this.size === null ? first : `${first}-${hex(BigInt.asUintN(64, this.last(i)), this.digits)}`;
  }

  drcs(i) {
    const first = hex(this.drc[i], 8);
    if (this.kinds[this.kind[i]].sameDrc) return `${first} each`;
    return this.count[i] === 1 ? first : `${first}-${hex((this.drc[i] + this.count[i] - 1) % 2 ** 32, 8)}`;
  }

  /* Words on the first rows at these addresses. */
  at(first, last) {
    const words = [];
    let more = 0;
    for (let i = 0; i < this.length; i++) {
      if (this.base[i] > last || this.last(i) < first) continue;
      if (words.length < 3) words.push(this.words(i, first, last));
      else more += 1;
    }
    return more ? [...words, `and ${counted(more, "more row")}`] : words;
  }

  words(i, first, last) {
    const kind = this.kinds[this.kind[i]];
    const step = this.size || 1n;
    const from = first > this.base[i] ? (first - this.base[i]) / step : 0n;
    const to = last < this.last(i) ? (last - this.base[i]) / step : BigInt(this.count[i]) - 1n;
    const drcs = kind.sameDrc ? [this.drc[i]] : [this.drc[i] + Number(from), this.drc[i] + Number(to)];
    const shown = [...new Set(drcs)].map((drc) => hex(drc % 2 ** 32, 8)).join("-");
    return `DRC ${shown}  aa ${kind.aa}  ${kind.flags}`;
  }
}
