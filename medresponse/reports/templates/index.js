"use strict";
// Shows the rows that match; adds no element and no text but the number of matches, so that data can never become markup.
const find = document.getElementById("find");
const filter = document.getElementById("filter");
const matches = document.getElementById("matches");
const nobody = document.getElementById("nobody");
const number = new Intl.NumberFormat(document.documentElement.lang, { useGrouping: "always" });
const plain = (text) => text.normalize("NFKC").toLowerCase();
const rows = Array.from(document.querySelectorAll("#list > tbody > tr"), (row) => ({
  row,
  patient: plain(row.cells[0].textContent),
  notes: Array.from(row.querySelectorAll(".note"), (note) => note.textContent),
}));

function noted(notes) {
  if (filter.value === "all") return true;
  if (filter.value === "some") return notes.length > 0;
  if (filter.value === "none") return notes.length === 0;
  return notes.includes(filter.selectedOptions[0].dataset.note);
}

function show() {
  const wanted = plain(find.value.trim());
  let count = 0;
  for (const { row, patient, notes } of rows) {
    const match = patient.includes(wanted) && noted(notes);
    if (row.hidden === match) row.hidden = !match;
    count += match;
  }
  matches.textContent = number.format(count);
  nobody.hidden = count > 0;
}

document.getElementById("clear").addEventListener("click", () => {
  find.value = "";
  filter.value = "all";
  show();
  find.focus();
});
find.addEventListener("input", show);
filter.addEventListener("input", show);
window.addEventListener("pageshow", show); // a browser that comes back from a patient's page keeps what was typed
document.getElementById("search").hidden = false;
