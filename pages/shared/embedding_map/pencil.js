// -- a line drawn by keys: the map moves under a cross in the middle, and corners are set there -------------------------

const SAME = 2; // pixels within which two corners are one place

class Pencil {
  constructor() {
    this.shown = false;
    this.corners = []; // in the coordinates of the points, for the map moves meanwhile
  }

  // Set a corner under the cross. Set twice in one place it ends the line: then its corners are returned, else null.
  set({ scale, left, top }, [width, height]) {
    const place = [(width / 2 - left) / scale, (top - height / 2) / scale];
    const last = this.corners.at(-1);
    if (last && Math.hypot(place[0] - last[0], place[1] - last[1]) * scale <= SAME) return this.corners.splice(0);
    this.corners.push(place);
    return null;
  }

  // The corners so far and the cross, in pixels; null where there is no corner.
  line({ scale, left, top }, [width, height]) {
    if (!this.corners.length) return null;
    return [...this.corners.map(([x, y]) => [x * scale + left, top - y * scale]), [width / 2, height / 2]];
  }

  cross(context, [width, height], ink) {
    if (!this.shown) return;
    context.beginPath();
    for (const [x, y] of [[9, 0], [0, 9]]) {
      context.moveTo(width / 2 - x, height / 2 - y);
      context.lineTo(width / 2 + x, height / 2 + y);
    } // prettier-ignore
    context.lineWidth = 2;
    context.strokeStyle = ink;
    context.stroke();
  }
}
