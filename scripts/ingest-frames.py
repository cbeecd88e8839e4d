#!/usr/bin/env python3
"""Processor time of a picture in ingest, against OpenCV on the same pictures in the same seconds.

    ingest-frames.py PROGRAM [--rounds N]

PROGRAM is the built example `bench-frames` of services/ingest. The reference's ingestion reads a camera with OpenCV,
which decodes, and encodes what it read as JPEG; a camera with raw pixels it converts and encodes. Both sides take
turns, one thread each; a ratio is that of the fastest tenth of the rounds, and of the median.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, QUALITY = 1920, 1080, 90
# pictures in a round: each takes some tens of milliseconds
COUNTS = {"passthrough": 200, "raw": 2}
OPENCV_COUNT = 2


class Ingest:
    """The code of ingest, in a process of its own."""

    def __init__(self, program: str, folder: str) -> None:
        command = [program, folder]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if not self.process.stdout.readline():
            raise SystemExit("the program stopped; its message is above")

    def picture(self, what: str) -> float:
        """Seconds a picture."""
        self.process.stdin.write(f"{what} {COUNTS[what]}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("the program stopped; its message is above")
        return int(answer) / 1e9 / COUNTS[what]


def opencv(work) -> float:
    """Seconds a picture."""
    start = time.thread_time()
    for _ in range(OPENCV_COUNT):
        work()
    return (time.thread_time() - start) / OPENCV_COUNT


def encode(pixels: np.ndarray) -> None:
    done, _file = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done


def measure(program: str, rounds: int) -> dict[str, np.ndarray]:
    """Seconds a picture, for each contestant one figure a round."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        ingest = Ingest(program, folder)
        file = np.frombuffer((Path(folder) / "frame.jpg").read_bytes(), np.uint8)
        yuyv = np.frombuffer((Path(folder) / "frame.yuyv").read_bytes(), np.uint8).reshape(HEIGHT, WIDTH, 2)
    contestants = {
        "passthrough": lambda: ingest.picture("passthrough"),
        "decode + encode": lambda: opencv(lambda: encode(cv2.imdecode(file, cv2.IMREAD_COLOR))),
        "raw": lambda: ingest.picture("raw"),
        "convert + encode": lambda: opencv(lambda: encode(cv2.cvtColor(yuyv, cv2.COLOR_YUV2BGR_YUYV))),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for round in range(rounds + 1):
        for name, work in contestants.items():
            took = work()
            if round > 0:  # the first one warms up
                times[name].append(took)
    print(f"a picture of {WIDTH} x {HEIGHT}, {len(file) // 1000} KB as JPEG; {rounds} rounds, OpenCV {cv2.__version__}")
    return {name: np.percentile(taken, [10, 50]) * 1e3 for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the built example")
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    figures = measure(options.program, options.rounds)
    print("| processor time of a picture, ms, fastest tenth / median | ingest | OpenCV | ratio |\n|---|---|---|---|")
    for name, own, other in [
        ("JPEG passed through, against decode + encode", "passthrough", "decode + encode"),
        ("raw (YUYV) to JPEG", "raw", "convert + encode"),
    ]:
        (low, mid), (low_other, mid_other) = figures[own], figures[other]
        ratio = f"{low / low_other:.4f} / {mid / mid_other:.4f}"
        print(f"| {name} | {low:.3f} / {mid:.3f} | {low_other:.2f} / {mid_other:.2f} | {ratio} |")


if __name__ == "__main__":
    main()
