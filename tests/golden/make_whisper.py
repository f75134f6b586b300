"""Small random models of Whisper, as `transformers` publishes them, what it computes with them, and what it hears; and some sounds.

Each model is a folder in tests/golden/pretrained/whisper, with weights in 16 bits. `expected.json` has: logits at two places of two
targets, the loss, of the gradient of every parameter the sum, the norm, and the sum with weights cos(0), cos(1), cos(2) …, the encoder's
output at two places, and what `generate` writes of a window and of more than three of them, with and without times. Frames are waves that the
tests make themselves. `heard` has the frames of a sound, by `WhisperFeatureExtractor`. The folder tests/golden/sounds has WAV files in
every coding, written by SciPy and by Python's `wave`, and `expected.json` with what is in them, and with the same at other sample rates
by the formula of `Audio::resampled` in NumPy.

    pip install torch==2.15.0 transformers==5.24.0 scipy
    python tests/golden/make_whisper.py
"""

import json
import pathlib
import shutil
import wave

import numpy as np
import scipy.io.wavfile
import torch
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

HERE = pathlib.Path(__file__).resolve().parent
FOLDER, SOUNDS = HERE / "pretrained" / "whisper", HERE / "sounds"
BANDS, WINDOW = 12, 100
# 0 to 39 are text.
END, START, EN, DE, TRANSLATE, TRANSCRIBE, PREVIOUS, SILENT, NO_TIMES = range(40, 49)
VOCAB = NO_TIMES + 1 + 51
SIZES = dict(
    vocab_size=VOCAB, num_mel_bins=BANDS, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
    decoder_attention_heads=4, encoder_ffn_dim=20, decoder_ffn_dim=24, max_source_positions=WINDOW // 2, max_target_positions=24,
    pad_token_id=END, bos_token_id=END, eos_token_id=END, decoder_start_token_id=START,
)
TOKENS = dict(
    pad_token_id=END, bos_token_id=END, eos_token_id=END, decoder_start_token_id=START, is_multilingual=True,
    lang_to_id={"<|en|>": EN, "<|de|>": DE}, task_to_id={"translate": TRANSLATE, "transcribe": TRANSCRIBE},
    no_timestamps_token_id=NO_TIMES, suppress_tokens=[3, 7, START, EN, DE, TRANSLATE, TRANSCRIBE, PREVIOUS, SILENT],
    begin_suppress_tokens=[5, END], max_initial_timestamp_index=10, prev_sot_token_id=PREVIOUS, max_length=24,
)
MODELS = {
    "languages": dict(),
    "english": dict(encoder_layers=1, decoder_layers=1, activation_function="relu", encoder_attention_heads=4),
}


def digits(numbers):
    return [float(f"{float(number):.8g}") for number in numbers.flatten()]


def sums(g):
    g = g.flatten()
    return digits(torch.stack([g.sum(), g.norm(), (g * torch.cos(torch.arange(len(g), dtype=g.dtype))).sum()]))


def frames(count, row=0):
    band, time = np.arange(BANDS)[:, None], np.arange(count)[None]
    return torch.tensor(np.sin(0.37 * band + (0.11 + 0.013 * band) * time + row) + 0.5 * np.sin(0.003 * time * time), dtype=torch.float64)


def randomised(model):
    """Biases and norms are constants at first, which would hide a mistake. Weights are what 16 bits hold."""
    torch.manual_seed(4)
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale = 0.8 if "embed_tokens" in name or "embed_positions" in name and "decoder" in name else 0.3
            p.add_(torch.randn_like(p) * scale).copy_(p.half().float())
    return model


def written(model, count, **options):
    frames32 = frames(count)[None].float()
    with torch.no_grad():
        found = [model.generate(frames32, use_cache=cached, return_segments=True, **options) for cached in [True, False]]
    assert found[0]["sequences"].tolist() == found[1]["sequences"].tolist()
    segments = found[0]["segments"][0]
    return [{"tokens": s["tokens"].tolist(), "start": float(s["start"]), "end": float(s["end"])} for s in segments]


def expectations(model, name):
    model = model.eval()
    english = name == "english"
    asked = {} if english else dict(language="en", task="transcribe")
    texts = {
        "window": written(model, WINDOW, **asked),
        "times": written(model, WINDOW, return_timestamps=True, **asked),
        "long": written(model, 337, return_timestamps=True, **asked),
    }
    if not english:
        texts["found"] = written(model, WINDOW, task="transcribe")
        texts["german"] = written(model, 250, language="de", task="translate", return_timestamps=True)
        language = model.detect_language(frames(WINDOW)[None].float()).item()
    model = model.double()
    both = torch.stack([frames(WINDOW, row) for row in [0, 1]])
    generator = torch.Generator().manual_seed(9)
    target = torch.randint(0, VOCAB, (2, 9), generator=generator)
    logits = model(input_features=both, decoder_input_ids=target, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), target[:, 1:].flatten())
    loss.backward()
    grads = {key: sums(p.grad) for key, p in model.named_parameters() if key != "model.encoder.embed_positions.weight"}
    with torch.no_grad():
        hidden = model.model.encoder(both).last_hidden_state
    return {
        "target": target.tolist(), "logits": digits(logits[:, [3, -1], ::5]), "loss": loss.item(), "grads": grads,
        "hidden": digits(hidden[:, [0, 49]]), "texts": texts, "language": None if english else language,
    }


