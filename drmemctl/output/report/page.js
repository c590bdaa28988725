/* Bringing the page to life. */

const LMBS = DATA.lmbs && document.getElementById("lmb-table") ? new LmbTable(DATA.lmbs) : null;
const MAPS = {};

for (const box of document.querySelectorAll("[data-map]")) {
  const name = box.dataset.map;
  MAPS[name] = new MapView(box, DATA.maps[name], name === "map" ? LMBS : null);
}

/* A finding's addresses lead to the map of the tree that it is about. */
for (const item of document.querySelectorAll("[data-range]")) {
  const range = parsedRange(item.dataset.range);
  const map = item.closest("#changes") ? MAPS["map-old"] : MAPS.map;
  if (!range || !map.bars.length) continue;
  const button = element("button", { type: "button", class: "show" }, "Show on the map");
  button.addEventListener("click", () => map.showAddresses(...range));
  item.append(" ", button);
}

/* Paper has nothing to click on: explanations are printed open, maps to the width of a page. */
const PAPER = 700;
const opened = [];
const drawnMaps = () => Object.values(MAPS).filter((map) => map.bars.length);
window.addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details.explain:not([open])")) {
    one.open = true;
    opened.push(one);
  }
  for (const map of drawnMaps()) map.draw(PAPER);
});
window.addEventListener("afterprint", () => {
  for (const one of opened.splice(0)) one.open = false;
  for (const map of drawnMaps()) map.draw();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});

document.documentElement.classList.add("ready");
