// Plots of a table's columns, drawn from the table itself: what is plotted can be read there.

const HEIGHT = 170;
const place = document.querySelector("[data-plots]");
const table = document.querySelector("[data-plotted]");
const charts = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(2);
  if (size >= 1e12) return `${(value / 1e12).toFixed(1)}T`;
  if (size >= 1e9) return `${(value / 1e9).toFixed(1)}G`;
  if (size >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (size >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return value.toLocaleString("en-US", { maximumFractionDigits: 2 });
}

function columns() {
  const lines = [...table.tBodies[0].rows].reverse();
  const heights = lines.map((line) => Number(line.dataset.x));
  return [...table.tHead.rows[0].cells].flatMap((head, index) => {
    if (!head.dataset.plot) return [];
    const values = lines.map((line) => {
      const y = line.cells[index].dataset.y;
      return y === undefined ? null : Number(y);
    });
    const aim = head.dataset.aim === undefined ? null : Number(head.dataset.aim);
    return [{ name: head.dataset.plot, heights, values, aim }];
  });
}

/** A place for a plot. All of them are there before the first is drawn: then their width is known. */
function frame(column) {
  const box = document.createElement("div");
  box.className = "plot";
  const head = document.createElement("h3");
  const reading = document.createElement("output");
  const known = column.values.filter((one) => one !== null);
  const rest = known.length ? short(known[known.length - 1]) : "nothing known";
  head.append(column.name, reading);
  reading.textContent = rest;
  box.append(head);
  place.append(box);
  return { ...column, box, reading, rest };
}

function draw({ box, reading, rest, heights, values, aim }) {
  const grid = { stroke: () => colour("--line"), width: 1 };
  const axis = { stroke: () => colour("--muted"), grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const series = [{}, { stroke: () => colour("--mark"), width: 1.6, points: { show: heights.length < 40, size: 4 } }];
  const data = [heights, values];
  if (aim !== null) {
    series.push({ stroke: () => colour("--muted"), width: 1, dash: [4, 4], points: { show: false } });
    data.push(heights.map(() => aim));
  }
  const chart = new globalThis.uPlot(
    {
      width: Math.max(120, box.clientWidth - 26),
      height: HEIGHT,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: { x: { time: false }, y: { range: (_, low, high) => room(low, high) } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((one) => (Number.isInteger(one) ? one.toLocaleString("en-US") : "")), size: 26 },
        { ...axis, values: (_, ticks) => ticks.map(short), size: 52 },
      ],
      series,
      hooks: {
        setCursor: [
          (one) => {
            const at = one.cursor.idx;
            reading.textContent = at === null || at === undefined ? rest : `${heights[at].toLocaleString("en-US")}: ${short(values[at])}`;
          },
        ],
      },
    },
    data,
    box,
  );
  charts.push([chart, box]);
}

/** Some air above and below, also where all values are the same. */
function room(low, high) {
  if (low === null || high === null) return [0, 1];
  const air = high === low ? Math.max(1, Math.abs(high) * 0.05) : (high - low) * 0.08;
  return [low >= 0 && low - air < 0 ? 0 : low - air, high + air];
}

if (place && table && globalThis.uPlot) {
  place.hidden = false;
  const found = columns();
  if (found.length && found[0].heights.length > 1) found.map(frame).forEach(draw);
  else place.hidden = true;
  let resizing = null;
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => {
      for (const [chart, box] of charts) chart.setSize({ width: Math.max(120, box.clientWidth - 26), height: HEIGHT });
    }, 120);
  });
  const again = () => charts.forEach(([chart]) => chart.redraw(false));
  document.addEventListener("esper-theme", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}
