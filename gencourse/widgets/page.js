// What the live figures have in common. A figure's text is this one with its own behind it: nothing is imported.

// Bytes arrive as a DataView in a page and may be a typed array elsewhere.
function view(bytes) {
  return ArrayBuffer.isView(bytes) ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new DataView(bytes);
}

// The number in the i-th pair of bytes, read as float16: sign, five bits of exponent, ten of fraction.
function float16(data, i) {
  const bits = data.getUint16(2 * i, true);
  const exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
  return bits >> 15 ? -size : size;
}

// The figure's part of the page.
function frame(el, name, html) {
  const root = document.createElement("div");
  root.className = `gc-figure ${name}`;
  root.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes the arrow keys to move between cells
  root.innerHTML = html;
  el.append(root);
  return root;
}

// Book: data-theme. JupyterLab: data-jp-theme-light. Elsewhere a page is dark when its text is light.
function isDark(ink) {
  const theme = document.documentElement.dataset.theme, lab = document.body.dataset.jpThemeLight;
  if (theme) return theme === "dark";
  if (lab) return lab === "false";
  const [red, green, blue] = ink.match(/[\d.]+/g).map(Number);
  return 0.3 * red + 0.6 * green + 0.1 * blue > 128;
}

// A colour "#rrggbb" a third of the way to white: the darker ones would drown on a dark page.
function lighter(colour) {
  const part = (at) => Math.round((2 * parseInt(colour.slice(at, at + 2), 16) + 255) / 3);
  return `rgb(${part(1)}, ${part(3)}, ${part(5)})`;
}

// Colours and font of the page; `shade` fits a colour of the course to it.
function look(root) {
  const { color: ink, fontFamily: font } = getComputedStyle(root), dark = isDark(ink);
  root.style.colorScheme = dark ? "dark" : "light"; // sliders and menus follow
  return { ink, font, dark, paper: dark ? "#000" : "#fff", shade: dark ? lighter : (colour) => colour };
}

// A pen for an empty canvas at the screen's own resolution, measured in CSS pixels.
function begin(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.scale(ratio, ratio);
  pen.globalAlpha = 1;
  pen.lineCap = pen.lineJoin = "round";
  return pen;
}

// Calls `draw` when the theme, the room for an element or the screen's resolution changes. Returns how to end it.
function watch(elements, draw) {
  const themes = new MutationObserver(draw), resizes = new ResizeObserver(draw);
  for (const where of [document.documentElement, document.body]) {
    themes.observe(where, { attributeFilter: ["data-theme", "data-jp-theme-light"] });
  }
  elements.forEach((element) => resizes.observe(element));
  window.addEventListener("resize", draw); // zooming changes the ratio of pixels, not a canvas's size
  return () => {
    themes.disconnect();
    resizes.disconnect();
    window.removeEventListener("resize", draw);
  };
}

// Calls `follow` with the events of a drag on a pad. A finger that sets out up or down scrolls the page (pan-y in the
// style), so a finger counts only when it has moved across, or is lifted where it came down.
function drag(pad, follow) {
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return; // the first button, a finger or a pen
    pad.setPointerCapture(event.pointerId); // a drag goes on outside the pad
    if (event.pointerType !== "touch") follow(event);
  });
  pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && follow(event));
  pad.addEventListener("pointerup", (event) => event.pointerType === "touch" && follow(event));
}

// A worker that runs a figure's own text, as a plain script: a page from the disk may not start a module.
function startWorker(model) {
  const text = model.get("_esm").replace(/^export default.*$/m, "").replace(/^export /gm, "");
  return new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
}

// How to put these traits back to what they are now.
function rewinder(model, names) {
  const home = names.map((name) => [name, model.get(name)]);
  return () => {
    home.forEach(([name, value]) => model.set(name, value));
    model.save_changes();
  };
}

// Four to eight round numbers from low to high.
function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return found.map((at) => ({ at, label: at.toFixed(digits).replace("-", "−") }));
}

