// What every page of farm does: draws its charts, sorts its tables, copies its commands.
// No string of the page is ever evaluated: an option is JSON, and names from the lists below become functions.
"use strict";
(function () {
  const root = document.documentElement;
  root.classList.add("js");
  const drawn = new Map();
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function colour(name) {
    return getComputedStyle(root).getPropertyValue("--" + name).trim() || "#888";
  }

  function number(value) {
    if (value === null || value === undefined || value === "-" || Number.isNaN(value)) return "–";
    return typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
  }

  const FORMATS = {
    number: number,
    percent: (value) => number(value * 100) + " %",
    // The values of a point by the names of its columns.
    point: (one) => [one.name, one.seriesName].filter((t) => t && !/^series\d*\u0000/.test(t)).join(" · ")
      + "\n" + (one.dimensionNames || []).map((n, i) => {
        const v = Array.isArray(one.value) ? one.value[i] : one.value;
        return n && !/^value\d*$/.test(n) ? n + ": " + number(v) : "";
      }).filter(Boolean).join("\n"),
  };

  function bar(api, from, to, vertical) {
    const size = 4;
    const style = { stroke: api.visual("color"), lineWidth: 2, fill: null };
    const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style });
    const caps = vertical
      ? [line(from[0] - size, from[1], from[0] + size, from[1]), line(to[0] - size, to[1], to[0] + size, to[1])]
      : [line(from[0], from[1] - size, from[0], from[1] + size), line(to[0], to[1] - size, to[0], to[1] + size)];
    return { type: "group", children: [line(from[0], from[1], to[0], to[1]), ...caps] };
  }

  const RENDERERS = {
    // Where hundreds stand side by side: thin, and without caps.
    "extremes": (_, api) => {
      const [from, to] = [1, 2].map((part) => api.coord([api.value(0), api.value(part)]));
      const style = { stroke: api.visual("color"), lineWidth: 1, fill: null };
      return { type: "line", shape: { x1: from[0], y1: from[1], x2: to[0], y2: to[1] }, style };
    },
    "interval-y": (_, api) =>
      bar(api, api.coord([api.value(0), api.value(1)]), api.coord([api.value(0), api.value(2)]), true),
    "interval-x": (_, api) =>
      bar(api, api.coord([api.value(0), api.value(2)]), api.coord([api.value(1), api.value(2)]), false),
  };

  function hydrate(value, key) {
    if (Array.isArray(value)) return value.map((one) => hydrate(one, key));
    if (value && typeof value === "object") {
      const made = {};
      for (const name of Object.keys(value)) made[name] = hydrate(value[name], name);
      return made;
    }
    if (typeof value !== "string" || value[0] !== "@") return value;
    if (/color$/i.test(key) && value.startsWith("@color:")) return colour(value.slice(7));
    if (key === "renderItem" && value.startsWith("@render:")) return RENDERERS[value.slice(8)];
    if (/ormatter$/.test(key) && value.startsWith("@format:")) return FORMATS[value.slice(8)] || number;
    return value;
  }

  function theme() {
    const axis = {
      axisLine: { lineStyle: { color: colour("line") } },
      axisTick: { lineStyle: { color: colour("line") } },
      axisLabel: { color: colour("dim") },
      nameTextStyle: { color: colour("dim") },
      splitLine: { lineStyle: { color: colour("line"), opacity: 0.6 } },
    };
    const text = { color: colour("ink") };
    return {
      color: [0, 1, 2, 3, 4, 5, 6, 7].map((index) => colour("s" + index)),
      backgroundColor: "transparent",
      textStyle: { color: colour("ink"), fontFamily: getComputedStyle(document.body).fontFamily },
      categoryAxis: { ...axis, splitLine: { show: false } },
      valueAxis: axis,
      timeAxis: axis,
      logAxis: axis,
      legend: { textStyle: text, pageTextStyle: text },
      tooltip: { backgroundColor: colour("surface"), borderColor: colour("line"), textStyle: text },
    };
  }

  // Pixels: a row without its name, a line of that name, from its mark to it, and a row of a legend.
  const ROW = 24, LINE = 12, NAME_ABOVE = 11, LEGEND_ROW = 24, LEGEND_ITEM = 40;
  const LINES = 3, LEGEND_ROWS = 6, MOST_OF_WIDTH = 0.5, EDGE = 4, TICKS = 44, MOST_ON_PAPER = 800;
  const pen = document.createElement("canvas").getContext("2d");

  function wide(text, size) {
    pen.font = size + "px " + getComputedStyle(document.body).fontFamily;
    return pen.measureText(text || "").width;
  }

  // Names in full: beside their rows on two lines, or, where they would leave a chart little of a narrow
  // window, above them. Returns by how many pixels the chart becomes taller.
  function nameRows(option, box) {
    const axis = option.yAxis, names = axis && axis.axisLabel;
    if (!names || !names.margin) return 0;
    const own = box.dataset.height - option.grid.top - option.grid.bottom;
    const longest = (size) => Math.max(0, ...axis.data.map((name) => wide(name, size))) / 0.94;
    if (names.margin <= box.clientWidth * MOST_OF_WIDTH) {
      const needed = axis.data.length * (2 * LINE + EDGE);
      if (longest(12) <= names.width || (needed > own && needed > MOST_ON_PAPER)) return 0;
      Object.assign(names, { lineHeight: LINE, overflow: "break" });
      return Math.max(0, needed - own);
    }
    const width = box.clientWidth - 3 * EDGE - option.grid.right;
    const lines = Math.min(LINES, Math.ceil(longest(11) / width));
    const above = { inside: true, margin: 0, verticalAlign: "bottom", padding: [0, 0, NAME_ABOVE, 0], fontSize: 11 };
    Object.assign(names, above, { width, lineHeight: LINE, overflow: lines > 1 ? "break" : "truncate" });
    Object.assign(axis, { z: 4, axisTick: { show: false } });
    option.grid.left = 2 * EDGE;
    for (const one of option.series) if (one.type === "bar") one.barMaxWidth = 10;
    const row = ROW + lines * LINE, first = NAME_ABOVE + lines * LINE - row / 2;
    option.grid.top += first;
    return Math.max(0, axis.data.length * row - own) + first;
  }

  // A legend in whole rows where it has few of them; paper cannot turn its pages. What is below makes room.
  function legendRows(option, box) {
    const legend = option.legend;
    if (!legend) return 0;
    let rows = 1, used = 0;
    for (const name of new Set(legend.data || option.series.map((one) => one.name))) {
      const own = LEGEND_ITEM + wide(name, 12);
      if (used && used + own > box.clientWidth - 2 * EDGE) { rows += 1; used = 0; }
      used += own;
    }
    if (rows > LEGEND_ROWS && !root.classList.contains("printing")) return 0;
    legend.type = "plain";
    for (const grid of [].concat(option.grid)) grid.top += (rows - 1) * LEGEND_ROW;
    return (rows - 1) * LEGEND_ROW;
  }

  // What stands beside a dot stays within the chart, the first of it in any case: its marks stand there.
  function inside(series, width) {
    return (one) => {
      const from = one.labelRect.x, to = from + one.labelRect.width;
      const least = Math.max(EDGE, Math.min(TICKS, width - EDGE - one.labelRect.width));
      const dx = Math.max(least - from, Math.min(0, width - EDGE - to));
      return { dx, dy: (series.data[one.dataIndex].label.offset || [0, 0])[1] };
    };
  }

  function optionOf(box) {
    const holder = box.parentElement.querySelector('script[type="application/json"]');
    const option = hydrate(JSON.parse(holder.textContent), "");
    const logs = box.dataset.logOn === "1" ? box.dataset.log + "Axis" : "";
    if (logs && option[logs]) {
      for (const axis of [].concat(option[logs])) {
        if (axis.type === "value") { axis.type = "log"; axis.scale = undefined; axis.logBase = 10; }
      }
    }
    for (const one of option.series || []) {
      if (one.labelLayout === "@layout:inside") one.labelLayout = inside(one, box.clientWidth);
    }
    return option;
  }

  function draw(box) {
    if (!window.echarts || !box.isConnected) return;
    const old = drawn.get(box);
    if (old) old.dispose();
    const option = optionOf(box);
    const taller = nameRows(option, box) + legendRows(option, box);
    box.style.height = (Number(box.dataset.height) || 300) + taller + "px";
    const chart = window.echarts.init(box, theme(), { renderer: "canvas" });
    chart.setOption(option);
    if (root.classList.contains("printing")) chart.getZr().flush(); // paper does not wait for the next frame
    drawn.set(box, chart);
    box.dataset.drawn = "1";
  }

  function redraw() {
    for (const [box, chart] of drawn) {
      if (box.isConnected) draw(box);
      else { chart.dispose(); drawn.delete(box); }
    }
  }

  // Drawn when they come near the window: a report may hold dozens.
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
    }
  }, { rootMargin: "400px" });

  function button(text, title, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.title = title;
    made.addEventListener("click", () => action(made));
    return made;
  }

  function prepareChart(box) {
    if (box.dataset.ready) return;
    box.dataset.ready = "1";
    box.style.height = (Number(box.dataset.height) || 300) + "px";
    if (box.dataset.log) {
      const own = button("log scale", "switch this chart's axis between linear and logarithmic", (self) => {
        box.dataset.logOn = box.dataset.logOn === "1" ? "" : "1";
        self.setAttribute("aria-pressed", String(box.dataset.logOn === "1"));
        draw(box);
      });
      own.className = "tool";
      own.setAttribute("aria-pressed", "false");
      box.parentElement.querySelector("figcaption").append(own);
    }
    near.observe(box);
  }

  function prepareTable(table) {
    if (table.dataset.ready || !table.tHead || table.tBodies[0].rows.length < 2) return;
    table.dataset.ready = "1";
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const own = button(head.textContent, "sort by " + head.textContent, () => sort(table, head, column));
      own.className = "sort";
      head.replaceChildren(own);
    });
  }

  function sort(table, head, column) {
    const falling = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const key = (row) => {
      const cell = row.cells[column];
      if (!cell) return "";
      return cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v);
    };
    const order = (a, b) => typeof a === "number" && typeof b === "number"
      ? a - b
      : typeof a === "number" ? -1 : typeof b === "number" ? 1 : a.localeCompare(b, "en", { numeric: true });
    const rows = [...table.tBodies[0].rows].sort((a, b) => order(key(a), key(b)) * (falling ? -1 : 1));
    table.tBodies[0].append(...rows);
  }

  function prepareCommand(block) {
    if (block.dataset.ready || !navigator.clipboard) return;
    block.dataset.ready = "1";
    const own = button("copy", "copy this command", (self) => {
      navigator.clipboard.writeText(block.querySelector("code").textContent).then(
        () => { self.textContent = "copied"; },
        () => { self.textContent = "not allowed"; },
      );
    });
    own.className = "tool";
    block.append(own);
  }

  // The number beside a slider follows it at once; what it leaves comes from the server.
  function follow(event) {
    const box = event.target, told = box.nextElementSibling;
    if (box.type !== "range" || !told || told.tagName !== "OUTPUT") return;
    told.textContent = number(Number(box.value)) + " " + (box.dataset.unit || "");
  }

  function prepare(part) {
    part.querySelectorAll(".chart .canvas").forEach(prepareChart);
    part.querySelectorAll("table.sortable").forEach(prepareTable);
    part.querySelectorAll("pre.command").forEach(prepareCommand);
  }

  function start() {
    prepare(document);
    document.addEventListener("input", follow);
    for (const name of ["htmx:afterSwap", "htmx:after:swap"]) {
      document.body.addEventListener(name, () => prepare(document));
    }
  }

  // Where names and legends stand depends on the width: drawn anew once the window keeps it.
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => drawn.forEach((chart, box) => {
      if (box.isConnected && box.clientWidth !== chart.getWidth()) draw(box);
    }), 100);
  });
  dark.addEventListener("change", redraw);
  // Paper is white and has no scroll: everything is drawn, in the colours of the print style.
  window.addEventListener("beforeprint", () => {
    root.classList.add("printing");
    document.querySelectorAll("details:not([open])").forEach((one) => {
      if (!one.closest("figure")) { one.open = true; one.dataset.shut = "1"; }
    });
    document.querySelectorAll(".chart .canvas").forEach(draw);
  });
  window.addEventListener("afterprint", () => {
    root.classList.remove("printing");
    document.querySelectorAll("details[data-shut]").forEach((one) => { one.open = false; delete one.dataset.shut; });
    redraw();
  });
  window.farmPage = { prepare, redraw };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
