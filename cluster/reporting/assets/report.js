// Draws the charts and moves the sliders of a report. Everything it needs lies in the page.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const HEIGHT = 240;
  const charts = [];

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (number) => css(`--c${number % 8}`);
  const whole = new Intl.NumberFormat("en-US");

  function compact(value) {
    if (value >= 1e6) return `${+(value / 1e6).toFixed(2)}M`;
    if (value >= 1e3) return `${+(value / 1e3).toFixed(2)}k`;
    return String(value);
  }

  function number(value, unit) {
    if (value == null) return "–";
    if (unit === "percent") return `${+(100 * value).toPrecision(3)}%`;
    if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return (+value.toPrecision(3)).toExponential().replace("e+", "e");
    return String(+value.toPrecision(4));
  }

  /** Columns for uPlot, and a description of each but the first. */
  function columns(chart) {
    const runs = chart.runs.filter((run) => run.curves.length);
    const curves = [];
    const tables = runs.map((run) => {
      const table = [run.x];
      for (const curve of run.curves) {
        if (curve.low.length) {
          const { label, colour } = curve;
          curves.push({ bound: "high", label, colour }, { bound: "low", label, colour });
          table.push(curve.high, curve.low);
        }
        curves.push(curve);
        table.push(curve.values);
      }
      return table;
    });
    return [tables.length > 1 ? uPlot.join(tables) : tables[0], curves];
  }

  function options(chart, curves, width, readout) {
    const font = `12px ${css("--font")}`;
    const axis = { stroke: css("--muted"), font, grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1, size: 4 } };
    const bands = [];
    const series = curves.map((curve, i) => {
      const stroke = colour(curve.colour);
      if (curve.bound) {
        if (curve.bound === "high") bands.push({ series: [i + 1, i + 2], fill: `${stroke}33` });
        return { stroke: "transparent", width: 0, points: { show: false } };
      }
      return {
        label: curve.label,
        stroke: curve.faint ? `${stroke}48` : stroke,
        width: curve.faint ? 1 : 2,
        dash: curve.dashed ? [6, 4] : undefined,
        points: curve.faint ? { show: false } : { size: 6, fill: stroke },
      };
    });
    return {
      width,
      height: HEIGHT,
      legend: { show: false },
      scales: { x: { time: false }, y: chart.unit === "percent" ? { range: (_, low, high) => [0, Math.max(0.01, 1.05 * high)] } : {} },
      cursor: { sync: { key: "steps", scales: ["x", null] }, drag: { x: true, y: false }, y: false },
      series: [{}, ...series],
      bands,
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? compact(tick) : "")), size: 30, label: "step", labelSize: 18, labelFont: font },
        {
          ...axis,
          values: (_, ticks) => ticks.map((tick) => number(tick, chart.unit)),
          size: (_, ticks) => 14 + 7 * Math.max(3, ...(ticks ?? []).map((tick) => tick.length)),
        },
      ],
      hooks: { setCursor: [readout], draw: [(plot) => chart.marks.forEach((mark) => drawMark(plot, mark))] },
    };
  }

  function drawMark(plot, mark) {
    const { left, width } = plot.bbox;
    const x = plot.valToPos(mark.x, "x", true);
    if (x < left || x > left + width) return;
    const pen = plot.ctx;
    pen.save();
    pen.strokeStyle = css("--text");
    pen.lineWidth = 2 * devicePixelRatio;
    pen.beginPath();
    pen.arc(x, plot.valToPos(mark.y, "y", true), 7 * devicePixelRatio, 0, 2 * Math.PI);
    pen.stroke();
    pen.restore();
  }

  function legend(list, curves, plot) {
    const values = [];
    curves.forEach((curve, i) => {
      if (curve.bound || curve.faint) return;
      const item = document.createElement("li");
      const button = document.createElement("button");
      const swatch = document.createElement("span");
      const value = document.createElement("span");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      swatch.className = curve.dashed ? "swatch dashed" : "swatch";
      swatch.style.setProperty("--colour", `var(--c${curve.colour % 8})`);
      value.className = "value";
      button.append(swatch, curve.label);
      button.addEventListener("click", () => {
        const show = button.getAttribute("aria-pressed") === "false";
        button.setAttribute("aria-pressed", String(show));
        curves.forEach((other, j) => {
          if (other.label === curve.label) plot().setSeries(j + 1, { show });
        });
      });
      item.append(button, value);
      list.append(item);
      values.push([i, value]);
    });
    return values;
  }

  function build(box) {
    const chart = data.charts[box.dataset.chart];
    const [table, curves] = columns(chart);
    const list = box.parentElement.querySelector(".legend");
    const spoken = box.parentElement.querySelector(".spoken");
    let plot = null;
    const values = legend(list, curves, () => plot);
    const at = document.createElement("li");
    at.className = "at";
    list.append(at);

    function readout(drawn) {
      const row = drawn.cursor.idx;
      at.textContent = row == null ? "" : `step ${whole.format(table[0][row])}`;
      for (const [i, value] of values) {
        const near = row == null ? null : nearest(table[i + 1], row);
        value.textContent = row == null ? "" : number(near, chart.unit);
      }
    }

    function draw() {
      const hidden = plot ? plot.series.map((series) => !series.show) : [];
      plot?.destroy();
      const wanted = options(chart, curves, box.clientWidth, readout);
      wanted.series.forEach((series, i) => { if (hidden[i]) series.show = false; });
      plot = new uPlot(wanted, table, box);
    }

    box.addEventListener("keydown", (event) => {
      const last = table[0].length - 1;
      const row = plot.cursor.idx;
      const targets = { ArrowLeft: (row ?? last + 1) - 1, ArrowRight: (row ?? -1) + 1, Home: 0, End: last };
      if (event.key === "Escape") {
        plot.setScale("x", { min: table[0][0], max: table[0][last] });
        plot.setCursor({ left: -10, top: -10 });
        return;
      }
      if (!(event.key in targets)) return;
      event.preventDefault();
      const target = Math.min(Math.max(targets[event.key], 0), last);
      plot.setCursor({ left: plot.valToPos(table[0][target], "x"), top: HEIGHT / 3 });
      const parts = values.map(([i, value]) => `${curves[i].label} ${value.textContent}`);
      spoken.textContent = `${at.textContent}: ${parts.join(", ")}`;
    });

    draw();
    new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
    charts.push(draw);
  }

  /** The value of a row, or the one before it: several runs have other steps. */
  function nearest(column, row) {
    for (let i = row; i >= 0; i -= 1) if (column[i] !== undefined) return column[i];
    return null;
  }

  function slider(figure) {
    const images = data.samples[figure.dataset.samples];
    const image = figure.querySelector("img");
    const input = figure.querySelector("input");
    const output = figure.querySelector("output");
    const newest = image.src;
    input.max = images.length - 1;
    input.value = images.length - 1;
    function show() {
      const sample = images[input.valueAsNumber];
      const text = `step ${whole.format(sample.step)}`;
      image.src = sample.uri ?? newest;
      image.alt = `${figure.dataset.alt}, ${text}`;
      output.textContent = text;
      input.setAttribute("aria-valuetext", text);
    }
    input.addEventListener("input", show);
    show();
  }

  document.querySelectorAll("[data-chart]").forEach(build);
  document.querySelectorAll("[data-samples]").forEach(slider);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((draw) => draw()));
})();
