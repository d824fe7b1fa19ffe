// -- what the address says of the map ------------------------------------------------------------------------------------

// Everything it says under a name, in turn.
function addressed(name) {
  return new URLSearchParams(location.search).getAll(name);
}

// Has the address say each of these, name to text, and nothing of those that are "": as a `step` of the browser's
// history, or in the place of what it said. One that says so already is left alone.
function readdress(said, step) {
  if (Object.entries(said).every(([name, text]) => addressed(name).join("&") === text)) return;
  const others = location.search.slice(1).split("&").filter((part) => part && !(part.split("=")[0] in said));
  const ours = Object.entries(said).flatMap(([name, text]) => (text ? [`${name}=${text}`] : []));
  const search = [...others, ...ours].join("&");
  const address = `${location.pathname}${search && "?"}${search}${location.hash}`;
  if (step) history.pushState({}, "", address);
  else history.replaceState(history.state, "", address);
}
