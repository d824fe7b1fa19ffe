// -- what a mark in the legend stands for -------------------------------------------------------------------------------

// `kind` is the class of a mark that has no letter; its colour is then its ground.
function item(mark, colour, text, kind = "") {
  const span = document.createElement("span");
  const shape = document.createElement("span");
  shape.setAttribute("aria-hidden", "true");
  shape.textContent = mark;
  shape.className = kind;
  if (kind) shape.style.background = colour;
  else if (colour) shape.style.color = colour;
  span.append(shape, text);
  return span;
}
