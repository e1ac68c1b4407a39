"use strict";
// The page is complete without this script: it adds the highlighting of a neuron's connections
// and the walk over the neurons with the arrow keys.
const space = document.getElementById("space");
const plane = space && space.querySelector("svg.plane");
if (plane) {
  const now = space.querySelector(".now");
  const rest = now.textContent;
  const circles = [...plane.querySelectorAll("circle")];
  const paths = new Map();
  for (const path of plane.querySelectorAll("path")) {
    const source = path.dataset.s;
    if (!paths.has(source)) paths.set(source, []);
    paths.get(source).push(path);
  }
  const place = (circle) => [circle.cx.baseVal.value, circle.cy.baseVal.value];
  let at = -1;

  function clear() {
    for (const marked of document.querySelectorAll(".on, .at")) marked.classList.remove("on", "at");
    plane.classList.remove("picking");
    now.textContent = rest;
  }

  function pick(index) {
    clear();
    at = index;
    const circle = circles[index];
    plane.classList.add("picking");
    circle.classList.add("on", "at");
    for (const path of paths.get(circle.dataset.i) || []) path.classList.add("on");
    for (const core of document.querySelectorAll(`.cores [data-c="${circle.dataset.c}"]`)) core.classList.add("on");
    now.textContent = circle.textContent;
  }

  function pickCore(core) {
    clear();
    plane.classList.add("picking");
    const chosen = circles.filter((circle) => circle.dataset.c === core);
    for (const circle of chosen) {
      circle.classList.add("on");
      for (const path of paths.get(circle.dataset.i) || []) path.classList.add("on");
    }
  }

  function step(right, down) {
    if (at < 0) return pick(0);
    const [x, y] = place(circles[at]);
    let best = -1;
    let least = Infinity;
    circles.forEach((circle, index) => {
      const [cx, cy] = place(circle);
      const along = (cx - x) * right + (cy - y) * down;
      const across = Math.abs((cx - x) * down) + Math.abs((cy - y) * right);
      if (along > 0.5 && along + 2.5 * across < least) {
        least = along + 2.5 * across;
        best = index;
      }
    });
    if (best >= 0) pick(best);
  }

  circles.forEach((circle, index) => circle.addEventListener("pointerenter", () => pick(index)));
  plane.addEventListener("pointerleave", clear);
  addEventListener("beforeprint", clear);
  const stage = space.querySelector(".stage");
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  stage.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      at = -1;
      clear();
    } else if (ways[event.key]) {
      event.preventDefault();
      step(...ways[event.key]);
    }
  });
  for (const core of document.querySelectorAll(".cores .core")) {
    core.addEventListener("pointerenter", () => pickCore(core.dataset.c));
    core.addEventListener("pointerleave", clear);
  }
}
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details.print")) folded.open = true;
});
