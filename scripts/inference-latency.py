#!/usr/bin/env python3
"""How long the detector takes on one thread, against ONNX Runtime on the same pictures in the same minutes.

    inference-latency.py LATENCY MODEL PICTURE... [--rounds N]

LATENCY is the built example `latency` of crates/detector. On every picture the three take turns: the detector with its
own operators, with tract's, and ONNX Runtime, so that what else the machine does strikes all alike. Ratios are of the
fastest tenth and of the median. "network" is the network alone; "all" goes from the bytes of the file to the boxes:
decoding and scaling by Pillow, the network, and suppression in numpy on ONNX Runtime's side.
"""

import argparse
import io
import subprocess
import time
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


class Runtime:
    """ONNX Runtime with what is needed around it."""

    def __init__(self, folder: Path) -> None:
        self.description = tomllib.loads((folder / "model.toml").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        network = str(folder / self.description["file"])
        self.session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        self.size = self.description["input"]["width"], self.description["input"]["height"]

    def look(self, file: bytes) -> tuple[float, float]:
        """Seconds for the network and for everything."""
        start = time.perf_counter()
        picture = Image.open(io.BytesIO(file)).convert("RGB")
        ratio = min(side / own for side, own in zip(self.size, picture.size))
        scaled = tuple(round(own * ratio) for own in picture.size)
        canvas = Image.new("RGB", self.size, tuple(self.description["resize"]["fill"]))
        offset = tuple((side - own) // 2 for side, own in zip(self.size, scaled))
        canvas.paste(picture.resize(scaled, Image.Resampling.BILINEAR), offset)
        values = np.ascontiguousarray(np.asarray(canvas, np.float32).transpose(2, 0, 1)[None])
        before = time.perf_counter()
        (rows,) = self.session.run(None, {self.name: values})
        network = time.perf_counter() - before
        suppress(rows[0][rows[0][:, 4] >= self.description["threshold"]], self.description["output"]["nms_iou"])
        return network, time.perf_counter() - start


def suppress(boxes: np.ndarray, limit: float) -> list[np.ndarray]:
    """Greedy non-maximum suppression."""
    kept: list[np.ndarray] = []
    boxes = boxes[np.argsort(-boxes[:, 4])]
    while len(boxes):
        best, boxes = boxes[0], boxes[1:]
        kept.append(best)
        low, high = np.maximum(best[:2], boxes[:, :2]), np.minimum(best[2:4], boxes[:, 2:4])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        area = (boxes[:, 2:4] - boxes[:, :2]).prod(axis=1) + (best[2:4] - best[:2]).prod()
        boxes = boxes[shared <= limit * (area - shared)]
    return kept


class Detector:
    """The detector of this project, in a process of its own."""

    def __init__(self, program: str, folder: Path, pictures: list[str]) -> None:
        command = [program, "--serve", str(folder), *pictures]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def look(self, operators: str, picture: int) -> tuple[float, float]:
        """Seconds for the network and for everything."""
        self.process.stdin.write(f"{operators} {picture}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != 2:
            raise SystemExit("the detector stopped; its message is above")
        return int(answer[0]) / 1e6, int(answer[1]) / 1e6


def measure(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """For each contestant an array [looks, 2] of seconds."""
    runtime = Runtime(options.model)
    detector = Detector(options.latency, options.model, options.pictures)
    files = [Path(picture).read_bytes() for picture in options.pictures]
    contestants = {
        "fast": lambda at: detector.look("fast", at),
        "stock": lambda at: detector.look("stock", at),
        "ONNX Runtime": lambda at: runtime.look(files[at]),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    order = list(contestants)
    for round in range(options.rounds + 1):
        for at in range(len(files)):
            order.append(order.pop(0))
            for name in order:
                took = contestants[name](at)
                if round > 0:  # the first one warms up
                    times[name].append(took)
    return {name: np.array(taken) for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("latency", help="the built example")
    parser.add_argument("model", type=Path, help="a model's folder")
    parser.add_argument("pictures", nargs="+", help="JPEG, PNG or WebP files")
    parser.add_argument("--rounds", type=int, default=5, help="how often every picture is looked at")
    options = parser.parse_args()
    times = measure(options)
    print(f"{options.model.name}: {len(options.pictures)} pictures, {options.rounds} rounds, "
          f"ONNX Runtime {onnxruntime.__version__}, one thread each")
    print("| milliseconds, fastest tenth / median | network | all |\n|---|---|---|")
    figures = {name: np.percentile(taken, [10, 50], axis=0) for name, taken in times.items()}
    for name, figure in figures.items():
        print(f"| {name} | " + " | ".join(f"{low:.1f} / {mid:.1f}" for low, mid in figure.T * 1e3) + " |")
    for name in ("fast", "stock"):
        ratio = figures[name] / figures["ONNX Runtime"]
        print(f"| {name} / ONNX Runtime | " + " | ".join(f"{low:.2f} / {mid:.2f}" for low, mid in ratio.T) + " |")


if __name__ == "__main__":
    main()
