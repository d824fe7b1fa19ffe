// Where the pointer is on an image in one of the twin maps, a ring stands around the same image in the other one.
const linked = new WeakSet();

function link(chart) {
  const ring = document.createElement("div");
  ring.className = "twin-ring";
  ring.style.cssText =
    "position:absolute;box-sizing:border-box;width:18px;height:18px;margin:-9px;border:2px solid;border-radius:50%;" +
    "pointer-events:none;display:none";
  chart.style.position ||= "relative";
  chart.append(ring);
  const hide = () => (ring.style.display = "none");
  chart.on("plotly_hover", ({ points: [point] }) => {
    const { xaxis: side = "x", legendgroup: group } = point.data;
    // Both maps draw the same images in the same order.
    const twin = chart._fullData.find((trace) => trace.legendgroup === group && trace.xaxis !== side);
    if (!twin || point.customdata === undefined) return hide();
    const layout = chart._fullLayout;
    const [across, up] = ["x", "y"].map((way) => layout[twin[`${way}axis`].replace(way, `${way}axis`)]);
    const [left, top] = [across, up].map((axis, i) => axis._offset + axis.l2p(twin["xy"[i]][point.pointNumber]));
    const inside = left >= across._offset && left <= across._offset + across._length && top >= up._offset && top <= up._offset + up._length;
    Object.assign(ring.style, { left: `${left}px`, top: `${top}px`, borderColor: layout.font.color, display: inside ? "block" : "none" });
  });
  chart.on("plotly_unhover", hide);
}

export default function ({ data }) {
  // A chart that is drawn anew is another one, so it is looked for when a pointer comes.
  const come = ({ target }) => {
    const chart = target.closest?.(`.${data.chart} .js-plotly-plot`);
    if (!chart || linked.has(chart)) return;
    linked.add(chart);
    link(chart);
  };
  document.addEventListener("pointerover", come);
  return () => document.removeEventListener("pointerover", come);
}
