// The live figure of chapter 4: one z in the code planes of several methods, and one style for all ten digits.
//
// One plain module without imports (page.js and plane.js stand in front of it). Notebooks run it beside a Python
// kernel, the book runs the same text with none, so everything happens in the browser: see `forward`.

// The layers of each decoder, whose bytes lie one behind the other.
export function unpackAll(weights, rows, sizes) {
  const part = (bytes, from) => new DataView(bytes.buffer, bytes.byteOffset + from);
  let weight = 0, row = 0;
  return sizes.map((widths) => {
    const layers = unpack(part(view(weights), weight), part(view(rows), 4 * row), widths);
    for (const { W, b } of layers) [weight, row] = [weight + W.length, row + b.length];
    return layers;
  });
}

// What a decoder that is told the digit takes: the style, then a one for the digit and zeros for all others.
export function withDigit([a, b], digit) {
  return [a, b, ...Array.from({ length: 10 }, (_, d) => (d === digit ? 1 : 0))];
}

// ---- the figure ----------------------------------------------------------------------------------------

const MARGIN = { left: 26, right: 10, top: 10, bottom: 26 }; // CSS pixels around a plane, for axes and ring
const HOW = "Drag, or use the arrow keys, to move";
const KEYS = "with Shift in larger steps; Home for the centre.";

const PAGE = `
  <div class="gc-planes-views"></div>
  <ul class="gc-planes-legend" aria-label="Colour of each digit"></ul>
  <div class="gc-planes-controls">
    <button type="button">Random point, N(0, I)</button>
    <output aria-live="polite"></output>
    <button type="button">Reset</button>
  </div>
  <p class="gc-figure-help">
    Drag a ring: every decoder gets the same z. Or use the arrow keys, with Shift for larger steps; Home is the centre.
    The circles lie 1 and 2 from the centre of N(0, I). A code outside a plane is drawn on its edge.
  </p>
  <div class="gc-planes-style" hidden>
    <p>A decoder that is told the digit: one style z, all ten digits.</p>
    <canvas class="gc-pad" tabindex="0" role="application" aria-label="Plane of styles. ${HOW} z; ${KEYS}"></canvas>
    <div class="gc-planes-digits"></div>
    <div class="gc-planes-controls">
      <button type="button">Random style, N(0, I)</button>
      <output aria-live="polite"></output>
      <button type="button">Reset</button>
    </div>
  </div>`;

const VIEW = `
  <figcaption></figcaption>
  <canvas class="gc-pad" tabindex="0" role="application"></canvas>
  <div><canvas class="gc-image" role="img"></canvas><p></p></div>`;

const DIGIT = `<canvas class="gc-image" role="img"></canvas><figcaption></figcaption>`;

// "(0.52, −1.10)"
const point = (z) => `(${z.map((part) => part.toFixed(2).replace("-", "−")).join(", ")})`;

function share(part) {
  if (part === 0) return "No codes lie outside.";
  const percent = 100 * part;
  return `${percent < 1 ? "Under 1" : Math.round(percent)} % of codes lie outside.`;
}

