// -- a map under a hand: moved, zoomed, and lines drawn around its points ------------------------------------------------

const REACH = 14; // pixels within which the pointer finds a point
const FURTHEST = 1 / 4; // of the size at which the whole map just fits
const NEAREST = 200;

// One view, seen through one field or through several of one size side by side; `field` is the one in hand. Who draws a
// map says what `points` it has, and how to `draw` them and what lies `above` them, `look` for one near a place and
// `away` again, and to `ask` for those inside a line; it may `pick` one, `stand` where it was moved to, and more.
class Hands {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.fields = [...root.querySelectorAll(".field")];
    this.overs = [...root.querySelectorAll(".over")];
    [this.field] = this.fields;
    // In plain memory, where points are painted anyway: on a busy machine without a graphics card Chromium otherwise went
    // on showing a line, and points, that were gone.
    for (const canvas of [...this.fields, ...this.overs]) canvas.getContext("2d", { willReadFrequently: true });
    this.tool = "lasso";
    this.view = { scale: 1, left: 0, top: 0, fitted: 1, ratio: 1 };
    this.hands = new Map();
    this.pencil = new Pencil();
    this.near = -1;
    this.left = new AbortController();
    this.listen();
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.field);
  }

  leave() {
    this.sized.disconnect();
    this.left.abort();
    if (this.hub?.heard === this.heard) this.hub.heard = () => {};
    if (this.root.shown === this) delete this.root.shown;
  }

  // Listen to the wires of the map of this name.
  join(name) {
    const hubs = (globalThis.embeddingMaps ??= new Map());
    if (!hubs.has(name)) hubs.set(name, { parts: {}, heard: () => {} });
    this.hub = hubs.get(name);
    this.hub.heard = this.heard = (part) => this[`heard_${part}`]();
  }

  stand() {}

  pick() {}

  step() {}

  restore() {
    this.fit();
  }

  // What a line does, by what is held down while it begins.
  mode(event) {
    return event.shiftKey ? "add" : event.altKey ? "subtract" : "replace";
  }

  // -- where it stands ---------------------------------------------------------------------------------------------------

  resize() {
    const { clientWidth: width, clientHeight: height } = this.field;
    if (!width || !height || !this.points) return;
    const before = this.size;
    this.size = [width, height];
    this.view.ratio = Math.min(window.devicePixelRatio || 1, 3);
    for (const canvas of [...this.fields, ...this.overs]) {
      canvas.width = Math.round(width * this.view.ratio);
      canvas.height = Math.round(height * this.view.ratio);
    }
    if (!before) return this.restore();
    this.view.left += (width - before[0]) / 2;
    this.view.top += (height - before[1]) / 2;
    this.draw();
  }

  // All that is seen through one field or another, with room at the edges.
  fit() {
    if (!this.size) return this.resize();
    const [width, height] = this.size;
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { x, y } of this.clouds()) {
      for (let i = 0; i < x.length; i++) {
        if (x[i] < x0) x0 = x[i];
        if (x[i] > x1) x1 = x[i];
        if (y[i] < y0) y0 = y[i];
        if (y[i] > y1) y1 = y[i];
      }
    }
    const scale = Math.min((width - 36) / Math.max(1, x1 - x0), (height - 36) / Math.max(1, y1 - y0));
    this.view = {
      ...this.view, scale, fitted: scale,
      left: width / 2 - (scale * (x0 + x1)) / 2, top: height / 2 + (scale * (y0 + y1)) / 2,
    };
    this.redraw();
  }

  clouds() {
    return [this.points];
  }

  zoom(factor, x, y) {
    const { fitted, scale } = this.view;
    const bounded = Math.min(Math.max(scale * factor, fitted * FURTHEST), fitted * NEAREST) / scale;
    this.view.left = x - (x - this.view.left) * bounded;
    this.view.top = y - (y - this.view.top) * bounded;
    this.view.scale *= bounded;
    this.redraw();
    this.stand();
  }

  pan(dx, dy) {
    this.view.left += dx;
    this.view.top += dy;
    this.redraw();
    this.stand();
  }

  redraw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.draw();
    });
  }

  // -- what lies above the points, on a canvas of its own: they need not be drawn again under a moving hand ------------------

  clean(over) {
    const context = over.getContext("2d");
    context.setTransform(this.view.ratio, 0, 0, this.view.ratio, 0, 0);
    context.clearRect(0, 0, ...this.size);
    return context;
  }

  get ink() {
    return getComputedStyle(this.root).getPropertyValue("--st-text-color") || "#808080";
  }

  outline(context, line, dashed) {
    context.beginPath();
    line.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.fillStyle = "rgb(138 143 152 / 18%)";
    context.fill("evenodd");
    context.lineWidth = 1.5;
    context.strokeStyle = this.ink;
    context.setLineDash(dashed ? [5, 4] : []);
    context.stroke();
    context.setLineDash([]);
  }

  ring(context, [x, y]) {
    context.beginPath();
    context.arc(x, y, 8, 0, 7);
    context.lineWidth = 2;
    context.strokeStyle = this.ink;
    context.stroke();
  }

  // Where on the field a place in the coordinates of the points is.
  seen([x, y]) {
    const { scale, left, top } = this.view;
    return [x * scale + left, top - y * scale];
  }

  // Beside a place on the field, and inside it.
  beside(card, [x, y]) {
    const { offsetWidth: width, offsetHeight: height } = card;
    card.style.left = `${x + 14 + width < this.size[0] ? x + 14 : Math.max(0, x - 14 - width)}px`;
    card.style.top = `${Math.min(Math.max(4, y - height / 2), this.size[1] - height - 4)}px`;
  }

  // -- hands ---------------------------------------------------------------------------------------------------------------

  listen() {
    const { signal } = this.left; // a map that was left must not go on listening beside the next one
    for (const field of this.fields) this.listenTo(field, signal);
    this.root.addEventListener("keydown", (event) => this.key(event), { signal });
    this.root.addEventListener("click", (event) => {
      const act = event.target.closest?.("[data-act]")?.dataset.act;
      if (act) this.act(act);
    }, { signal }); // prettier-ignore
  }

  listenTo(field, signal) {
    const at = (event) => {
      if (!this.hands.size) this.field = field;
      const box = field.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    field.addEventListener("pointerdown", (event) => this.down(event, ...at(event)), { signal });
    // A browser that was busy tells many moves as one: a line drawn meanwhile has all its corners only in their list,
    // which there is on an encrypted or local address alone.
    field.addEventListener("pointermove", (event) => {
      const moves = (this.stroke && event.getCoalescedEvents?.()) || [];
      for (const move of moves.length ? moves : [event]) this.move(move, ...at(move));
    }, { signal }); // prettier-ignore
    field.addEventListener("pointerup", (event) => this.up(event), { signal });
    field.addEventListener("pointercancel", (event) => this.up(event, true), { signal });
    // A finger that is lifted leaves too, but what it asked about stays in view.
    field.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.away(), { signal });
    field.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.away();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
    }, { passive: false, signal }); // prettier-ignore
    field.addEventListener("keyup", (event) => event.key === " " && (this.space = false), { signal });
    field.addEventListener("blur", () => {
      this.space = this.pencil.shown = false;
      this.away();
    }, { signal }); // prettier-ignore
  }

  act(act) {
    const [x, y] = this.size.map((side) => side / 2);
    if (act === "in" || act === "out") this.zoom(act === "in" ? 1.4 : 1 / 1.4, x, y);
    if (act === "fit") {
      this.fit();
      this.stand();
    }
    if (act === "lasso" || act === "hand") {
      this.tool = act;
      for (const tool of ["lasso", "hand"]) this.find(`[data-act=${tool}]`).setAttribute("aria-pressed", tool === act);
      for (const field of this.fields) field.classList.toggle("hand", act === "hand");
    }
  }

  key(event) {
    const step = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const letter = event.key.toLowerCase();
    const onMap = this.fields.includes(event.target); // elsewhere space and arrows belong to the buttons
    if (onMap) this.field = event.target;
    if (event.ctrlKey || event.metaKey) {
      if (!this.step(letter, event)) return;
    } else if (letter === "escape") {
      const drawing = this.stroke !== null || this.pencil.corners.length > 0;
      this.stroke = null;
      this.pencil.corners = [];
      this.escape(onMap && !drawing); // in a list, it closes the list
    } else if (!onMap) return;
    else if (step) this.steer(step.map((way) => way * (event.shiftKey ? 8 : 40)));
    else if (letter === "enter") this.mark(event);
    else if (letter === "+" || letter === "=") this.act("in");
    else if (letter === "-") this.act("out");
    else if (letter === "0") this.act("fit");
    else if (letter === " ") this.space = true;
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Move the map under the cross, and look at what lies there.
  steer(step) {
    this.pencil.shown = true;
    this.pan(...step);
    this.away();
    this.look(...this.size.map((side) => side / 2));
  }

  mark(event) {
    this.pencil.shown = true;
    const middle = this.size.map((side) => side / 2);
    const corners = this.pencil.set(this.view, this.size);
    if (corners?.length > 2) this.ask(corners, this.mode(event));
    else if (corners) this.pick(...middle);
    this.look(...middle);
    this.above();
  }

  down(event, x, y) {
    this.pencil.shown = false;
    this.pencil.corners = [];
    this.field.focus({ preventScroll: true });
    this.field.setPointerCapture(event.pointerId);
    this.hands.set(event.pointerId, [x, y]);
    this.away();
    event.preventDefault();
    if (this.hands.size > 1) this.stroke = null; // a second finger moves the map
    else if (event.button === 0 && this.tool === "lasso" && !this.space) {
      this.begin();
      this.stroke = { line: [[x, y]], mode: this.mode(event) };
    }
  }

  move(event, x, y) {
    const before = this.hands.get(event.pointerId);
    if (!before) return this.look(x, y);
    this.hands.set(event.pointerId, [x, y]);
    if (this.stroke) {
      const [lx, ly] = this.stroke.line.at(-1);
      if (Math.hypot(x - lx, y - ly) >= 1.5) this.stroke.line.push([x, y]);
      return this.above();
    }
    const other = [...this.hands].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
      this.zoom(apart([x, y]) / Math.max(1, apart(before)), (x + other[0]) / 2, (y + other[1]) / 2);
      this.pan((x - before[0]) / 2, (y - before[1]) / 2);
    } else if (event.buttons & 4 || this.space || this.tool === "hand") this.pan(x - before[0], y - before[1]);
  }

  begin() {}

  up(event, broken = false) {
    this.hands.delete(event.pointerId);
    const { stroke } = this;
    this.stroke = null;
    if (!stroke) return;
    const corners = simplified(stroke.line);
    if (broken || corners.length < 3) {
      if (!broken) this.pick(...stroke.line[0]);
      if (!broken && event.pointerType === "touch") this.look(...stroke.line[0]);
      return this.above();
    }
    const { scale, left, top } = this.view;
    this.line = stroke.line;
    this.ask(corners.map(([x, y]) => [(x - left) / scale, (top - y) / scale]), stroke.mode);
  }
}
