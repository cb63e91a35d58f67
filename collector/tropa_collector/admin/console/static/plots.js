// Plots by uPlot: an element with data-plot names the address of {"time": …, "names": […], "columns": [[seconds], [count], …]}.
(() => {
  "use strict";
  const language = document.documentElement.lang;
  const COLOURS = ["--stored", "--duplicate", "--quarantined"];
  const HEIGHT = 240;

  /** A custom property's colour in the present scheme. */
  const colour = (name, within) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    within.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", timeZone: "UTC" });
  const dayOfYear = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", year: "numeric", timeZone: "UTC" });
  const number = new Intl.NumberFormat(language, { notation: "compact" });
  const whole = new Intl.NumberFormat(language);

  const DAY = 86_400;
  const STEPS = [1, 2, 7, 14, 28, 91, 182, 364].map((days) => days * DAY);
  /** A plot of days (data-by="day") has bars, and ticks at the days' own beginnings, in UTC. */
  const byDay = (element) => element.dataset.by === "day";
  const tick = (element, seconds) => (byDay(element) ? day : clock).format(seconds * 1000);
  const moment = (element, seconds) => (byDay(element) ? dayOfYear : clock).format(seconds * 1000);
  const height = (element) => Number(element.dataset.height ?? HEIGHT);

  const options = (element, time, names) => {
    const axis = {
      stroke: colour("--quiet", element), font: "12px system-ui, sans-serif",
      grid: { stroke: colour("--line", element), width: 1 }, ticks: { show: false },
    };
    const series = names.map((label, at) => {
      const stroke = colour(COLOURS[at % COLOURS.length], element);
      return { label, stroke, width: 1.5, fill: at === 0 ? stroke.replace("rgb(", "rgba(").replace(")", ", 0.14)") : undefined, points: { show: false }, paths: byDay(element) ? uPlot.paths.bars({ size: [0.7, 40, 2] }) : undefined, value: (_, count, series, at) => (at == null ? "—" : whole.format(count ?? 0)) };
    });
    return {
      width: element.clientWidth, height: height(element), padding: [null, byDay(element) ? 24 : null, null, null], cursor: { y: false, points: { size: 7 } },
      scales: { x: { time: !byDay(element) }, y: { range: (_, low, high) => [0, Math.max(high * 1.08, 5)] } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((seconds) => tick(element, seconds)), space: 80, size: 32, ...(byDay(element) ? { incrs: STEPS } : {}) },
        { ...axis, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? number.format(tick) : "")), size: 52 },
      ],
      series: [{ value: (_, seconds) => (seconds == null ? "—" : moment(element, seconds)), label: time }, ...series],
    };
  };

  /** Beside the first column a line is drawn only where something is: zeros would lie over the ground in the last one's colour. */
  const grounded = ([times, first, ...others]) => [
    times, first, ...others.map((counts) => counts.map((count, at) => (count || counts[at - 1] || counts[at + 1] ? count : null))),
  ];

  const draw = async (element) => {
    const { time, names, columns, note } = await (await fetch(element.dataset.plot)).json();
    element.replaceChildren();
    if (note) document.getElementById(element.dataset.note).textContent = note;
    const plot = new uPlot(options(element, time, names), grounded(columns), element);
    new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: height(element) })).observe(element);
  };

  const drawAll = () => document.querySelectorAll("[data-plot]").forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
  setInterval(() => { if (!document.hidden) drawAll(); }, 60_000);
})();
