// -- pictures in the place of points, where few are on screen -----------------------------------------------------------

const FEW = 300; // on screen: below it their images are drawn
const TILES = 3000; // pictures kept
const LEAST = 14;
const LARGEST = 40; // pixels of a picture

// Which images have room for a picture, in the order in which points are drawn, and how large it is; null where points
// on screen are many or none. One that would hide most of another's stays a point: those drawn last have room first.
function roomFor(points, view, width, height) {
  const found = [];
  for (let i = 0; i < points.all; i++) {
    const x = points.x[i] * view.scale + view.left;
    const y = view.top - points.y[i] * view.scale;
    if (x < 0 || y < 0 || x > width || y > height) continue;
    if (found.push(i) >= FEW) return null;
  }
  if (!found.length) return null;
  const side = Math.min(LARGEST, Math.max(LEAST, 0.6 * Math.sqrt((width * height) / found.length)));
  const first = (i) => i < points.train && points.forget[i];
  const apart = (0.75 * side) / view.scale;
  const images = [];
  const score = (i) => points.memorization[i] ?? -1;
  found.sort((a, b) => first(b) - first(a) || score(b) - score(a));
  for (const i of found) {
    if (images.every((k) => Math.max(Math.abs(points.x[i] - points.x[k]), Math.abs(points.y[i] - points.y[k])) >= apart)) images.push(i);
  }
  return { images: images.reverse(), side };
}

const css = (colour) => `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;

// Each image in a frame of its point's colour and kind: dashed is held out, a thick one with a cross is to be forgotten.
function picture(context, points, view, tiles, { images, side }, by, faded) {
  const { roles } = points.colours;
  const shade = by === "role" ? null : colouring(points, by);
  context.save();
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  let drawn = 0;
  for (const i of images) {
    const tile = tiles.get(i);
    if (!tile) continue;
    const leaves = i < points.train && points.forget[i];
    const role = i >= points.train ? roles["held-out"] : leaves ? roles.forget : roles.retain;
    const grown = side / Math.max(tile.width, tile.height);
    const [w, h] = [tile.width * grown, tile.height * grown];
    const x = points.x[i] * view.scale + view.left - w / 2;
    const y = view.top - points.y[i] * view.scale - h / 2;
    context.globalAlpha = faded && !leaves ? 0.3 : 1;
    context.imageSmoothingEnabled = tile.smooth;
    context.drawImage(tile.bitmap, tile.x, tile.y, tile.width, tile.height, x, y, w, h);
    context.setLineDash(i >= points.train ? [3, 2] : []);
    const frame = new Path2D();
    frame.rect(x, y, w, h);
    if (leaves) {
      frame.moveTo(x + w - 4, y - 4);
      frame.lineTo(x + w + 4, y + 4);
      frame.moveTo(x + w + 4, y - 4);
      frame.lineTo(x + w - 4, y + 4);
    }
    const lines = leaves && shade ? [[points.colours.ink, 5]] : []; // as around its cross
    for (const [colour, wide] of [...lines, [shade ? css(shade(i)) : role, leaves ? 3 : 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.stroke(frame);
    }
    drawn++;
  }
  context.restore();
  return drawn;
}
