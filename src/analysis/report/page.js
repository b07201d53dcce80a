"use strict";

// Closed parts are printed too, and closed again afterwards.
(() => {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((part) => { part.open = false; }));
})();

// Effects of single samples: a model and a sample are chosen, bars and numbers show its decomposition.
(() => {
  const source = document.getElementById("effects-data");
  if (!source) return;
  const { names, models } = JSON.parse(source.textContent);
  const [modelList, showList, sampleList, number, verdict, chart, sums] =
    ["model", "show", "sample", "number", "verdict", "chart", "sums"].map((id) => document.getElementById(id));
  const COLOURS = ["#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7"];
  const MINUS = "\u2212";

  const make = (tag, attributes = {}, text = "") => {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    element.textContent = text;
    return element;
  };
  const draw = (tag, attributes = {}, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    element.textContent = text;
    return element;
  };
  const shown = (value) => (value === null ? "not finite" : value.toFixed(3).replace("-", MINUS));

  const right = (model, i) => model.right[i];
  // The same sample of the plain model: by position, since files may repeat an id.
  const plainOf = (model, i) => {
    const plain = models[model.plain];
    return plain && plain !== model && plain.ids[i] === model.ids[i] ? plain : null;
  };
  const FILTERS = [
    ["all", () => true],
    ["predicted wrongly", (model, i) => !right(model, i)],
    ["predicted rightly", (model, i) => right(model, i)],
    ["right here, wrong with the plain model",
      (model, i) => right(model, i) && plainOf(model, i) !== null && !right(plainOf(model, i), i)],
    ["wrong here, right with the plain model",
      (model, i) => !right(model, i) && plainOf(model, i) !== null && right(plainOf(model, i), i)],
  ];

  const model = () => models[Number(modelList.value)];

  // Fill the list of samples; the wanted one is selected, and shown even where the filter would hide it.
  const fill = (wanted) => {
    const chosen = model();
    const keep = FILTERS[Number(showList.value)][1];
    const kept = chosen.ids.map((_, i) => i).filter((i) => keep(chosen, i));
    sampleList.replaceChildren(...kept.map((i) => make("option", { value: i },
      `${right(chosen, i) ? "\u2713" : "\u2717"} ${chosen.ids[i]}: label ${chosen.labels[i]}, ` +
      `prediction ${chosen.predictions[i]}`)));
    number.textContent = `${kept.length} of ${chosen.ids.length}`;
    if (kept.includes(wanted)) sampleList.value = String(wanted);
    else sampleList.selectedIndex = kept.length ? 0 : -1;
    render();
  };

  const render = () => {
    const chosen = model();
    chart.replaceChildren();
    sums.replaceChildren();
    if (sampleList.selectedIndex < 0) {
      verdict.textContent = "No sample of this model is of that kind.";
      return;
    }
    const i = Number(sampleList.value);
    const plain = plainOf(chosen, i);
    verdict.textContent = `${chosen.ids[i]}: label ${chosen.labels[i]}, prediction ${chosen.predictions[i]} ` +
      `(${right(chosen, i) ? "right" : "wrong"})` +
      (plain ? `; the plain model predicts ${plain.predictions[i]} (${right(plain, i) ? "right" : "wrong"}).` : ".");
    if (!chosen.effects.length) {
      verdict.textContent += " The plain backbone has no counterfactual worlds, so there is nothing to decompose.";
      return;
    }
    const effects = chosen.effects.map((values) => values[i]); // effect -> class -> value
    chart.append(bars(chosen, i, effects));
    sums.append(numbers(chosen, effects));
  };

  // One panel per class, one named bar per effect; all panels have one scale.
  const bars = (chosen, i, effects) => {
    const across = Math.min(chosen.classes.length, 4);
    const [width, row, head, label, value] = [1116 / across, 22, 26, 52, 62];
    const height = head + row * names.length + 14;
    const most = Math.max(1e-9, ...effects.flat().map((x) => Math.abs(x ?? 0)));
    const low = Math.min(0, ...effects.flat().map((x) => x ?? 0)) / most;
    const high = Math.max(0, ...effects.flat().map((x) => x ?? 0)) / most;
    const [start, end] = [label + (low < 0 ? value : 6), width - 12 - (high > 0 ? value : 6)];
    const at = (x) => start + ((x / most - low) / (high - low || 1)) * (end - start);
    const lines = Math.ceil(chosen.classes.length / across);
    const svg = draw("svg", { viewBox: `0 0 1116 ${lines * height}`, role: "img",
      "aria-label": "Bars of TE, NDE_t, NDE_a, NDE_v and TIE for every class; the table below holds the numbers" });
    chosen.classes.forEach((name, c) => {
      const panel = draw("g", { transform: `translate(${(c % across) * width} ${Math.floor(c / across) * height})` });
      const marks = [name === chosen.predictions[i] && "predicted", name === chosen.labels[i] && "label"].filter(Boolean);
      panel.append(draw("rect", { class: "frame", x: 2, y: 2, width: width - 8, height: height - 8 }));
      panel.append(draw("text", { class: "title", x: 10, y: 20 }, name + (marks.length ? ` (${marks.join(", ")})` : "")));
      effects.forEach((values, e) => {
        const y = head + row * e;
        const x = values[c] ?? 0;
        const [from, to] = [Math.min(at(0), at(x)), Math.max(at(0), at(x))];
        panel.append(draw("text", { x: label - 4, y: y + 15, "text-anchor": "end" }, names[e]));
        panel.append(draw("rect", { class: "bar", x: from, y: y + 4, width: Math.max(to - from, 0.5), height: row - 8,
          fill: COLOURS[e] }));
        panel.append(draw("text", { x: x < 0 ? from - 4 : to + 4, y: y + 15, "text-anchor": x < 0 ? "end" : "start" },
          shown(values[c])));
      });
      panel.append(draw("line", { class: "zero", x1: at(0), x2: at(0), y1: head, y2: head + row * names.length }));
      svg.append(panel);
    });
    return svg;
  };

  const numbers = (chosen, effects) => {
    const [te, ...rest] = effects;
    const direct = rest.slice(0, -1);
    const table = make("table");
    table.append(make("caption", {}, chosen.unit
      ? `TE ${MINUS} NDE_t ${MINUS} NDE_a ${MINUS} NDE_v = TIE for every class (all weights are 1; rounded to 3 decimals)`
      : `TIE is TE ${MINUS} w_t NDE_t ${MINUS} w_a NDE_a ${MINUS} w_v NDE_v with weights w that are not all 1, so the ` +
        "plain difference is not TIE here"));
    const head = make("tr");
    ["class", ...names.slice(0, -1), `TE ${MINUS} NDE_t ${MINUS} NDE_a ${MINUS} NDE_v`, "TIE"].forEach((text, i) =>
      head.append(make("th", { scope: "col", class: i ? "number" : "" }, text)));
    const body = make("tbody");
    chosen.classes.forEach((name, c) => {
      const line = make("tr");
      const parts = [te[c], ...direct.map((values) => values[c])];
      const difference = parts.includes(null) ? null : parts.slice(1).reduce((left, x) => left - x, parts[0]);
      line.append(make("th", { scope: "row" }, name));
      [...parts, difference].forEach((x) => line.append(make("td", { class: "number" }, shown(x))));
      line.append(make("td", { class: "number total" }, shown(rest[rest.length - 1][c])));
      body.append(line);
    });
    const top = make("thead");
    top.append(head);
    table.append(top, body);
    return table;
  };

  // #sample=<model>.<sample>, both counted from 0.
  const remember = () => history.replaceState(null, "", `#sample=${modelList.value}.${sampleList.value}`);
  const followAddress = () => {
    const found = /^#sample=(\d+)\.(\d+)$/.exec(location.hash);
    if (!found || !models[Number(found[1])]) return false;
    modelList.value = found[1];
    showList.value = "0";
    fill(Number(found[2]));
    document.getElementById("explorer").scrollIntoView();
    return true;
  };

  modelList.append(...models.map((one, i) => make("option", { value: i }, one.name)));
  showList.append(...FILTERS.map(([text], i) => make("option", { value: i }, text)));
  modelList.addEventListener("change", () => { fill(Number(sampleList.value)); remember(); });
  showList.addEventListener("change", () => { fill(Number(sampleList.value)); remember(); });
  sampleList.addEventListener("change", () => { render(); remember(); });
  addEventListener("hashchange", followAddress);
  document.getElementById("explorer").hidden = false;
  if (!followAddress()) {
    modelList.value = String(Math.max(0, models.findIndex((one) => one.effects.length)));
    fill(0);
  }
})();
