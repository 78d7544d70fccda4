"""The contact sheet of a data set: which images it shows, and where."""

import numpy as np
from data_helpers import cache, picture_files, random_images, write_folder  # noqa: F401
from PIL import Image

from ganbaru import data
from ganbaru.sampling.image_io import contact_sheet


def test_contact_sheet_has_a_row_for_each_class(tmp_path):
    images = np.zeros((30, 8, 8, 1), np.uint8)
    labels = np.arange(30) % 3
    images += (labels[:, None, None, None] * 100 + 20).astype(np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    contact_sheet(data.load(tmp_path / "a.npz"), tmp_path / "sheet.png", count=12)
    with Image.open(tmp_path / "sheet.png") as sheet:
        times = sheet.width // 42  # four images of 8 pixels with gaps of 2
        pixels = np.asarray(sheet)[times // 2 :: times, times // 2 :: times]
    assert pixels.shape == (32, 42)
    rows = [pixels[2 + 10 * k : 10 + 10 * k] for k in range(3)]
    centres = [row[4, 6 + 10 * i] for row in rows for i in range(4)]
    assert centres == [20] * 4 + [120] * 4 + [220] * 4


def test_contact_sheet_without_labels_spreads_over_the_set(tmp_path):
    images = np.arange(200, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2)
    np.save(tmp_path / "a.npy", images)
    contact_sheet(data.load(tmp_path / "a.npy"), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == sheet.height == 82 * 7  # 8 x 8 images, enlarged to at least 512
        assert sheet.getpixel((6 * 7, 6 * 7)) == 0 and sheet.getpixel((76 * 7, 76 * 7)) == 199


def test_contact_sheet_of_few_images(tmp_path):
    source = data.load(write_folder(tmp_path / "set", picture_files(random_images(3))))
    contact_sheet(source, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.mode == "RGB"
