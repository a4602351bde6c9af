"use strict";
// Asks for state.json once a second and shows it. Whatever comes from the program is set as text, never as markup.

const history_length = 120;
const byId = (id) => document.getElementById(id);

function element(name, options = {}, ...children) {
  const { text, ...attributes } = options;
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

function svg(name, attributes = {}, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== undefined) e.textContent = text;
  return e;
}

function duration(ns) {
  for (const [unit, size] of [["h", 3600e9], ["min", 60e9], ["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (ns >= size) return `${(ns / size).toFixed(ns / size < 10 ? 1 : 0)} ${unit}`;
  }
  return `${Math.round(ns)} ns`;
}

const count = (n) => Math.round(n).toLocaleString("en").replaceAll(",", "\u202f");
const kib = (bytes) => (bytes < 10 << 20 ? `${count(bytes / 1024)} KiB` : `${count(bytes / (1 << 20))} MiB`);

let state = null;
let chosen = "";  // the runtime's name
let paused = false;
const open_groups = new Set();
const before = new Map();  // runtime -> the answer before this one
const histories = new Map();  // runtime/worker -> [{busy, queued}]

const runtime_of = (s) => s.runtimes.find((r) => r.name === chosen) || s.runtimes[0];

/// What a worker did between two answers.
function rates(runtime, index, at) {
  const former = before.get(runtime.name);
  const was = former && former.runtime.workers[index];
  if (!was || at <= former.at) return null;
  const now = runtime.workers[index];
  const seconds = (at - former.at) / 1e9;
  return {
    busy: Math.min(1, Math.max(0, 1 - (now.asleep_ns - was.asleep_ns) / (at - former.at))),
    switches: (now.switches - was.switches) / seconds,
    steals: (now.steals - was.steals) / seconds,
  };
}

function plot(canvas, points) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const c = canvas.getContext("2d");
  c.scale(scale, scale);
  const style = getComputedStyle(document.body);
  const x = (i) => ((i + history_length - points.length) * width) / (history_length - 1);
  c.fillStyle = style.getPropertyValue("--bar");
  c.globalAlpha = 0.35;
  c.beginPath();
  c.moveTo(x(0), height);
  points.forEach((p, i) => c.lineTo(x(i), height - p.busy * (height - 2)));
  c.lineTo(x(points.length - 1), height);
  c.fill();
  c.globalAlpha = 1;
  const most = Math.max(4, ...points.map((p) => p.queued));
  c.strokeStyle = style.getPropertyValue("--bad");
  c.beginPath();
  points.forEach((p, i) => c.lineTo(x(i), height - 1 - (p.queued / most) * (height - 2)));
  c.stroke();
}

function show_cards(r) {
  const cards = [
    ["fibers", count(r.fibers)],
    ["stacks in use", count(r.stacks_in_use)],
    ["stacks cached", count(r.stacks_cached)],
    ["ready to running, median", r.latency.count ? duration(r.latency.p50_ns) : "–"],
    ["ready to running, 99 %", r.latency.count ? duration(r.latency.p99_ns) : "–"],
    ["a slice, 99 %", r.slice.count ? duration(r.slice.p99_ns) : "–"],
    ["stalls reported", count(r.stalls), r.stalls],
    ["deadlocks reported", count(r.deadlocks), r.deadlocks],
  ];
  byId("cards").replaceChildren(...cards.map(([name, value, bad]) =>
    element("div", { class: bad ? "card bad" : "card" }, element("b", { text: value }), element("span", { text: name }))));
}

function show_workers(r, at) {
  const boxes = byId("workers");
  while (boxes.children.length > r.workers.length) boxes.lastChild.remove();
  r.workers.forEach((w, i) => {
    const key = `${r.name}/${i}`;
    const points = histories.get(key) || [];
    const rate = rates(r, i, at);
    if (rate) points.push({ busy: rate.busy, queued: w.queued });
    if (points.length > history_length) points.shift();
    histories.set(key, points);
    if (!boxes.children[i]) {
      boxes.append(element("div", { class: "worker" }, element("header", {}, element("b"), element("span")),
        element("canvas", { role: "img", "aria-label": "utilisation and queue" }), element("small")));
    }
    const [header, canvas, small] = boxes.children[i].children;
    header.children[0].textContent = `worker ${i}`;
    header.children[1].textContent = rate ? `${Math.round(rate.busy * 100)} % busy, ${count(w.queued)} queued` : "";
    small.textContent = rate ? `${count(rate.switches)} switches/s, ${count(rate.steals)} steals/s, ${count(w.timers)} timers` : "";
    plot(canvas, points);
  });
}

/// The innermost function that is neither of the library nor of the language's.
const libraries = /(^|\/)(include\/sennit|include\/c\+\+|runtime\/(api|io|net|sched|sync))\//;
const in_of = (g) => {
  const frame = g.backtrace.find((f) => !/sennit/.test(f.function.split("(")[0]) && !libraries.test(f.where));
  return frame ? frame.function : "";
};

function matches(g, words, kind) {
  if (kind && (g.waits_for || g.state) !== kind) return false;
  const text = [g.name, g.spawned_at, g.socket || "", ...g.ids, ...g.backtrace.map((f) => `${f.function} ${f.where}`)]
    .join("\n").toLowerCase();
  return words.every((w) => text.includes(w));
}

function detail_of(g) {
  const lines = [];
  const more = g.count > g.ids.length ? ` … ${g.last_id}` : "";
  lines.push(element("div", { text: `${g.count > 1 ? "ids" : "id"} ${g.ids.join(" ")}${more}` }));
  lines.push(element("div", { text: `spawned at ${g.spawned_at}` }));
  if (g.waits_for_fiber !== undefined) lines.push(element("div", { text: `waits for fiber ${g.waits_for_fiber}` }));
  if (g.socket) lines.push(element("div", { text: `descriptor ${g.descriptor}: ${g.socket}` }));
  const frames = element("ol", { start: "0" });
  for (const f of g.backtrace) {
    frames.append(element("li", { text: f.function }, element("span", { text: f.where ? `  ${f.where}` : "" })));
  }
  lines.push(g.backtrace.length ? frames : element("div", { text: "no backtrace", class: "quiet" }));
  return element("tr", { class: "detail" }, element("td", { colspan: "6" }, ...lines));
}

const key_of = (g) => [g.name, g.state, g.waits_for, g.spawned_at, g.waits_for_fiber, g.backtrace.map((f) => f.function)].join("\n");

function show_fibers(r) {
  const kinds = [...new Set(r.groups.map((g) => g.waits_for || g.state))].sort();
  const select = byId("kind");
  const wanted = select.value;
  if ([...select.options].slice(1).map((o) => o.value).join() !== kinds.join()) {
    select.replaceChildren(element("option", { value: "", text: "all states" }),
      ...kinds.map((k) => element("option", { value: k, text: k })));
    select.value = kinds.includes(wanted) ? wanted : "";
  }
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = r.groups.filter((g) => matches(g, words, select.value));
  const rows = [];
  for (const g of groups) {
    const key = key_of(g);
    const row = element("tr", { class: "group", tabindex: "0", "aria-expanded": String(open_groups.has(key)) },
      element("td", { class: "number", text: count(g.count) }), element("td", { text: g.name }),
      element("td", { text: g.waits_for || g.state }),
      element("td", { class: "number", text: g.longest_ns === undefined ? "" : duration(g.longest_ns) }),
      element("td", { class: "number", text: g.resident === undefined ? "" : kib(g.resident) }),
      element("td", { text: in_of(g) }));
    const toggle = () => {
      open_groups.has(key) ? open_groups.delete(key) : open_groups.add(key);
      show_fibers(runtime_of(state));
    };
    row.addEventListener("click", toggle);
    row.addEventListener("keydown", (e) => { if (e.key === "Enter") toggle(); });
    rows.push(row);
    if (open_groups.has(key)) rows.push(detail_of(g));
  }
  byId("fibers").tBodies[0].replaceChildren(...rows);
  const fibers = groups.reduce((n, g) => n + g.count, 0);
  const left = r.groups_left_out ? `, ${count(r.groups_left_out)} smaller groups left out` : "";
  byId("shown").textContent = `${count(fibers)} fibers in ${count(groups.length)} groups${left}`;
}

/// Columns: who waits for nobody on the left, and to the right of each who waits for it. Of a circle no fiber waits for
/// nobody: it begins anywhere, and its last arrow goes back.
function show_graph(r) {
  const nodes = new Map();
  const node = (id, g) => {
    if (!nodes.has(id)) nodes.set(id, { id, group: g, after: [], to: null, depth: -1 });
    if (g) nodes.get(id).group = g;
    return nodes.get(id);
  };
  for (const g of r.groups) {
    if (g.waits_for_fiber === undefined) continue;
    const from = node(g.ids[0], g);
    from.to = node(g.waits_for_fiber);
    from.to.after.push(from);
  }
  for (const g of r.groups) for (const id of g.ids) if (nodes.has(id) && !nodes.get(id).group) nodes.get(id).group = g;
  byId("no-graph").hidden = nodes.size > 0;
  const all = [...nodes.values()].slice(0, 200);
  const in_circle = (n) => { let at = n.to; for (let i = 0; at && i < 200; ++i, at = at.to) if (at === n) return true; return false; };
  const roots = all.filter((n) => !n.to);
  let row = 0;
  const place = (n, depth) => {
    if (n.depth >= 0) return;
    n.depth = depth;
    n.row = row;
    n.after.forEach((a, i) => { if (i > 0) ++row; place(a, depth + 1); });
  };
  for (const n of [...roots, ...all.filter(in_circle)]) if (n.depth < 0) { place(n, 0); ++row; }
  const picture = byId("graph");
  const width = 210, height = 52;
  picture.setAttribute("height", Math.max(0, row * height));
  const parts = [];
  for (const n of all) {
    if (n.depth < 0 || !n.to || n.to.depth < 0) continue;
    const circle = in_circle(n) && in_circle(n.to);
    const x = n.depth * (width + 60), y = n.row * height + 20;
    const tx = n.to.depth * (width + 60) + width, ty = n.to.row * height + 20;
    const d = tx <= x ? `M${x} ${y} C${x - 30} ${y} ${tx + 30} ${ty} ${tx} ${ty}`
      : `M${x} ${y + 14} C${x} ${y + 50} ${tx} ${ty + 50} ${tx - 20} ${ty + 20}`;
    parts.push(svg("path", { d, class: circle ? "circle" : "" }));
  }
  for (const n of all) {
    if (n.depth < 0) continue;
    const box = svg("g", { class: in_circle(n) ? "circle" : "", transform: `translate(${n.depth * (width + 60)} ${n.row * height})` });
    const g = n.group;
    const name = g ? `${g.name} ` : "";
    const many = g && g.count > 1 && g.ids[0] === n.id ? `, ${count(g.count)} fibers` : "";
    box.append(svg("rect", { width, height: 40, rx: 6 }),
      svg("text", { x: 10, y: 17 }, `${name.slice(0, 20)}#${n.id}${many}`.slice(0, 34)),
      svg("text", { x: 10, y: 33, class: "what" }, n.to ? `waits for ${g.waits_for}` : g ? g.waits_for || g.state : "not seen"));
    parts.push(box);
  }
  picture.replaceChildren(...parts);
}

function show_messages(messages) {
  byId("no-messages").hidden = messages.length > 0;
  byId("messages").replaceChildren(...messages.slice().reverse().map((m) => element("li", { class: m.level },
    element("time", { text: `${new Date(m.at_ms).toISOString().replace("T", " ").replace("Z", "")} ` }), `${m.origin}  ${m.text}`)));
}

function show() {
  const names = state.runtimes.map((r) => r.name);
  if (!names.includes(chosen)) chosen = names[0] || "";
  byId("runtimes").replaceChildren(...names.map((name) => {
    const b = element("button", { text: name, "aria-current": String(name === chosen) });
    b.addEventListener("click", () => { chosen = name; byId("workers").replaceChildren(); show(); });
    return b;
  }));
  byId("trace").disabled = !chosen || tracing;
  show_messages(state.messages);
  const r = runtime_of(state);
  if (!r) return;
  show_cards(r);
  show_workers(r, state.at_ns);
  show_fibers(r);
  show_graph(r);
  for (const one of state.runtimes) before.set(one.name, { runtime: one, at: state.at_ns });
}

let tracing = false;
byId("trace").addEventListener("click", async () => {
  tracing = byId("trace").disabled = true;
  const ms = byId("trace-ms").value;
  byId("trace").textContent = "recording";
  try {
    const answer = await fetch(`trace.json?runtime=${encodeURIComponent(chosen)}&ms=${ms}`);
    if (!answer.ok) throw new Error(await answer.text());
    const link = element("a", { href: URL.createObjectURL(await answer.blob()), download: "sennit-trace.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    byId("trace").textContent = "Trace";
  } catch (why) {
    byId("trace").textContent = `Trace: ${String(why.message).trim().slice(0, 60)}`;
  }
  tracing = byId("trace").disabled = false;
});
byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
});
for (const id of ["search", "kind"]) byId(id).addEventListener("input", () => state && show_fibers(runtime_of(state)));

async function refresh() {
  if (!paused) {
    try {
      const answer = await fetch("state.json");
      if (!answer.ok) throw new Error(answer.statusText);
      state = await answer.json();
      byId("alive").className = "";
      byId("alive").textContent = `process ${state.pid}`;
      show();
    } catch (why) {
      byId("alive").className = "lost";
      byId("alive").textContent = "no answer";
    }
  }
  setTimeout(refresh, 1000);
}
refresh();
