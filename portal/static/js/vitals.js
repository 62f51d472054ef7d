// Draws vital signs over the server's own pictures: gaps stay gaps, limits and what is usual lie behind,
// events are numbered lines, and a value is read by a tap, a mouse or the arrow keys.
// Without this file the page keeps its pictures; the tables stand below either way.
import uPlot from "../vendor/uplot/uPlot.esm.js";

const ZONE = "Asia/Shanghai";
const HOUR_S = 3600;
const DAY_S = 86400;
const elder = document.documentElement.dataset.mode === "elder";
const HEIGHT = elder ? 340 : 240;
const HEIGHT_BARS = elder ? 240 : 170;
const BANDS = [["band0", "line0"], ["band1", "line1"]];
const language = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(language, { timeZone: ZONE, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayMonth = new Intl.DateTimeFormat(language, { timeZone: ZONE, month: "numeric", day: "numeric" });

function colours() {
  const style = getComputedStyle(document.querySelector(".vitals-page"));
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    ink: named("--ink"), soft: named("--ink-soft"), grid: named("--line"), card: named("--card"),
    usual: named("--vitals-usual"), limit: named("--warning"), mark: named("--danger"),
    line0: named("--brand"), line1: named("--vitals-line1"), band0: named("--vitals-band0"), band1: named("--vitals-band1"),
    font: style.fontFamily, size: elder ? 24 : 12.5,
  };
}

function times(chart, narrow, room) {
  const found = [];
  if (chart.span === "day") {
    for (let at = chart.since; at <= chart.until; at += (narrow ? (elder ? 12 : 6) : elder ? 6 : 3) * HOUR_S) found.push(at);
  } else {
    const days = Math.round((chart.until - chart.since) / DAY_S);
    const every = Math.ceil(days / Math.max(2, Math.floor(room)));
    for (let at = chart.since + DAY_S / 2; at < chart.until; at += every * DAY_S) found.push(at);
  }
  return found;
}

function timeWords(chart, at) {
  if (chart.span === "day") return at === chart.until ? "24:00" : clock.format(at * 1000);
  return dayMonth.format(at * 1000);
}

function seriesOf(chart, paint) {
  const plain = { spanGaps: false, points: { show: false } };
  if (chart.form === "bars") {
    return [{ ...plain, fill: paint.line0, stroke: paint.line0, width: 0, paths: uPlot.paths.bars({ size: [0.8, 40] }) }];
  }
  if (chart.form === "lines") {
    return chart.y.map((_, n) => ({ spanGaps: false, stroke: paint[BANDS[n][1]], width: 2, points: { size: 5, fill: paint[BANDS[n][1]] } }));
  }
  return chart.names.flatMap((_, n) => {
    const [band, line] = BANDS[n];
    const edge = { ...plain, stroke: paint[band], width: 1 };
    return [edge, edge, { spanGaps: false, stroke: paint[line], width: 2, points: { size: 5, fill: paint[line] } }];
  });
}

function behind(plot, chart, paint) {
  const { ctx } = plot;
  ctx.save();
  ctx.fillStyle = paint.usual;
  for (const [begin, end, low, high] of chart.usual) {
    const left = plot.valToPos(begin, "x", true), right = plot.valToPos(end, "x", true);
    const top = plot.valToPos(high, "y", true), ground = plot.valToPos(low, "y", true);
    ctx.fillRect(left, top, right - left, Math.max(2, ground - top));
  }
  ctx.restore();
}

function before(plot, chart, paint) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.font = `600 ${paint.size * ratio}px ${paint.font}`;
  ctx.lineWidth = 1.5 * ratio;
  for (const values of chart.limits) {
    for (const value of values) {
      const y = plot.valToPos(value, "y", true);
      ctx.strokeStyle = ctx.fillStyle = paint.limit;
      ctx.setLineDash([6 * ratio, 4 * ratio]);
      line(ctx, bbox.left, y, bbox.left + bbox.width, y);
      write(ctx, String(value), bbox.left + bbox.width, y - 4 * ratio, "right", paint, ratio);
    }
  }
  let numbered = -Infinity;
  for (const [at, number, drill] of chart.marks) {
    const x = plot.valToPos(at, "x", true);
    ctx.strokeStyle = ctx.fillStyle = drill ? paint.soft : paint.mark;
    ctx.setLineDash(drill ? [3 * ratio, 3 * ratio] : []);
    line(ctx, x, bbox.top - 3 * ratio, x, bbox.top + bbox.height);
    if (x - numbered > paint.size * ratio) {
      write(ctx, String(number), x, bbox.top - 5 * ratio, "center", paint, ratio);
      numbered = x;
    }
  }
  ctx.setLineDash([]);
  for (const [rows, form] of [[chart.doubtful ?? [], "round"], [chart.late ?? [], "square"]]) {
    for (const [at, ...values] of rows) for (const [n, value] of values.entries()) spot(plot, { at, value, form, colour: form === "round" ? paint.soft : paint[BANDS[n][1]], paint, ratio });
  }
  ctx.restore();
}

function line(ctx, left, top, right, bottom) {
  ctx.beginPath();
  ctx.moveTo(left, top);
  ctx.lineTo(right, bottom);
  ctx.stroke();
}

