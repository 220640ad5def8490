"""The report in a real browser, where there is one: nothing here downloads it."""

import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from freedarts.figures import agreement, curves, parameters, write_svg
from freedarts.report import render
from freedarts.results import assembly, manifest
from freedarts.results.read import genotypes
from freedarts.study.paths import AGREEMENT_FIGURE, CURVES_FIGURE, PARAMETERS_FIGURE
from freedarts.study.settings import read_yaml
from tests.support import NAMES, ROOT, SCHEMA, TABLE_SETTINGS, write, write_results

pytestmark = pytest.mark.long
PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if not PROGRAM:
    pytest.skip("needs Chromium or Chrome", allow_module_level=True)
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the group dev of pyproject.toml")

from playwright.sync_api import Browser, Locator, Page, sync_playwright  # noqa: E402

WIDTHS = (390, 768, 1280)
PRINTED = 1047  # pixels between the margins of A4, landscape
CASE = [NAMES["supernet"], NAMES["score"], [0]]
SETTINGS = {
    "searches": [CASE],
    "sources": [],
    "trainings": [],
    "scatter": True,  # without its figure, so that the page names a command
    "name": None,
    "own": "results/",
    "configuration": "0123abcd",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """Of real tables and figures, with files and figures that are missing too."""
    folder = tmp_path_factory.mktemp("report")
    write_results(folder)
    with chdir(folder):
        published = assembly.published(ROOT)
        made = assembly.build(TABLE_SETTINGS, published, SCHEMA)
        texts = {f"results/tables{suffix}": text for suffix, text in made.items()}
        for name, text in texts.items():
            write(Path(name), text)
        write(Path("results/manifest.json"), manifest.make(TABLE_SETTINGS, published, texts))
        names = ("numbers", "costs", "curves", "field")
        numbers, costs, logs, field = (read_yaml(ROOT / f"resources/{name}.yaml") for name in names)
        for path, figure in (
            (PARAMETERS_FIGURE, parameters.draw(numbers, costs, field["results"])),
            (CURVES_FIGURE, curves.draw({}, logs)),
            (AGREEMENT_FIGURE, agreement.draw(genotypes([CASE]))),
        ):
            write_svg(Path("results", path), figure)
        template = ROOT / "freedarts" / "report" / "template.html"
        text = render(template, Path("results/tables.json"), SETTINGS, [("python", "3")])
        return write(folder / "results" / "report.html", text)


@pytest.fixture
def page(browser, report) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(report.as_uri())
    yield page
    page.close()


def opened(page: Page) -> Page:
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    return page


def column(table: Locator, place: int) -> list[str]:
    """The texts of a column's cells that are shown."""
    return table.locator(f"tbody tr:visible > :nth-child({place})").all_inner_texts()


def watched(browser: Browser, address: str) -> tuple[list[str], list[str]]:
    """What a page says in the console, errors among it, and the addresses that it asks for beside its own."""
    page, said, asked = browser.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.mouse.wheel(0, 10_000)
    page.close()
    asked.remove(address)
    return said, [url for url in asked if not url.startswith("data:")]


def test_page_says_nothing_and_asks_for_nothing(browser, report, tmp_path):
    assert watched(browser, report.as_uri()) == ([], [])
    planted = tmp_path / "planted.html"
    planted.write_text('<html><img src="none.png"><script>console.log("planted"); missing()</script></html>')
    said, asked = watched(browser, planted.as_uri())
    assert "planted" in said
    assert any("missing is not defined" in each for each in said)
    assert asked == [(tmp_path / "none.png").as_uri()]


def test_script_that_is_planted_does_not_run(browser, report, tmp_path):
    text = report.read_text(encoding="utf-8")
    planted = tmp_path / "planted.html"
    planted.write_text(text.replace("</main>", "<script>document.title = 'planted'</script></main>"), encoding="utf-8")
    page = browser.new_page()
    page.goto(planted.as_uri())
    assert page.title() == "FreeDARTS, reproduced"
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_page_does_not_scroll_sideways(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    for state in (page, opened(page)):
        inside, outside = state.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert inside <= outside


def test_table_sorts_by_mouse_and_by_keyboard_and_back(page):
    table = page.locator("#table-lookups table")
    before = column(table, 3)
    button = table.get_by_role("button", name="release", exact=True)
    button.click()
    assert column(table, 3) == sorted(before, key=float)
    assert table.locator("th[aria-sort=ascending]").count() == 1
    button.press("Enter")
    assert column(table, 3) == sorted(before, key=float, reverse=True)
    button.press("Space")
    assert column(table, 3) == before
    assert table.locator("th[aria-sort]").count() == 0


def test_missing_values_come_last(page):
    table = page.locator("#table-numbers table")
    button = table.get_by_role("button", name="log, last epoch")
    for _ in range(2):
        button.click()
        values = column(table, 4)
        there = [value for value in values if value != "–"]
        assert values == there + ["–"] * (len(values) - len(there))
        assert 0 < len(there) < len(values)


def test_filter_shows_the_rows_that_hold_all_words(page):
    section = page.locator("#table-numbers")
    section.get_by_label("Filter rows").fill("DAGGER imagenet")
    assert column(section.locator("table"), 1) == [
        *("imagenet/freedarts-dagger-top1", "imagenet/freedarts-dagger-top5"),
        *("imagenet/freedarts-ddagger-top1", "imagenet/freedarts-ddagger-top5"),
        *("mobilenet/freedarts-ddagger-top1", "mobilenet/freedarts-ddagger-top5"),
    ]
    assert section.locator("output").inner_text() == "6 of 14 rows"
    section.get_by_label("Filter rows").fill("")
    assert section.locator("tbody tr:visible").count() == 14


def test_search_leaves_what_it_finds_and_comes_back(page):
    sections = page.locator("main > section:visible")
    all_sections = sections.count()
    page.get_by_label("Search all tables").fill("cifar100/freedarts-dagger")
    assert page.locator("#table-numbers tbody tr:visible").count() == 1
    assert page.locator("#table-costs").is_hidden()
    assert sections.count() < all_sections
    page.get_by_label("Search all tables").fill("")
    assert sections.count() == all_sections


def test_head_and_first_column_stay_in_view(page):
    page.set_viewport_size({"width": 390, "height": 500})
    box = page.locator("#table-numbers .wide")
    page.locator("#table-numbers .all").check()
    corner = box.locator("thead th").first
    before = box.bounding_box()
    box.evaluate("(box) => box.scrollTo(200, 200)")
    after = corner.bounding_box()
    assert (after["x"], after["y"]) == pytest.approx((before["x"], before["y"]), abs=1.5)
    assert box.locator("tbody th").last.bounding_box()["x"] == pytest.approx(before["x"], abs=1.5)


def test_phone_shows_the_key_columns_and_all_on_demand(page):
    page.set_viewport_size({"width": 390, "height": 800})
    table = page.locator("#table-numbers table")
    assert table.locator("thead th:visible").count() == 7
    page.locator("#table-numbers").get_by_label("All 12 columns").check()
    assert table.locator("thead th:visible").count() == 13
    page.set_viewport_size({"width": 1280, "height": 800})
    page.reload()
    assert table.locator("thead th:visible").count() == 13


def test_page_is_whole_without_scripts(browser, report, page):
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(report.as_uri())
    for each in (page, plain):
        assert each.locator("tbody tr:visible").count() == each.locator("tbody tr").count() > 50
    assert plain.get_by_role("button").count() == 0
    assert (
        plain.locator("table.sortable thead").all_inner_texts()
        == page.locator("table.sortable thead").all_inner_texts()
    )
    plain.context.close()


def test_links_lead_somewhere(page, report):
    opened(page)
    addresses = page.locator("a").evaluate_all("(links) => links.map((link) => link.getAttribute('href'))")
    places = set(page.locator("[id]").evaluate_all("(elements) => elements.map((element) => '#' + element.id)"))
    files = {address for address in addresses if not address.startswith("#")}
    assert {address for address in addresses if address.startswith("#")} <= places
    assert files
    assert [address for address in files if not (report.parent / address).exists()] == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_page_is_accessible(page, scheme, width):
    """Contrast, labels, roles and the rest of what axe checks."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    found = axe.Axe().run(opened(page)).response
    violations = {rule["id"]: [node["html"][:200] for node in rule["nodes"]][:3] for rule in found["violations"]}
    assert violations == {}
    assert {"color-contrast", "label", "button-name"} <= {rule["id"] for rule in found["passes"]}


def test_printed_tables_are_whole(page):
    page.set_viewport_size({"width": PRINTED, "height": 800})
    page.emulate_media(media="print")
    wide = "(boxes) => boxes.filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.ariaLabel)"
    assert page.locator(".wide, .drawing").evaluate_all(wide) == []
    assert page.locator("thead th:visible").count() == page.locator("thead th").count()
    assert page.pdf().startswith(b"%PDF")
