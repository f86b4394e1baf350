"""Files of known formats: what was written is read, what is damaged or strange is refused and named."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import distml_py as dm
from distml_py import data, packages
from distml_py.data import cifar
from distml_py.errors import DistmlError, FormatError, UnsupportedError

ROOT = Path(__file__).parents[2]


def idx(array: np.ndarray) -> bytes:
    kinds = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
    kind = array.dtype.str[1:]
    head = bytes([0, 0, kinds[kind], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


RANDOM = np.random.RandomState(0)
IMAGES, LABELS = RANDOM.randint(0, 256, (5, 28, 28)).astype(np.uint8), np.arange(5, dtype=np.uint8)
GIVEN = {
    "train-images-idx3-ubyte": idx(IMAGES),
    "train-labels-idx1-ubyte": idx(LABELS),
    "t10k-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES[:2])),
    "t10k-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS[:2])),
}


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(3,), (2, 0), (2, 3, 5), ()])
def test_an_idx_file_is_read(kind: str, shape: tuple[int, ...]) -> None:
    array = np.asarray(RANDOM.rand(*shape) * 100).astype(kind)
    found = data.read_idx(idx(np.asarray(array)))
    assert found.dtype == np.dtype(kind) and np.array_equal(found, array)


def test_mnist_is_read_from_bytes_and_from_folders(tmp_path: Path) -> None:
    train = data.MNIST(GIVEN, transform=lambda image: image.astype(int).sum(), target_transform=lambda label: -label)
    assert len(train) == 5 and train[3] == (IMAGES[3].astype(int).sum(), -3) and set(train.sha256) == set(list(GIVEN)[:2])
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in GIVEN.items():
        (folder / name).write_bytes(content)
    test = data.FashionMNIST(tmp_path, train=False, verify=False)
    assert np.array_equal(test.data, IMAGES[:2]) and test.targets.tolist() == [0, 1]
    assert test.classes[9] == "Ankle boot" and test.class_to_idx["Bag"] == 8
    (x, y), *_ = data.DataLoader(test.as_tensors(0.5, 0.25), batch_size=2)
    np.testing.assert_allclose(x.numpy(), (IMAGES[:2, None] / 255 - 0.5) / 0.25, rtol=1e-5, atol=1e-6)
    assert x.shape == (2, 1, 28, 28) and y.tolist() == [0, 1]


def python_batch(images: np.ndarray, labels: list[int], protocol: int = 2) -> bytes:
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return pickle.dumps({b"batch_label": b"one", b"labels": labels, b"data": rows, b"filenames": [b"a.png"]}, protocol)


def packed(members: dict[str, bytes], folder: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def test_cifar_is_read_in_all_its_forms(tmp_path: Path) -> None:
    images = RANDOM.randint(0, 256, (10, 32, 32, 3)).astype(np.uint8)
    labels = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    parts = [(images[2 * n : 2 * n + 2], labels[2 * n : 2 * n + 2]) for n in range(5)]
    python = {f"data_batch_{n}": python_batch(*part, protocol=2 + n % 3) for n, part in enumerate(parts, 1)}
    rows = [np.concatenate([np.array(y, np.uint8)[:, None], x.transpose(0, 3, 1, 2).reshape(2, -1)], 1) for x, y in parts]
    binary = {f"data_batch_{n}.bin": row.tobytes() for n, row in enumerate(rows, 1)}
    archives = [
        {"cifar-10-python.tar.gz": packed(python, "cifar-10-batches-py")},
        {"cifar-10-binary.tar.gz": packed(binary, "cifar-10-batches-bin")},
    ]
    (tmp_path / "cifar-10-batches-py").mkdir()
    for name, content in python.items():
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(content)
    for source in (python, binary, *archives, tmp_path):
        found = data.CIFAR10(source, verify=False)
        assert np.array_equal(found.data, images) and found.targets.tolist() == labels
    assert found.classes[9] == "truck" and found.as_tensors([0.5] * 3, [0.2] * 3)[0][0].shape == (3, 32, 32)
    for archive in archives:
        with pytest.raises(FormatError, match="is not the public file: its SHA-256 is"):
            data.CIFAR10(archive)


class Evil:
    def __reduce__(self) -> Any:
        return print, ("this ran",)


@pytest.mark.fault("S17")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Evil()), "the pickle asks for builtins.print; only arrays, lists, numbers and text are read"),
        (pickle.dumps({b"data": Evil()}), "the pickle asks for builtins.print"),
        (b"cos\nsystem\n(S'true'\ntR.", "the pickle asks for os.system"),
        (pickle.dumps({b"data": np.array([None, 1]), b"labels": []}), f"a pickled array of 'O{struct.calcsize('P')}': only"),
        (pickle.dumps({b"data": np.ones((2, 3072)), b"labels": [1, 2]}), "a pickled array of 'f8': only integers are taken"),
        (pickle.dumps([1]), "holds a list, a dictionary of data and labels is needed"),
        (pickle.dumps({b"data": 1}), r"has \['data'\]; data, an array, and labels, a list, are needed"),
        (pickle.dumps({b"data": np.ones((2, 5), np.uint8), b"labels": [1, 2]}), r"data is bytes \(n, 3072\), found uint8 \(2, 5\)"),
        (b"\x80\x04no", "is no pickle that can be read"),
        (b"", "is no pickle that can be read: EOFError"),
    ],
)
def test_a_pickle_that_asks_for_more_is_refused(content: bytes, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FormatError, match=message):
        cifar.read_batch(content)
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- PNG


def png(image: np.ndarray, depth: int = 8, colour: int = 0, filters: tuple[int, ...] = (0,), palette: bytes = b"") -> bytes:
    """A PNG of samples (height, width, channels), each row with the next filter. Written from the specification's words."""
    height, width, channels = image.shape
    if depth == 16:
        rows = np.stack([image >> 8, image & 255], -1).astype(np.uint8).reshape(height, -1)
    elif depth == 8:
        rows = image.astype(np.uint8).reshape(height, -1)
    else:
        bits = (image.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    step, packed_rows, above = max(1, channels * depth // 8), b"", np.zeros(rows.shape[1], int)
    for number, row in enumerate(rows.astype(int)):
        left = np.concatenate([np.zeros(step, int), row])[: len(row)]
        corner = np.concatenate([np.zeros(step, int), above])[: len(row)]
        guess = left + above - corner
        far = np.stack([abs(guess - left), abs(guess - above), abs(guess - corner)])
        paeth = np.where(far.argmin(0) == 0, left, np.where(far.argmin(0) == 1, above, corner))
        kind = filters[number % len(filters)]
        packed_rows += (
            bytes([kind]) + ((row - [0 * row, left, above, (left + above) // 2, paeth][kind]) % 256).astype(np.uint8).tobytes()
        )
        above = row

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    middle = chunk(b"PLTE", palette) if palette else b""
    packed_whole = zlib.compress(packed_rows)
    half = len(packed_whole) // 2
    parts = chunk(b"IDAT", packed_whole[:half]) + chunk(b"IDAT", packed_whole[half:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tEXt", b"note\0x") + middle + parts + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("colour", "depth"), [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)]
)
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (17, 3)])
def test_a_png_is_read_whatever_its_colours_and_filters(colour: int, depth: int, size: tuple[int, int]) -> None:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    image = RANDOM.randint(0, 2**depth, (*size, channels))
    found = data.read_png(png(image, depth, colour, (4, 1, 2, 3, 0)))
    wanted = image >> 8 if depth == 16 else image * (255 // (2**depth - 1))
    assert found.dtype == np.uint8 and np.array_equal(found, wanted[..., 0] if colour == 0 else wanted)


def test_of_equally_near_neighbours_the_left_one_comes_first() -> None:
    image = np.array([[100, 110], [80, 50]])[..., None]  # left is 10 from the guess of 90, and so is the corner
    assert data.read_png(png(image, filters=(0, 4))).tolist() == image[..., 0].tolist()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_png_with_a_palette_is_read(depth: int) -> None:
    colours = RANDOM.randint(0, 256, (2**depth, 3)).astype(np.uint8)
    image = RANDOM.randint(0, 2**depth, (6, 5, 1))
    assert np.array_equal(data.read_png(png(image, depth, 3, (0, 2), colours.tobytes())), colours[image[..., 0]])


def test_a_png_that_a_browser_wrote_is_read() -> None:
    found = data.read_png((ROOT / "docs" / "page.png").read_bytes())
    width, height = struct.unpack(">II", (ROOT / "docs" / "page.png").read_bytes()[16:24])
    assert found.shape[:2] == (height, width) and found.shape[2] in (3, 4)
    neighbours = np.abs(np.diff(found[..., :3].astype(int), axis=0)).mean()
    assert neighbours < 10, "a picture of a page is smooth; a wrong filter would be noise"


GOOD = png(np.arange(12).reshape(2, 2, 3), 8, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GIF89a", "is no PNG file: it begins with 474946383961"),
        (GOOD[:-4] + bytes(4), "is damaged: its part b'IEND' is cut off or was changed"),
        (GOOD[:-12], "is cut off: it has no end"),
        (GOOD[:40] + bytes([GOOD[40] ^ 1]) + GOOD[41:], "is damaged: its part"),
        (png(np.zeros((1, 1, 1), int), 8, 7), "colour type 7 with 8 bits is not a PNG's"),
        (png(np.full((2, 2, 1), 9), 8, 3, palette=bytes(6)), "a pixel has colour 9 of a palette of 2"),
        (png(np.zeros((2, 2, 1), int), 8, 0)[:8] + png(np.zeros((2, 2, 1), int))[-12:], "has no header"),
        (png(np.zeros((2, 2, 1), int), 8, 2), "2 rows of 6 bytes are needed, 6 bytes are there"),
    ],
)
def test_a_damaged_png_is_named(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        data.read_png(content)


def interlaced() -> bytes:
    head = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 1)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return GOOD[:8] + chunk + GOOD[-12:]


def test_pictures_in_folders_and_archives_are_read(tmp_path: Path) -> None:
    red = np.zeros((2, 3, 3), int)
    red[..., 0] = 200
    files = {
        "dogs/b.png": png(red, 8, 2),
        "cats/a.png": png(red[..., :1], 8, 0),
        "cats/note.txt": b"x",
        "dogs/a.PNG": png(red, 8, 2),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"outer/{name}", content)
    for source in (tmp_path, tmp_path / "all.zip"):
        found = data.ImageFolder(source, transform=data.transforms.ToTensor())
        assert found.classes == ["cats", "dogs"] and found.targets == [0, 1, 1] and len(found) == 3
        image, label = found[1]
        assert label == 1 and image.shape == (3, 2, 3) and image[0].tolist() == [[np.float32(200 / 255)] * 3] * 2
        assert found[0][0][1].tolist() == found[0][0][0].tolist(), "grey becomes three equal channels"
    (x, y), *_ = data.DataLoader(found, batch_size=3)
    assert x.shape == (3, 3, 2, 3) and y.tolist() == [0, 1, 1]
    (tmp_path / "cats" / "z.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UnsupportedError, match="not implemented: cats/z.jpg is no PNG; nearest is to save it as PNG"):
        data.ImageFolder(tmp_path)[1]


# ---------------------------------------------------------------- text and tables

TEXT = "the cat sat on the mat, the cat ran. Über 100 cats!\n\n  the end" * 20


def test_characters_are_numbers_and_back(tmp_path: Path) -> None:
    tokenizer = data.CharTokenizer(TEXT)
    assert tokenizer.vocab_size == len(set(TEXT)) and tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    tokenizer.save(tmp_path / "characters.json")
    again = data.CharTokenizer.load(tmp_path / "characters.json")
    assert again.encode("the cat") == tokenizer.encode("the cat") and again.decode(dm.tensor([0, 1])) == tokenizer.decode([0, 1])
    with pytest.raises(FormatError, match=r"CharTokenizer does not know 'ß'; it knows \d+ characters"):
        tokenizer.encode("caß")


def naive(text: str, count: int) -> list[tuple[int, int]]:
    """Byte pairs by the definition: count all pairs anew for each merge."""
    from distml_py.data.text import _PIECES

    words = [list(piece.encode()) for piece in _PIECES.findall(text)]
    merges: list[tuple[int, int]] = []
    while len(merges) < count:
        counts: dict[tuple[int, int], int] = {}
        for word in words:
            for pair in zip(word, word[1:], strict=False):
                counts[pair] = counts.get(pair, 0) + 1
        pair = min(counts, key=lambda found: (-counts[found], found))
        for word in words:
            place = 0
            while place + 1 < len(word):
                if (word[place], word[place + 1]) == pair:
                    word[place : place + 2] = [256 + len(merges)]
                place += 1
        merges.append(pair)
    return merges


def test_byte_pairs_are_learnt_by_the_definition_and_any_text_comes_back(tmp_path: Path) -> None:
    tokenizer = data.BytePairTokenizer.train(TEXT, 280)
    assert tokenizer.vocab_size == 280 and tokenizer.merges == naive(TEXT, 24)
    for text in (TEXT, "", "völlig neu: \U0001f600 日本\t\r\n x_y", "   spaces  "):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode(TEXT)) < len(TEXT) / 2
    tokenizer.save(tmp_path / "pairs.json")
    assert data.BytePairTokenizer.load(tmp_path / "pairs.json").encode(TEXT) == tokenizer.encode(TEXT)
    assert data.BytePairTokenizer.train("aaab", 300).vocab_size == 257, "no pair is met twice any more"
    assert tokenizer.decode(tokenizer.encode("é")[:1]) == "�"


def test_windows_of_a_text_are_samples() -> None:
    windows = data.TextDataset(dm.tensor([1, 2, 3, 4, 5, 6]), 3, stride=2)
    assert [(x.tolist(), y.tolist()) for x, y in (windows[n] for n in range(len(windows)))] == [
        ([1, 2, 3], [2, 3, 4]),
        ([3, 4, 5], [4, 5, 6]),
    ]
    (x, y), *_ = data.DataLoader(windows, 2)
    assert x.dtype == y.dtype == dm.int64 and x.shape == (2, 3)


TABLE = "width, height, kind\n1.5,2,cat\n-3,4e1,dog\n0,0,cat\n"


def test_a_table_is_features_and_a_target(tmp_path: Path) -> None:
    found = data.CSVDataset(TABLE, target="kind")
    assert found.columns == ["width", "height"] and found.classes == ["cat", "dog"]
    x, y = found.tensors
    assert x.tolist() == [[1.5, 2], [-3, 40], [0, 0]] and y.tolist() == [0, 1, 0] and y.dtype == dm.int64
    (tmp_path / "table.csv").write_text(TABLE.replace(",", ";"))
    other = data.CSVDataset(tmp_path / "table.csv", "height", ["width"], ";")
    assert other.tensors[1].tolist() == [2, 40, 0] and other.tensors[1].dtype == dm.float32
    assert data.CSVDataset(TABLE, "height", ["width"], classification=True).classes == ["0", "2", "4e1"]
    assert len(data.CSVDataset(TABLE, columns=["width"]).tensors) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: data.MNIST({}),
            "MNIST needs train-images-idx3-ubyte.gz or train-images-idx3-ubyte, and the files",
        ),
        (lambda: data.MNIST("nowhere", download=True), r"not implemented: MNIST\(download=True\); nearest is to give train-images"),
        (lambda: data.CIFAR10("nowhere", download=True), r"not implemented: CIFAR10\(download=True\); nearest is to give cifar-10"),
        (lambda: data.CIFAR10({}), "CIFAR10 needs data_batch_1 or data_batch_1.bin"),
        (
            lambda: data.CIFAR10({"cifar-10-python.tar.gz": b"no"}, verify=False),
            "python.tar.gz is no archive that can be read",
        ),
        (lambda: data.MNIST(GIVEN, train=False), "t10k-images-idx3-ubyte.gz is not the public file: its SHA-256 is"),
        (
            lambda: data.MNIST({**GIVEN, "t10k-images-idx3-ubyte.gz": b"\x1f\x8bno"}, train=False, verify=False),
            "t10k-images-idx3-ubyte.gz is no whole gzip file",
        ),
        (lambda: data.MNIST({**GIVEN, "train-labels-idx1-ubyte": idx(LABELS[:3])}), "MNIST: 5 images and 3 labels"),
        (
            lambda: data.MNIST({**GIVEN, "train-labels-idx1-ubyte": idx(IMAGES)}),
            r"labels \(n,\), found \(5, 28, 28\), \(5, ",
        ),
        (lambda: data.read_idx(b"\x01\x02\x03\x04"), "is no IDX file: it begins with 01020304"),
        (lambda: data.read_idx(b"\0\0\x08\x03\0"), "ends within its sizes, after 5 bytes"),
        (lambda: data.read_idx(idx(LABELS)[:-1]), r"says \(5,\) numbers of 1 bytes, and holds 4 bytes"),
        (lambda: cifar.read_binary(b"123"), "has 3 bytes, a multiple of 3073 is needed"),
        (lambda: data.CIFAR10({"test_batch.bin": b"\x0a" * 3073}, train=False), "CIFAR10: labels are 0 to 9, found 10 to 10"),
        (lambda: data.read_png(interlaced()), "not implemented: the file is an interlaced PNG"),
        (lambda: data.ImageFolder("nowhere"), "ImageFolder: 'nowhere' is no folder and no zip file"),
        (lambda: data.ImageFolder(ROOT / "docs"), "holds no pictures in folders; put them in root/class/name.png"),
        (lambda: data.BytePairTokenizer.train("a", 10), "vocab_size is at least 256, the bytes, got 10"),
        (lambda: data.BytePairTokenizer([(1, 256)]), "merge 0 joins 1 and 256, of 256 tokens so far"),
        (lambda: data.BytePairTokenizer().decode([256]), "token 256 of a vocabulary of 256"),
        (lambda: data.CharTokenizer.load(ROOT / "package.json"), "holds no tokenizer of characters"),
        (lambda: data.CharTokenizer.load(ROOT / "LICENSE"), "is no tokenizer"),
        (lambda: data.TextDataset([1, 2], 2), r"windows of 2 \+ 1 tokens, every 1, from \(2,\) tokens"),
        (lambda: data.TextDataset([1, 2, 3], 2)[1], "window 1 of 1"),
        (lambda: data.CSVDataset("a,b\n"), "a row of names and a row of values are needed, 1 rows are there"),
        (lambda: data.CSVDataset(TABLE, "colour"), "there is no column 'colour'; there are width, height, kind"),
        (lambda: data.CSVDataset("a,b\n1\n"), "row 2 has 1 values, 2 names are given"),
        (lambda: data.CSVDataset(TABLE), "row 2, column 'kind' holds 'cat', which is no number"),
    ],
)
def test_what_cannot_be_read_is_said(wrong: Any, message: str) -> None:
    with pytest.raises(DistmlError, match=message):
        wrong()


def test_in_a_tab_files_lie_where_the_page_puts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "IN_A_TAB", True)
    monkeypatch.chdir(tmp_path)
    for wanted in ("root: choose it under 'Files for the script' on this page", "give the file: choose it under"):
        with pytest.raises(DistmlError, match=wanted):
            data.MNIST("../data", download=wanted.startswith("root"))
    for name, content in GIVEN.items():
        (tmp_path / name).write_bytes(content)
    assert len(data.MNIST("../data", download=True, verify=False)) == len(LABELS)
