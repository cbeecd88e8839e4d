#!/usr/bin/env python3
"""Writes what ONNX Runtime finds with a model: the answers that the Rust detector is held to.

    golden.py models/person-nanodet-g

goes into golden/sample.json (the demo's sample pictures), golden/opencv-doc.json (pictures of Debian's package of that
name) and golden/synthetic.json (a computed picture of the network's own size) of the model's folder.

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
OPENCV_DOC = Path("/usr/share/doc/opencv-doc/examples/data")
PHOTOGRAPHS = """aero1.jpg aero3.jpg aloeL.jpg apple.jpg baboon.jpg basketball1.png basketball2.png Blender_Suzanne1.jpg
board.jpg box.png box_in_scene.png building.jpg butterfly.jpg cards.png chicky_512.png ela_original.jpg fruits.jpg
graf1.png graf3.png HappyFish.jpg home.jpg left01.jpg left03.jpg left05.jpg leuvenA.jpg leuvenB.jpg
licenseplate_motion.jpg messi5.jpg orange.jpg right02.jpg right06.jpg right09.jpg rubberwhale1.png rubberwhale2.png
smarties.png squirrel_cls.jpg starry_night.jpg stuff.jpg sudoku.png WindowsLogo.jpg""".split()
MIN_SCORE = {"sample": 0.25, "opencv-doc": 0.15, "synthetic": 0.021}
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


def rust_canvases(command: list[str], folder: Path, pictures: list[Path]) -> list[Image.Image]:
    """The pictures as the Rust code hands them to the model."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([*command, folder.resolve(), out, *pictures], cwd=ROOT, check=True)
        return [Image.open(Path(out) / f"{picture.stem}.png").convert("RGB") for picture in pictures]


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
    run = "cargo run --quiet --release --package object-detector --example canvas --"
    parser.add_argument("--canvas", default=run, help="the command that runs the example canvas")
    options = parser.parse_args()
    pictures = {"sample": FRAMES, "opencv-doc": [OPENCV_DOC / name for name in PHOTOGRAPHS]}
    missing = [picture for picture in pictures["opencv-doc"] if not picture.exists()]
    if missing:
        raise SystemExit(f"{missing[0]} is missing; install it with: apt-get install opencv-doc")
    for folder in options.models:
        model = Model(folder)
        golden = folder / "golden"
        golden.mkdir(exist_ok=True)
        for name, files in pictures.items():
            canvases = rust_canvases(options.canvas.split(), folder, files)
            sizes = [Image.open(file).size for file in files]
            shown = list(zip([file.name for file in files], sizes, canvases))
            write(golden / f"{name}.json", model, MIN_SCORE[name], answers(model, MIN_SCORE[name], shown))
        computed = answers(model, MIN_SCORE["synthetic"], [("synthetic", model.size, synthetic(*model.size))])
        write(golden / "synthetic.json", model, MIN_SCORE["synthetic"], computed)


if __name__ == "__main__":
    main()
