// Texts become text nodes: nothing on this page is ever parsed as markup.
function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const svg = (tag, properties = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

const unpacked = new Map();

// The value of a data block, decoded when it is first asked for.
function data(name) {
  if (!unpacked.has(name)) unpacked.set(name, unpack(document.getElementById(`data-${name}`).textContent));
  return unpacked.get(name);
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

const known = (value) => value !== null && value !== undefined;
const shown = (value, digits = 4) => (known(value) ? String(Number(value.toPrecision(digits))) : "–");
const counted = (value) => value.toLocaleString("en-US");
const minutes = (seconds) => (known(seconds) ? (seconds / 60).toFixed(1) : "–");
const badge = (text) => el("span", { class: `badge ${text.replace(/\W/g, "_")}` }, text.replace(/_/g, " "));
