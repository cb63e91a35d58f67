// What every page does: times in the reader's own zone, copying, and a phone's navigation that shows where one is.
(() => {
  "use strict";
  const language = document.documentElement.lang;
  const styles = {
    full: { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" },
    short: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
    day: { year: "numeric", month: "short", day: "numeric" },
    clock: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  };
  const formats = Object.fromEntries(
    Object.entries(styles).map(([name, style]) => [name, new Intl.DateTimeFormat(language, { ...style, hourCycle: "h23" })]),
  );

  /** A moment as the page's language writes it, in the reader's time zone. */
  const written = (iso, style = "full") => {
    const moment = new Date(iso);
    return Number.isNaN(moment.getTime()) ? iso : formats[style].format(moment);
  };

  const regions = new Intl.DisplayNames(language, { type: "region" });

  /** A country's name in the page's language; what is no code of one stays as it is. */
  const country = (code) => (/^[A-Z]{2}$/.test(code) ? regions.of(code) : code);

  const localise = (root) => {
    for (const place of root.querySelectorAll("[data-country]")) place.textContent = country(place.dataset.country);
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
      time.title = time.textContent;
      time.textContent = written(time.dateTime, time.dataset.style);
    }
  };

  /** In a long JSON, what is pointed at comes into sight. */
  const point = (root) => {
    for (const line of root.querySelectorAll(".json .pointed:not([data-seen])")) {
      line.dataset.seen = "";
      const box = line.closest(".json");
      const above = Math.round(box.clientHeight / 3 / line.offsetHeight) * line.offsetHeight; // whole lines: none is cut
      box.scrollTop = line.offsetTop - above;
    }
  };

  const settle = (root) => { localise(root); point(root); };

  const copy = async (button) => {
    const text = document.getElementById(button.dataset.copy).textContent;
    await navigator.clipboard.writeText(text);
    const label = button.querySelector("span");
    const before = label.textContent;
    label.textContent = button.dataset.done;
    setTimeout(() => { label.textContent = before; }, 1500);
  };

  document.addEventListener("click", (click) => {
    const button = click.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("change", (change) => {
    if (change.target.matches("[data-submit]")) change.target.form.requestSubmit();
  });
  // What is asked for again while it is read keeps its folds open.
  let unfolded = [];
  document.addEventListener("htmx:beforeSwap", () => { unfolded = [...document.querySelectorAll("details[id][open]")].map(({ id }) => id); });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
    settle(document);
  });
  settle(document);
  document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  window.tropaConsole = { written, country };
})();
