// The film of the training: the slider goes through the pictures, the last of which is drawn without script.
{
  const told = JSON.parse(document.querySelector("#film-data").textContent);
  const drawing = document.querySelector("svg.film");
  const neurons = [...drawing.querySelectorAll("circle")];
  const wires = drawing.querySelector(".wires");
  const reel = document.querySelector(".reel");
  const slider = reel.querySelector("input");
  const play = reel.querySelector("button");
  const words = reel.parentElement.querySelector(".frame");
  const curves = [...reel.closest(".wide").querySelectorAll(".curve")];
  const look = (circle) => circle.getAttribute("class") || "";
  let at = told.start;
  let timer = 0;

  // Where each neuron is in each picture.
  for (const frame of told.frames) {
    at = at.slice();
    for (let k = 0; k < frame.moves.length; k += 2) at[frame.moves[k]] = frame.moves[k + 1];
    frame.at = at;
  }

  function numbers(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return Array.from({ length: bytes.length / 2 }, (_, k) => bytes[2 * k] + 256 * bytes[2 * k + 1]);
  }

  function show(index) {
    const frame = told.frames[index];
    const place = (neuron) => `${told.places[2 * frame.at[neuron]]} ${told.places[2 * frame.at[neuron] + 1]}`;
    neurons.forEach((circle, neuron) => {
      const [x, y] = place(neuron).split(" ");
      circle.setAttribute("cx", x);
      circle.setAttribute("cy", y);
    });
    const drawn = new Map();
    frame.lines.forEach((text, level) => {
      const ends = numbers(text);
      for (let k = 0; k < ends.length; k += 2) {
        const [source, target] = [ends[k], ends[k + 1]];
        const same = look(neurons[source]) === look(neurons[target]);
        const name = `l${level} ${same ? look(neurons[source]) : "out"}`;
        drawn.set(name, `${drawn.get(name) || ""}M${place(source)}L${place(target)}`);
      }
    });
    wires.replaceChildren(...[...drawn].map(([name, line]) => {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("class", name);
      path.setAttribute("d", line);
      return path;
    }));
    curves.forEach((curve, k) => {
      const dot = curve.querySelector(".last");
      const line = curve.querySelector("polyline");
      if (!dot || !line) return;
      const point = line.points[frame.points[k]];
      dot.style.visibility = point ? "" : "hidden";
      if (point) {
        dot.setAttribute("cx", point.x);
        dot.setAttribute("cy", point.y);
      }
    });
    words.textContent = frame.words;
    slider.value = index;
    slider.setAttribute("aria-valuetext", frame.words);
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  }

  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) === told.frames.length - 1) show(0);
    play.textContent = "Pause";
    timer = setInterval(() => {
      const next = Number(slider.value) + 1;
      show(next);
      if (next === told.frames.length - 1) stop();
    }, 220);
  });
  // Nothing moves by itself where a person asked for that, and the style sheet hides the button.
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  still.addEventListener("change", () => still.matches && stop());
  reel.hidden = false;
  addEventListener("beforeprint", () => {
    stop();
    show(told.frames.length - 1);
  });
}
