#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The svg flame graph in a real browser: zoom, keys, search, dark mode, hostile names, no script.

Needs Chromium; exits 77 without. A driver is appended to a copy of the picture; it uses the page as a person would and
leaves what it saw in an attribute of the root, which the browser prints (--dump-dom).
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WRITER = kit.BUILD / "tests" / "unit" / "report" / "write_flame"

DRIVER = """
<script><![CDATA[
(function () {
  var svg = document.documentElement, seen = {}, errors = [];
  window.addEventListener("error", function (e) { errors.push(e.message); });
  function frames() { return Array.from(svg.getElementById("frames").getElementsByTagName("g")); }
  function named(name) { return frames().find(function (g) { return g.getElementsByTagName("title")[0].textContent.split("\\n")[0] === name; }); }
  function width(g) { return +g.getElementsByTagName("rect")[0].getAttribute("width"); }
  function press(target, key, more) { target.dispatchEvent(new KeyboardEvent("keydown", Object.assign({ key: key, bubbles: true, cancelable: true }, more))); }
  function hidden() { return frames().filter(function (g) { return getComputedStyle(g).display === "none"; }).length; }
  function label(g) { var t = g.getElementsByTagName("text")[0]; return t ? t.textContent : ""; }
  var input = svg.getElementById("search"), matched = svg.getElementById("matched"), reset = svg.getElementById("reset");
  var leaf = named("leaf_function"), all = named("all");
  seen.frames = frames().length;
  seen.controls = getComputedStyle(svg.getElementById("controls")).display !== "none";
  seen.before = width(leaf);
  leaf.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  seen.zoomed = width(leaf); seen.zoomed_hidden = hidden(); seen.zoomed_label = label(leaf);
  seen.parent_width = width(named("parent_function"));
  press(svg, "Escape");
  seen.after = width(leaf); seen.after_hidden = hidden();
  input.value = "leaf_"; input.dispatchEvent(new Event("input"));
  seen.matched = matched.textContent; seen.hits = frames().filter(function (g) { return g.classList.contains("hit"); }).length;
  input.value = "/^leaf_function$/"; input.dispatchEvent(new Event("input"));
  seen.regex = matched.textContent;
  input.value = "operator("; input.dispatchEvent(new Event("input"));
  seen.literal = matched.textContent;
  input.value = "nowhere"; input.dispatchEvent(new Event("input"));
  seen.none = matched.textContent;
  press(svg, "Escape");
  seen.cleared = matched.textContent + frames().filter(function (g) { return g.classList.contains("hit"); }).length;
  press(svg, "f", { ctrlKey: true });
  seen.focus = document.activeElement === input;
  all.focus(); press(all, "ArrowUp");
  seen.arrow = document.activeElement.getElementsByTagName("title")[0].textContent.split("\\n")[0];
  press(document.activeElement, "ArrowDown");
  seen.back = document.activeElement === all;
  leaf.focus(); press(leaf, "Enter");
  seen.enter = width(leaf);
  reset.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  seen.reset = width(leaf);
  leaf.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
  seen.info = svg.getElementById("info").textContent;
  seen.aria = leaf.getAttribute("aria-label"); seen.role = leaf.getAttribute("role");
  seen.background = getComputedStyle(svg.querySelector(".bg")).fill;
  seen.injected = !!window.injected || !!document.getElementById("injected");
  seen.errors = errors;
  svg.setAttribute("data-seen", JSON.stringify(seen));
})();
]]></script>
"""


@unittest.skipUnless(BROWSER, "no Chromium")
class Browser(kit.TestCase):
    def picture(self, *words):
        path = self.dir / "flame.svg"
        path.write_bytes(subprocess.run([WRITER, *words], check=True, stdout=subprocess.PIPE).stdout)
        return path

    def browse(self, path, *options):
        out = subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.dir}/profile",
                              *options, "--dump-dom", f"file://{path}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True, timeout=90).stdout
        return out

    def drive(self, path, *options):
        driven = self.dir / "driven.svg"
        driven.write_text(path.read_text().replace("</svg>", DRIVER + "</svg>"))
        out = self.browse(driven, *options)
        match = re.search(r'data-seen="([^"]*)"', out)
        self.assertTrue(match, out[-3000:])
        import html
        return json.loads(html.unescape(match.group(1)))

    def test_a_person_finds_the_way(self):
        for words, sign in ((("plain",), 1), (("inverted",), -1)):
            with self.subTest(words=words):
                seen = self.drive(self.picture(*words))
                self.assertEqual(seen["errors"], [])
                self.assertTrue(seen["controls"])
                self.assertAlmostEqual(seen["zoomed"], 1180, delta=0.5)
                self.assertAlmostEqual(seen["parent_width"], 1180, delta=0.5)
                self.assertGreater(seen["zoomed_hidden"], 0)
                self.assertEqual(seen["zoomed_label"], "leaf_function")
                self.assertAlmostEqual(seen["after"], seen["before"], delta=0.01)
                self.assertEqual(seen["after_hidden"], 0)
                self.assertRegex(seen["matched"], r"^matched \d+\.\d %$")
                self.assertEqual(seen["regex"], seen["matched"])
                self.assertRegex(seen["literal"], r"^matched ")
                self.assertEqual(seen["none"], "no match")
                self.assertEqual(seen["cleared"], "0")
                self.assertTrue(seen["focus"])
                self.assertEqual((seen["arrow"], seen["back"]), ("main", True) if sign > 0 else ("all", False))
                self.assertAlmostEqual(seen["enter"], 1180, delta=0.5)
                self.assertAlmostEqual(seen["reset"], seen["before"], delta=0.01)
                self.assertIn("leaf_function", seen["info"])
                self.assertIn("samples", seen["aria"])
                self.assertEqual(seen["role"], "button")

    def test_hostile_names_stay_names(self):
        seen = self.drive(self.picture("hostile"))
        self.assertEqual(seen["errors"], [])
        self.assertFalse(seen["injected"])

    def test_dark_pages_are_dark(self):
        light = self.drive(self.picture("plain"))["background"]
        dark = self.drive(self.picture("plain"), "--force-dark-mode", "--enable-features=WebUIDarkMode",
                          "--blink-settings=preferredColorScheme=0")["background"]
        self.assertEqual(light, "rgb(255, 255, 255)")
        self.assertEqual(dark, "rgb(22, 24, 29)")


if __name__ == "__main__":
    if not BROWSER:
        print("SKIP: no Chromium")
        sys.exit(77)
    kit.main()
