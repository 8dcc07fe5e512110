"use strict";
const at = (id) => document.getElementById(id);
const state = { models: [], latest: 0, file: null, address: null };

function show(id, text) {
  const element = at(id);
  element.hidden = !text;
  element.textContent = text || "";
}

function model() {
  return state.models.find((model) => model.name === at("model").value);
}

function sizes(input) {
  const [height, width] = input.slice(-3);
  const depth = input.length === 4 ? `${input[0]} × ` : "";
  return `${depth}${height} × ${width} pixels, ${input.at(-1) === 1 ? "grey" : "colour"}`;
}

function describe() {
  const chosen = model();
  const f1 = chosen.macro_f1.test ?? chosen.macro_f1.val;
  const split = "test" in chosen.macro_f1 ? "test" : "validation";
  const parts = [
    `${chosen.title} (${chosen.modality.replaceAll("-", " ")}): ${chosen.classes.length} ${chosen.kind === "multi-label" ? "labels" : "classes"}, from ${sizes(chosen.input)}.`,
  ];
  if (f1 !== undefined) parts.push(`Macro-F1 ${f1.toFixed(3)} on ${split} images.`);
  if (chosen.data_licence.includes("-NC")) parts.push(`Trained on data under ${chosen.data_licence}: no commercial use.`);
  at("about").textContent = parts.join(" ");
  at("synthetic").hidden = !chosen.synthetic;
}

async function json(response) {
  const text = await response.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Error(`the server answered with something else than JSON (status ${response.status})`);
  }
  if (!response.ok) throw new Error(body.error || `status ${response.status}`);
  return body;
}

async function load() {
  try {
    state.models = (await json(await fetch("models"))).models;
  } catch (error) {
    at("about").textContent = "";
    show("problem", `The models cannot be listed: ${error.message}`);
    return;
  }
  for (const { name } of state.models) at("model").add(new Option(name, name));
  at("choice").hidden = state.models.length < 2;
  describe();
}

async function classify(file) {
  const number = ++state.latest;
  state.file = file;
  const chosen = model();
  if (!chosen) return;
  show("problem", "");
  at("status").textContent = `Asking ${chosen.name} about ${file.name || "the picture"}…`;
  try {
    const address = `models/${encodeURIComponent(chosen.name)}/predict?pixels=true`;
    const answer = await json(await fetch(address, { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } }));
    // A later picture has overtaken it.
    if (number !== state.latest) return;
    present(answer, file, chosen);
    if (chosen.explains) look(file, chosen, number);
    const warned = answer.warning ? "; there is a warning" : "";
    at("status").textContent = `Answer for ${file.name || "the picture"}: ${at("verdict").textContent}${warned}.`;
  } catch (error) {
    if (number !== state.latest) return;
    at("answer").hidden = true;
    at("status").textContent = "";
    show("problem", `${file.name || "The picture"}: ${error.message}`);
  }
}

function present(answer, file, chosen) {
  at("verdict").replaceChildren(...verdict(answer));
  show("warning", answer.warning ? `Warning: ${answer.warning}.` : "");
  at("notes").replaceChildren(
    ...answer.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })),
  );
  at("notes-block").hidden = answer.notes.length === 0;
  probabilities(answer);
  const measures = [`Entropy ${answer.entropy.toFixed(3)} nats.`];
  if (answer.unlike !== undefined) measures.push(`Unlikeness to the training images ${answer.unlike.toFixed(3)}.`);
  at("measures").textContent = measures.join(" ");
  at("notice").textContent = answer.notice;
  at("map-figure").hidden = true;
  show("map-problem", "");
  original(file);
  seen(answer.pixels, chosen);
  at("answer").hidden = false;
}

