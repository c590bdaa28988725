/* A map on the page: drawn to its width, with words for what one points at, and zoom. */

const TALL = 24;
const PITCH = 30;
const TIP = document.getElementById("tip");

class MapView {
  constructor(box, data, lmbs) {
    this.box = box;
    this.model = new MapModel(data);
    this.exact = data.exact;
    this.lmbs = lmbs;
    this.svg = box.querySelector("svg.picture");
    this.scale = box.querySelector(".scale");
    this.range = this.model.whole;
    this.digits = this.model.length ? this.model.last.toString(16).length : 1;
    this.bars = [];
    if (!this.model.length) return;
    box.classList.add("live");
    this.addTools();
    this.listen();
    this.draw();
  }

  addTools() {
    const button = (text, label, act) => {
      const made = element("button", { type: "button", "aria-label": label, title: label }, text);
      made.addEventListener("click", act);
      return made;
    };
    this.whole = button("Whole map", "Show the whole map", () => this.show(this.model.whole));
    this.list = button("List these LMBs", "Show the LMBs of this part in the table", () => this.listLmbs());
    this.where = element("output", { class: "where", "aria-live": "polite" });
    const tools = element("div", { class: "tools", role: "toolbar", "aria-label": "Zoom" });
    tools.append(
      button("−", "Zoom out", () => this.zoom(2)),
      button("+", "Zoom in", () => this.zoom(0.5)),
      button("◂", "Towards lower addresses", () => this.pan(-0.5)),
      button("▸", "Towards higher addresses", () => this.pan(0.5)),
      this.whole,
      ...(this.lmbs ? [this.list] : []),
      this.where,
    );
    this.box.querySelector(".map-head").append(tools);
    const hint = "Point at memory for its addresses; click it, or press Enter, to zoom in. Arrow keys move, Escape shows all.";
    this.box.querySelector(".map-head").append(element("p", { class: "hint" }, hint));
  }

  listen() {
    const bar = (event) => this.bars[event.target.closest?.("g.bar")?.dataset.index];
    this.svg.addEventListener("mousemove", (event) => this.point(bar(event), event.clientX, event.clientY));
    this.svg.addEventListener("mouseleave", () => hideTip());
    this.svg.addEventListener("click", (event) => this.enter(bar(event)));
    this.svg.addEventListener("focusin", (event) => this.focusOn(bar(event)));
    this.svg.addEventListener("focusout", () => hideTip());
    this.svg.addEventListener("keydown", (event) => this.key(event, bar(event)));
    let pending = 0;
    new ResizeObserver(() => {
      cancelAnimationFrame(pending);
      pending = requestAnimationFrame(() => {
        if (Math.abs(this.box.clientWidth - this.drawnFor) > 1) this.draw();
      });
    }).observe(this.box);
  }

