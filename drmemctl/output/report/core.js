"use strict";

/* The page's data, numbers as people read them, and elements. Text from a tree only ever becomes text. */

const DATA = JSON.parse(document.getElementById("data").textContent);

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/* Columns come as [0, numbers…] or as [1, value, repetitions, …]; large numbers are strings. */
function unpacked(column) {
  if (column[0] === 0) return column.slice(1);
  const numbers = [];
  for (let i = 1; i < column.length; i += 2) {
    for (let n = column[i + 1]; n > 0; n--) numbers.push(column[i]);
  }
  return numbers;
}

function hex(number, digits = 1) {
  return "0x" + number.toString(16).padStart(digits, "0");
}

function counted(number, thing, things = thing + "s") {
  return `${number.toLocaleString("en")} ${Number(number) === 1 ? thing : things}`;
}

/* As the tables have it: exact, in the largest unit that divides it; a long number with decimals. */
function sizeText(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let value = BigInt(bytes);
  let power = 0;
  while (value && value % 1024n === 0n && power < units.length - 1) {
    value /= 1024n;
    power += 1;
  }
  if (power === 0) return counted(value, "byte");
  const digits = Math.max(6, String(value / 1024n).length + 2);
  const number = Number(value);
  const larger = Number((number / 1024).toPrecision(digits));
  const isExact = larger * 1024 === number && BigInt(number) === value;
  if (value >= 10240n && power < units.length - 1 && isExact) {
    return `${larger} ${units[power + 1]}`;
  }
  return `${value} ${units[power]}`;
}

function rangeText(first, last) {
  return `${hex(first)}-${hex(last)} (${sizeText(last - first + 1n)})`;
}

/* "0x10-0x1f" or "0x10": first and last address, null for anything else. */
function parsedRange(text) {
  const found = /^\s*(0x[0-9a-f]{1,16})(?:\s*[-–]\s*(0x[0-9a-f]{1,16}))?\s*$/i.exec(text);
  return found && [BigInt(found[1]), BigInt(found[2] || found[1])];
}
