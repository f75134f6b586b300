"""Writes the pictures of `pictures/`, and what Pillow reads in them."""

import io
import json
import pathlib

import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).resolve().parent / "pictures"


def main():
    FOLDER.mkdir(exist_ok=True)
    y, x = np.mgrid[0:9, 0:11]
    smooth = np.stack([x * 20 + 10, y * 25 + 5, 200 - x * 8 - y * 8], 2).astype(np.uint8)
    gray = smooth[:, :, 0]
    pictures = {
        "colours.jpg": Image.fromarray(smooth),
        "gray.jpg": Image.fromarray(gray),
        "colours.png": Image.fromarray(smooth),
        "palette.png": Image.fromarray(smooth).quantize(16),
        "transparent.png": Image.fromarray(np.dstack([smooth, gray])),
        "one_bit.png": Image.fromarray(gray > 100),
    }
    expected = {}
    for name, picture in pictures.items():
        picture.save(FOLDER / name, quality=95)
        with Image.open(FOLDER / name) as read:
            expected[name] = np.asarray(read.convert("RGB")).transpose(2, 0, 1).tolist()
    (FOLDER / "expected.json").write_text(json.dumps(expected, separators=(",", ":")))


main()
