"""What people really choose: tables with gaps, damaged archives, files of other models. Each is told, with what to do."""

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from distml_py import safetensors
from driving import code_of, status, train, until, until_state
from page_desk import CSV, Desk, choose, png

Row = tuple[str, str, str]
ROWS: list[Row] = [(f"{n * 0.1:.1f}", f"{n % 7}.0", "tall" if n % 2 else "wide") for n in range(120)]
PICTURES = {f"set/{name}/{n}.png": png(grey + n) for name, grey in (("dark", 10), ("bright", 200)) for n in range(12)}
STREAMS = """() => {
    window.tracks = [];
    const devices = navigator.mediaDevices, ask = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (wanted) => {
        const stream = await ask(wanted);
        tracks.push(...stream.getTracks());
        return stream;
    };
}"""


def table(change: Callable[[int, Row], Row] = lambda n, row: row, head: str = "height,width,kind", separator: str = ",") -> bytes:
    lines = [separator.join(change(n, row)) for n, row in enumerate(ROWS)]
    return "\n".join([head, *lines, ""]).encode()


def archive(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in members.items():
            written.writestr(name, data)
    return packed.getvalue()


def give(page: Page, kind: str, data: bytes, name: str = "mine.file") -> None:
    page.locator(f"#data-{kind}").set_input_files({"name": name, "mimeType": "", "buffer": data})


USED = {
    "rows without a target are no class": (
        table(lambda n, row: (row[0], row[1], "" if n % 20 == 0 else row[2])),
        ["Classes: tall (60), wide (54)", "Rows that lack a value and are left out: 6."],
        'classes = ["tall", "wide"]',
    ),
    "a number that is missing sometimes is a number still": (
        table(lambda n, row: (row[0], row[2], "NA" if n % 20 == 0 else f"{n * 1.37:.2f}")),
        ["kind is a number", "left out: 6.", "Columns that are not numbers and are left out: width."],
        "classification=False",
    ),
    "decimal commas": (
        table(lambda n, row: (row[0].replace(".", ","), row[1], row[2]), "height;width;kind", ";"),
        ["120 rows, 2 columns of numbers"],
        'columns = ["height", "width"]',
    ),
    "lines as old as typewriters": (table().replace(b"\n", b"\r"), ["120 rows, 2 columns"], 'classes = ["tall", "wide"]'),
    "what is a number to JavaScript alone": (
        table(lambda n, row: (hex(n), row[1], row[2])),
        ["1 columns of numbers", "left out: height."],
        'columns = ["width"]',
    ),
    "UTF-16": (table(head="größe,width,kind").decode().encode("utf-16"), ["2 columns of numbers"], '"größe"'),
}
REFUSED = {
    "one class": (table(lambda n, row: (*row[:2], "tall")), "kind is the same in all rows"),
    "a name for each row": (table(lambda n, row: (*row[:2], f"id{n}")), "kind holds 120 different words in 120 rows"),
    "too many gaps": (table(lambda n, row: (*row[:2], row[2] if n < 15 else "")), "Only 15 rows have a value in all"),
    "no numbers": (table(lambda n, row: ("a", "b", row[2])), "No column but kind holds numbers alone"),
}
NO_TABLE = {
    "Latin-1": (table(head="größe,width,kind").decode().encode("latin-1"), "mine.file is no text in UTF-8. Save it again"),
    "a name twice": (table(head="x,x,kind"), "Two columns have the name “x”"),
    "a quote without an end": (table() + b'1,2,"tall\n', "A quotation mark in row 122 is not closed"),
}


@pytest.mark.ux(24)
@pytest.mark.parametrize("name", USED)
def test_a_table_with_oddities_is_used_as_far_as_it_goes(desk: Desk, name: str) -> None:
    data, said, written = USED[name]
    give(desk.page, "csv", data)
    for words in said:
        expect(desk.page.locator("#wizard")).to_contain_text(words)
    desk.page.get_by_role("button", name="Use this table").click()
    expect(desk.page.locator("#own-data-note")).to_contain_text("sent to nobody", timeout=20_000)
    assert written in code_of(desk.page)
    train(desk.page, 2)
    until(desk.page, "distml.status().state === 'finished' && distml.status().step === 2", 60)


@pytest.mark.ux(24)
@pytest.mark.parametrize("name", REFUSED)
def test_a_column_that_teaches_nothing_is_refused_and_another_may_be_picked(desk: Desk, name: str) -> None:
    data, said = REFUSED[name]
    give(desk.page, "csv", data)
    expect(desk.page.locator("#wizard")).to_contain_text(said)
    assert desk.page.get_by_role("button", name="Use this table").is_disabled()
    if name == "one class":
        desk.page.locator("#wizard-target").select_option("width")
        assert desk.page.get_by_role("button", name="Use this table").is_enabled()


@pytest.mark.ux(24)
@pytest.mark.parametrize("name", NO_TABLE)
def test_what_is_no_table_is_told(desk: Desk, name: str) -> None:
    data, said = NO_TABLE[name]
    give(desk.page, "csv", data)
    expect(desk.page.locator("#own-data-note")).to_contain_text(said)
    assert not desk.page.locator("#wizard").is_visible()


@pytest.mark.ux(24)
def test_damaged_and_odd_archives_are_told_and_folders_are_found(desk: Desk) -> None:
    page, note, whole = desk.page, desk.page.locator("#own-data-note"), archive(PICTURES)
    for damaged in (whole[300:], whole[:60] + b"\xff\xff\xff" + whole[63:]):
        give(page, "zip", damaged)
        expect(note).to_contain_text("no zip archive, or a damaged one: pack it again", timeout=20_000)
    give(page, "zip", archive({"a/1.heic": b"x", "b/2.heic": b"x"}))
    expect(note).to_contain_text("No picture was found: PNG, JPEG")
    give(page, "zip", archive(PICTURES | {"set/dark/._1.png": b"what macOS leaves", "set/dark/zz.png": b"\x89PNG cut"}))
    expect(page.locator("#wizard")).to_contain_text("25 pictures in 2 classes", timeout=20_000)
    page.get_by_role("button", name="Use these pictures").click()
    expect(note).to_contain_text("cannot read set/dark/zz.png as a picture", timeout=20_000)
    give(page, "zip", archive({name.replace("/", "\\"): data for name, data in PICTURES.items()}).replace(b"/", b"\\"))
    expect(page.locator("#wizard")).to_contain_text("bright (12)", timeout=20_000)
    page.get_by_role("button", name="Cancel").last.click()


@pytest.mark.ux(25, 26)
def test_the_camera_is_off_when_something_else_is_chosen(desk: Desk) -> None:
    page = desk.page
    if not desk.secure:
        return  # plain http has no camera
    page.evaluate(STREAMS)
    page.get_by_role("button", name="Webcam").click()
    expect(page.get_by_role("button", name="Hold to take").first).to_be_visible(timeout=10_000)
    page.get_by_role("button", name="Use these pictures").click()
    expect(page.locator("#own-data-note")).to_contain_text("No picture was found")
    assert page.evaluate("tracks.map((track) => track.readyState)") == ["live"], "what is not enough yet can be added to"
    give(page, "csv", CSV.encode())
    expect(page.get_by_role("button", name="Use this table")).to_be_visible()
    assert page.evaluate("tracks.map((track) => track.readyState)") == ["ended"]


@pytest.mark.ux(24)
def test_the_sizes_that_it_takes_are_said_before_anything_is_chosen(desk: Desk) -> None:
    expect(desk.page.locator("#own-data")).to_contain_text("At most 20 MB for a table, 4 MB for a text, 3,000 pictures of 100")


def loaded_mlp(page: Page) -> dict[str, np.ndarray]:
    choose(page, "digits_mlp", "multilayer")
    shapes = {"1.weight": (32, 64), "1.bias": (32,), "3.weight": (10, 32), "3.bias": (10,)}
    arrays = {name: np.full(shape, 0.01, np.float32) for name, shape in shapes.items()}
    model = {"name": "good.safetensors", "mimeType": "", "buffer": safetensors.dumps(arrays)}
    page.locator("#model-file").set_input_files(model)  # type: ignore[arg-type]
    expect(page.locator("#model-loaded")).to_contain_text("good.safetensors fits", timeout=20_000)
    return arrays


@pytest.mark.ux(23)
@pytest.mark.parametrize("way", ["another recipe", "its button", "reset"])
def test_a_loaded_model_is_put_away_again(desk: Desk, way: str) -> None:
    page = desk.page
    loaded_mlp(page)
    if way == "another recipe":
        choose(page, "spiral", "spirals")
    elif way == "its button":
        page.get_by_role("button", name="Begin at random instead").click()
    else:
        page.get_by_role("button", name="Reset").click()
    expect(page.locator("#model-loaded")).to_have_text("")
    expect(page.locator("#model-forget")).to_be_hidden()
    train(page, 1)
    until(page, "distml.status().state === 'finished' && distml.status().step === 1", 60)
    assert abs(status(page)["loss"] - np.log(10)) > 1e-4, "equal weights know nothing, to the last digit"


@pytest.mark.ux(23, 27)
def test_a_model_file_that_is_none_says_which_to_choose(desk: Desk) -> None:
    desk.page.locator("#model-file").set_input_files({"name": "cut.safetensors", "mimeType": "", "buffer": b"cut"})
    expect(desk.page.locator("#model-loaded")).to_contain_text("saved from the recipe in the editor")


@pytest.mark.ux(23, 24, 40)
def test_a_run_in_progress_keeps_its_code_on_the_page(desk: Desk) -> None:
    page = desk.page
    choose(page, "digits_mlp", "multilayer")
    train(page, 2)
    until(page, "distml.status().state === 'finished' && document.querySelectorAll('#kept li').length > 0", 60)
    train(page, 100_000)
    until(page, "distml.status().step > 5", 60)
    code = code_of(page)
    page.get_by_role("button", name="Go on with it").first.click()
    expect(page.locator("#model-loaded")).to_contain_text("A run is in progress. Stop it")
    give(page, "csv", CSV.encode())
    page.get_by_role("button", name="Use this table").click()
    expect(page.locator("#own-data-note")).to_contain_text("A run is in progress. Stop it, then press “Use this table” again.")
    page.get_by_role("button", name="Lessons").click()
    page.get_by_role("button", name="Begin: A first neuron").click()
    expect(page.locator("#problem")).to_contain_text("Stop the run, then begin the lesson again.")
    assert code_of(page) == code and not page.locator("#lesson").is_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    until_state(page, "stopped")
    page.get_by_role("button", name="Use this table").click()
    expect(page.locator("#own-data-note")).to_contain_text("sent to nobody", timeout=20_000)


@pytest.mark.ux(24, 27)
def test_data_that_went_with_its_tab_is_asked_for_again(desk: Desk) -> None:
    page = desk.page
    give(page, "csv", CSV.encode())
    page.get_by_role("button", name="Use this table").click()
    expect(page.locator("#own-data-note")).to_contain_text("sent to nobody", timeout=20_000)
    train(page, 2)
    until(page, "distml.status().recipe === 'own_table' && distml.status().state === 'finished'", 60)
    until(page, "document.querySelector('#kept li')?.textContent.startsWith('own_table') === true", 20)
    page.reload()
    until_state(page, "finished")
    page.get_by_role("button", name="Go on with it").first.click()
    expect(page.locator("#model-loaded")).to_contain_text("Choose it again under “Your own data”", timeout=60_000)
    train(page, 2)
    expect(page.locator("#problem-next")).to_contain_text("Choose it again under “Your own data”", timeout=20_000)
    page.get_by_role("button", name="Dismiss").click()


@pytest.mark.ux(10, 27)
def test_a_batch_larger_than_the_data_is_told_with_what_to_change(desk: Desk) -> None:
    page = desk.page
    choose(page, "digits_mlp", "multilayer")
    page.get_by_label("Batch size").fill("4000")
    page.get_by_label("Batch size").press("Tab")
    train(page, 2)
    expect(page.locator("#problem-title")).to_contain_text("batch_size is 1 to 1077, got 4000", timeout=20_000)
    expect(page.locator("#problem-next")).to_contain_text("in the recipe or in the fields beside it")
    page.get_by_role("button", name="Dismiss").click()


LOSSES = "import('/web/words.js').then(({loss}) => [5.9e28, 123456, 99.5, 0.25, 0.0001].map(loss))"


def test_a_loss_that_exploded_is_as_short_as_any(desk: Desk) -> None:
    assert desk.page.evaluate(LOSSES) == ["5.9e+28", "1.2e+5", "99.500", "0.250", "1.0e-4"]
