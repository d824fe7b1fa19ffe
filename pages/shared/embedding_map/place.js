// -- where the map stands, in the address -------------------------------------------------------------------------------

const STILL = 500; // milliseconds without a move until the address says where the map stands
const PLACE = /^([a-z]+_[0-9a-f]+)_(-?\d{1,5})_(-?\d{1,5})_(\d{1,3}\.\d{2})$/;

// The middle of the field in the coordinates of the points, and how many times larger they are drawn than where all
// just fit: so it is the same place in a window of another size. "" where that is all of the map.
function placeOf(name, { scale, fitted, left, top }, [width, height]) {
  const middle = [(width / 2 - left) / scale, (top - height / 2) / scale].map(Math.round);
  const times = (scale / fitted).toFixed(2);
  if (times === "1.00" && middle.every((way) => Math.abs(way) <= 2)) return "";
  return [name, ...middle, times].join("_");
}

// The view that the address asks for; as it is where that is of another map, or no place on any.
function viewAt(text, name, view, [width, height]) {
  const [, of, x, y, times] = PLACE.exec(text) ?? [];
  if (of !== name || times < FURTHEST || times > NEAREST) return view;
  const scale = view.fitted * times;
  return { ...view, scale, left: width / 2 - scale * x, top: height / 2 + scale * y };
}
