"""All pages as one product: frame, languages, credits, findings, and nothing of this machine."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import os
import re
import shutil
import string
from pathlib import Path

import japanese
import pytest
from browser_helpers import needs_chromium
from serve_helpers import running
from train_helpers import ROOT, command, pictures, trained

from ganbaru import export, files, report
from ganbaru.config import from_file, load_yaml
from ganbaru.metrics import definitions, diagnosis
from ganbaru.metrics.passport import Evaluation, Passport, Score
from ganbaru.report import credits, frame, page, sharing
from ganbaru.report import facts as reading
from ganbaru.report.findings import findings
from ganbaru.report.translations import FINDINGS, METRICS, SENTENCES, TRANSLATIONS, sentence
from ganbaru.serve import run_status, view_model
from ganbaru.training.run_folder import Folder

SECRET = "Quite Secret"  # a folder that no page may name
AXE = os.environ.get("GANBARU_AXE", "")  # axe.min.js of the npm package axe-core


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Return a folder below SECRET with a run whose files name it in every way."""
    home = tmp_path_factory.mktemp("pages") / SECRET
    home.mkdir()
    data = pictures(home / "pictures.npz")
    run = trained(home, data=data, run=home / "runs" / "shown", steps=12, data_dir=str(home))
    config = from_file(load_yaml(run / "config.yaml"), run / "config.yaml")
    header = {"name": "pictures", "fingerprint": "0" * 64, "classes": ["a/b", "c"],
              "shape": [16, 16, 1], "count": 96}  # fmt: skip
    change = {"images": 8, "settings": {"data": [str(data), str(home / "other set")]}}
    facts = {"data": header, "made": {"engine": f"numpy in {home}/x"}, "history": [change],
             "warnings": {"w": f"All images in {data} are alike."}}  # fmt: skip
    (run / "about.json").write_text(json.dumps(facts))
    assert SECRET in config.data and SECRET in (run / "about.json").read_text()
    report.write(Folder(run))
    export.write(run, home / "page.html")
    return home


@pytest.fixture(scope="module")
def served(home):
    """Return the addresses of all kinds of pages: from files, and of a service."""
    with running(home / "runs" / "shown") as (port, _):
        base = f"http://127.0.0.1:{port}"
        yield {
            "report": (home / "runs" / "shown" / "report.html").as_uri(),
            "page": (home / "page.html").as_uri(),
            **{name: base + path for name, path in PATHS.items()},
        }


PATHS = {"start": "/", "run": "/runs/shown", "error": "/nothing",
         "playground": "/models/shown/play", "served": "/runs/shown/report"}  # fmt: skip
PAGES = ("report", "page", *PATHS)


def text_of(address: str, **headers: str) -> str:
    import httpx

    if address.startswith("file:"):
        return Path(address.removeprefix("file://").replace("%20", " ")).read_text("utf-8")
    return httpx.get(address, headers={"Accept": "text/html", **headers}, trust_env=False).text


# --- one frame ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_the_frame_and_no_path_of_this_machine(served, home, name):
    text = text_of(served[name])
    for part in ('id="language-ja"', 'id="theme-dark"', "data:image/svg+xml;base64,", "<h1",
                 'property="og:title"', 'name="viewport"', "<footer"):  # fmt: skip
        assert part in text, part
    assert SECRET not in text and str(home.parent) not in text and str(Path.home()) not in text
    way_back = {"run": "/", "error": "/", "playground": "/runs/shown", "served": "/runs/shown"}
    links = re.findall(r'href="([^"]+)" class="back"', text)
    assert links == [way_back[name]] if name in way_back else not links


@pytest.mark.parametrize(("text", "expected"), [
    ("/home/me/a b/pictures.npz", "pictures.npz"), ("~/runs/x", "x"), (r"C:\me\set.zip", "set.zip"),
    ("../set", "set"), ("read /srv/data/x.npz, then", "read x.npz, then"),
    ("images/s and a / b, 1/2 of </style>", "images/s and a / b, 1/2 of </style>"),
    (["a", {"b": ("/x/y",)}], ["a", {"b": ("y",)}]), ("user/model", "user/model"),
    ("in Quite Secret/sub/x", "in sub/x"), (3.5, 3.5), ("https://example.org/a/b", "https://example.org/a/b"),
])  # fmt: skip
def test_texts_lose_their_folders(text, expected):
    assert sharing.cleaned(text, ["Quite Secret/"]) == expected


