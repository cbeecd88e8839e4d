#!/usr/bin/env python3
"""Writes what ONNX Runtime finds with a model: the answers that the Rust detector is held to.

    golden.py models/person-nanodet-g

goes into golden/sample.json (the demo's sample pictures) and golden/synthetic.json (a computed picture of the
network's own size) of the model's folder.

Two scalers do not agree to the last bit, and a network answers that with scores that differ in the third digit. So the
sample pictures are decoded and scaled by the Rust code (the example `canvas` of crates/detector), and everything after
that is done here, apart from it: ONNX Runtime computes, numpy does the rest.
"""

import argparse
import hashlib
import json
import subprocess
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

ROOT = Path(__file__).parents[2]
FRAMES = sorted((ROOT / "services/demo/sample").glob("frame-*.jpg"))
MIN_SCORE = {"sample": 0.25, "synthetic": 0.021}
# a decision closer than this may fall differently on another processor: such a picture is no test
MARGIN = 1e-4


class Model:
    """A model's folder, with the network ready to run on one thread."""

    def __init__(self, folder: Path) -> None:
        self.description = tomllib.loads((folder / "model.toml").read_text())
        network = (folder / self.description["file"]).read_bytes()
        if hashlib.sha256(network).hexdigest() != self.description["sha256"]:
            raise SystemExit(f"{folder / self.description['file']} is not the file that model.toml describes")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self.size = self.description["input"]["width"], self.description["input"]["height"]

    def detect(self, canvas: Image.Image, picture: tuple[int, int], min_score: float) -> np.ndarray:
        """Rows x1, y1, x2, y2 (pixels of the picture, whose size is given), score; surest first."""
        values = np.asarray(canvas, np.float32).transpose(2, 0, 1)[None]
        (rows,) = self.session.run(None, {self.session.get_inputs()[0].name: values})
        check_margin(np.abs(rows[0][:, 4] - min_score), "a score", MARGIN / 10)
        boxes = rows[0][rows[0][:, 4] >= min_score].astype(np.float64)
        size, offset = self.placement(picture)
        corners = (boxes[:, :4].reshape(-1, 2, 2) - offset) * (np.array(picture) / np.array(size))
        boxes[:, :4] = np.clip(corners, 0, picture).reshape(-1, 4)
        boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
        return suppress(boxes, self.description["output"]["nms_iou"])

    def placement(self, picture: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Size and top left corner on the canvas of a picture whose size is given."""
        ratio = min(side / own for side, own in zip(self.size, picture))
        width, height = (min(max(int(own * ratio + 0.5), 1), side) for side, own in zip(self.size, picture))
        return (width, height), ((self.size[0] - width) // 2, (self.size[1] - height) // 2)


def rust_canvases(folder: Path) -> list[Image.Image]:
    """The sample pictures as the Rust code hands them to the model."""
    with tempfile.TemporaryDirectory() as out:
        command = "cargo run --quiet --release --package object-detector --example canvas --".split()
        subprocess.run([*command, folder.resolve(), out, *FRAMES], cwd=ROOT, check=True)
        return [Image.open(Path(out) / f"{frame.stem}.png").convert("RGB") for frame in FRAMES]


def suppress(boxes: np.ndarray, limit: float) -> np.ndarray:
    """Greedy non-maximum suppression."""
    boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    kept: list[np.ndarray] = []
    for box in boxes:
        overlaps = iou(box, np.array(kept).reshape(-1, 5))
        check_margin(np.abs(overlaps - limit), "an overlap", MARGIN)
        if not (overlaps > limit).any():
            kept.append(box)
    return np.array(kept).reshape(-1, 5)


def iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:4], others[:, 2:4])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    area = (others[:, 2:4] - others[:, :2]).prod(axis=1) + (box[2:4] - box[:2]).prod()
    return shared / (area - shared)


def check_margin(distances: np.ndarray, what: str, margin: float) -> None:
    if distances.size and distances.min() < margin:
        print(f"note: {what} lies {distances.min():.1e} from its limit; other processors may decide otherwise")


def synthetic(width: int, height: int) -> Image.Image:
    """value = (37 * channel + 11 * y + 7 * x) mod 256"""
    y, x, channel = np.mgrid[:height, :width, :3]
    return Image.fromarray(((37 * channel + 11 * y + 7 * x) % 256).astype(np.uint8))


def answers(model: Model, min_score: float, pictures: list[tuple[str, tuple[int, int], Image.Image]]) -> list[dict]:
    """One record for every picture, given as name, size and canvas."""
    return [
        {"image": name, "boxes": [[round(float(v), 6) for v in box] for box in model.detect(canvas, size, min_score)]}
        for name, size, canvas in pictures
    ]


def write(path: Path, model: Model, min_score: float, records: list[dict]) -> None:
    document = {
        "model": model.description["name"],
        "sha256": model.description["sha256"],
        "onnxruntime": onnxruntime.__version__,
        "min_score": min_score,
    }
    lines = ",\n".join("  " + json.dumps(record) for record in records)
    path.write_text(json.dumps(document, indent=1)[:-2] + f',\n "pictures": [\n{lines}\n ]\n}}\n')
    print(f"{path}: {len(records)} pictures, {sum(len(record['boxes']) for record in records)} boxes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, help="a model's folder")
    options = parser.parse_args()
    for folder in options.models:
        model = Model(folder)
        golden = folder / "golden"
        golden.mkdir(exist_ok=True)
        sizes = [Image.open(frame).size for frame in FRAMES]
        sample = list(zip([frame.name for frame in FRAMES], sizes, rust_canvases(folder)))
        found = answers(model, MIN_SCORE["sample"], sample)
        write(golden / "sample.json", model, MIN_SCORE["sample"], found)
        computed = answers(model, MIN_SCORE["synthetic"], [("synthetic", model.size, synthetic(*model.size))])
        write(golden / "synthetic.json", model, MIN_SCORE["synthetic"], computed)


if __name__ == "__main__":
    main()
