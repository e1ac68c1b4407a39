"""The report in a real browser: no request, no error, readable in light and dark, on a telephone and by keyboard."""

import itertools
import json
import os
import select
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None and not os.environ.get("NEUROMOD_REQUIRE_BROWSER"):
    pytest.skip("no chromium here; Debian's package has it", allow_module_level=True)


class Browser:
    """Headless Chromium, spoken to over the two pipes of its debugging protocol."""

    def __init__(self, profile):
        assert CHROMIUM, "NEUROMOD_REQUIRE_BROWSER is set, but there is no chromium"
        commands, self._out = os.pipe()
        self._in, answers = os.pipe()

        def wire():
            # Chromium reads from descriptor 3 and writes to 4; ours may carry these very numbers.
            read, write = os.dup(commands), os.dup(answers)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            close_fds=False, preexec_fn=wire, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(answers)
        self._numbers = itertools.count(1)
        self._buffer = b""
        self.events = []
        self._session = None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self(f"{domain}.enable")

    def __call__(self, method, **parameters):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(30)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _receive(self, seconds):
        while b"\0" not in self._buffer:
            assert select.select([self._in], [], [], seconds)[0], "chromium does not answer"
            more = os.read(self._in, 1 << 20)
            assert more, "chromium ended"
            self._buffer += more
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, path, *, width=1200, height=900, scheme="light"):
        self.events.clear()
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._receive(30)

    def value(self, expression):
        done = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def requests(self):
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [event for event in self.events if event["method"] in kinds]

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        os.close(self._out)
        os.close(self._in)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory, full_run, film_of):
    run = full_run(tmp_path_factory.mktemp("runs") / "run")
    from neuromod import reporting
    from neuromod.training import frames

    frames.save(run.file(frames.FILE), film_of(10, 6))
    reporting.write(run)
    return run.file(reporting.FILE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_it_asks_for_nothing_and_complains_of_nothing(browser, report, scheme, width):
    browser.open(report, width=width, scheme=scheme)
    outside = [url for url in browser.requests() if not url.startswith("data:")]
    assert outside == [report.as_uri()]
    assert browser.complaints() == []
    # Nothing but the tables that scroll by themselves is wider than the window.
    assert browser.value("document.documentElement.scrollWidth") <= width


CONTRAST = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d');
  const rgb = (text) => {
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (c) => c.map((v) => linear(v / 255)).reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  const paper = light(rgb(getComputedStyle(document.documentElement).backgroundColor));
  const found = [];
  const texts = 'h1,h2,h3,p,dt,dd,td,th,a,summary,figcaption,li,label,caption,svg.curve text';
  for (const node of document.querySelectorAll(texts)) {
    const style = getComputedStyle(node);
    const ink = light(rgb(node instanceof SVGElement ? style.fill : style.color));
    const ratio = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
    found.push([ratio, node.tagName + ': ' + node.textContent.slice(0, 30)]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_the_paper(browser, report, scheme):
    browser.open(report, scheme=scheme)
    least, where = browser.value(CONTRAST)
    # WCAG 2.2, level AA, for text of any size.
    assert least >= 4.5, where


def test_dark_and_light_differ(browser, report):
    colours = []
    for scheme in ("light", "dark"):
        browser.open(report, scheme=scheme)
        colours.append(browser.value("getComputedStyle(document.documentElement).backgroundColor"))
    assert colours[0] != colours[1]


def test_the_arrow_keys_walk_over_the_neurons(browser, report):
    browser.open(report)
    browser.value("document.querySelector('.stage').focus()")
    before = browser.value("document.querySelector('.now').textContent")
    browser.press("ArrowRight")
    first = browser.value("document.querySelector('.now').textContent")
    browser.press("ArrowRight")
    second = browser.value("document.querySelector('.now').textContent")
    assert first.startswith("Neuron ")
    assert second.startswith("Neuron ")
    assert len({before, first, second}) == 3
    lit = browser.value("[...document.querySelectorAll('.plane path.on')].map((path) => path.dataset.s)")
    at = browser.value("document.querySelector('.plane circle.at').dataset.i")
    assert set(lit) <= {at}
    browser.press("Escape")
    assert browser.value("document.querySelector('.now').textContent") == before
    assert browser.value("document.querySelectorAll('.on').length") == 0


def test_every_control_can_be_reached_with_the_tab_key_and_has_a_name(browser, report):
    browser.open(report)
    tree = browser("Accessibility.getFullAXTree")["nodes"]
    focusable = [
        node for node in tree
        if any(p["name"] == "focusable" and p["value"].get("value") for p in node.get("properties", []))
        and node["role"]["value"] != "RootWebArea"
    ]  # fmt: skip
    assert len(focusable) >= 10
    assert [node["role"]["value"] for node in focusable if not node.get("name", {}).get("value")] == []
    images = [node for node in tree if node.get("role", {}).get("value") in ("image", "img", "graphics-document")]
    assert images
    assert [node for node in images if not node.get("name", {}).get("value")] == []
    headings = [
        next(p["value"]["value"] for p in node["properties"] if p["name"] == "level")
        for node in tree
        if node.get("role", {}).get("value") == "heading"
    ]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(headings))


def test_a_colour_choice_changes_the_plane(browser, report):
    browser.open(report)
    fill = "getComputedStyle(document.querySelector('.plane circle')).fill"
    before = browser.value(fill)
    browser.value("document.querySelector('#by-rate').click()")
    assert browser.value(fill) != before


def test_it_prints_on_paper_with_all_details_open(browser, report):
    browser.open(report, scheme="dark")
    browser("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert browser.value("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    browser.value("dispatchEvent(new Event('beforeprint'))")
    assert browser.value("[...document.querySelectorAll('details.print')].every((d) => d.open)")
    assert len(browser("Page.printToPDF")["data"]) > 10_000
    browser("Emulation.setEmulatedMedia", media="", features=[])


def test_a_comparison_asks_for_nothing_and_complains_of_nothing(browser, full_run, local_network, tmp_path):
    from neuromod.reporting import comparison

    runs = [full_run(tmp_path / name, local_network(side), verify=False) for name, side in (("a", 5), ("b", 6))]
    path = tmp_path / "comparison.html"
    comparison.write(runs, path)
    for width in (1200, 360):
        browser.open(path, width=width)
        assert [url for url in browser.requests() if not url.startswith("data:")] == [path.as_uri()]
        assert browser.complaints() == []
        assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value(CONTRAST)[0] >= 4.5


ON_CORES = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d');
  const light = (text) => {
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map((v) => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4)
      .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  };
  const core = document.querySelector('.cores .core');
  const found = [];
  for (let share = 0; share <= 100; share++) {
    core.style.setProperty('--r', share + '%');
    const [text, ground] = ['text', 'rect'].map((tag) => light(getComputedStyle(core.querySelector(tag)).fill));
    found.push((Math.max(text, ground) + .05) / (Math.min(text, ground) + .05));
  }
  return Math.min(...found);
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_text_on_a_core_stands_out_at_every_load(browser, report, scheme):
    browser.open(report, scheme=scheme)
    # WCAG 2.2, level AA, less what eight bits a channel round away.
    assert browser.value(ON_CORES) >= 4.45


def test_the_arrow_keys_walk_over_the_cores(browser, report):
    browser.open(report)
    now = "document.querySelector('#cores .now').textContent"
    before = browser.value(now)
    browser.value("document.querySelector('#cores .stage').focus()")
    browser.press("ArrowRight")
    first = browser.value(now)
    browser.press("ArrowRight")
    second = browser.value(now)
    assert first.startswith("Core (0, 0)")
    assert second.startswith("Core (0, 1)")
    at = browser.value("document.querySelector('.cores .at').dataset.c")
    on = browser.value("[...document.querySelectorAll('.plane circle.on')].map((circle) => circle.dataset.c)")
    assert set(on) == {at}
    browser.press("Escape")
    assert browser.value(now) == before


def test_a_neuron_shows_whom_it_sends_to(browser, report):
    browser.open(report)
    browser.value("document.querySelector('#space .stage').focus()")
    browser.press("ArrowRight")
    lit = browser.value("[...document.querySelectorAll('.plane circle.to')].map((circle) => circle.dataset.i)")
    drawn = browser.value("[...document.querySelectorAll('.plane path.on')].map((path) => path.dataset.t).join(' ')")
    assert lit
    assert set(lit) == set(drawn.split())


def test_a_table_that_is_wider_than_the_window_does_not_widen_the_page(browser, report):
    browser.open(report, width=360)
    browser.value(
        "for (const cell of document.querySelectorAll('.chart td.n')) cell.textContent = '12,345,678,901,234'"
    )
    assert browser.value("Math.max(...[...document.querySelectorAll('.scroll')].map((part) => part.scrollWidth))") > 360
    assert browser.value("document.documentElement.scrollWidth") <= 360


FILM = """JSON.stringify({
  words: document.querySelector('.frame').textContent,
  told: document.querySelector('.reel input').getAttribute('aria-valuetext'),
  at: [...document.querySelectorAll('svg.film circle')].map((c) => [c.getAttribute('cx'), c.getAttribute('cy')]),
  lines: [...document.querySelectorAll('svg.film path')].map((p) => p.getAttribute('class') + p.getAttribute('d')),
})"""


def test_the_film_is_gone_through_with_the_keyboard(browser, report):
    browser.open(report)
    last = json.loads(browser.value(FILM))
    assert last["words"].startswith("Step 50 of 50 · λ 0.4 · ")
    browser.value("document.querySelector('.reel input').focus()")
    for kind in ("keyDown", "keyUp"):
        browser("Input.dispatchKeyEvent", type=kind, key="Home", code="Home", windowsVirtualKeyCode=36)
    first = json.loads(browser.value(FILM))
    assert first["words"] == first["told"]
    assert first["words"].startswith("Step 0 of 50 · λ 0 · ")
    assert sorted(first["at"]) == sorted(last["at"])
    assert first["at"] != last["at"]
    assert len("".join(first["lines"])) > len("".join(last["lines"]))
    for kind in ("keyDown", "keyUp"):
        browser("Input.dispatchKeyEvent", type=kind, key="End", code="End", windowsVirtualKeyCode=35)
    # What the script draws is what was drawn without it.
    again = json.loads(browser.value(FILM))
    assert {**again, "lines": sorted(again["lines"])} == {**last, "lines": sorted(last["lines"])}


def test_the_film_plays_to_its_end_and_stays_still_where_that_is_wished(browser, report):
    browser.open(report)
    play = "document.querySelector('.reel button')"
    assert browser.value(f"{play}.textContent") == "Play"
    browser.value(f"{play}.click()")
    assert browser.value(f"{play}.textContent") == "Pause"
    assert json.loads(browser.value(FILM))["words"].startswith("Step 0 ")
    ended = f"""new Promise((done) => {{
      const wait = setInterval(() => {play}.textContent === 'Play' && (clearInterval(wait), done(true)), 50);
    }})"""
    assert browser.value(ended)
    assert json.loads(browser.value(FILM))["words"].startswith("Step 50 ")
    browser("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    assert browser.value(f"getComputedStyle({play}).display") == "none"
    assert browser.value("getComputedStyle(document.querySelector('svg.film circle')).transitionDuration") == "0s"
    browser("Emulation.setEmulatedMedia", features=[])


def test_the_film_prints_its_last_picture(browser, report):
    browser.open(report)
    last = json.loads(browser.value(FILM))
    browser.value(
        "{const s = document.querySelector('.reel input'); s.value = 1; s.dispatchEvent(new Event('input'));}"
    )
    assert json.loads(browser.value(FILM))["words"] != last["words"]
    browser("Emulation.setEmulatedMedia", media="print", features=[])
    browser.value("dispatchEvent(new Event('beforeprint'))")
    assert json.loads(browser.value(FILM))["words"] == last["words"]
    assert browser.value("getComputedStyle(document.querySelector('.reel')).display") == "none"
    browser("Emulation.setEmulatedMedia", media="", features=[])


def test_neurons_are_drawn_inside_their_cores(browser, report):
    browser.open(report)
    inside = browser.value(
        "[...document.querySelectorAll('.cores .core')].every((core) => [...core.querySelectorAll('circle')].every("
        '(dot) => document.querySelector(`.plane circle[data-i="${dot.dataset.i}"]`).dataset.c === core.dataset.c))'
    )
    assert inside
    assert browser.value("document.querySelectorAll('.cores .inside circle').length") == 100
    shown = "[...document.querySelectorAll('.cores .inside, .cores .value')].map((n) => getComputedStyle(n).display)"
    assert set(browser.value(shown)) == {"none", "inline", "block"} - {"block"}
    before = browser.value(shown)
    browser.value("document.querySelector('#by-number').click()")
    assert browser.value(shown) != before
