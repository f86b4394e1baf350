"""Models as files and in the browser, people's own data, and what never leaves the tab."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from distml_py import safetensors
from distml_py.data import digits
from driving import code_of, status, train, until, until_editor, until_state
from page_desk import CSV, Desk, choose, png

DROP = """([name, bytes]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
    const drop = document.getElementById("drop");
    for (const kind of ["dragover", "drop"])
        drop.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}"""


@pytest.mark.ux(22)
def test_a_trained_model_is_downloaded_as_safetensors(desk: Desk) -> None:
    page = desk.page
    choose(page, "digits_mlp", "multilayer")
    train(page, 60)
    until_state(page, "finished", timeout_s=90)
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download safetensors").click()
    file = caught.value
    assert file.suggested_filename == "digits_mlp.safetensors"
    found = safetensors.loads(file.path().read_bytes())
    assert {name: array.shape for name, array in found.items()} == {
        "1.weight": (32, 64), "1.bias": (32,), "3.weight": (10, 32), "3.bias": (10,),
    }  # fmt: skip


def downloaded(page: Page, button: str) -> tuple[str, bytes]:
    with page.expect_download() as caught:
        page.get_by_role("button", name=button).click()
    return caught.value.suggested_filename, caught.value.path().read_bytes()


@pytest.mark.ux(22)
def test_it_is_downloaded_for_onnx_and_for_pytorch_and_computes_the_same_there(desk: Desk, tmp_path: Path) -> None:
    import onnxruntime
    import torch

    page = desk.page
    images = digits().validation.batch(np.arange(20))[0].numpy()
    name, model = downloaded(page, "Download ONNX")
    assert name == "digits_mlp.onnx"
    (said,) = onnxruntime.InferenceSession(model).run(None, {"input": images})
    _, weights = downloaded(page, "Download safetensors")
    (tmp_path / "digits_mlp.safetensors").write_bytes(weights)
    name, program = downloaded(page, "PyTorch snippet")
    assert name == "digits_mlp.py"
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        namespace: dict[str, Any] = {}
        exec(program.decode(), namespace)
    finally:
        os.chdir(here)
    theirs = namespace["model"].eval()(torch.from_numpy(images)).detach().numpy()
    assert np.abs(said - theirs).max() < 1e-4
    images, labels = (part.numpy() for part in digits().test.batch(np.arange(len(digits().test))))
    right = namespace["model"](torch.from_numpy(images)).argmax(1).numpy() == labels
    assert right.mean() == pytest.approx(status(page)["test_accuracy"], abs=1e-6), "it is the model that was trained here"


@pytest.mark.ux(23)
def test_a_file_that_does_not_fit_is_told_in_shapes_and_one_that_fits_is_begun_from(desk: Desk) -> None:
    page = desk.page
    rng = np.random.default_rng(0)
    shapes = {"1.weight": (32, 64), "1.bias": (32,), "3.weight": (10, 32), "3.bias": (10,)}
    arrays = {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    page.locator("#model-file").set_input_files({"name": "wrong.safetensors", "mimeType": "", "buffer": safetensors.dumps(
        arrays | {"3.bias": np.zeros(9, np.float32)})})  # fmt: skip
    expect(page.locator("#model-loaded")).to_contain_text("3.bias is (9,), the model's is (10,)")
    page.locator("#model-file").set_input_files({"name": "rubbish.safetensors", "mimeType": "", "buffer": b"rubbish"})
    expect(page.locator("#model-loaded")).to_contain_text("FormatError")
    page.evaluate(DROP, ["good.safetensors", list(safetensors.dumps(arrays))])
    expect(page.locator("#model-loaded")).to_contain_text("good.safetensors fits")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download safetensors").click()
    found = safetensors.loads(caught.value.path().read_bytes())
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


@pytest.mark.ux(23)
def test_a_model_kept_in_the_browser_goes_on_after_a_reload(desk: Desk) -> None:
    page = desk.page
    until(page, "document.querySelectorAll('#kept li').length >= 1", 20)
    page.reload()
    until_editor(page)
    until_state(page, "ready", "finished")
    until(page, "document.querySelectorAll('#kept li').length >= 1", 20)
    page.get_by_role("button", name="Reset").click()
    until(page, "distml.status().run === null", 10)
    page.get_by_text("The charts as a table").click()
    assert page.locator("#table-rows tr").count() == 0
    page.get_by_role("button", name="Show its curve").first.click()
    until(page, "document.querySelectorAll('#table-rows tr').length > 1", 5)
    prevented = page.evaluate("""() => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(["x"], "x.safetensors"));
        return !document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    }""")
    assert prevented, "a file that is dropped beside its place does not take the page away"
    page.get_by_role("button", name="Go on with it").first.click()
    expect(page.locator("#model-loaded")).to_contain_text("digits_mlp fits", timeout=30_000)
    train(page, 3)
    until(page, "distml.status().state === 'finished' && distml.status().step === 3", 60)
    assert status(page)["loss"] < 1.5, "it begins where it was"


@pytest.mark.fault("S36")
@pytest.mark.ux(24, 26)
def test_a_table_is_shown_counted_and_learned_and_never_sent(desk: Desk) -> None:
    page = desk.page
    desk.sent.clear()
    page.locator("#data-csv").set_input_files({"name": "t.csv", "mimeType": "text/csv", "buffer": b"a\n1\n"})
    expect(page.locator("#own-data-note")).to_contain_text("one column or none")
    page.locator("#data-csv").set_input_files({"name": "kinds.csv", "mimeType": "text/csv", "buffer": CSV.encode()})
    expect(page.locator("#wizard")).to_contain_text("120 rows, 2 columns of numbers. Classes: SECRETWIDE (60), tall (60)")
    assert page.locator("#wizard tbody tr").count() == 5
    page.get_by_role("button", name="Use this table").click()
    expect(page.locator("#own-data-note")).to_contain_text("sent to nobody")
    assert "/data/table.csv" in code_of(page)
    train(page, 200)
    until(page, "distml.status().recipe === 'own_table' && distml.status().state === 'finished'", 90)
    assert status(page)["test_accuracy"] > 0.9
    everything = "".join(desk.sent)
    assert "own_table" in everything and "1.30,5.00" not in everything and CSV[200:260] not in everything
    assert page.get_by_text("It stays on this device").is_visible()


@pytest.mark.ux(24)
def test_pictures_of_a_zip_file_are_counted_and_learned(desk: Desk) -> None:
    page = desk.page
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(24):
            archive.writestr(f"set/dark/{n}.png", png(10 + n))
            archive.writestr(f"set/bright/{n}.png", png(200 + n))
    page.locator("#data-zip").set_input_files({"name": "p.zip", "mimeType": "", "buffer": packed.getvalue()})
    expect(page.locator("#wizard")).to_contain_text("48 pictures in 2 classes", timeout=20_000)
    expect(page.locator("#wizard")).to_contain_text("bright (24)")
    page.locator("#wizard-side").select_option("16")
    page.get_by_role("button", name="Use these pictures").click()
    expect(page.locator("#own-data-note")).to_contain_text("sent to nobody", timeout=20_000)
    train(page, 40)
    until(page, "distml.status().recipe === 'own_pictures' && distml.status().state === 'finished'", 90)
    assert status(page)["test_accuracy"] == 1


@pytest.mark.ux(24)
def test_a_folder_of_pictures_is_counted_by_its_folders_and_too_much_is_refused_in_words(desk: Desk, tmp_path: Path) -> None:
    page = desk.page
    for n in range(6):
        for name, grey in (("dark", 10), ("bright", 200)):
            (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name / f"{n}.png").write_bytes(png(grey + n))
    page.locator("#data-folder").set_input_files(tmp_path / "set")
    expect(page.locator("#wizard")).to_contain_text("12 pictures in 2 classes", timeout=20_000)
    assert page.locator("#wizard .samples li").all_inner_texts() == ["bright (6)", "dark (6)"]
    page.get_by_role("button", name="Cancel").last.click()
    assert not page.locator("#wizard").is_visible()
    (tmp_path / "large.csv").write_text("a,b\n" + "1.25,2.5\n" * 2_400_000)
    page.locator("#data-csv").set_input_files(tmp_path / "large.csv")
    expect(page.locator("#own-data-note")).to_contain_text("large.csv has 21.6 MB; at most 20 MB. Take a part of it.")


@pytest.mark.ux(24)
def test_a_text_is_shown_and_its_recipe_loads(desk: Desk) -> None:
    page = desk.page
    page.locator("#data-text").set_input_files({"name": "short.txt", "mimeType": "", "buffer": b"short"})
    expect(page.locator("#own-data-note")).to_contain_text("at least 2,000")
    page.locator("#data-text").set_input_files({"name": "s.txt", "mimeType": "", "buffer": b"the cat sat on the mat. " * 200})
    page.get_by_role("button", name="Use this text").click()
    expect(page.locator("#own-data-note")).to_contain_text("sent to nobody", timeout=20_000)
    train(page, 3)
    until(page, "distml.status().recipe === 'own_text' && distml.status().state === 'finished'", 120)


@pytest.mark.ux(25)
def test_the_webcam_gives_samples_where_browsers_allow_it_and_says_so_where_not(desk: Desk) -> None:
    page = desk.page
    if not desk.secure:
        assert page.get_by_role("button", name="Webcam").is_disabled()
        assert page.get_by_text("pages on https or localhost alone").is_visible()
        return
    page.get_by_role("button", name="Webcam").click()
    expect(page.get_by_role("button", name="Hold to take").first).to_be_visible(timeout=10_000)
    for button in page.get_by_role("button", name="Hold to take").all():
        button.hover()
        page.mouse.down()
        page.wait_for_timeout(1500)
        page.mouse.up()
    page.get_by_role("button", name="Use these pictures").click()
    expect(page.locator("#wizard")).to_contain_text("pictures in 2 classes", timeout=20_000)
    page.get_by_role("button", name="Cancel").last.click()
