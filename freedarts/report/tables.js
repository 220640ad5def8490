"use strict";
// Tables sort by the buttons in their heads and show the rows that hold all words of two fields: their own, and that of the
// page. Without this script the page shows all rows in their order.

const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
const holds = (text, sought) => sought.every((word) => text.includes(word));
const lists = [];
let onPage = [];

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// The number that a cell begins with: thousands have commas, a mean has its ± after it. None: missing.
function numeric(text) {
  const value = parseFloat(text.replaceAll(",", "").replace("−", "-"));
  return Number.isNaN(value) ? null : value;
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
}

function sortable(table, rows) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const isNumber = head.classList.contains("number");
    const value = (row) => {
      const text = row.cells[place].textContent.trim();
      return text === "–" ? null : isNumber ? numeric(text) : text;
    };
    const button = make("button", { type: "button" }, ...head.childNodes);
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.ariaSort ?? "none"];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (next !== "none") head.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const ordered = next === "none" ? rows : [...rows].sort((a, b) => compare(value(a), value(b), sign));
      table.tBodies[0].append(...ordered);
    });
    head.append(button);
  });
}

function filterable(table, rows) {
  const field = make("input", { type: "search", autocomplete: "off" });
  const count = make("output");
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const show = () => {
    const sought = [...words(field.value), ...onPage];
    rows.forEach((row, place) => (row.hidden = !holds(texts[place], sought)));
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
    return shown;
  };
  field.addEventListener("input", show);
  table.closest(".table").prepend(make("p", { className: "filter" }, make("label", {}, "Filter rows ", field), " ", count));
  lists.push({ section: table.closest("section"), show });
}

for (const table of document.querySelectorAll("table.sortable")) {
  const rows = [...table.tBodies[0].rows];
  sortable(table, rows);
  if (rows.length > 5) filterable(table, rows);
}

for (const source of document.querySelectorAll("details.source")) {
  const text = source.dataset.name.toLowerCase();
  const show = () => Number(!(source.hidden = !holds(text, onPage)));
  lists.push({ section: source.closest("section"), show });
}

const search = make("input", { type: "search", autocomplete: "off" });
const result = make("output");
search.addEventListener("input", () => {
  onPage = words(search.value);
  const counts = new Map();
  for (const { section, show } of lists) counts.set(section, (counts.get(section) ?? 0) + show());
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = onPage.length > 0 && !counts.get(section);
  }
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  result.textContent = onPage.length ? `${all} rows and sources` : "";
});
document
  .querySelector("nav")
  .append(make("p", { className: "search" }, make("label", {}, "Search all tables ", search), " ", result));