CREDITS = ("--title", "A <b>\"cat\"", "--author", "N. N.", "--licence", "CC BY 4.0")  # fmt: skip


@pytest.mark.parametrize("which", ["report", "export"])
def test_title_author_and_licence_are_shown(home, tmp_path, which):
    run = tmp_path / "shown"
    shutil.copytree(home / "runs" / "shown", run)
    output = {"report": run / "report.html", "export": tmp_path / "new.html"}[which]
    words = ("-o", output) if which == "export" else ()
    assert command(which, run, *words, *CREDITS).code == 0
    text = output.read_text("utf-8")
    title = "A &lt;b&gt;&quot;cat&quot;"
    for part in (f"<title>{title}</title>", f">{title}</h1>", f'og:title" content="{title}"',
                 'name="author" content="N. N."', "By N. N.", "作者: N. N.",
                 "CC BY 4.0"):  # fmt: skip
        assert part in text, part


def test_credits_that_a_command_is_given_are_in_all_that_follow(home, tmp_path):
    run = tmp_path / "shown"
    shutil.copytree(home / "runs" / "shown", run)
    assert command("report", run, *CREDITS).code == 0
    for made in ("page.html", "folder"):
        assert command("export", run, "-o", tmp_path / made).code == 0
    page, card = tmp_path / "page.html", tmp_path / "folder" / "README.md"
    config = json.loads((tmp_path / "folder" / "config.json").read_text("utf-8"))
    for path in (run / "report.html", page, card):
        assert all(part in path.read_text("utf-8") for part in ("N. N.", "CC BY 4.0")), path
    assert "license: cc-by-4.0" in card.read_text("utf-8") and config["author"] == "N. N."
    assert command("export", run, "-o", page, "--author", "").code == 0
    assert "N. N." not in page.read_text("utf-8") and "CC BY 4.0" in page.read_text("utf-8")
    assert command("report", run).code == 0  # and what is kept is what was given last
    assert "N. N." not in (run / "report.html").read_text("utf-8")


@pytest.mark.parametrize("wrong", ["x" * 301, "two\nlines", "\x1b[31m"])
def test_credits_are_one_line(home, tmp_path, wrong):
    run = tmp_path / "shown"
    shutil.copytree(home / "runs" / "shown", run)
    said = command("report", run, "--title", wrong)
    assert said.code == 2 and "300" in said.err and not (run / "credits.json").exists()
    (run / "credits.json").write_text('{"title": 3}')
    assert command("report", run).code == 2


def test_credits_that_cannot_be_kept_are_shown_with_a_note(home, tmp_path, monkeypatch):
    def fails(path, content):
        raise files.UnwritableError(f"Cannot write {path}.")

    monkeypatch.setattr(credits.files, "write_json", fails)
    said = command("export", home / "runs" / "shown", "-o", tmp_path / "x.html", *CREDITS)
    assert said.code == 0 and "note: " in said.out and "credits.json" in said.out
    assert "N. N." in (tmp_path / "x.html").read_text("utf-8")


def test_credits_are_of_pages_alone(home, tmp_path):
    said = command("export", home / "runs" / "shown", "-o", tmp_path / "x.onnx", "--title", "x")
    assert said.code == 2 and ".html" in said.err and not (tmp_path / "x.onnx").exists()


def test_a_served_report_is_as_its_reader_chose(served):
    text = text_of(served["served"], Cookie="ganbaru-language=ja; ganbaru-theme=dark")
    for chosen in ("language-ja", "theme-dark"):
        assert re.search(rf'id="{chosen}" value="\w+" checked', text)
    assert text_of(served["run"], Cookie="ganbaru-language=ja").count('lang="ja"') > 1
    assert '<html lang="en">' in text_of(served["run"], Cookie="ganbaru-language=xx")
    old = "<html>an older report, without a header</html>"
    assert frame.served(old, "ja", "dark", ("/", "x")) == old


