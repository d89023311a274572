// A click on the head of a column sorts by it: numbers before texts, missing values last, in either direction.
function sortable(table) {
  const heads = table.tHead ? [...table.tHead.rows].at(-1).cells : [];
  for (const head of heads) {
    head.tabIndex = 0;
    head.classList.add("sorts");
    head.addEventListener("click", () => sortBy(table, head, heads));
    head.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      sortBy(table, head, heads);
    });
  }
}

function sortBy(table, head, heads) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  for (const body of table.tBodies) {
    const keyed = [...body.rows].map((row) => [keyOf(row.cells[head.cellIndex]), row]);
    keyed.sort(([a], [b]) => compared(a, b, down ? -1 : 1));
    body.append(...keyed.map(([, row]) => row));
  }
}

// What a cell says in data-sort that it sorts by, or its text; nothing and a dash are missing values.
function keyOf(cell) {
  const text = (cell?.dataset.sort ?? cell?.textContent ?? "").trim();
  if (text === "" || text === "–") return null;
  return Number.isNaN(Number(text)) ? text.toLowerCase() : Number(text);
}

function compared(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
}
