"use strict";
// The page is complete without this script: it adds the highlighting of a neuron's connections
// and the walk over neurons and cores with the arrow keys.
const marks = ["on", "at", "to"];
const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const plane = document.querySelector("#space svg.plane");
const circles = plane ? [...plane.querySelectorAll("circle")] : [];
const cores = [...document.querySelectorAll("svg.cores .core")];
const dots = new Map([...document.querySelectorAll("svg.cores .inside circle")].map((dot) => [dot.dataset.i, dot]));
const paths = new Map();
for (const path of plane ? plane.querySelectorAll("path") : []) {
  const source = path.dataset.s;
  if (!paths.has(source)) paths.set(source, []);
  paths.get(source).push(path);
}
const stages = [];

function clear() {
  for (const marked of document.querySelectorAll(".on, .at, .to")) marked.classList.remove(...marks);
  if (plane) plane.classList.remove("picking");
  for (const { now, rest } of stages) now.textContent = rest;
}

function light(circle) {
  plane.classList.add("picking");
  circle.classList.add("on");
  for (const path of paths.get(circle.dataset.i) || []) {
    path.classList.add("on");
    for (const target of path.dataset.t.split(" ")) circles[target].classList.add("to");
  }
}

function pickNeuron(circle) {
  light(circle);
  for (const core of cores) if (core.dataset.c === circle.dataset.c) core.classList.add("on");
  dots.get(circle.dataset.i)?.classList.add("on");
}

function pickCore(core) {
  for (const circle of circles) if (circle.dataset.c === core.dataset.c) light(circle);
}

// Makes the nodes of a figure answer to the pointer and, in its stage, to the arrow keys.
function walk(nodes, place, mark) {
  if (!nodes.length) return;
  const stage = nodes[0].closest(".stage");
  const now = stage.closest("section").querySelector(".now");
  const rest = now.textContent;
  let at = -1;
  stages.push({ now, rest });

  function pick(index) {
    clear();
    at = index;
    nodes[index].classList.add("at");
    mark(nodes[index]);
    now.textContent = nodes[index].querySelector("title").textContent;
  }

  function step(right, down) {
    if (at < 0) return pick(0);
    const [x, y] = place(nodes[at]);
    let best = -1;
    let least = Infinity;
    nodes.forEach((node, index) => {
      const [nx, ny] = place(node);
      const along = (nx - x) * right + (ny - y) * down;
      const across = Math.abs((nx - x) * down) + Math.abs((ny - y) * right);
      if (along > 0.5 && along + 2.5 * across < least) {
        least = along + 2.5 * across;
        best = index;
      }
    });
    if (best >= 0) pick(best);
  }

  nodes.forEach((node, index) => node.addEventListener("pointerenter", () => pick(index)));
  stage.addEventListener("pointerleave", clear);
  stage.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      at = -1;
      clear();
    } else if (ways[event.key]) {
      event.preventDefault();
      step(...ways[event.key]);
    }
  });
}

walk(circles, (circle) => [circle.cx.baseVal.value, circle.cy.baseVal.value], pickNeuron);
walk(cores, (core) => [core.children[1].x.baseVal.value, core.children[1].y.baseVal.value], pickCore);
// A table that is wider than the window scrolls, also by keyboard.
function reach(part) {
  const wide = part.scrollWidth > part.clientWidth;
  const about = { tabindex: 0, role: "region", "aria-label": part.querySelector("caption")?.textContent || "Table" };
  for (const [name, value] of Object.entries(about)) {
    if (wide) part.setAttribute(name, value);
    else part.removeAttribute(name);
  }
}
const watch = new ResizeObserver((seen) => seen.forEach((one) => reach(one.target.closest(".scroll"))));
for (const part of document.querySelectorAll(".scroll")) {
  reach(part);
  watch.observe(part);
  watch.observe(part.firstElementChild);
}
addEventListener("beforeprint", () => {
  clear();
  for (const folded of document.querySelectorAll("details.print")) folded.open = true;
});
