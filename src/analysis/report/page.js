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
  const { names, baseline, modalities, start, models } = JSON.parse(source.textContent);
  const [modelList, showList, sampleList, number, verdict, words, chart, sums] =
    ["model", "show", "sample", "number", "verdict", "words", "chart", "sums"].map((id) => document.getElementById(id));
  const MINUS = "\u2212";

  const filled = (element, attributes, text) => {
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    element.textContent = text;
    return element;
  };
  const make = (tag, attributes = {}, text = "") => filled(document.createElement(tag), attributes, text);
  const draw = (tag, attributes = {}, text = "") =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, text);
  const rounded = (x, digits) => x.toFixed(digits).replace(/^-(?=0\.0*$)/, "").replace("-", MINUS);
  const shown = (value) => (value === null ? "not finite" : rounded(value, 3));
  const right = (model, i) => model.right[i];
  // The same sample of the baseline: by position, since files may repeat an id.
  const plainOf = (model, i) => {
    const plain = models[model.plain];
    return plain && plain !== model && plain.ids[i] === model.ids[i] ? plain : null;
  };
  const FILTERS = [
    ["all", () => true],
    ["predicted wrongly", (model, i) => !right(model, i)],
    ["predicted rightly", (model, i) => right(model, i)],
    [`right here, wrong with ${baseline}`,
      (model, i) => right(model, i) && plainOf(model, i) !== null && !right(plainOf(model, i), i)],
    [`wrong here, right with ${baseline}`,
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
    [words, chart, sums].forEach((part) => part.replaceChildren());
    if (sampleList.selectedIndex < 0) {
      verdict.textContent = "No sample of this model is of that kind.";
      return;
    }
    const i = Number(sampleList.value);
    const plain = plainOf(chosen, i);
    verdict.textContent = `${chosen.ids[i]}: label ${chosen.labels[i]}, prediction ${chosen.predictions[i]} ` +
      `(${right(chosen, i) ? "right" : "wrong"})` +
      (plain ? `; ${baseline} predicts ${plain.predictions[i]} (${right(plain, i) ? "right" : "wrong"}).` : ".");
    if (!chosen.effects.length) {
      verdict.textContent += " This method has no counterfactual worlds, so there is nothing to decompose.";
      return;
    }
    const effects = chosen.effects.map((values) => values[i]); // effect -> class -> value
    words.textContent = explain(chosen, i, effects, plain);
    chart.append(bars(chosen, i, effects));
    sums.append(numbers(chosen, effects));
  };

  // What was subtracted from the total effect, and whether that changed the decision.
  const explain = (chosen, i, effects, plain) => {
    const say = (x) => rounded(x, 2);
    const [te, ...direct] = effects;
    const tie = direct.pop();
    const most = (values) => values.indexOf(Math.max(...values));
    const own = chosen.classes.indexOf(chosen.predictions[i]);
    if (effects.flat().includes(null)) return "Some effects of this sample are not finite, so they explain nothing.";
    if (own < 0 || chosen.classes.length < 2) {
      return chosen.classes.map((name, c) => `${name}: of the total effect ${say(te[c])}, ` +
        modalities.map((one, m) => `${one} alone explains ${say(chosen.weights[m] * direct[m][c])}`).join(", ") +
        `; without that ${say(tie[c])} is left.`).join(" ");
    }
    const told = plain ? plain.predictions[i] : "";
    const turned = most(te) !== own;
    const next = most(tie.map((x, c) => (c === own ? -Infinity : x)));
    const wrong = chosen.classes.indexOf(told);
    const rival = turned ? most(te) : (wrong < 0 || wrong === own ? next : wrong);
    const [ahead, behind] = turned ? [rival, own] : [own, rival];
    const parts = modalities.map((name, m) => [name, chosen.weights[m] * (direct[m][ahead] - direct[m][behind])])
      .sort((a, b) => b[1] - a[1]).map(([name, x], k) => `${name} ${k ? "" : "alone explains "}${say(x)}`);
    return (plain ? `The model ${baseline} says ${told}. ` : "") +
      `The total effect ${turned ? "" : "already "}favours ${chosen.classes[ahead]} over ${chosen.classes[behind]} by ` +
      `${say(te[ahead] - te[behind])}, of which ${parts[0]}, ${parts[1]} and ${parts[2]}; these direct effects are ` +
      `subtracted, and without them ${chosen.classes[own]} leads by ${say(tie[own] - tie[rival])}. ` +
      (turned ? "So the subtraction changed the decision." : "So the subtraction did not change the decision" +
        (plain && wrong !== own ? "; the training of this network did." : "."));
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
      const roles = [name === chosen.predictions[i] && "predicted", name === chosen.labels[i] && "label"].filter(Boolean);
      const heading = name + (roles.length ? ` (${roles.join(", ")})` : "");
      panel.append(draw("rect", { class: "frame", x: 2, y: 2, width: width - 8, height: height - 8 }));
      panel.append(draw("text", { class: "heading", x: 10, y: 20 }, heading));
      effects.forEach((values, e) => {
        const y = head + row * e;
        const x = values[c] ?? 0;
        const [from, to] = [Math.min(at(0), at(x)), Math.max(at(0), at(x))];
        panel.append(draw("text", { x: label - 4, y: y + 15, "text-anchor": "end" }, names[e]));
        panel.append(draw("rect", { class: `bar effect-${e}`, x: from, y: y + 4,
          width: Math.max(to - from, 0.5), height: row - 8 }));
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
    const weighted = chosen.weights.map((weight, m) => (weight === 1 ? "" : `${weight} `) + names[m + 1]);
    const formula = ["TE", ...weighted].join(` ${MINUS} `);
    table.append(make("caption", {}, `${formula} = TIE for every class (rounded to 3 decimals)`));
    const head = make("tr");
    ["class", ...names.slice(0, -1), formula, "TIE"].forEach((text, i) =>
      head.append(make("th", { scope: "col", class: i ? "number" : "" }, text)));
    const body = make("tbody");
    chosen.classes.forEach((name, c) => {
      const line = make("tr");
      const parts = [te[c], ...direct.map((values) => values[c])];
      const left = direct.reduce((rest, values, m) => rest - chosen.weights[m] * values[c], te[c]);
      const difference = parts.includes(null) ? null : left;
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
    modelList.value = String(start[0]);
    fill(start[1]);
  }
})();
