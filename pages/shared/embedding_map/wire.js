// Carries what is small between Python and a map that is already there, so that the map itself need not be sent again.
export default function ({ data, setTriggerValue }) {
  const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  const hubs = (globalThis.embeddingMaps ??= new Map());
  if (!hubs.has(head.map)) hubs.set(head.map, { parts: {}, heard: () => {} });
  const hub = hubs.get(head.map);
  const part = { head, body: data.slice(4 + length), send: setTriggerValue };
  hub.parts[head.part] = part;
  hub.heard(head.part);
  // What a page said that is left behind must not be heard by the next one.
  return () => {
    if (hub.parts[head.part] === part) delete hub.parts[head.part];
  };
}