  draw(wide = this.box.clientWidth) {
    const width = Math.max(280, wide);
    const character = width < 620 ? 6.7 : 7.9;
    const left = Math.ceil((this.digits + 2) * character + 10);
    const room = width - left - 1;
    const [columns, most] = room >= 640 ? [64, 16] : room >= 360 ? [32, 24] : [16, 24];
    this.drawnFor = wide;
    this.picture = this.model.picture(this.range, columns, most);
    this.pen = { left, width: room / this.picture.columns, columns: this.picture.columns, right: width };
    this.bars = [];
    const groups = this.picture.lines.map((line, number) => this.line(line, number * PITCH));
    this.svg.replaceChildren(...groups);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${Math.max(1, groups.length * PITCH)}`);
    this.svg.classList.toggle("small", width < 620);
    this.box.querySelector(".legend-mixed").hidden = !this.bars.some((bar) => bar.mixed);
    this.say();
    if (this.bars.length) this.bars[0].element.setAttribute("tabindex", "0");
  }

  line(line, y) {
    const group = drawn("g", { transform: `translate(0 ${y})` });
    const { left, width, right } = this.pen;
    if (line.gap !== undefined) {
      group.append(drawn("path", { class: "gap", d: `M${left} 12H${right}` }));
      const words = `${sizeText(this.model.address(line.gap))} hole`;
      group.append(drawn("text", { class: "gap-words", x: left + 12, y: 16 }, words));
      return group;
    }
    const label = hex(this.model.address(line.address), this.digits);
    group.append(drawn("text", { class: "address", x: 0, y: 17 }, label));
    for (let at = 0; at < line.cells.length; ) {
      let end = at + 1;
      const cell = line.cells[at];
      const same = (other) => other && other.content === cell.content && other.mixed === cell.mixed;
      while (cell && end < line.cells.length && same(line.cells[end])) end++;
      if (cell) group.append(this.bar(cell, line, at, end, left + at * width));
      at = end;
    }
    return group;
  }

  bar(cell, line, at, end, x) {
    const content = this.model.contents[cell.content];
    const width = (end - at) * this.pen.width;
    const low = line.address + at * this.picture.cell;
    const high = line.address + end * this.picture.cell;
    const found = { content, mixed: cell.mixed, low, high };
    const attributes = { class: `bar ${content.look}`, "data-index": this.bars.length, tabindex: "-1", role: "button" };
    const group = drawn("g", attributes, drawn("rect", { x, width, height: TALL }));
    const ticked = this.pen.width >= 6 && end - at > 1;
    if (ticked) {
      let path = "";
      for (let n = 1; n < end - at; n++) path += `M${x + n * this.pen.width} 0v${TALL}`;
      group.append(drawn("path", { class: "ticks", d: path }));
    }
    const middle = ticked ? (Math.floor((end - at) / 2) + 0.5) * this.pen.width : width / 2;
    if (width >= 13) group.append(drawn("text", { x: x + middle, y: 16.5 }, content.letter));
    if (cell.mixed) group.append(drawn("path", { class: "mixed", d: `M${x} ${TALL}h${width}v3h-${width}z` }));
    const words = `${cell.mixed ? "mostly " : ""}${content.words}: ${this.words(low, high)}`;
    group.setAttribute("aria-label", words);
    found.element = group;
    this.bars.push(found);
    return group;
  }

  words(low, high) {
    return rangeText(this.model.address(low), this.model.address(high) - 1n);
  }

  say() {
    const cell = this.model.address(this.picture.cell);
    const lmbs = this.model.lmb && cell % this.model.lmb === 0n ? `${counted(cell / this.model.lmb, "LMB")} = ` : "";
    const line = this.model.address(this.picture.cell * this.pen.columns);
    this.scale.textContent = `1 cell = ${lmbs}${sizeText(cell)}, 1 line = ${sizeText(line)}`;
    const all = this.isWhole();
    this.whole.disabled = all;
    this.list.hidden = all;
    this.where.textContent = all ? "" : this.words(...this.range);
  }

  isWhole() {
    const [low, high] = this.model.whole;
    return this.range[0] <= low && this.range[1] >= high;
  }

  show([low, high]) {
    const [first, end] = this.model.whole;
    const cell = this.model.cell;
    const from = Math.max(first, Math.floor(low / cell) * cell);
    this.range = [from, Math.min(end, Math.max(Math.ceil(high / cell) * cell, from + cell))];
    hideTip();
    this.draw();
  }

  zoom(factor) {
    const [low, high] = this.range;
    const half = ((high - low) * factor) / 2;
    const middle = (low + high) / 2;
    this.show([middle - half, middle + half]);
  }

  pan(share) {
    const [low, high] = this.range;
    const [first, end] = this.model.whole;
    const by = Math.max(first - low, Math.min(end - high, (high - low) * share));
    this.show([low + by, high + by]);
  }

  showAddresses(first, last) {
    const [low, high] = [first, last + 1n].map((address) => Number(address) / Number(this.model.unit));
    this.show([low, high]);
    this.box.scrollIntoView({ block: "center" });
    this.bars[0]?.element.focus({ preventScroll: true });
  }

  enter(bar) {
    if (!bar || (bar.low <= this.range[0] && bar.high >= this.range[1])) return;
    this.show([bar.low, bar.high]);
    this.bars[0]?.element.focus({ preventScroll: true });
  }

  listLmbs() {
    const [low, high] = this.range;
    this.lmbs.filter(`${hex(this.model.address(low))}-${hex(this.model.address(high) - 1n)}`);
  }

  point(bar, x, y) {
    if (!bar) hideTip();
    else showTip(this.explained(bar), x, y);
  }

  focusOn(bar) {
    if (!bar) return;
    for (const one of this.bars) one.element.setAttribute("tabindex", one === bar ? "0" : "-1");
    const box = bar.element.getBoundingClientRect();
    showTip(this.explained(bar), box.left + Math.min(box.width / 2, 40), box.bottom - 8);
  }

  key(event, bar) {
    const at = this.bars.indexOf(bar);
    const acts = {
      ArrowRight: () => this.bars[at + 1]?.element.focus(),
      ArrowLeft: () => this.bars[at - 1]?.element.focus(),
      ArrowDown: () => this.below(at, 1)?.element.focus(),
      ArrowUp: () => this.below(at, -1)?.element.focus(),
      Enter: () => this.enter(bar),
      " ": () => this.enter(bar),
      Escape: () => this.restart(() => this.show(this.model.whole)),
      "+": () => this.restart(() => this.zoom(0.5)),
      "-": () => this.restart(() => this.zoom(2)),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  restart(act) {
    act();
    this.bars[0]?.element.focus({ preventScroll: true });
  }

  below(at, step) {
    const line = (bar) => bar.element.parentNode;
    let next = at;
    while (this.bars[next] && line(this.bars[next]) === line(this.bars[at])) next += step;
    return this.bars[next];
  }

  /* Elements that say what is there: all of the segment, or how much of what where there is more than one. */
  explained(bar) {
    const parts = this.model.parts(bar.low, bar.high);
    const lines = [element("strong", {}, bar.content.words)];
    let range = [this.model.address(bar.low), this.model.address(bar.high) - 1n];
    if (parts.length === 1 && this.exact) {
      const [first, last] = (range = this.model.segment(parts[0][2]));
      lines.push(element("span", {}, rangeText(first, last)));
      if (this.model.lmb && (last + 1n - first) % this.model.lmb === 0n) {
        lines.push(element("span", {}, counted((last + 1n - first) / this.model.lmb, "LMB")));
      }
    } else {
      lines.push(element("span", {}, this.words(bar.low, bar.high)));
      for (const [content, units] of parts.slice(0, 6)) {
        const words = `${this.model.contents[content].words}: ${sizeText(this.model.address(units))}`;
        lines.push(element("span", {}, words));
      }
      if (parts.length > 6) lines.push(element("span", {}, `and ${counted(parts.length - 6, "more kind")}`));
    }
    for (const words of this.lmbs ? this.lmbs.at(...range) : []) lines.push(element("span", { class: "lmb" }, words));
    return lines;
  }
}

function showTip(lines, x, y) {
  TIP.replaceChildren(...lines);
  TIP.hidden = false;
  const box = TIP.getBoundingClientRect();
  const left = Math.max(8, Math.min(x + 14, document.documentElement.clientWidth - box.width - 8));
  const below = y + 18 + box.height < window.innerHeight;
  TIP.style.left = `${left}px`;
  TIP.style.top = `${below ? y + 18 : Math.max(8, y - box.height - 12)}px`;
}

function hideTip() {
  TIP.hidden = true;
}
