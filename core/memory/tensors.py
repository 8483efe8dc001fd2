"""Weights in the safetensors format (https://github.com/huggingface/safetensors), mapped and not read."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from core.memory.index import Matrix

_KINDS = {"F16": "<f2", "F32": "<f4"}


def tensors(file: Path) -> dict[str, Matrix]:
    """The tensors of *file* by name, of those kinds that we compute with."""
    import numpy as np

    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        head = json.loads(stream.read(length))
    mapped = np.memmap(file, mode="r")
    found = {}
    for name, told in head.items():
        if name != "__metadata__" and told["dtype"] in _KINDS:
            start, end = (8 + length + offset for offset in told["data_offsets"])
            found[name] = mapped[start:end].view(_KINDS[told["dtype"]]).reshape(told["shape"])
    return found
