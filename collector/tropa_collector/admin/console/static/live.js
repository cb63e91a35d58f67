// The live view: rows from a stream of server-sent events, newest on top, a bounded number of them. Everything is set as text.
(() => {
  "use strict";
  const MOST = 150; // rows kept in the page
  const A_POLL = 40; // rows that one message holds at most
  const byId = (id) => document.getElementById(id);
  const [feed, form, status, pause, sampled, detail] = ["feed", "filters", "status", "pause", "sampled", "detail"].map(byId);
  const template = byId("row").content.firstElementChild;
  const { written, country } = window.tropaConsole;
  let source = null;
  let paused = false;
  let waiting = [];

  const say = (state) => {
    status.dataset.state = state;
    status.textContent = status.dataset[state];
  };

  const amounts = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });

  /** An amount as the page's language writes it, and its currency; what is no number stays as it is. */
  const money = (amount, currency) => (amount == null ? null : [typeof amount === "number" ? amounts.format(amount) : amount, currency].filter(Boolean).join("\u00a0"));

  const about = (row) => {
    if (row.outcome === "quarantined") return row.message;
    const parts = row.order ? [row.order, money(row.total, row.currency)] : [row.product, money(row.price, row.currency)];
    if (!row.order && !row.product) parts.push(row.email ?? row.path ?? row.page);
    return parts.filter((part) => part != null).join(" · ");
  };

  const where = (row) => [row.country && country(row.country), row.city, row.browser, row.os].filter(Boolean).join(" · ");

  const rowOf = (row) => {
    const item = template.cloneNode(true);
    const texts = {
      type: row.type || "?", name: row.name, about: about(row),
      who: row.who || row.contact || "", where: row.outcome === "quarantined" ? row.path : where(row), source: row.source,
    };
    for (const cell of item.querySelectorAll("[data-of]")) cell.textContent = texts[cell.dataset.of];
    item.querySelector(".badge").classList.add(row.outcome === "quarantined" ? "bad" : row.type);
    const time = item.querySelector("time");
    time.dateTime = row.received_at;
    time.textContent = written(row.received_at, "clock");
    time.title = row.received_at;
    item.classList.toggle("bad", row.outcome === "quarantined");
    item.firstElementChild.href = row.outcome === "quarantined" ? `/quarantine/${row.id}` : `/live/event/${row.id}`;
    return item;
  };

  const show = (rows) => {
    feed.prepend(...rows.map(rowOf));
    while (feed.childElementCount > MOST) feed.lastElementChild.remove();
    byId("nothing").hidden = feed.childElementCount > 0;
  };

  const receive = ({ rows, new: arrived, first }) => {
    if (first) { feed.replaceChildren(); waiting = []; }
    sampled.hidden = first || arrived <= rows.length || (isFiltered() && rows.length < A_POLL);
    sampled.textContent = sampled.dataset.text.replace("{shown}", rows.length).replace("{all}", arrived);
    if (!paused) { show(rows); return; }
    waiting = [...rows, ...waiting].slice(0, MOST);
    pause.textContent = `${pause.dataset.goOn} (${waiting.length})`;
  };

  const asked = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  const isFiltered = () => asked().size > 0;

  const listen = () => {
    source?.close();
    source = new EventSource(`/live/stream?${asked()}`);
    source.onmessage = (message) => receive(JSON.parse(message.data));
    source.onopen = () => say(paused ? "paused" : "live");
    source.onerror = () => say("lost");
  };

  const setPaused = (value) => {
    paused = value;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? pause.dataset.goOn : pause.dataset.pause;
    say(paused ? "paused" : "live");
    if (!paused) { show(waiting); waiting = []; }
  };

  let typing;
  const refilter = () => {
    history.replaceState(null, "", `/live?${asked()}`);
    listen();
  };

  const open = (link) => {
    feed.querySelector("[aria-current]")?.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    htmx.ajax("GET", link.getAttribute("href"), { target: detail, swap: "innerHTML" }).then(() => {
      detail.classList.add("open");
      detail.focus({ preventScroll: true });
    });
  };

  const close = () => {
    detail.classList.remove("open");
    feed.querySelector("[aria-current]")?.focus();
  };

  pause.addEventListener("click", () => setPaused(!paused));
  form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(refilter, 300); });
  form.addEventListener("submit", (submit) => { submit.preventDefault(); refilter(); });
  feed.addEventListener("click", (click) => {
    const link = click.target.closest("a");
    if (!link || click.metaKey || click.ctrlKey) return;
    click.preventDefault();
    open(link);
  });
  detail.addEventListener("click", (click) => { if (click.target.closest("[data-close]")) close(); });
  detail.addEventListener("keydown", (key) => { if (key.key === "Escape") close(); });
  // A page that nobody sees asks for nothing; when it is seen again it begins anew.
  document.addEventListener("visibilitychange", () => { if (document.hidden) source.close(); else listen(); });
  listen();
})();