def tone(count, rate=16_000):
    t = np.arange(count) / rate
    return (0.4 * np.sin(2 * np.pi * (200 + 900 * t) * t) + 0.2 * np.sin(2 * np.pi * 3100 * t) * (t > 0.1)).astype(np.float32)


def heard():
    found = {}
    for bands, seconds, count in [(80, 30, 20_000), (128, 30, 20_000), (12, 1, 20_123), (12, 1, 9_000)]:
        extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=seconds)
        long = count > seconds * 16_000
        made = extractor(tone(count), sampling_rate=16_000, return_tensors="pt", **(dict(truncation=False, padding="longest") if long else {}))
        x = made.input_features[0].double()
        filters = torch.tensor(extractor.mel_filters.T)
        found[f"{bands}_{count}"] = {
            "shape": list(x.shape), "some": digits(x.flatten()[:: x.numel() // 97]), "sum": x.sum().item(),
            "filters": digits(filters.flatten()[:: filters.numel() // 61]),
        }
    return found


def resampled(x, source, target):
    divisor = np.gcd(source, target)
    step, phases = source // divisor, target // divisor
    cutoff = 0.95 * min(1.0, target / source)
    reach = 32 / cutoff
    out = []
    for n in range(-(-len(x) * phases // step)):
        place = n * step / phases
        k = np.arange(int(place) - int(reach) - 3, int(place) + int(reach) + 4)
        t = k - place
        w = np.where(np.abs(t) < reach, np.sinc(t * cutoff) * np.cos(np.pi * t / reach / 2) ** 2, 0.0)
        inside = (k >= 0) & (k < len(x))
        out.append(np.sum(w[inside] * x[k[inside]]) / w.sum())
    return np.array(out)


def sounds():
    shutil.rmtree(SOUNDS, ignore_errors=True)
    SOUNDS.mkdir()
    generator = np.random.default_rng(1)
    left = np.sin(np.arange(90) * 0.3) * 0.7
    both = np.stack([left, generator.uniform(-0.9, 0.9, 90)], 1)
    whole = np.round(both * 32_000).astype(np.int16)
    scipy.io.wavfile.write(SOUNDS / "i16.wav", 44_100, whole)
    scipy.io.wavfile.write(SOUNDS / "i32.wav", 8_000, np.round(both * 2e9).astype(np.int32))
    scipy.io.wavfile.write(SOUNDS / "u8.wav", 11_025, np.round(both * 100 + 128).astype(np.uint8))
    scipy.io.wavfile.write(SOUNDS / "f32.wav", 48_000, both.astype(np.float32))
    scipy.io.wavfile.write(SOUNDS / "f64.wav", 16_000, both)
    wide = np.round(left * 8e6).astype(np.int32)
    with wave.open(str(SOUNDS / "i24.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(3), file.setframerate(22_050)
        file.writeframes(b"".join(int(v).to_bytes(3, "little", signed=True) for v in wide))
    expected = {
        "i16": whole.mean(1) / 32_768, "i32": np.round(both * 2e9).mean(1) / 2**31, "u8": (np.round(both * 100 + 128) - 128).mean(1) / 128,
        "f32": both.astype(np.float32).astype(np.float64).mean(1), "f64": both.mean(1), "i24": wide / 2**23,
    }
    found = {name: {"samples": digits(torch.tensor(x))} for name, x in expected.items()}
    for name, source, target in [("i16", 44_100, 16_000), ("i32", 8_000, 16_000), ("i24", 22_050, 16_000), ("f64", 16_000, 11_025)]:
        found[name]["rate"], found[name]["other"] = target, digits(torch.tensor(resampled(expected[name].astype(np.float32), source, target)))
    (SOUNDS / "expected.json").write_text(json.dumps(found, separators=(",", ":")))


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    expected = {"heard": heard()}
    for name, options in MODELS.items():
        folder = FOLDER / name
        config = WhisperConfig(**(SIZES | options))
        config._attn_implementation = "eager"
        model = randomised(WhisperForConditionalGeneration(config))
        tokens = dict(TOKENS)
        if name == "english":
            for left in ["lang_to_id", "task_to_id"]:
                tokens.pop(left)
            tokens["is_multilingual"] = False
        model.generation_config = GenerationConfig(**tokens)
        model.half().save_pretrained(folder)
        model = WhisperForConditionalGeneration.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
        expected[name] = expectations(model, name)
    (FOLDER / "expected.json").write_text(json.dumps(expected, separators=(",", ":")))
    sounds()


if __name__ == "__main__":
    main()
