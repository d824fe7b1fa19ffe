// -- reading what Python framed ---------------------------------------------------------------------------------------

// The head, and column(Kind, count), which reads the next column.
function framed(data) {
  const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  // A copy, because typed arrays of two bytes must begin at an even place.
  const body = data.slice(4 + length).buffer;
  let at = 0;
  const column = (Kind, count) => {
    const found = new Kind(body, at, count);
    at += Math.ceil((count * Kind.BYTES_PER_ELEMENT) / 4) * 4;
    return found;
  };
  return { head, column };
}

// A byte for each of `count` bits.
const bits = (packed, count) => Uint8Array.from({ length: count }, (_, i) => (packed[i >> 3] >> (i & 7)) & 1);

function same(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

// -- colours: 32-bit words as a canvas stores them ---------------------------------------------------------------------

const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const word = ([r, g, b], alpha = 255) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;

// -- shapes: offsets from the middle, each whole or half, so that edges look smooth ------------------------------------

// The radius of a dot: less the more points there are.
const radius = (points) => Math.min(2.4, Math.max(1.1, 2.4 * (1800 / points) ** 0.25));

function stamp(shape, radius, edge = 0) {
  const reach = Math.ceil(radius * (shape === "cross" ? 1.5 : 1) + 1 + edge);
  const offsets = [];
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const r = Math.hypot(dx, dy);
      let cover;
      if (shape === "ring") cover = 1 - Math.abs(r - radius);
      else if (shape === "cross") cover = r > radius * 1.5 + edge ? 0 : radius / 4 + 0.8 + edge - Math.abs(Math.abs(dx) - Math.abs(dy)) / 1.4;
      else cover = radius + edge + 0.5 - r;
      if (cover > 0.25) offsets.push([dx, dy, cover >= (shape === "ring" ? 0.5 : 0.7)]); // a ring has no inside to be seen by
    }
  }
  return { reach, offsets };
}

// -- points as pixels --------------------------------------------------------------------------------------------------

// A sheet as large as the canvas: put(x, y, shape, colour) sets a point at its coordinates, done() shows them all. `kinds`
// are the shapes by name: [shape, radius, edge] in pixels of the screen, larger where the view is near.
function sheet(context, view, kinds) {
  const { width, height } = context.canvas;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const { ratio, scale, left, top } = view;
  const grown = Math.min(2, Math.max(1, Math.sqrt(scale / view.fitted)));
  const shapes = Object.fromEntries(
    Object.entries(kinds).map(([name, [shape, radius, edge = 0]]) => {
      const { reach, offsets } = stamp(shape, radius * grown * ratio, edge * ratio);
      return [name, { reach, steps: Int32Array.from(offsets, ([dx, dy]) => dy * width + dx), whole: Uint8Array.from(offsets, (o) => o[2]) }];
    }),
  );
  const put = (x, y, { reach, steps, whole }, colour) => {
    const px = Math.round((x * scale + left) * ratio);
    const py = Math.round((top - y * scale) * ratio);
    if (px < reach || py < reach || px >= width - reach || py >= height - reach) return;
    const at = py * width + px;
    const pale = ((colour & 0xffffff) | ((colour >>> 25) << 24)) >>> 0; // half as opaque
    for (let k = 0; k < steps.length; k++) {
      if (whole[k]) pixels[at + steps[k]] = colour;
      else if (!pixels[at + steps[k]]) pixels[at + steps[k]] = pale;
    }
  };
  return { shapes, put, done: () => context.putImageData(image, 0, 0) };
}

// -- which point is near ------------------------------------------------------------------------------------------------

function nearest(points, view, x, y, reach) {
  const gx = (x - view.left) / view.scale;
  const gy = (view.top - y) / view.scale;
  let best = -1;
  let least = (reach / view.scale) ** 2;
  for (let i = 0; i < points.all; i++) {
    const dx = points.x[i] - gx;
    const dy = points.y[i] - gy;
    const d = dx * dx + dy * dy;
    if (d <= least) [best, least] = [i, d];
  }
  return best;
}
