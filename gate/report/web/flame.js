/* Behaviour of flamegate's flame graphs. No request leaves this file, no handler stands in an attribute. */
(function () {
  "use strict";
  var NS = "http://www.w3.org/2000/svg", CHAR = 7.25, PAD = 6;
  var script = document.currentScript;
  var svg = (script && script.ownerSVGElement) || document.querySelector("svg");
  var area = svg.getElementById("frames");
  var left = +area.getAttribute("data-x"), width = +area.getAttribute("data-width");
  var inverted = area.getAttribute("data-inverted") === "1";
  var info = svg.getElementById("info"), matched = svg.getElementById("matched");
  var reset = svg.getElementById("reset"), input = svg.getElementById("search");
  var initial = area.getAttribute("data-search") || "";
  var frames = [], zoomed = null;

  /* Frames stand in preorder, so the last one a row nearer to the root is the parent. */
  function collect() {
    var path = [], list = area.getElementsByTagName("g");
    for (var i = 0; i < list.length; i++) {
      var rect = list[i].getElementsByTagName("rect")[0];
      var title = list[i].getElementsByTagName("title")[0].textContent;
      var f = { g: list[i], rect: rect, text: list[i].getElementsByTagName("text")[0] || null, title: title,
        name: title.split("\n")[0], x: +rect.getAttribute("x"), w: +rect.getAttribute("width"),
        y: +rect.getAttribute("y"), depth: +list[i].getAttribute("data-d"), children: [], hit: false };
      f.parent = f.depth ? path[f.depth - 1] : null;
      path[f.depth] = f;
      path.length = f.depth + 1;
      if (f.parent) f.parent.children.push(f);
      f.g.__flame = f;
      f.g.setAttribute("role", "button");
      f.g.setAttribute("tabindex", f.depth ? "-1" : "0");
      f.g.setAttribute("aria-label", title.replace(/\n/g, ", "));
      frames.push(f);
    }
  }

  function fit(f, x, w) {
    var room = Math.floor((w - PAD) / CHAR);
    f.rect.setAttribute("x", x.toFixed(3));
    f.rect.setAttribute("width", Math.max(w, 0.3).toFixed(3));
    if (room < 3) {
      if (f.text) f.text.textContent = "";
      return;
    }
    if (!f.text) {
      f.text = document.createElementNS(NS, "text");
      f.text.setAttribute("y", f.y + 12.5);
      f.g.appendChild(f.text);
    }
    f.text.setAttribute("x", (x + 3).toFixed(3));
    f.text.textContent = f.name.length <= room ? f.name : f.name.slice(0, room - 1) + "\u2026";
  }

  function zoom(target) {
    var above = [];
    for (var a = target.parent; a; a = a.parent) above.push(a);
    var scale = width / target.w, right = target.x + target.w + 1e-6;
    frames.forEach(function (f) {
      var is_above = above.indexOf(f) >= 0;
      var inside = f.depth >= target.depth && f.x >= target.x - 1e-6 && f.x + f.w <= right && below(f, target);
      f.g.classList.toggle("off", !is_above && !inside);
      f.g.classList.toggle("above", is_above);
      if (is_above) fit(f, left, width);
      else if (inside) fit(f, left + (f.x - target.x) * scale, f.w * scale);
    });
    zoomed = target.parent ? target : null;
    reset.classList.toggle("off", !zoomed);
    count();
  }

  function below(f, target) {
    while (f && f.depth > target.depth) f = f.parent;
    return f === target;
  }

  /* What a name has to hold: the regular expression, or where that is none, the text. */
  function expression(text) {
    if (/^\/.+\/$/.test(text)) text = text.slice(1, -1);
    try { return new RegExp(text, "i"); }
    catch (e) { return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i"); }
  }

  function search(text) {
    var re = text ? expression(text) : null;
    frames.forEach(function (f) {
      f.hit = !!re && f.depth > 0 && re.test(f.name);
      f.g.classList.toggle("hit", f.hit);
    });
    count(text);
  }

  /* A match below a match counts once. */
  function count() {
    var root = zoomed || frames[0], sum = 0, any = false;
    (function walk(f) {
      if (f.hit) { sum += f.w; any = true; return; }
      f.children.forEach(walk);
    })(root);
    matched.textContent = any ? "matched " + (100 * sum / root.w).toFixed(1) + " %" :
      (input && input.value ? "no match" : "");
  }

  function tell(f) {
    info.textContent = f ? f.title.split("\n").join("  \u00b7  ") : "";
  }

  function frame_of(node) {
    while (node && node !== svg && !node.__flame) node = node.parentNode;
    return node && node.__flame ? node.__flame : null;
  }

  function visible(f) {
    return f && !f.g.classList.contains("off") && f.g;
  }

  function sibling(f, step) {
    var all = f.parent ? f.parent.children : [f], at = all.indexOf(f) + step;
    while (all[at] && !visible(all[at])) at += step;
    return all[at];
  }

  function widest(f) {
    return f.children.filter(visible).sort(function (a, b) { return b.w - a.w; })[0];
  }

  function move(f, key) {
    var down = inverted ? "ArrowDown" : "ArrowUp", up = inverted ? "ArrowUp" : "ArrowDown", to = null;
    if (key === down) to = widest(f);
    else if (key === up) to = f.parent;
    else if (key === "ArrowLeft") to = sibling(f, -1);
    else if (key === "ArrowRight") to = sibling(f, 1);
    if (visible(to)) {
      f.g.setAttribute("tabindex", "-1");
      to.g.setAttribute("tabindex", "0");
      to.g.focus();
    }
    return /^Arrow/.test(key);
  }

  function unzoom() {
    zoom(frames[0]);
  }

  function key(event) {
    var f = frame_of(event.target), in_box = event.target === input;
    if ((event.key === "f" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !in_box)) {
      if (!input) return;
      input.focus();
      input.select();
    } else if (event.key === "Escape") {
      if (in_box || input.value) { input.value = ""; search(""); }
      else unzoom();
    } else if (f && (event.key === "Enter" || event.key === " ")) {
      zoom(f);
    } else if (event.target === reset && (event.key === "Enter" || event.key === " ")) {
      unzoom();
    } else if (!f || !move(f, event.key)) {
      return;
    }
    event.preventDefault();
  }

  collect();
  if (!frames.length) return;
  area.addEventListener("click", function (e) { var f = frame_of(e.target); if (f) zoom(f); });
  area.addEventListener("mouseover", function (e) { tell(frame_of(e.target)); });
  area.addEventListener("focusin", function (e) { tell(frame_of(e.target)); });
  area.addEventListener("mouseleave", function () { tell(null); });
  reset.addEventListener("click", unzoom);
  svg.addEventListener("keydown", key);
  if (input) {
    input.addEventListener("input", function () { search(input.value); });
    input.value = initial;
  }
  svg.getElementById("controls").classList.remove("off");
  if (initial) search(initial);
  /* Ctrl-F reaches a standalone picture through the window. */
  if (document.documentElement === svg) window.addEventListener("keydown", function (e) {
    if (e.target === document.documentElement || e.target === document.body) key(e);
  });
})();