/** Asks for the map on the side: the answer does not wait for it. */
async function look(file, chosen, number) {
  try {
    const address = `models/${encodeURIComponent(chosen.name)}/predict?explain=grad-cam`;
    const { map } = await json(await fetch(address, { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } }));
    if (number !== state.latest) return;
    at("map").src = `data:image/png;base64,${map.data}`;
    at("map").alt = `Map over the picture: where the model looked for ${map.class}, by ${map.method}`;
    at("map-about").textContent = `For ${map.class}, by ${map.method}. It shows what the model used, not what is there.`;
    at("map-figure").hidden = false;
  } catch (error) {
    if (number === state.latest) show("map-problem", `There is no map: ${error.message}`);
  }
}

function verdict(answer) {
  const small = document.createElement("small");
  if (answer.labels) {
    small.textContent = answer.labels.length === 1 ? " is the only label that is set" : ` are the labels that are set`;
    return answer.labels.length === 0 ? ["No label is set"] : [answer.labels.join(", "), small];
  }
  const own = answer.probabilities.find(({ class: name }) => name === answer.label);
  if (own) small.textContent = ` with probability ${percent(own.probability)}`;
  return [answer.label ?? "No class", small];
}

function percent(probability) {
  return `${(100 * probability).toFixed(1)} %`;
}

function probabilities(answer) {
  const set = new Set(answer.labels ?? [answer.label]);
  const rows = [...answer.probabilities].sort((a, b) => b.probability - a.probability).map((entry) => {
    const row = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = entry.class;
    const value = document.createElement("td");
    value.className = "n";
    value.textContent = percent(entry.probability);
    value.style.setProperty("--share", `${100 * entry.probability}%`);
    if (set.has(entry.class)) {
      row.className = "chosen";
      name.append(Object.assign(document.createElement("span"), { className: "told", textContent: " (the answer)" }));
    }
    row.append(name, value);
    return row;
  });
  at("probabilities").replaceChildren(...rows);
}

/** Shows the file itself, if the browser can. */
function original(file) {
  if (state.address) URL.revokeObjectURL(state.address);
  state.address = URL.createObjectURL(file);
  const picture = at("original");
  at("original-figure").hidden = false;
  picture.onerror = () => { at("original-figure").hidden = true; };
  picture.alt = `The picture ${file.name || "that was given"}`;
  picture.src = state.address;
  at("file").textContent = file.name || "";
}

/** Draws the pixels that the model saw; of a volume one slice, the middle one first. */
function seen(pixels, chosen) {
  const bytes = Uint8Array.from(atob(pixels.data), (character) => character.charCodeAt(0));
  const [height, width, channels] = pixels.shape.slice(-3);
  const depth = pixels.shape.length === 4 ? pixels.shape[0] : 1;
  const canvas = at("seen");
  [canvas.width, canvas.height] = [width, height];
  const draw = (slice) => {
    const image = new ImageData(width, height);
    const begin = slice * height * width * channels;
    for (let pixel = 0; pixel < height * width; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        image.data[4 * pixel + channel] = bytes[begin + pixel * channels + (channels === 3 ? channel : 0)];
      }
      image.data[4 * pixel + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    at("slice-shown").textContent = `${slice + 1} of ${depth}`;
  };
  at("slices").hidden = depth === 1;
  at("slice").max = depth;
  at("slice").value = Math.ceil(depth / 2);
  at("slice").oninput = () => draw(at("slice").valueAsNumber - 1);
  at("size").textContent = sizes(chosen.input);
  canvas.setAttribute("aria-label", `The picture as the model saw it: ${sizes(chosen.input)}`);
  draw(Math.ceil(depth / 2) - 1);
}

function first(files) {
  if (files && files.length > 0) classify(files[0]);
}

at("choose").addEventListener("change", (event) => {
  first(event.target.files);
  // So that the same file, changed meanwhile, can be chosen again.
  event.target.value = "";
});
at("model").addEventListener("change", () => {
  describe();
  if (state.file) classify(state.file);
});
document.addEventListener("paste", (event) => first(event.clipboardData && event.clipboardData.files));
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.remove("over");
    if (kind === "drop") first(event.dataTransfer && event.dataTransfer.files);
  });
}
load();
