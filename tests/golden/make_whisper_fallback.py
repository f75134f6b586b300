"""What `transformers` writes with the models of make_whisper.py if it tries windows again or leaves them out: pretrained/whisper/fallback.json.

Each case has options and, for sounds of waves with another phase each, the stretches that are written; or, in its place, of which sounds
the first window is tried again, whose tokens are drawn then. Thresholds lie in the widest gap between what the windows have.

    pip install torch==2.15.0 transformers==5.24.0
    python tests/golden/make_whisper_fallback.py
"""

import json

import torch
from make_whisper import FOLDER, WINDOW, frames
from transformers import WhisperForConditionalGeneration

ROWS = 8
seen = []
judge = WhisperForConditionalGeneration._need_fallback


def need_fallback(self, tokens, outputs, index, processors, config, vocab, temperature):
    found = judge(self, tokens, outputs, index, processors, config, vocab, temperature)
    ratio = self._retrieve_compression_ratio(tokens, vocab)
    log_prob = self._retrieve_avg_logprobs(outputs[index]["scores"], tokens, temperature)
    silence = [p.no_speech_prob[index] for p in processors if hasattr(p, "no_speech_prob")]
    seen.append({"ratio": ratio, "log_prob": float(log_prob), "silence": float(silence[0]) if silence else None, "found": found})
    return found


WhisperForConditionalGeneration._need_fallback = need_fallback


def stretches(model, x, **options):
    seen.clear()
    with torch.no_grad():
        found = model.generate(x[None].float(), return_segments=True, return_timestamps=True, top_k=0, **options)["segments"][0]
    return [{"tokens": s["tokens"].tolist(), "start": float(s["start"]), "end": float(s["end"])} for s in found]


def gap(values):
    values = sorted(values)
    inner = range(len(values) // 4, len(values) - len(values) // 4)
    at = max(inner, key=lambda i: values[i] - values[i - 1])
    print(f"  {values[0]:.4f} .. {values[at - 1]:.4f} | {values[at]:.4f} .. {values[-1]:.4f}")
    return (values[at] + values[at - 1]) / 2


def main():
    torch.set_num_threads(1)
    cases = []
    for name in ["languages", "english"]:
        model = WhisperForConditionalGeneration.from_pretrained(FOLDER / name, attn_implementation="eager", dtype=torch.float32).eval()
        asked = {} if name == "english" else dict(language="en", task="transcribe")
        windows = [frames(WINDOW, row) for row in range(ROWS)]

        first = []
        for x in windows:
            stretches(model, x, temperature=(0.0,), logprob_threshold=-1e9, no_speech_threshold=2.0, **asked)
            first.append(seen[0])
        ratio, mean, silence = (gap([v[key] for v in first]) for key in ["ratio", "log_prob", "silence"])
        for options in [dict(logprob_threshold=mean), dict(logprob_threshold=-1e9, compression_ratio_threshold=ratio)]:
            again = []
            for x in windows:
                stretches(model, x, temperature=(0.0,), **options, **asked)
                again.append(seen[0]["found"][0])
            print(name, options, again)
            cases.append({"model": name, "frames": WINDOW, **options, "again": again})
        for options in [
            dict(logprob_threshold=1e9, no_speech_threshold=silence),
            dict(logprob_threshold=mean, no_speech_threshold=silence),
            dict(logprob_threshold=mean, no_speech_threshold=0.0),
        ]:
            texts = [stretches(model, x, temperature=(0.0,), **options, **asked) for x in windows]
            print(name, options, [len(text) for text in texts])
            cases.append({"model": name, "frames": WINDOW, **options, "texts": texts})
        options = dict(logprob_threshold=mean, no_speech_threshold=silence)
        cases.append({"model": name, "frames": 537, **options, "texts": [stretches(model, frames(537, row), temperature=(0.0,), **options, **asked) for row in range(3)]})
        print(name, "long", [len(t) for t in cases[-1]["texts"]])
    (FOLDER / "fallback.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    print((FOLDER / "fallback.json").stat().st_size)


if __name__ == "__main__":
    main()
