// The pages work without this: it filters lists while one types, jumps to the search with "/", and refreshes gently.
"use strict";
(() => {
  const search = document.querySelector("input[data-filter]");
  const rows = search ? [...document.querySelectorAll(`#${search.dataset.filter} tr[data-name]`)] : [];
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.dataset.name.includes(wanted);
  };
  if (search) search.addEventListener("input", filter);

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "/" && search && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });

  const seconds = Number(document.body.dataset.refresh);
  const typed = () => [...document.querySelectorAll("main input")].some((field) => field.value !== field.defaultValue);
  const busy = () => document.hidden || typed() || document.querySelector("section.card details[open]") ||
    document.activeElement.matches("input, select, textarea") || !getSelection().isCollapsed;
  if (seconds) setInterval(() => { if (!busy()) location.reload(); }, seconds * 1000);
})();
