/* An address map: its segments, and the picture of any part of it. */

const MOST_DOUBLINGS = 72;

class MapModel {
  constructor(data) {
    const gaps = unpacked(data.gaps);
    const sizes = unpacked(data.sizes);
    this.unit = BigInt(data.unit);
    this.lmb = data.lmb === null ? null : BigInt(data.lmb);
    this.cell = Number(BigInt(data.cell) / this.unit);
    this.contents = data.contents.map(([look, letter, words]) => ({ look, letter, words }));
    this.looks = Uint16Array.from(unpacked(data.looks));
    this.length = gaps.length;
    // In units, as floating point, for drawing.
    this.first = new Float64Array(gaps.length);
    this.end = new Float64Array(gaps.length);
    let at = 0;
    for (let i = 0; i < gaps.length; i++) {
      this.first[i] = at += Number(gaps[i]);
      this.end[i] = at += Number(sizes[i]);
    }
    // Only a made-up tree has addresses that floating point cannot tell apart: those have their own numbers.
    this.exact = Number.isSafeInteger(at) ? null : this.exactly(gaps, sizes);
    this.last = this.length ? this.segment(this.length - 1)[1] : 0n;
  }

  exactly(gaps, sizes) {
    const ends = [];
    let at = 0n;
    for (let i = 0; i < gaps.length; i++) {
      const first = at + BigInt(gaps[i]);
      at = first + BigInt(sizes[i]);
      ends.push([first * this.unit, at * this.unit - 1n]);
    }
    return ends;
  }

  address(units) {
    return BigInt(Math.round(units)) * this.unit;
  }

  segment(index) {
    if (this.exact) return this.exact[index];
    return [this.address(this.first[index]), this.address(this.end[index]) - 1n];
  }

  /* The first segment that ends behind a place. */
  from(place) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.end[middle] > place) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  get whole() {
    return [0, this.length ? this.end[this.length - 1] : 0];
  }

  /* How much of each content is between two places: [content, units, first segment], the largest first. */
  parts(low, high) {
    const found = new Map();
    for (let i = this.from(low); i < this.length && this.first[i] < high; i++) {
      const inside = Math.min(this.end[i], high) - Math.max(this.first[i], low);
      const part = found.get(this.looks[i]);
      if (part) part[1] += inside;
      else found.set(this.looks[i], [this.looks[i], inside, i]);
    }
    return [...found.values()].sort((a, b) => b[1] - a[1]);
  }

  /* The picture of a part with the smallest cells that need at most so many lines. */
  picture([low, high], columns, mostLines) {
    const begin = this.from(low);
    let end = begin;
    while (end < this.length && this.first[end] < high) end++;
    let cell = this.cell;
    const wanted = Math.max(1, Math.ceil((high - low) / cell));
    while (columns > 8 && columns / 2 >= wanted) columns /= 2;
    for (let n = 0; n < MOST_DOUBLINGS && !this.fits(begin, end, low, high, cell * columns, mostLines); n++) cell *= 2;
    high = low + Math.ceil((high - low) / cell) * cell;
    while (end < this.length && this.first[end] < high) end++;
    const cells = this.cells(begin, end, low, high, cell);
    return { low, cell, columns, lines: this.lines(cells, cell, columns, begin, low) };
  }

  fits(begin, end, low, high, line, most) {
    let needed = 0;
    let before = -1;
    for (let i = begin; i < end; i++) {
      const first = Math.floor((Math.max(this.first[i], low) - low) / line);
      const final = Math.ceil((Math.min(this.end[i], high) - low) / line) - 1;
      needed += first > before ? final - first + 1 + (first > before + 1 ? 1 : 0) : Math.max(0, final - before);
      if (needed > most) return false;
      before = Math.max(before, final);
    }
    return true;
  }

  /* What is in each cell that has something in it: the content of most of it, and whether there is more. */
  cells(begin, end, low, high, size) {
    const cells = new Map();
    for (let i = begin; i < end; i++) {
      const from = Math.max(this.first[i], low) - low;
      const to = Math.min(this.end[i], high) - low;
      const final = Math.ceil(to / size) - 1;
      for (let index = Math.floor(from / size); index <= final; index++) {
        const inside = Math.min(to, (index + 1) * size) - Math.max(from, index * size);
        const parts = cells.get(index);
        if (parts) parts.set(this.looks[i], (parts.get(this.looks[i]) || 0) + inside);
        else cells.set(index, new Map([[this.looks[i], inside]]));
      }
    }
    for (const [index, parts] of cells) cells.set(index, this.cellOf(parts, size));
    return cells;
  }

  /* A clash is worth seeing however small it is; else the most wins, and the lowest address a tie. */
  cellOf(parts, size) {
    let best = null;
    for (const [content, part] of parts) {
      const clash = this.contents[content].look === "clash";
      if (!best || clash > best.clash || (clash === best.clash && part > best.part)) best = { content, part, clash };
    }
    return { content: best.content, mixed: parts.size > 1 || best.part < size };
  }

  lines(cells, cell, columns, begin, low) {
    const numbers = [...new Set([...cells.keys()].map((index) => Math.floor(index / columns)))].sort((a, b) => a - b);
    const lines = [];
    let before = -1;
    for (const number of numbers) {
      const address = low + number * columns * cell;
      if (number > before + 1) lines.push({ gap: this.gapBefore(address, low) });
      const row = Array.from({ length: columns }, (_, i) => cells.get(number * columns + i) || null);
      lines.push({ address, cells: row });
      before = number;
    }
    return lines;
  }

  gapBefore(address, low) {
    const next = this.from(address);
    const end = next > 0 ? Math.max(this.end[next - 1], low) : low;
    return this.first[next] - end;
  }
}
