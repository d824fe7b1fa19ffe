// One picture holds all images: each button shows its own part of it.
export default function ({ data, parentElement, setTriggerValue }) {
  const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  const picture = URL.createObjectURL(new Blob([data.slice(4 + length, 4 + length + head.bytes)], { type: "image/webp" }));
  const list = parentElement.querySelector(".grid");
  const scale = 72 / Math.max(head.width, head.height);
  const lines = Math.ceil(head.items.length / head.across);
  const button = (kind, text, label, act) => {
    const made = document.createElement("button");
    made.className = kind;
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.title = label;
    made.addEventListener("click", act);
    return made;
  };
  const cells = head.items.map(({ row, line }, i) => {
    const cell = document.createElement("li");
    const tile = button("tile", "", `Row ${row}, ${line}: which kept images lie nearest?`, () => setTriggerValue("near", row));
    if (Math.max(head.width, head.height) < 64) tile.classList.add("sharp");
    const [width, height] = [head.width * scale, head.height * scale];
    Object.assign(tile.style, {
      width: `${width}px`, height: `${height}px`, backgroundImage: `url(${picture})`,
      backgroundSize: `${head.across * width}px ${lines * height}px`,
      backgroundPosition: `${-(i % head.across) * width}px ${-Math.floor(i / head.across) * height}px`,
    });
    const words = document.createElement("div");
    words.className = "line";
    words.textContent = `row ${row}\n${line}`;
    cell.append(tile, button("out", "\u00d7", `Take row ${row} out of the set`, () => setTriggerValue("out", row)), words);
    return cell;
  });
  list.replaceChildren(...cells);
  return () => URL.revokeObjectURL(picture);
}