function render({ model, el }) {
  const reach = model.get("reach"), titles = model.get("titles"), shape = model.get("shape");
  const decoders = unpackAll(model.get("weights"), model.get("rows"), model.get("sizes"));
  const digits = view(model.get("labels")), points = digits.byteLength;
  const codes = halves(model.get("codes")); // those of the styles, if there are any, are the last ones
  const codesOf = (plane) => codes.subarray(2 * points * plane, 2 * points * (plane + 1));

  const root = frame(el, "gc-planes", PAGE);
  root.style.setProperty("--gc-planes", titles.length);
  const [views, legend, styles] = [".gc-planes-views", "ul", ".gc-planes-style"].map((what) => root.querySelector(what));
  const swatches = fillLegend(legend, model.get("colours"));
  const bounds = [-reach, reach, -reach, reach];

  // ---- a plane: codes and circles, which stay, and a ring, which moves ----

  function makePlane(pad, codes) {
    const cloud = document.createElement("canvas");
    let size = 0, ratio = 0, ink = "", paper = "";
    const inner = () => size - MARGIN.left - MARGIN.right; // MARGIN makes it a square
    const toX = (a) => MARGIN.left + ((a + reach) / (2 * reach)) * inner();
    const toY = (b) => MARGIN.top + ((reach - b) / (2 * reach)) * inner();
    const clamp = (part) => Math.min(Math.max(part, -reach), reach);

    function drawCloud() {
      size = pad.clientWidth;
      ratio = window.devicePixelRatio || 1;
      pad.width = pad.height = cloud.width = cloud.height = Math.round(size * ratio);
      const page = look(root), colours = model.get("colours").map(page.shade), on = cloud.getContext("2d");
      ({ ink, paper } = page);
      swatches.forEach((swatch, digit) => { swatch.style.background = colours[digit]; });
      on.scale(ratio, ratio);
      on.strokeStyle = on.fillStyle = ink;
      on.globalAlpha = 0.5;
      on.strokeRect(toX(-reach), toY(reach), inner(), inner());
      on.globalAlpha = 0.8;
      on.font = `12px ${page.font}`;
      for (const { at, label } of ticks(-reach, reach)) {
        on.textAlign = "center";
        on.textBaseline = "alphabetic";
        on.fillText(label, toX(at), toY(-reach) + 16);
        on.textAlign = "right";
        on.textBaseline = "middle";
        on.fillText(label, toX(-reach) - 6, toY(at));
      }
      on.font = `italic 13px ${page.font}`;
      on.fillText("z₂", toX(-reach) - 6, toY(reach) + 6);
      on.textBaseline = "alphabetic";
      on.fillText("z₁", toX(reach), toY(-reach) + 16);
      for (let i = 0; 2 * i < codes.length; i++) {
        const [a, b] = [codes[2 * i], codes[2 * i + 1]];
        on.globalAlpha = 0.75;
        on.fillStyle = colours[digits.getUint8(i)];
        on.beginPath();
        on.arc(toX(clamp(a)), toY(clamp(b)), 1.8, 0, 2 * Math.PI);
        on.fill();
      }
      on.globalAlpha = 0.7;
      on.lineWidth = 1.3;
      on.setLineDash([4, 4]);
      for (const radius of [1, 2]) {
        on.beginPath();
        on.arc(toX(0), toY(0), toX(radius) - toX(0), 0, 2 * Math.PI);
        on.stroke();
      }
    }

    const place = (x, y) => [
      ((x - MARGIN.left) / inner()) * 2 * reach - reach,
      reach - ((y - MARGIN.top) / inner()) * 2 * reach,
    ];
    function draw(z) {
      if (!pad.clientWidth) return; // the figure is folded away
      if (size !== pad.clientWidth || ratio !== window.devicePixelRatio) drawCloud();
      const pen = pad.getContext("2d");
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, pad.width, pad.height);
      pen.drawImage(cloud, 0, 0);
      pen.scale(ratio, ratio);
      drawRing(pen, toX(z[0]), toY(z[1]), ink, paper);
    }
    return { pad, place, draw, forget: () => { size = 0; } };
  }

  // A figure in the page, and how its picture is shown.
  function add(where, html, caption, says) {
    const figure = document.createElement("figure");
    figure.innerHTML = html;
    figure.querySelector("figcaption").textContent = caption;
    const image = figure.querySelector("canvas.gc-image");
    image.setAttribute("aria-label", says);
    where.append(figure);
    return { figure, show: screen(image, shape) };
  }

  // ---- the upper part: one z, several methods ----

  const [button, output, reset] = root.querySelector(".gc-planes-controls").children;
  const rows = titles.map((title, k) => {
    const { figure, show } = add(views, VIEW, title, `What the decoder of ${title} makes of z`);
    const pad = figure.querySelector("canvas.gc-pad"), own = codesOf(k);
    pad.setAttribute("aria-label", `${title}, plane of codes. ${HOW} z in all planes; ${KEYS}`);
    return { ...makePlane(pad, own), show, own, note: figure.querySelector("p") };
  });
  function draw() {
    const z = model.get("z");
    output.textContent = `z = ${point(z)}`;
    rows.forEach((row, k) => {
      const near = nearest(row.own, z), distance = Math.hypot(row.own[2 * near] - z[0], row.own[2 * near + 1] - z[1]);
      row.draw(z);
      row.show(forward(decoders[k], z));
      row.note.textContent = [
        `Nearest point: ${named(digits.getUint8(near))}, ${distance.toFixed(2)} away.`,
        share(model.get("outside")[k]),
      ].join("\n");
    });
  }
  const moves = rows.map(({ pad, place }) => steer(pad, bounds, place, model, "z"));
  button.addEventListener("click", () => moves[0](drawNormal()));
  reset.addEventListener("click", rewinder(model, ["z"]));

  // ---- the lower part: one style, ten digits ----

  const stylePlane = makePlane(styles.querySelector("canvas.gc-pad"), codesOf(titles.length));
  const [styleButton, styleOutput, styleReset] = styles.querySelector(".gc-planes-controls").children;
  const ten = Array.from({ length: 10 }, (_, d) =>
    add(styles.querySelector(".gc-planes-digits"), DIGIT, d, `${named(d)} in the style z`),
  );
  function drawStyle() {
    if (!model.get("conditional")) return;
    const z = model.get("style_z");
    styleOutput.textContent = `z = ${point(z)}`;
    stylePlane.draw(z);
    ten.forEach(({ show }, d) => show(forward(decoders[titles.length], withDigit(z, d))));
  }
  styles.hidden = !model.get("conditional");
  const moveStyle = steer(stylePlane.pad, bounds, stylePlane.place, model, "style_z");
  styleButton.addEventListener("click", () => moveStyle(drawNormal()));
  styleReset.addEventListener("click", rewinder(model, ["style_z"]));

  // ---- both ----

  const planes = [...rows, stylePlane];
  const unwatch = watch(planes.map(({ pad }) => pad), () => {
    planes.forEach(({ forget }) => forget());
    draw();
    drawStyle();
  });
  model.on("change:z", draw);
  model.on("change:style_z", drawStyle);
  draw();
  drawStyle();

  return () => { // the view is closed
    unwatch();
    model.off("change:z", draw);
    model.off("change:style_z", drawStyle);
  };
}

export default { render };