# --- languages ----------------------------------------------------------------------------------


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}


def test_texts_of_both_languages_take_the_same_values():
    english, japanese = TRANSLATIONS.values()
    apart = {key for key in english if fields(english[key]) != fields(japanese[key])}
    # English has whole sentences of the other modules for these.
    assert apart == {"copying_no", "copying_yes", "licence_known", "licence_unknown"}
    rules = {rule.code: rule.text for rule in diagnosis.RULES} | diagnosis.NOTES
    rules |= {f"{rule.code}-further": rule.further for rule in diagnosis.RULES if rule.further}
    assert FINDINGS["ja"].keys() == rules.keys() and not FINDINGS["en"]
    assert all(fields(text) == fields(rules[code]) for code, text in FINDINGS["ja"].items())
    assert METRICS["ja"].keys() == definitions.METRICS.keys()


def literals(path: Path) -> set[str]:
    """Return the texts of a module, those of f-strings with {} for what they are filled with."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = (part.value if isinstance(part, ast.Constant) else "{}" for part in parts)
        found.add("".join(map(str, texts)))
    return found


def test_the_english_of_each_sentence_is_that_of_the_code():
    """So none is left behind where a message changes."""
    root = ROOT / "src" / "ganbaru"
    places = [root / "files.py", root / "engines" / "numpy" / "__init__.py"]
    for folder in ("metrics", "callbacks", "data/sets", "serve"):
        places += (root / folder).glob("*.py")
    code = set().union(*map(literals, places))
    for english, _ in SENTENCES:
        # The longest part without a value; a sentence may be made of several literals.
        parts = re.split(r"\{\d\}|(?<=[:,.;]) ", english)
        longest = max(parts, key=len).strip(" .:;,)")
        assert any(longest in each for each in code), english


def test_no_english_sentence_is_left_on_japanese_pages(home, served):
    """All that the code writes into files is in the table, or the page shows it in English."""
    run = home / "runs" / "shown"
    facts = reading.read(Folder(run))
    words = [english.format(*"123456") for english, _ in SENTENCES]
    shown = {"reference": words[0], "floor": words[4], "resize": words[7], "interval": words[9]}
    names = ("scorer", "scorer_hash", "data", "fingerprint", "cas")
    passport = Passport(**dict.fromkeys(names, "x"), **shown, reals=9, fakes=9, seed=0,
                        scorer_accuracy=None)  # fmt: skip
    every = {name: Score(1.5, 1.0, 2.0, 0.1) for name in definitions.METRICS}
    scores = Evaluation("x", {"checkpoint": "best"}, passport, every, {}, tuple(words))
    warnings = {str(i): word for i, word in enumerate(words)}
    whole = page.page(dataclasses.replace(facts, scores=[scores], warnings=warnings))
    assert japanese.faults(whole) == []
    assert not re.findall(r'(?:alt|aria-label)="[^"]*[A-Za-z]{3}[^"]*"', whole)  # in one language
    for name in ("start", "run", "error"):
        assert japanese.faults(text_of(served[name], **{"Accept-Language": "ja"})) == [], name
    english = TRANSLATIONS["en"]["healthy"]
    assert japanese.faults(whole.replace(TRANSLATIONS["ja"]["healthy"], english)) == [english]


def test_sentences_are_translated_whole_or_not_at_all():
    text = TRANSLATIONS["ja"]
    assert sentence("7 test images", text) == "テスト画像 7 枚"
    assert sentence("7 test images of X", text) == "7 test images of X"
    assert sentence("7 test images", TRANSLATIONS["en"]) == "7 test images"
    long = "0 to 1, rule 2; " * 5_000
    assert sentence(long, text) == long


def test_numbers_stand_where_each_language_has_them(served, home):
    text = text_of(served["report"])
    assert "のべ 96 枚を学習" in text and "96 images shown in" in text
    assert "のべ 96 枚を学習" in text_of(served["run"], **{"Accept-Language": "ja"})
    assert "のべ ${images} 枚を学習" in text_of(served["page"])


# --- findings and updates -----------------------------------------------------------------------


def sick(status: run_status.RunStatus) -> run_status.RunStatus:
    last = {**status.lines[-1], "not_finite": 3.0}
    return dataclasses.replace(status, lines=(*status.lines, last))


def test_the_doctors_findings_are_on_the_page_of_a_run(home):
    status = run_status.RunWatcher(Folder(home / "runs" / "shown")).status()
    for language, text in TRANSLATIONS.items():
        found = view_model.full(sick(status), text)["findings"]
        assert [bad for _, bad in found][:1] == [True] and "divergence" in found[0][0]
        assert ("発散" in found[0][0]) is (language == "ja") and "--lr" in found[0][0]
        assert all(not bad for _, bad in view_model.full(status, text)["findings"])
    healthy = findings([], status.config, TRANSLATIONS["ja"])
    assert [bad for _, bad in healthy] == [False] and "100" in healthy[0][0]


# --- in a browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab():
    from page_helpers import DESKTOP, browsing

    with browsing() as browser:
        context = browser.new_context(viewport=DESKTOP, locale="en-GB", bypass_csp=bool(AXE))
        yield context.new_page()


def opened(tab, address: str):
    tab.goto(address)
    if "#stage" in tab.content() or address.endswith(("page.html", "/play")):
        tab.wait_for_selector("#stage[aria-busy=false]", timeout=300_000)
    return tab


def paper(tab) -> int:
    colour = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) // 3


FOCUSED = "(x => x.id || x.name || x.className || x.tagName)(document.activeElement)"
OUTLINED = """(x => [x, x.closest("label") ?? x].map(y => getComputedStyle(y).outlineStyle))
  (document.activeElement).includes("solid")"""


@needs_chromium
def test_switches_and_film_of_a_report_work_by_keyboard_without_scripts(tab, served):
    page, keys = opened(tab, served["report"]), tab.keyboard
    keys.press("Tab")
    assert page.evaluate(FOCUSED) == "language-en" and page.evaluate(OUTLINED)
    assert page.inner_text("h2 >> visible=true").startswith("Film")
    keys.press("ArrowRight")
    assert page.inner_text("h2 >> visible=true").startswith("学習の経過")
    keys.press("ArrowLeft")
    keys.press("Tab")
    assert page.evaluate(FOCUSED) == "theme-auto" and page.evaluate(OUTLINED)
    keys.press("ArrowRight")
    assert paper(page) > 200
    keys.press("ArrowRight")
    assert paper(page) < 60
    keys.press("Tab")  # to the switch that plays the film, then to its frames
    keys.press("Space")
    assert page.locator(".play input").is_checked()
    keys.press("Space")
    keys.press("Tab")
    shown = "[...document.querySelectorAll('.frame')].findIndex(x => x.querySelector(':checked'))"
    last = page.evaluate(shown)
    keys.press("ArrowLeft")
    assert last > 0 and page.evaluate(shown) == last - 1 and page.evaluate(OUTLINED)
    sizes = page.evaluate("[...document.querySelectorAll('.frame')].map(x => x.offsetWidth)")
    assert sizes.index(max(sizes)) == last - 1


@needs_chromium
def test_choices_hold_on_all_pages_of_a_service(tab, served):
    page = opened(tab, served["run"])
    page.wait_for_selector(".connection[data-state=connected]", state="attached")
    assert page.inner_text(".connection") == ""  # the run has ended: nothing is updated
    with page.expect_navigation():
        page.check("#language-ja", force=True)
    page.check("#theme-dark", force=True)
    for name in ("run", "start", "playground", "served", "error"):
        page = opened(tab, served[name])
        assert page.is_checked("#language-ja") and page.is_checked("#theme-dark"), name
        assert paper(page) < 60, name
    tab.context.clear_cookies()


@needs_chromium
@pytest.mark.skipif(not AXE, reason="needs axe-core: GANBARU_AXE=path/to/axe.min.js")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(tab, served, name, theme):
    page = opened(tab, served[name])
    page.check(f"#theme-{theme}", force=True)
    page.evaluate(Path(AXE).read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    with contextlib.suppress(IndexError):
        assert not found["violations"], found["violations"][0]
    assert found["violations"] == []
