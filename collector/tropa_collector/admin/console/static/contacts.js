// The identity graph: the evidence of a link stands beneath the picture while its number is chosen.
(() => {
  "use strict";
  const place = document.getElementById("why-now");
  const edges = [...document.querySelectorAll(".edge[data-why]")];
  if (!place) return;

  const choose = (edge) => {
    const reason = document.getElementById(edge.dataset.why)?.querySelector("div");
    if (!reason) return;
    place.replaceChildren(reason.cloneNode(true));
    for (const other of edges) other.classList.toggle("chosen", other === edge);
  };

  for (const edge of edges) {
    edge.addEventListener("focus", () => choose(edge));
    edge.addEventListener("click", (click) => { click.preventDefault(); choose(edge); });
  }
})();
