"""Writes tests/golden/gguf, with which tests/golden/gguf.rs compares: files as the `gguf` package writes them, the numbers that it
reads from blocks of every kind, and the blocks that it makes of numbers.

    pip install gguf==0.19.0 numpy==2.4.6 safetensors==0.7.0
    python tests/golden/make_gguf.py
"""

import pathlib

import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import GGML_QUANT_SIZES, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).resolve().parent / "gguf"
# Where 16-bit scales stand in a block.
SCALES = {
    Kind.Q4_0: [0], Kind.Q4_1: [0, 2], Kind.Q5_0: [0], Kind.Q5_1: [0, 2], Kind.Q8_0: [0], Kind.IQ4_NL: [0],
    Kind.Q2_K: [80, 82], Kind.Q3_K: [108], Kind.Q4_K: [0, 2], Kind.Q5_K: [0, 2], Kind.Q6_K: [208],
}
MADE = [Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0]


def numbers(rng):
    """Rows of normal numbers, of few different ones, of zeros with one exception, of tiny and of large ones."""
    x = rng.standard_normal((6, 128)).astype(np.float32)
    x[1] = np.round(x[1])
    x[2] = 0
    x[2, 40] = -3.5
    x[3] *= 1e-6
    x[4] *= 1e4
    x[5] = np.abs(x[5])
    return x


def main():
    FOLDER.mkdir(exist_ok=True)
    rng = np.random.default_rng(1)
    writer = GGUFWriter(FOLDER / "blocks.gguf", "demotic-test")
    expected = {}
    x = numbers(rng)
    expected["numbers"] = x
    for kind, places in SCALES.items():
        size, in_bytes = GGML_QUANT_SIZES[kind]
        row = max(size, 64) // size
        blocks = rng.integers(0, 256, (2 * row, in_bytes), dtype=np.uint8)
        for place in places:
            scales = rng.standard_normal(2 * row).astype(np.float16) * np.float16(0.1)
            blocks[:, place : place + 2] = scales.reshape(-1, 1).view(np.uint8)
        blocks = blocks.reshape(2, row * in_bytes)
        writer.add_tensor(f"any.{kind.name}", blocks, raw_dtype=kind)
        expected[f"any.{kind.name}"] = dequantize(blocks, kind).astype(np.float32)
    for kind in MADE:
        blocks = quantize(x, kind)
        writer.add_tensor(f"made.{kind.name}", blocks, raw_dtype=kind)
        expected[f"made.{kind.name}"] = dequantize(blocks, kind).astype(np.float32)
    for name, dtype in [("f32", np.float32), ("f16", np.float16), ("f64", np.float64), ("i8", np.int8), ("i16", np.int16), ("i32", np.int32), ("i64", np.int64)]:
        values = (rng.standard_normal((3, 2, 5)) * 50).astype(dtype)
        writer.add_tensor(f"plain.{name}", values)
        expected[f"plain.{name}"] = values.astype(np.float64)
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -100)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4_000_000_000)
    writer.add_int32("test.i32", -2_000_000_000)
    writer.add_uint64("test.u64", 2**63 + 1)
    writer.add_int64("test.i64", -(2**62))
    writer.add_float32("test.f32", 0.1)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.text", "größer 🦜")
    writer.add_array("test.words", ["a", "", "ß"])
    writer.add_array("test.numbers", [1, -2, 3])
    writer.add_array("test.fractions", [0.5, -0.25])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for tensor in GGUFReader(FOLDER / "blocks.gguf").tensors:
        assert tensor.name in expected
    save_file({name: np.ascontiguousarray(value) for name, value in expected.items()}, FOLDER / "blocks.safetensors")


main()
