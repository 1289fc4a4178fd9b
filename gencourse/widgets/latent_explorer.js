// The live figure of chapter 1: move a code z through the plane and watch what the decoder makes of it.
//
// One plain module without imports (page.js and plane.js stand in front of it). Notebooks run it beside a Python
// kernel, the book runs the same text with none, so everything happens in the browser: see `forward`.

// ---- the figure ----------------------------------------------------------------------------------------

const MARGIN = { left: 40, right: 10, top: 10, bottom: 36 }; // CSS pixels around the plane, for the axes

const PAGE = `
  <div class="gc-latent-plane">
    <canvas class="gc-pad" tabindex="0" role="application"
      aria-label="Plane of codes. Drag, or use the arrow keys, to move z; with Shift in larger steps; Home for the centre."
    ></canvas>
    <ul class="gc-latent-legend" aria-label="Colour of each digit"></ul>
  </div>
  <div class="gc-latent-side">
    <canvas class="gc-image" width="28" height="28" role="img" aria-label="The picture that the decoder makes of z"></canvas>
    <output class="gc-z" aria-live="polite"></output>
    <button type="button">Random point, N(0, I)</button>
    <button type="button">Reset</button>
    <p class="gc-figure-help">Drag the ring. Or use the arrow keys, with Shift for larger steps; Home is the centre.</p>
  </div>`;

function render({ model, el }) {
  const layers = unpack(model.get("weights"), model.get("rows"), model.get("sizes"));
  const [aLow, aHigh, bLow, bHigh] = model.get("plane");
  const codes = halves(model.get("codes")), digits = view(model.get("labels"));

  const root = frame(el, "gc-latent", PAGE);
  const [pad, image, output, button, legend] = ["canvas.gc-pad", "canvas.gc-image", "output", "button", "ul"].map(
    (what) => root.querySelector(what),
  );
  const swatches = fillLegend(legend, model.get("colours")), show = screen(image, model.get("shape"));

  const pen = pad.getContext("2d");
  const cloud = document.createElement("canvas"); // what stays while the handle moves, drawn once
  let size = 0, ratio = 0, ink = "", paper = ""; // the pad's side, device pixels per CSS pixel, colours
  const toX = (a) => MARGIN.left + ((a - aLow) / (aHigh - aLow)) * (size - MARGIN.left - MARGIN.right);
  const toY = (b) => size - MARGIN.bottom - ((b - bLow) / (bHigh - bLow)) * (size - MARGIN.top - MARGIN.bottom);

  function drawCloud() {
    size = pad.clientWidth;
    ratio = window.devicePixelRatio || 1;
    pad.width = pad.height = cloud.width = cloud.height = Math.round(size * ratio);
    const page = look(root), font = page.font, colours = model.get("colours").map(page.shade);
    ({ ink, paper } = page);
    swatches.forEach((swatch, digit) => { swatch.style.background = colours[digit]; });
    const on = cloud.getContext("2d");
    const [left, right, top, bottom] = [MARGIN.left, size - MARGIN.right, MARGIN.top, size - MARGIN.bottom];
    on.scale(ratio, ratio);
    on.fillStyle = on.strokeStyle = ink;

    on.font = `12px ${font}`;
    on.globalAlpha = 0.8;
    on.textAlign = "center";
    for (const { at, label } of ticks(aLow, aHigh)) on.fillText(label, toX(at), bottom + 16);
    on.textAlign = "right";
    on.textBaseline = "middle";
    for (const { at, label } of ticks(bLow, bHigh)) on.fillText(label, left - 7, toY(at));
    on.font = `italic 14px ${font}`;
    on.fillText("z₁", right, bottom + 28);
    on.fillText("z₂", left + 24, top + 8);

    on.globalAlpha = 0.12; // a grid that is felt rather than seen, and thin axes
    on.beginPath();
    for (const { at } of ticks(aLow, aHigh)) { on.moveTo(toX(at), top); on.lineTo(toX(at), bottom); }
    for (const { at } of ticks(bLow, bHigh)) { on.moveTo(left, toY(at)); on.lineTo(right, toY(at)); }
    on.stroke();
    on.globalAlpha = 0.5;
    on.beginPath();
    on.moveTo(left, top);
    on.lineTo(left, bottom);
    on.lineTo(right, bottom);
    on.stroke();

    on.save();
    on.beginPath();
    on.rect(left, top, right - left, bottom - top);
    on.clip(); // the plane leaves out the few codes that lie far away
    on.globalAlpha = 0.7;
    for (let i = 0; i < digits.byteLength; i++) {
      on.fillStyle = colours[digits.getUint8(i)];
      on.beginPath();
      on.arc(toX(codes[2 * i]), toY(codes[2 * i + 1]), 1.8, 0, 2 * Math.PI);
      on.fill();
    }
    on.restore();
  }

  function draw() {
    const z = model.get("z");
    // clientWidth is 0 while the figure is folded away
    if (pad.clientWidth && (size !== pad.clientWidth || ratio !== window.devicePixelRatio)) drawCloud();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, pad.width, pad.height);
    if (size) {
      pen.drawImage(cloud, 0, 0);
      pen.scale(ratio, ratio);
      drawRing(pen, toX(z[0]), toY(z[1]), ink, paper);
    }
    show(forward(layers, z));
    const digit = digits.getUint8(nearest(codes, z));
    output.textContent = `z = (${z[0].toFixed(2)}, ${z[1].toFixed(2)})\nnearest test code: ${named(digit)}`;
  }

  const moveTo = steer(pad, model.get("plane"), (x, y) => {
    const across = (x - MARGIN.left) / (size - MARGIN.left - MARGIN.right);
    const up = (size - MARGIN.bottom - y) / (size - MARGIN.top - MARGIN.bottom);
    return [aLow + across * (aHigh - aLow), bLow + up * (bHigh - bLow)];
  }, model, "z");
  button.addEventListener("click", () => moveTo(drawNormal()));
  button.nextElementSibling.addEventListener("click", rewinder(model, ["z"]));

  const unwatch = watch([pad], () => { size = 0; draw(); });
  model.on("change:z", draw);
  draw();

  return () => { // the view is closed
    unwatch();
    model.off("change:z", draw);
  };
}

export default { render };