function write(ctx, words, x, y, align, paint, ratio) {
  const colour = ctx.fillStyle;
  const dashed = ctx.getLineDash();
  ctx.textAlign = align;
  ctx.setLineDash([]);
  ctx.strokeStyle = paint.card;
  ctx.lineWidth = 3 * ratio;
  ctx.strokeText(words, x, y);
  ctx.fillText(words, x, y);
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash(dashed);
}

function spot(plot, { at, value, form, colour, paint, ratio }) {
  const { ctx } = plot;
  const x = plot.valToPos(at, "x", true), y = plot.valToPos(value, "y", true), size = 3.2 * ratio;
  ctx.beginPath();
  if (form === "round") ctx.arc(x, y, size, 0, 2 * Math.PI);
  else ctx.rect(x - size, y - size, 2 * size, 2 * size);
  ctx.fillStyle = paint.card;
  ctx.strokeStyle = colour;
  ctx.fill();
  ctx.stroke();
}

function readout(plot, chart, place) {
  const at = chart.x[place];
  const words = chart.span === "day"
    ? timeWords(chart, chart.form === "bars" ? at - HOUR_S / 2 : at)
    : `${dayMonth.format(at * 1000)}${chart.span === "week" && chart.form === "bands" ? ` ${clock.format((at - HOUR_S / 2) * 1000)}` : ""}`;
  const figure = (value) => value.toFixed(chart.decimals);
  const several = chart.names.length > 1;
  const values = chart.names.flatMap((name, n) => {
    if (chart.form !== "bands") return chart.y[n][place] == null ? [] : [`${several ? `${name} ` : ""}${figure(chart.y[n][place])}`];
    const [low, high, middle] = chart.y.slice(3 * n, 3 * n + 3).map((row) => row[place]);
    return middle == null ? [] : [`${several ? `${name} ` : ""}${figure(middle)} (${figure(low)}–${figure(high)})`];
  });
  return values.length ? `${words} · ${values.join(" · ")} ${chart.unit}` : "";
}

function draw(figure) {
  const chart = JSON.parse(figure.dataset.numbers);
  const live = figure.querySelector("[data-live]");
  const said = figure.querySelector("[data-readout]");
  const paint = colours();
  const narrow = figure.clientWidth < 520;
  const options = {
    width: figure.clientWidth,
    height: chart.form === "bars" ? HEIGHT_BARS : HEIGHT,
    padding: [paint.size + 8, paint.size * 1.7, 0, 0],
    series: [{}, ...seriesOf(chart, paint)],
    bands: chart.form === "bands" ? chart.names.map((_, n) => ({ series: [3 * n + 2, 3 * n + 1], fill: paint[BANDS[n][0]] })) : [],
    scales: { x: { time: true, range: [chart.since, chart.until] }, y: { range: [chart.low, chart.high] } },
    axes: [
      { font: `${paint.size}px ${paint.font}`, stroke: paint.soft, grid: { show: false }, ticks: { stroke: paint.grid, size: 4 }, size: paint.size * 2.1, splits: () => times(chart, narrow, (figure.clientWidth - paint.size * 5) / (paint.size * 3.6)), values: (_, all) => all.map((at) => timeWords(chart, at)) },
      { font: `${paint.size}px ${paint.font}`, stroke: paint.soft, grid: { stroke: paint.grid, width: 1 }, ticks: { show: false }, size: paint.size * (chart.high > 999 ? 3.6 : 3), space: elder ? 60 : 36 },
    ],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 9 } },
    hooks: {
      drawClear: [(plot) => behind(plot, chart, paint)],
      draw: [(plot) => before(plot, chart, paint)],
      setCursor: [(plot) => { said.textContent = (plot.cursor.idx == null ? "" : readout(plot, chart, plot.cursor.idx)) || said.dataset.hint; }],
    },
  };
  live.replaceChildren();
  live.hidden = said.hidden = false;
  said.textContent = said.dataset.hint;
  const plot = new uPlot(options, [chart.x, ...chart.y], live);
  figure.querySelector("[data-picture]").hidden = true;
  return { plot, chart };
}

function keys(live, current) {
  live.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const { plot, chart } = current();
    const shown = (place) => plot.data.slice(1).some((row) => row[place] != null);
    let place = plot.cursor.idx ?? (step > 0 ? -1 : chart.x.length);
    do place += step; while (place >= 0 && place < chart.x.length && !shown(place));
    if (place < 0 || place >= chart.x.length) return;
    plot.setCursor({ left: plot.valToPos(chart.x[place], "x"), top: 10 });
  });
}

for (const figure of document.querySelectorAll("[data-vitals]")) {
  try {
    let drawn = draw(figure);
    let width = figure.clientWidth;
    const again = () => { drawn.plot.destroy(); drawn = draw(figure); };
    new ResizeObserver(() => {
      if (Math.abs(figure.clientWidth - width) < 2) return;
      width = figure.clientWidth;
      again();
    }).observe(figure);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    keys(figure.querySelector("[data-live]"), () => drawn);
  } catch (error) {
    console.warn(error);
    figure.querySelector("[data-picture]").hidden = false;
    figure.querySelector("[data-live]").hidden = true;
  }
}
